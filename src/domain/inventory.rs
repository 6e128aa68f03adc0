//! What an application owns on its cluster, and what is known of the application as a whole.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::commit::{Commit, CommitId};
use crate::domain::health::HealthStatus;
use crate::domain::name::{ApplicationName, ClusterName, SyncId};
use crate::domain::object::ObjectKey;
use crate::domain::plan::Inputs;
use crate::domain::sync::Trigger;

/// One object of an inventory.
///
/// It is written twice: as *intended* before the first write of a sync, so that no object is ever
/// on the cluster that no inventory knows of, and as *applied* after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventoryItem {
    /// The object.
    #[serde(flatten)]
    pub object: ObjectKey,
    /// The version of the API it was applied with.
    pub version: String,
    /// SHA-256 (hex) of the rendered object, stamped and defaulted to its namespace; null while it is
    /// only intended.
    pub hash: Option<String>,
    /// The commit that it was last applied from.
    pub commit: CommitId,
    /// The `metadata.uid` it had after the apply; null while it is only intended.
    pub uid: Option<String>,
    /// The `metadata.resourceVersion` at which it was last seen to be as wanted; null: it was not.
    pub resource_version: Option<String>,
    /// The `metadata.generation` after the apply: a status older than this says nothing of it. Null:
    /// its kind has none, or it is only intended.
    pub generation: Option<i64>,
    /// Its health when last looked at.
    pub health: HealthStatus,
    /// Why it is not healthy, or what is odd about it although it is; null: nothing, or nothing is
    /// known.
    pub health_reason: Option<String>,
    /// Git no longer names it, and it is not pruned: why not. Null: Git names it.
    pub kept: Option<Kept>,
    /// Whether Git said, when it last named it, that it is never to be pruned. The object itself may not
    /// say so: of what is left alone, or was refused, nothing is written.
    pub prune_disabled: bool,
}

impl InventoryItem {
    /// Whether it was applied from a rendering with this hash.
    pub fn is_made_from(&self, hash: &str) -> bool {
        self.hash.as_deref() == Some(hash)
    }

    /// Whether its absence is no loss: a Job that finished and was cleared away has done its work, and
    /// would do it again if it were put back. Its end may not have been seen, for it may be cleared
    /// away at once: only one that is known to be `Missing`, for it was seen to go before it had
    /// finished, is not done.
    pub fn is_done(&self) -> bool {
        self.object.is("batch", "Job")
            && self.hash.is_some()
            && self.health != HealthStatus::Missing
    }

    /// The same for who asks: a person who asks for a sync wants a Job that has failed to be tried again,
    /// and none that went well.
    pub fn is_done_for(&self, asked: bool) -> bool {
        self.is_done() && !(asked && self.health == HealthStatus::Degraded)
    }

    /// Whether its health is that of its application: it is applied, Git names it, and it is not left gone.
    pub fn counts_for_health(&self) -> bool {
        self.hash.is_some() && self.kept.is_none() && !self.is_left_gone()
    }

    /// Whether somebody deleted it and it is left so on purpose: nobody waits for it, and it says
    /// nothing of the health of its application.
    pub fn is_left_gone(&self) -> bool {
        self.hash.is_some() && self.resource_version.is_none()
    }
}

/// Why an object that Git no longer names is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Kept {
    /// It is pruned when the application is healthy.
    UntilHealthy,
    /// Pruning is switched off for the application.
    ByPolicy,
    /// Its annotations say that it is not to be pruned, or Git said so when it last named it.
    ByAnnotation,
    /// Another application takes it over, or may, as soon as it comes to the same commit.
    ForNeighbour,
    /// A person stopped the sync that was to prune it: it is pruned when Git changes, or somebody
    /// asks for a sync.
    ByPerson,
    /// It is deleted, and goes when its finalizers are through.
    Terminating,
    /// Something stays that would go with it: in the namespace that it is, or of the kind that it defines.
    InUse,
    /// Its delete was refused: the next sync tries again.
    Refused,
}

impl Kept {
    /// Whether it is deleted as soon as the application is healthy.
    pub fn is_due(self) -> bool {
        matches!(self, Self::UntilHealthy | Self::Refused)
    }

    /// The name as the API shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UntilHealthy => "untilHealthy",
            Self::ByPolicy => "byPolicy",
            Self::ByAnnotation => "byAnnotation",
            Self::ForNeighbour => "forNeighbour",
            Self::ByPerson => "byPerson",
            Self::Terminating => "terminating",
            Self::InUse => "inUse",
            Self::Refused => "refused",
        }
    }
}

