//! Syncs: what asks for one, the states it goes through, and what is recorded of it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::commit::Commit;
use crate::domain::health::HealthStatus;
use crate::domain::name::{ApplicationName, DeliveryId, SyncId};
use crate::domain::object::ObjectKey;

/// Where a sync stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SyncState {
    /// Waits for a worker.
    Queued,
    /// A worker has it.
    Running,
    /// All is applied; it waits for health. It holds no worker, and keeps no other sync waiting.
    Waiting,
    /// An attempt failed for a reason that can pass; the next attempt has a time.
    Retrying,
    /// The application is at the commit, and healthy.
    Succeeded,
    /// It ended without; the error says why.
    Failed,
    /// A newer sync took over before this one ended.
    Superseded,
    /// It would prune beyond the limit and waits for a person's yes.
    Blocked,
    /// A person stopped it.
    Cancelled,
}

impl SyncState {
    /// Every state, in the order of a sync's life.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Retrying,
        Self::Succeeded,
        Self::Failed,
        Self::Superseded,
        Self::Blocked,
        Self::Cancelled,
    ];

    /// Whether nothing more happens to the sync by itself or by approval.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Superseded | Self::Cancelled)
    }

    /// The name as the API shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::Running => "Running",
            Self::Waiting => "Waiting",
            Self::Retrying => "Retrying",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Superseded => "Superseded",
            Self::Blocked => "Blocked",
            Self::Cancelled => "Cancelled",
        }
    }
}

/// What asked for a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// A delivery.
    Webhook,
    /// The periodic check.
    Timer,
    /// A change of a live object.
    Drift,
    /// A person, by the API.
    Manual,
    /// A person went back to an earlier commit.
    Rollback,
    /// A suspension ended.
    Resume,
    /// An application that this one depends on became ready.
    Dependency,
    /// The configuration of the application changed.
    Configuration,
    /// The check of every application when the process starts.
    StartUp,
}

impl Trigger {
    /// Every trigger.
    pub const ALL: [Self; 9] = [
        Self::Webhook,
        Self::Timer,
        Self::Drift,
        Self::Manual,
        Self::Rollback,
        Self::Resume,
        Self::Dependency,
        Self::Configuration,
        Self::StartUp,
    ];

    /// The name as the API shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Timer => "timer",
            Self::Drift => "drift",
            Self::Manual => "manual",
            Self::Rollback => "rollback",
            Self::Resume => "resume",
            Self::Dependency => "dependency",
            Self::Configuration => "configuration",
            Self::StartUp => "start-up",
        }
    }

    /// How closely a sync so asked for looks at the cluster.
    pub fn look(self) -> Look {
        match self {
            Self::Webhook => Look::Not,
            // Settings may have changed what counts as drift, or even the place.
            Self::Configuration => Look::All,
            _ => Look::Changed,
        }
    }

    /// Whether a person asked.
    pub fn is_person(self) -> bool {
        matches!(self, Self::Manual | Self::Rollback | Self::Resume)
    }

    /// Whether a sync so asked for is a look around that leaves no history when it finds nothing.
    pub fn is_check(self) -> bool {
        matches!(self, Self::Timer | Self::StartUp)
    }
}

/// How closely a sync looks at the cluster, beside Git. A sync that several wishes joined looks as
/// closely as the most demanding of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Look {
    /// At what changed in Git only.
    #[default]
    Not,
    /// Also at the objects that were written since they were last seen to be as wanted.
    Changed,
    /// At every object.
    All,
}

/// A wish for a sync. Wishes with the same [`slot`](Self::slot) coalesce while the first is queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRequest {
    /// The application to bring to a commit.
    pub application: ApplicationName,
    /// What asked.
    pub trigger: Trigger,
    /// Who asked: the name of an API token, or who pushed.
    pub actor: Option<String>,
    /// What was asked for beyond "follow the configuration".
    pub options: SyncOptions,
}

/// What a person may ask of one sync beyond the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncOptions {
    /// A revision instead of the configured one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Prune, or do not, whatever the configuration says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prune: Option<bool>,
}

impl SyncRequest {
    /// Two wishes of one application with the same slot can be served by one sync.
    pub fn slot(&self) -> String {
        let SyncOptions { revision, dry_run, prune } = &self.options;
        match (revision, dry_run, prune) {
            (None, false, None) => String::new(),
            (revision, dry_run, prune) => format!(
                "revision={} dryRun={dry_run} prune={}",
                revision.as_deref().unwrap_or_default(),
                prune.map_or("", |prune| if prune { "true" } else { "false" }),
            ),
        }
    }
}

/// A part of a sync that is timed; in the order in which they are shown.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// From the wish to a worker.
    Queue,
    /// Bringing the mirror up to date and finding the commit.
    Fetch,
    /// Reading the manifests.
    Render,
    /// Asking the cluster what would change.
    Diff,
    /// Writing.
    Apply,
    /// Waiting for health.
    Health,
    /// Deleting what Git no longer names.
    Prune,
}

