//! Every change of state leaves its transaction as an event, once the transaction is on the disk.
//!
//! SQLite itself writes the events down, in a table that only the writing connection has, by triggers that
//! fire whichever statement makes the change: a statement that is added later cannot forget to tell.
//! They are handed on within this process and kept nowhere; whoever was not listening, or too slow,
//! reads the store.

use std::ops::{Deref, DerefMut};

use sqlx::sqlite::SqliteRow;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};
use tokio::sync::{broadcast, watch};

use crate::domain::name::{ApplicationName, SyncId};
use crate::domain::sync::SyncState;
use crate::store::rows::{from_word_or_none, parsed, parsed_or_none};

/// Events that a listener may be late by before it misses some.
const LATE_MAX: usize = 1024;

/// Something that has changed. Events of different transactions may overtake each other, so an event says
/// where to look; what is there now is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A sync was asked for, got another state or another time at which it may be claimed, or is no more
    /// before it ended.
    Sync {
        /// The sync.
        id: SyncId,
        /// Its application.
        application: ApplicationName,
        /// Its state; none: it is no more.
        state: Option<SyncState>,
    },
    /// What is known of an application has changed: its cluster, its health, or which commit is wanted,
    /// applied or healthy.
    Application {
        /// The application.
        name: ApplicationName,
    },
}

/// Hands events on. Cheap to clone.
#[derive(Clone)]
pub(super) struct Events {
    all: broadcast::Sender<Event>,
    work: Bell,
    waits: Bell,
}

/// Wakes who listens, and holds nothing: many rings at once are one. Cheap to clone.
#[derive(Clone)]
pub struct Bell(watch::Sender<u64>);

impl Bell {
    fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// Wakes all who listen.
    pub fn ring(&self) {
        self.0.send_modify(|rung| *rung = rung.wrapping_add(1));
    }

    /// Listens. Do so before looking for what it is about, or a ring in between is missed.
    pub fn listen(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

impl Events {
    pub(super) fn new() -> Self {
        let all = broadcast::Sender::new(LATE_MAX);
        Self { all, work: Bell::new(), waits: Bell::new() }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.all.subscribe()
    }

    /// Rings when a sync may have become one that can be claimed.
    pub(super) fn work(&self) -> &Bell {
        &self.work
    }

    /// Rings when a sync may have begun to wait for health.
    pub(super) fn waits(&self) -> &Bell {
        &self.waits
    }

    fn publish(&self, events: Vec<Event>) {
        let states = || {
            events.iter().filter_map(|event| match event {
                Event::Sync { state, .. } => Some(*state),
                Event::Application { .. } => None,
            })
        };
        // One that ends lets the next one of its application be claimed.
        if states().any(|state| state != Some(SyncState::Running)) {
            self.work.ring();
        }
        if states().any(|state| state == Some(SyncState::Waiting)) {
            self.waits.ring();
        }
        for event in events {
            // Nobody need listen.
            let _ = self.all.send(event);
        }
    }
}

/// The one connection that writes, and where what it has changed is told. Cheap to clone.
#[derive(Clone)]
pub(super) struct Writer {
    pub(super) pool: SqlitePool,
    pub(super) events: Events,
}

impl Writer {
    /// Begins to write: waits for the connection. What is dropped without a commit never happened.
    pub(super) async fn begin(&self) -> Result<Change, sqlx::Error> {
        let transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Change { transaction, events: self.events.clone() })
    }
}

/// A transaction that writes.
pub(super) struct Change {
    transaction: Transaction<'static, Sqlite>,
    events: Events,
}

impl Change {
    /// Makes it durable, then tells of it.
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        let rows = sqlx::query(NEW).fetch_all(&mut *self.transaction).await?;
        // A row of a sync that cannot be read is found when it is claimed.
        let events = rows.iter().filter_map(|row| event(row).ok()).collect();
        if !rows.is_empty() {
            sqlx::query(CLEAR).execute(&mut *self.transaction).await?;
        }
        self.transaction.commit().await?;
        self.events.publish(events);
        Ok(())
    }
}

impl Deref for Change {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.transaction
    }
}

impl DerefMut for Change {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }
}

fn event(row: &SqliteRow) -> Result<Event, sqlx::Error> {
    let application = parsed(row, "application")?;
    Ok(match parsed_or_none(row, "sync")? {
        Some(id) => Event::Sync { id, application, state: from_word_or_none(row, "state")? },
        None => Event::Application { name: application },
    })
}

/// Makes a connection write events down. They go with the connection, and with a transaction that is
/// rolled back.
pub(super) async fn note_changes(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(NOTE_CHANGES).execute(connection).await.map(drop)
}

const NEW: &str = "SELECT sync, application, state FROM temp.events ORDER BY number";
const CLEAR: &str = "DELETE FROM temp.events";

const NOTE_CHANGES: &str = "
CREATE TEMP TABLE events (
    number      INTEGER PRIMARY KEY,
    sync        TEXT,
    application TEXT NOT NULL,
    state       TEXT
) STRICT;
CREATE TEMP TRIGGER sync_asked AFTER INSERT ON main.syncs
BEGIN
    INSERT INTO events (sync, application, state) VALUES (NEW.id, NEW.application, NEW.state);
END;
CREATE TEMP TRIGGER sync_changed AFTER UPDATE OF state, due_at ON main.syncs
WHEN NEW.state IS NOT OLD.state OR NEW.due_at IS NOT OLD.due_at
BEGIN
    INSERT INTO events (sync, application, state) VALUES (NEW.id, NEW.application, NEW.state);
END;
CREATE TEMP TRIGGER sync_gone AFTER DELETE ON main.syncs
WHEN OLD.ended_at IS NULL
BEGIN
    INSERT INTO events (sync, application) VALUES (OLD.id, OLD.application);
END;
CREATE TEMP TRIGGER application_known AFTER INSERT ON main.applications
BEGIN
    INSERT INTO events (application) VALUES (NEW.name);
END;
CREATE TEMP TRIGGER application_changed
AFTER UPDATE OF cluster, wanted, applied, healthy, health ON main.applications
WHEN NEW.cluster IS NOT OLD.cluster OR NEW.wanted IS NOT OLD.wanted OR NEW.applied IS NOT OLD.applied
  OR NEW.healthy IS NOT OLD.healthy OR NEW.health IS NOT OLD.health
BEGIN
    INSERT INTO events (application) VALUES (NEW.name);
END;";
