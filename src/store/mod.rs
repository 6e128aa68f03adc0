//! What must outlive the process, in one SQLite file.
//!
//! # What is stored, and why
//!
//! - **deliveries**: a webhook is answered once its row is durable, so that no push is lost.
//! - **syncs**: the queue and the history are one table. The row is the truth; whoever rings a bell
//!   about it may fail. A worker holds a sync by a lease with a fence: each claim raises the fence,
//!   and what an earlier holder still writes is refused.
//! - **inventory**: what each application owns, by cluster. Rows are written *before* the first
//!   object is, so that a crash leaves no object that no inventory knows of.
//! - **installation**: the id by which others can tell what this installation applied.
//! - **applications**: wanted, applied and healthy commit, health, and the timer's next look.
//! - **renders**: from what an application's files were last rendered, and what they name.
//!
//! Desired state is not stored: it is in Git, and the mirrors have it. Live state is not stored
//! either, apart from the last seen health: the cluster has it. No secret is ever stored.
//!
//! # How
//!
//! One connection writes, a few read (WAL). A commit is on the disk before a promise is made
//! (`synchronous=FULL`). Deliveries and requests that come together share a transaction, see
//! `writer`. No transaction is open while anything else than SQL is awaited. Lists travel to SQLite
//! as one JSON text, which keeps the number of statements small and their text constant.
//!
//! A lock of the operating system on `<file>.lock` proves that no other process uses the store.

mod applications;
mod claims;
mod coalesce;
mod decisions;
mod deliveries;
pub mod departed;
pub mod error;
pub mod events;
mod finish;
mod inventory;
mod open;
mod renders;
mod retention;
mod rows;
mod syncs;
mod waiting;
mod writable;
mod writer;

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;
use tokio::sync::{Mutex, broadcast};
use tokio::task::JoinHandle;

use crate::domain::commit::{Commit, CommitId};
use crate::domain::delivery::{self, RefUpdate};
use crate::domain::footprint::Render;
use crate::domain::health::HealthStatus;
use crate::domain::inventory::InventoryItem;
use crate::domain::name::{ApplicationName, ClusterName, InstallationId, ReceiverName, SyncId};
use crate::domain::object::ObjectKey;
use crate::domain::plan::Inputs;
use crate::domain::sync::{
    BlockedPlan, Failure, ObjectResult, PhaseDuration, Sync, SyncState, Trigger, WaitingFor,
};
use crate::store::events::{Bell, Change, Event, Writer};
use crate::store::writable::Writable;
use crate::store::writer::Arrivals;

pub use crate::store::renders::KeptRender;

/// The store. Clones share one file.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    writer: Writer,
    readers: SqlitePool,
    arrivals: Arrivals,
    writable: Writable,
    installation: InstallationId,
    /// The task that writes what arrives; none once the store is closed.
    task: Mutex<Option<JoinHandle<()>>>,
    /// Held, not used: it is unlocked when it is dropped.
    _lock: File,
}

impl Store {
    /// The time, as exactly as the store keeps it.
    pub fn now(&self) -> Timestamp {
        now()
    }

    /// Begins to write: waits for the one writing connection. What is dropped without a commit
    /// never happened.
    async fn begin(&self) -> Result<Change, sqlx::Error> {
        self.0.writer.begin().await
    }

    /// The connection that writes, for a single statement that changes no state.
    fn writer(&self) -> &SqlitePool {
        &self.0.writer.pool
    }

    /// Every change of state from now on, told once it is durable. A listener that is late by more than a
    /// thousand is told how many it missed.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.0.writer.events.subscribe()
    }

    /// Rings when a sync may have become one that can be claimed.
    pub fn work_bell(&self) -> &Bell {
        self.0.writer.events.work()
    }

    /// Rings when a sync may have begun to wait for health.
    pub fn waits_bell(&self) -> &Bell {
        self.0.writer.events.waits()
    }

    fn readers(&self) -> &SqlitePool {
        &self.0.readers
    }
}

