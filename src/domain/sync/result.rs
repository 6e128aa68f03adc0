//! What becomes of a sync and of each object in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::health::HealthStatus;
use crate::domain::object::ObjectKey;

/// What was done (or in a dry run would be) to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It was not there.
    Created,
    /// It was there and differed.
    Configured,
    /// It was as wanted.
    Unchanged,
    /// It was deleted, because Git no longer names it.
    Pruned,
    /// It could not be done; the error says why.
    Failed,
    /// It was left alone; the reason says why.
    Skipped,
}

impl Action {
    /// Whether it changed the cluster.
    pub fn is_change(self) -> bool {
        matches!(self, Self::Created | Self::Configured | Self::Pruned)
    }
}

/// What became of one object in a sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectResult {
    /// The object.
    #[serde(flatten)]
    pub object: ObjectKey,
    /// What was done.
    pub action: Action,
    /// The fields that changed, as JSON pointers. Never a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Why it failed or was skipped, or what the API server warned of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// An object that a sync waits for, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitingFor {
    /// The object.
    #[serde(flatten)]
    pub object: ObjectKey,
    /// Its health.
    pub health: HealthStatus,
    /// Why it is not healthy, as far as the cluster says.
    pub reason: String,
}

impl WaitingFor {
    /// Most objects that are named; the others are counted.
    pub const NAMED_MAX: usize = 50;

    /// The first of all that a sync waits for, and how many more there are.
    pub fn named(all: &[Self]) -> (&[Self], u32) {
        let (named, more) = all.split_at(all.len().min(Self::NAMED_MAX));
        (named, u32::try_from(more.len()).unwrap_or(u32::MAX))
    }
}

/// The plan of a sync that waits for a person's yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockedPlan {
    /// Names exactly this plan: an approval holds for no other.
    pub hash: String,
    /// Which limit it is beyond.
    pub reason: String,
    /// What it would prune.
    pub prune: Vec<ObjectKey>,
}

/// How many objects each action was done to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "SyncSummary")]
pub struct Summary {
    /// Objects that were not there.
    pub created: u32,
    /// Objects that differed.
    pub configured: u32,
    /// Objects that were as wanted; these are counted and never listed.
    pub unchanged: u32,
    /// Objects that were deleted.
    pub pruned: u32,
    /// Objects that could not be written.
    pub failed: u32,
    /// Objects that were left alone.
    pub skipped: u32,
}

impl Summary {
    /// Counts results.
    pub fn of<'a>(results: impl IntoIterator<Item = &'a ObjectResult>) -> Self {
        let mut summary = Self::default();
        for result in results {
            *match result.action {
                Action::Created => &mut summary.created,
                Action::Configured => &mut summary.configured,
                Action::Unchanged => &mut summary.unchanged,
                Action::Pruned => &mut summary.pruned,
                Action::Failed => &mut summary.failed,
                Action::Skipped => &mut summary.skipped,
            } += 1;
        }
        summary
    }
}