impl Phase {
    /// The name as the API shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Fetch => "fetch",
            Self::Render => "render",
            Self::Diff => "diff",
            Self::Apply => "apply",
            Self::Health => "health",
            Self::Prune => "prune",
        }
    }
}

/// How long a phase took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhaseDuration {
    /// Which.
    pub phase: Phase,
    /// Milliseconds, in thousandths.
    #[schemars(with = "f64")]
    pub duration_ms: f64_ms::Ms,
}

/// Milliseconds that keep microseconds and still compare.
pub mod f64_ms {
    use serde::{Deserialize, Serialize};

    /// A duration in whole microseconds, shown as milliseconds.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    #[serde(from = "f64", into = "f64")]
    pub struct Ms(pub u64);

    impl From<f64> for Ms {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        fn from(ms: f64) -> Self {
            Self((ms * 1000.0).round() as u64)
        }
    }

    impl From<Ms> for f64 {
        #[expect(clippy::cast_precision_loss, reason = "exact for 285 years")]
        fn from(ms: Ms) -> f64 {
            ms.0 as f64 / 1000.0
        }
    }
}

/// Whether a failure can pass without a new commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FailureClass {
    /// Git's bytes alone decide it: only a new commit or a request tries again.
    Permanent,
    /// It can pass: tried again with backoff, then by the timer.
    Transient,
}

/// Why a sync failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The phase that failed.
    pub phase: Phase,
    /// Whether it can pass.
    pub class: FailureClass,
    /// What failed, where and what to do, in one line.
    pub message: String,
    /// Every single error behind it, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

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

/// One sync as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sync {
    /// Its id.
    pub id: SyncId,
    /// The application.
    pub application: ApplicationName,
    /// What asked first.
    pub trigger: Trigger,
    /// Who asked: the name of an API token, or who pushed; null: the one who pushed is not named, or
    /// nobody asked.
    pub actor: Option<String>,
    /// What was asked for beyond the configuration.
    pub options: SyncOptions,
    /// How closely it looks at the cluster.
    #[serde(skip)]
    pub look: Look,
    /// What its commit means for the application (`domain::plan::Inputs`), once known.
    #[serde(skip)]
    pub inputs: Option<String>,
    /// Where it stands.
    pub state: SyncState,
    /// The commit that it brings the application to; null: it is not known yet.
    pub commit: Option<Commit>,
    /// Whether the branch was moved to a commit that does not contain the one applied before.
    pub rewind: bool,
    /// When it was first asked for.
    pub queued_at: Timestamp,
    /// When it was last asked for: it must see what Git had then.
    pub requested_at: Timestamp,
    /// When a worker first took it; null: none has.
    pub started_at: Option<Timestamp>,
    /// When all its objects were written; null: they were not.
    pub applied_at: Option<Timestamp>,
    /// When it ended; null: it has not.
    pub ended_at: Option<Timestamp>,
    /// Attempts so far.
    pub attempt: u32,
    /// When the next attempt is due; null: none is.
    pub next_attempt_at: Option<Timestamp>,
    /// Until when it waits for health; null: it does not wait.
    pub deadline: Option<Timestamp>,
    /// What it waits for.
    pub waiting_for: Vec<WaitingFor>,
    /// How long each phase took, of the last attempt.
    pub phases: Vec<PhaseDuration>,
    /// Why it failed, or why the last attempt did; null: it did not.
    pub error: Option<Failure>,
    /// What it would do, if it waits for a yes; null: it showed none.
    pub plan: Option<BlockedPlan>,
    /// The hash of the plan that a person approved; null: none was.
    pub approved: Option<String>,
    /// The sync that took over; null: none did.
    pub superseded_by: Option<SyncId>,
    /// The deliveries that it covers.
    pub deliveries: Vec<DeliveryId>,
    /// How many objects it created, configured, … ; the list is with the single sync.
    pub summary: Summary,
}

impl Sync {
    /// A sync as it is when it was just asked for.
    pub fn asked_for(id: SyncId, request: SyncRequest, now: Timestamp) -> Self {
        Self {
            id,
            application: request.application,
            trigger: request.trigger,
            actor: request.actor,
            options: request.options,
            look: request.trigger.look(),
            inputs: None,
            state: SyncState::Queued,
            commit: None,
            rewind: false,
            queued_at: now,
            requested_at: now,
            started_at: None,
            applied_at: None,
            ended_at: None,
            attempt: 0,
            next_attempt_at: None,
            deadline: None,
            waiting_for: Vec::new(),
            phases: Vec::new(),
            error: None,
            plan: None,
            approved: None,
            superseded_by: None,
            deliveries: Vec::new(),
            summary: Summary::default(),
        }
    }
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
