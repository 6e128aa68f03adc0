//! What commands read of the answers of the API. Only what is shown or decided by is named here, and all
//! of that has to be there; words are texts, so that a server that is newer may have new ones.

use serde::Deserialize;
use serde_json::Value;

use crate::domain::name::SyncId;
use crate::domain::object::ObjectKey;

/// `GET /api/v1/status`
#[derive(Deserialize)]
pub(super) struct Status {
    pub(super) suspended: bool,
    pub(super) configuration: Configuration,
    pub(super) store: Store,
    /// Earlier versions do not tell it.
    #[serde(default)]
    pub(super) departed: Vec<Departed>,
    pub(super) applications: Vec<Application>,
}

/// Objects that stay where an application was that has left the configuration.
#[derive(Deserialize)]
pub(super) struct Departed {
    pub(super) application: String,
    pub(super) cluster: String,
    pub(super) objects: u64,
}

/// Whether the configuration file is what is worked by.
#[derive(Deserialize)]
pub(super) struct Configuration {
    pub(super) error: Option<String>,
}

/// Whether the store takes what has to be durable.
#[derive(Deserialize)]
pub(super) struct Store {
    pub(super) writable: bool,
    pub(super) error: Option<String>,
}

/// An application, in the status and for itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Application {
    pub(super) name: String,
    pub(super) revision: String,
    pub(super) sync_state: String,
    pub(super) health: String,
    pub(super) applied: Option<Commit>,
    pub(super) last_sync: Option<LastSync>,
    pub(super) conditions: Vec<Condition>,
}

/// The last sync of an application.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LastSync {
    pub(super) queued_at: String,
}

/// Something that a person should know.
#[derive(Deserialize)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) message: String,
}

/// A commit.
#[derive(Deserialize)]
pub(super) struct Commit {
    pub(super) id: String,
    pub(super) message: String,
}

/// `GET /api/v1/syncs`
#[derive(Deserialize)]
pub(super) struct Syncs {
    pub(super) items: Vec<Sync>,
}

/// A sync, in the history and for itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sync {
    pub(super) id: SyncId,
    pub(super) application: String,
    pub(super) state: String,
    pub(super) trigger: String,
    pub(super) options: Options,
    pub(super) queued_at: String,
    pub(super) attempt: u32,
    pub(super) next_attempt_at: Option<String>,
    pub(super) commit: Option<Commit>,
    pub(super) summary: Summary,
    pub(super) error: Option<Failure>,
    /// Only where the sync is asked for by its id.
    #[serde(default)]
    pub(super) objects: Vec<ObjectResult>,
}

/// What was asked for beyond the configuration.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Options {
    pub(super) dry_run: bool,
}

/// How many objects each action was done to.
#[derive(Deserialize)]
pub(super) struct Summary {
    pub(super) created: u32,
    pub(super) configured: u32,
    pub(super) pruned: u32,
    pub(super) failed: u32,
}

/// Why a sync failed.
#[derive(Deserialize)]
pub(super) struct Failure {
    pub(super) message: String,
}

/// What became of one object.
#[derive(Deserialize)]
pub(super) struct ObjectResult {
    #[serde(flatten)]
    pub(super) object: ObjectKey,
    pub(super) action: String,
    pub(super) message: Option<String>,
}

/// `GET /api/v1/applications/{name}/diff`
#[derive(Deserialize)]
pub(super) struct Diff {
    pub(super) same: bool,
    pub(super) objects: Vec<ObjectDiff>,
}

/// What a sync would change of one object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ObjectDiff {
    pub(super) object: ObjectKey,
    pub(super) action: String,
    #[serde(default)]
    pub(super) fields: Vec<FieldChange>,
    /// How many fields more there are.
    #[serde(default)]
    pub(super) more_fields: u32,
    pub(super) message: Option<String>,
}

/// One field that differs.
#[derive(Deserialize)]
pub(super) struct FieldChange {
    pub(super) path: String,
    pub(super) from: Value,
    pub(super) to: Value,
}

/// An error of the API.
#[derive(Deserialize)]
pub(super) struct Problem {
    pub(super) detail: String,
}