/// The time in whole microseconds.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// A delivery that is not stored yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of `Delivery`, which says what they mean")]
pub struct NewDelivery {
    pub receiver: ReceiverName,
    pub host_id: Option<String>,
    pub event: String,
    pub received_at: Timestamp,
    pub repository: Option<String>,
    pub refs: Vec<RefUpdate>,
    pub pusher: Option<String>,
    pub body_bytes: u64,
    pub outcome: delivery::Outcome,
    pub reason: Option<String>,
}

/// The sync that serves a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enqueued {
    /// The sync.
    pub id: SyncId,
    /// Whether it was queued before.
    pub coalesced: bool,
}

/// Which syncs may be claimed; by default all that are due.
#[derive(Debug, Clone, Copy, Default)]
pub struct Claimable<'a> {
    /// None of one of these applications.
    pub beside: &'a [ApplicationName],
    /// Only dry runs, which write nothing.
    pub dry_runs_only: bool,
}

/// A sync that a worker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Proves the hold in every later call.
    pub key: ClaimKey,
    /// The sync as of the claim.
    pub sync: Sync,
    /// Where to begin.
    pub step: Step,
    /// How long it was due before it was claimed.
    pub waited: Duration,
    /// The hold ends then, unless it is renewed.
    pub lease_until: Timestamp,
}

/// Proves that a worker holds a sync. It proves nothing any more once another claim was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimKey {
    /// The sync.
    pub sync: SyncId,
    /// The number of the claim.
    pub fence: i64,
}

/// A claim that was renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The hold ends then, unless it is renewed again.
    pub lease_until: Timestamp,
    /// Whether a person wants the sync to stop.
    pub cancel_requested: bool,
}

/// Where a claimed sync begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum Step {
    /// With the fetch.
    Start,
    /// With the prune: all is applied and healthy.
    Prune,
}

/// An application whose inventory names an object that it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The object.
    pub object: ObjectKey,
    /// The application.
    pub application: ApplicationName,
    /// Whether it holds the object; else it only intends to.
    pub applied: bool,
}

/// Where objects of an inventory are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dwelling<'a> {
    /// In a namespace.
    Namespace(&'a str),
    /// In an API group.
    Group(&'a str),
}

/// What is made known right before the first write to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyStart {
    /// The commit that is applied.
    pub commit: Commit,
    /// Whether it does not contain the commit that was applied before.
    pub rewind: bool,
    /// The cluster that is written to.
    pub cluster: ClusterName,
    /// Every object that is about to be written.
    pub intended: Vec<InventoryItem>,
}

/// How a claim ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The new state; never `Running`.
    pub state: SyncState,
    /// Where the next claim begins, if there is one.
    pub step: Step,
    /// The commit; none leaves what is known.
    pub commit: Option<Commit>,
    /// Goes with `commit`.
    pub rewind: bool,
    /// What the commit means for the application; none leaves what is known.
    pub inputs: Option<Inputs>,
    /// What is to be kept of its render; none: it was not rendered.
    pub render: Option<Render>,
    /// When a `Retrying` (or `Queued`) sync may be claimed; none: at once.
    pub next_attempt_at: Option<Timestamp>,
    /// Until when a `Waiting` sync waits.
    pub deadline: Option<Timestamp>,
    /// When all objects were written; none leaves what is known.
    pub applied_at: Option<Timestamp>,
    /// What a `Waiting` sync waits for.
    pub waiting_for: Vec<WaitingFor>,
    /// The phases of this claim. Those of earlier claims stay when this one began with the prune.
    pub phases: Vec<PhaseDuration>,
    /// Why it failed.
    pub error: Option<Failure>,
    /// What a `Blocked` sync would do.
    pub plan: Option<BlockedPlan>,
    /// What became of each object. Those of earlier claims stay, for other objects than these,
    /// when this one began with the prune.
    pub results: Vec<ObjectResult>,
    /// How many objects needed nothing; they are counted, not listed.
    pub unchanged: u32,
    /// What changes for the application.
    pub application: ApplicationChange,
    /// The cluster that it was about; none: it ended before that was known, and no inventory
    /// changes.
    pub cluster: Option<ClusterName>,
    /// Enters the inventory, or replaces what is there.
    pub applied: Vec<InventoryItem>,
    /// Leaves the inventory.
    pub forget: Vec<ObjectKey>,
    /// Delete the sync instead, if nobody but the timer or the start of the process asked for it.
    pub discard_if_quiet: bool,
}

