//! A store in a folder of its own, and the verbs of the stories.

#![expect(clippy::unwrap_used, reason = "a story ends where something unexpected happens")]

use std::time::Duration;

use headstay::domain::commit::{Commit, CommitId};
use headstay::domain::declaration::{Declaration, DeclaredBy};
use headstay::domain::delivery::Outcome as DeliveryOutcome;
use headstay::domain::health::HealthStatus;
use headstay::domain::inventory::{InventoryItem, Kept};
use headstay::domain::name::{ApplicationName, ClusterName, SyncId};
use headstay::domain::object::ObjectKey;
use headstay::domain::plan::Inputs;
use headstay::domain::sync::{
    Action, BlockedPlan, ObjectResult, SyncOptions, SyncRequest, SyncState, Trigger,
};
use headstay::store::{
    ApplicationChange, ApplyStart, Claim, ClaimKey, NewDelivery, Outcome, Step, Store,
};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;

pub(crate) const LEASE: Duration = Duration::from_mins(1);

pub(crate) struct World {
    pub(crate) store: Store,
    folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open(&folder.path().join("var/headstay.db")).await.unwrap();
        Self { store, folder }
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("var/headstay.db")
    }

    /// The process ends and begins again.
    pub(crate) async fn reopen(self) -> Self {
        let Self { store, folder } = self;
        store.close().await;
        drop(store);
        let store = Store::open(&folder.path().join("var/headstay.db")).await.unwrap();
        Self { store, folder }
    }

    /// Changes the file behind the back of the store.
    pub(crate) async fn tamper(&self, statement: &'static str) {
        let options = SqliteConnectOptions::new().filename(self.path());
        let mut file = options.connect().await.unwrap();
        assert!(sqlx::query(statement).execute(&mut file).await.unwrap().rows_affected() > 0);
    }

    /// The configuration keeps these applications on these clusters, and no others.
    pub(crate) async fn configure(&self, applications: &[(&str, &str)]) {
        self.store.configure(&declaration(applications), "headstay").await.unwrap();
    }

    /// What an application owns on a cluster.
    pub(crate) async fn inventory(&self, application: &str, on: &str) -> Vec<InventoryItem> {
        self.store.inventory(&name(application), &cluster(on)).await.unwrap()
    }

    pub(crate) async fn enqueue(&self, application: &str, trigger: Trigger) -> SyncId {
        self.store.enqueue(request(application, trigger)).await.unwrap().id
    }

    pub(crate) async fn claim(&self) -> Option<Claim> {
        self.store.claim(LEASE).await.unwrap()
    }

    /// Takes the next sync and ends it so.
    pub(crate) async fn run(&self, outcome: Outcome) -> SyncId {
        let key = self.claim().await.expect("a sync is due").key;
        assert!(self.store.finish(key, outcome).await.unwrap());
        key.sync
    }

    pub(crate) async fn begin_apply(&self, key: ClaimKey, intended: Vec<InventoryItem>) -> bool {
        let cluster = cluster("main");
        let start = ApplyStart { commit: commit('a'), rewind: false, cluster, intended };
        self.store.begin_apply(key, start).await.unwrap()
    }

    pub(crate) async fn state(&self, id: SyncId) -> SyncState {
        self.store.sync(id).await.unwrap().expect("the sync is stored").state
    }
}

pub(crate) fn name(application: &str) -> ApplicationName {
    application.parse().unwrap()
}

pub(crate) fn cluster(name: &str) -> ClusterName {
    name.parse().unwrap()
}

/// What the configuration declares: applications, and the cluster of each.
pub(crate) fn declaration(applications: &[(&str, &str)]) -> Declaration {
    let applications = applications.iter().map(|(one, on)| (name(one), cluster(on))).collect();
    Declaration { by: DeclaredBy::Configuration, applications }
}

pub(crate) fn request(application: &str, trigger: Trigger) -> SyncRequest {
    SyncRequest {
        application: name(application),
        trigger,
        actor: Some(format!("by {}", trigger.as_str())),
        options: SyncOptions::default(),
    }
}

pub(crate) fn commit_id(digit: char) -> CommitId {
    digit.to_string().repeat(40).parse().unwrap()
}

pub(crate) fn commit(digit: char) -> Commit {
    Commit {
        id: commit_id(digit),
        author: "Ada <ada@example.org>".into(),
        message: "Say \"hello\"\u{0} to 🦀".into(),
        committed_at: "2026-01-02T03:04:05.000000006Z".parse().unwrap(),
    }
}

pub(crate) fn delivery(host_id: &str) -> NewDelivery {
    NewDelivery {
        receiver: "github".parse().unwrap(),
        host_id: Some(host_id.into()),
        event: "push".into(),
        received_at: "2026-01-02T03:04:05.000006Z".parse().unwrap(),
        repository: Some("https://example.org/fleet.git".into()),
        refs: Vec::new(),
        pusher: Some("ada".into()),
        body_bytes: 12,
        outcome: DeliveryOutcome::Accepted,
        reason: None,
    }
}

pub(crate) fn key(object: &str) -> ObjectKey {
    let namespace = (object != "cluster-wide").then(|| "shop".to_owned());
    ObjectKey { group: "apps".into(), kind: "Deployment".into(), namespace, name: object.into() }
}

pub(crate) fn item(object: &str, digit: char) -> InventoryItem {
    InventoryItem {
        object: key(object),
        version: "v1".into(),
        hash: Some("f".repeat(64)),
        commit: commit_id(digit),
        uid: Some("u-1".into()),
        resource_version: Some("42".into()),
        generation: Some(7),
        health: HealthStatus::Progressing,
        health_reason: Some("1 of 2 replicas".into()),
        kept: Some(Kept::ByAnnotation),
        prune_disabled: true,
    }
}

/// What a commit means for an application whose render is made from this.
pub(crate) fn inputs(footprint: &str) -> Inputs {
    Inputs::before_the_render(&["shop"]).made_from(footprint.into())
}

pub(crate) fn result(object: &str, action: Action) -> ObjectResult {
    ObjectResult { object: key(object), action, fields: vec!["/spec".into()], message: None }
}

pub(crate) fn plan(hash: &str) -> BlockedPlan {
    BlockedPlan { hash: hash.into(), reason: "too much".into(), prune: vec![key("web")] }
}

/// An outcome in which nothing was found out, on the cluster `main`.
pub(crate) fn outcome(state: SyncState) -> Outcome {
    Outcome {
        state,
        step: Step::Start,
        commit: None,
        rewind: false,
        inputs: None,
        render: None,
        next_attempt_at: None,
        deadline: None,
        applied_at: None,
        waiting_for: Vec::new(),
        phases: Vec::new(),
        error: None,
        plan: None,
        unchanged: 0,
        results: Vec::new(),
        application: ApplicationChange::default(),
        cluster: Some(cluster("main")),
        applied: Vec::new(),
        forget: Vec::new(),
        discard_if_quiet: false,
    }
}
