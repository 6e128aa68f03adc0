//! The process, without its tasks: what the runtime wires, and what the worker does with one claim.

use std::path::{Path, PathBuf};

use headstay::config::read::load;
use headstay::domain::delivery::{Event, Push, RefKind, RefUpdate};
use headstay::domain::sync::SyncState;
use headstay::store::{Claim, NewDelivery, Outcome, Store};
use headstay::sync::context::Context;
use headstay::sync::lease::LEASE;
use headstay::trigger::webhook;
use headstay::{observe, runtime};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::git::Branch;

/// One life of the process.
pub struct Engine {
    pub context: Context,
    folder: PathBuf,
    observer: JoinHandle<()>,
}

impl Engine {
    /// Starts the process with the configuration of the folder.
    pub async fn start(folder: &Path) -> Self {
        let config = load(&folder.join("headstay.yaml")).unwrap();
        let store = Store::open(&config.store.sqlite).await.unwrap();
        store.recover().await.unwrap();
        let context = runtime::assemble(config, store);
        runtime::begin(&context).await.unwrap();
        let observer = observe::observe(context.clone(), CancellationToken::new());
        let observer = tokio::spawn(observer);
        Self { context, folder: folder.to_owned(), observer }
    }

    /// The process is no more. What it wrote is on the disk.
    pub async fn end(self) {
        self.observer.abort();
        // It was aborted, and says so.
        let _ = self.observer.await;
        self.context.store.close().await;
    }

    /// Reads the configuration again.
    pub async fn reload(&self) {
        let config = load(&self.folder.join("headstay.yaml")).unwrap();
        runtime::replace(&self.context, config, &CancellationToken::new()).await;
    }

    /// Takes what a host says of a push.
    pub async fn deliver(&self, branch: Branch) {
        let config = self.context.config.load();
        let refs = vec![RefUpdate {
            kind: RefKind::Branch,
            name: branch.name().to_owned(),
            before: None,
            after: None,
            deleted: false,
        }];
        let url = self.folder.join("fleet.git").display().to_string();
        let (pusher, full_name) = (Some("eve".to_owned()), None);
        let push = Push {
            urls: vec![url.clone()],
            full_name,
            refs: refs.clone(),
            further_refs: 0,
            pusher,
        };
        let decided = webhook::decide(&config, &Event::Push(push));
        let delivery = NewDelivery {
            receiver: "host".parse().unwrap(),
            host_id: None,
            event: "push".to_owned(),
            received_at: self.context.store.now(),
            repository: Some(url),
            refs,
            pusher: None,
            body_bytes: 1,
            outcome: decided.outcome,
            reason: decided.reason,
        };
        self.context.store.accept(delivery, decided.requests).await.unwrap();
    }

    /// Takes the sync that is due.
    pub async fn claim(&self) -> Option<Claim> {
        self.context.store.claim(LEASE).await.unwrap()
    }

    /// Records what became of a claim.
    pub async fn settle(&self, claim: &Claim, outcome: Outcome) {
        let waits = outcome.state == SyncState::Waiting;
        self.context.store.finish(claim.key, outcome).await.unwrap();
        if waits {
            self.context.store.waits_bell().ring();
        }
    }

    /// Has the observer look, for as long as it has something to say.
    pub async fn observe(&self, clock: &Clock) {
        let mut waiting = self.waiting().await;
        let mut idle = 0;
        // A watch that was refused is tried again after some seconds.
        while waiting > 0 && idle < 30 {
            clock.pause().await;
            clock.pass_long().await;
            let now = self.waiting().await;
            idle = if now == waiting { idle + 1 } else { 0 };
            waiting = now;
        }
    }

    async fn waiting(&self) -> usize {
        self.context.store.waiting().await.unwrap().len()
    }

    /// A number that grows with each call to the cluster.
    pub fn calls(&self) -> u64 {
        let config = self.context.config.load();
        let known = config.clusters.values().filter_map(|one| self.context.clusters.known(one));
        let calls = known.map(|connection| connection.cluster.calls());
        calls.map(|calls| calls.reads + calls.dry_runs + calls.writes).sum()
    }

    /// Moves times in the store, as if the clock of the machine had moved.
    pub async fn tamper(&self, statement: &'static str) {
        let mut file: SqliteConnection = SqliteConnectOptions::new()
            .filename(self.folder.join("headstay.db"))
            .connect()
            .await
            .unwrap();
        sqlx::query(statement).execute(&mut file).await.unwrap();
        sqlx::Connection::close(file).await.unwrap();
    }
}