/// What changes for an application; what is none stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApplicationChange {
    /// The commit that its revision points to.
    pub wanted: Option<Commit>,
    /// A complete apply: its commit, when it was, and what it was made from.
    pub applied: Option<(Commit, Timestamp, Inputs)>,
    /// Whether objects were written for it. If not, the time of the last apply stays.
    pub wrote: bool,
    /// The commit that reached health.
    pub healthy: Option<CommitId>,
    /// The worst health of its objects.
    pub health: Option<HealthStatus>,
    /// When Git and the cluster were compared in full.
    pub checked_at: Option<Timestamp>,
    /// The settings by which all objects were compared.
    pub settings: Option<String>,
    /// The commit that its configured revision leads to, where the sync has looked.
    pub followed: Option<CommitId>,
    /// Forget what the last complete apply was made from, so that the next sync skips nothing.
    /// Wins over `applied`.
    pub revoke_inputs: bool,
}

/// How the wait for health ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitingEnd {
    /// All is healthy, and nothing is left to do.
    Healthy {
        /// The commit that is healthy.
        commit: CommitId,
        /// Phases to add.
        phases: Vec<PhaseDuration>,
    },
    /// All is healthy; the prune is due.
    PruneNext {
        /// Phases to add.
        phases: Vec<PhaseDuration>,
    },
    /// Health did not come in time, or never will.
    Failed {
        /// Why.
        failure: Failure,
        /// Phases to add.
        phases: Vec<PhaseDuration>,
    },
    /// Nobody is interested in its health any more.
    Cancelled {
        /// Why.
        failure: Failure,
        /// Phases to add.
        phases: Vec<PhaseDuration>,
    },
}

/// What became of a person's yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// The sync is queued, and may do what its plan shows.
    Approved,
    /// Its plan is not the one that was seen: it is this.
    AnotherPlan(BlockedPlan),
    /// There is nothing to approve.
    NotBlocked(SyncState),
    /// There is no such sync.
    NotFound,
}

/// What became of a person's request to stop a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancellation {
    /// It is stopped.
    Cancelled,
    /// It is running, and stops at the next object.
    Requested,
    /// It had ended before.
    Ended(SyncState),
    /// There is no such sync.
    NotFound,
}

/// Which syncs to list; none: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncFilter {
    /// Of this application.
    pub application: Option<ApplicationName>,
    /// In this state.
    pub state: Option<SyncState>,
    /// That this asked for.
    pub trigger: Option<Trigger>,
    /// To this commit.
    pub commit: Option<CommitId>,
    /// No dry runs.
    pub real: bool,
}

/// Which part of a list to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The `next` of the part before; none: from the newest on.
    pub cursor: Option<String>,
    /// How many items; held within 1 and [`Page::LIMIT_MAX`].
    pub limit: u32,
}

impl Page {
    /// Items in one page at most.
    pub const LIMIT_MAX: u32 = 500;
}

/// A part of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub struct Paged<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next part; null: there is none.
    pub next: Option<String>,
}

/// How many syncs have not ended, by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct QueueDepth {
    /// Syncs that wait for a worker.
    pub queued: u64,
    /// Syncs that a worker has.
    pub running: u64,
    /// Syncs that wait for health.
    pub waiting: u64,
    /// Syncs of which an attempt failed and another follows.
    pub retrying: u64,
    /// Syncs that wait for a person's yes.
    pub blocked: u64,
}

/// How much history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Syncs of one application.
    pub syncs_per_application: u32,
    /// Syncs that ended, deliveries that came, and objects that were left behind before this go.
    pub older_than: Timestamp,
}

/// How much history has gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// Syncs.
    pub syncs: u64,
    /// Deliveries.
    pub deliveries: u64,
    /// Objects of inventories that were left behind.
    pub left_behind: u64,
}