/// What is known of an application beside its inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationState {
    /// Its name.
    pub name: ApplicationName,
    /// The commit that its revision was last seen to point to.
    pub wanted: Option<Commit>,
    /// The last commit whose objects were all written.
    pub applied: Option<Commit>,
    /// When objects were last written for it.
    pub applied_at: Option<Timestamp>,
    /// The last applied commit that reached health.
    pub healthy: Option<CommitId>,
    /// What the last complete apply was made from.
    pub inputs: Option<Inputs>,
    /// The settings by which its objects were last compared in full (see `Application::settings`);
    /// null: that is not known.
    pub settings: Option<String>,
    /// The worst health of its objects.
    pub health: HealthStatus,
    /// When its health last changed.
    pub health_changed_at: Option<Timestamp>,
    /// The last sync that was queued for it.
    pub last_sync: Option<SyncId>,
    /// The last time that Git and the cluster were both compared in full.
    pub checked_at: Option<Timestamp>,
    /// When the timer looks next.
    pub next_check_at: Option<Timestamp>,
    /// Commits in a row that the timer found and no webhook announced.
    pub unannounced: u32,
    /// When a delivery last asked for a sync of it.
    pub announced_at: Option<Timestamp>,
    /// How many objects it left on clusters that it was kept on before.
    pub left_behind: BTreeMap<ClusterName, u64>,
}

/// What a sync that has run says of the webhook of its application.
#[derive(Debug, Clone, Copy)]
pub struct Finding {
    /// What asked for the sync.
    pub trigger: Trigger,
    /// Whether the configured revision led to another commit than it did before. To come back from a
    /// commit that a person named for one sync is no such move.
    pub moved: bool,
    /// Whether it covers a delivery, or one came for its application since it was asked for: the
    /// timer may see a commit a moment before its webhook arrives.
    pub announced: bool,
}

/// Commits in a row that the timer found and no webhook announced, after a sync. What a start of
/// the process or a person finds says nothing: nobody could listen, or nobody had to wait.
pub fn unannounced(before: u32, found: Finding) -> u32 {
    match found {
        Finding { announced: true, .. } => 0,
        Finding { trigger: Trigger::Timer, moved: true, .. } => before.saturating_add(1),
        _ => before,
    }
}

impl ApplicationState {
    /// An application of which nothing is known yet.
    pub fn new(name: ApplicationName) -> Self {
        Self {
            name,
            wanted: None,
            applied: None,
            applied_at: None,
            healthy: None,
            inputs: None,
            settings: None,
            health: HealthStatus::Unknown,
            health_changed_at: None,
            last_sync: None,
            checked_at: None,
            next_check_at: None,
            unannounced: 0,
            announced_at: None,
            left_behind: BTreeMap::new(),
        }
    }

    /// Whether the last complete apply was made from these inputs, so that its inventory has all
    /// that they name. The commit alone does not say so: the settings may have changed since.
    pub fn was_made_from(&self, inputs: &Inputs) -> bool {
        // A partial apply leaves no inputs behind.
        self.inputs.as_ref().is_some_and(|made| made.are(inputs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_apply_was_made_from_its_inputs_and_not_from_its_commit() {
        let commit = Commit {
            id: "a".repeat(40).parse().unwrap(),
            author: String::new(),
            message: String::new(),
            committed_at: Timestamp::UNIX_EPOCH,
        };
        let inputs = |path: &str| Inputs::before_the_render(&[path]).made_from("tree".to_owned());
        for (applied, inputs_then, made) in [
            (None, None, false),
            (Some(commit.clone()), None, false),
            (Some(commit.clone()), Some(inputs("the path before")), false),
            (Some(commit), Some(inputs("as it is")), true),
        ] {
            let new = ApplicationState::new("shop".parse().unwrap());
            let state = ApplicationState { applied, inputs: inputs_then.clone(), ..new };
            assert_eq!(state.was_made_from(&inputs("as it is")), made, "{inputs_then:?}");
        }
    }

    #[test]
    fn only_what_the_timer_alone_found_is_unannounced() {
        use Trigger::{Configuration, Manual, StartUp, Timer, Webhook};
        for (trigger, moved, announced, after) in [
            (Timer, true, false, 3),
            (Timer, false, false, 2),
            (Timer, true, true, 0),
            (Manual, true, true, 0),
            (Webhook, false, true, 0),
            (Manual, true, false, 2),
            (StartUp, true, false, 2),
            (Configuration, true, false, 2),
        ] {
            let found = Finding { trigger, moved, announced };
            assert_eq!(unannounced(2, found), after, "{found:?}");
        }
        let found = Finding { trigger: Timer, moved: true, announced: false };
        assert_eq!(unannounced(u32::MAX, found), u32::MAX);
    }
}
