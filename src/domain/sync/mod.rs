//! Syncs: what asks for one, the states it goes through, and what is recorded of it.

pub mod failure;
mod phase;
mod request;
mod result;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::commit::Commit;
use crate::domain::name::{ApplicationName, DeliveryId, SyncId};
use crate::domain::plan::Inputs;

pub use crate::domain::sync::failure::{Attempt, Failure, FailureCause, FailureClass};
pub use crate::domain::sync::phase::{Phase, PhaseDuration, f64_ms};
pub use crate::domain::sync::request::{Look, SyncOptions, SyncRequest, Trigger};
pub use crate::domain::sync::result::{Action, BlockedPlan, ObjectResult, Summary, WaitingFor};

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
    /// What its commit means for the application, as far as that is known.
    #[serde(skip)]
    pub inputs: Option<Inputs>,
    /// Where it stands.
    pub state: SyncState,
    /// The commit that it brings the application to; null: it is not known yet.
    pub commit: Option<Commit>,
    /// Whether the branch was moved to a commit that does not contain the one applied before.
    pub rewind: bool,
    /// When it was first asked for; one that was to be tried again begins anew with a newer request.
    pub queued_at: Timestamp,
    /// When it was last asked for: it must see what Git had then.
    pub requested_at: Timestamp,
    /// When a worker first took it; null: none has.
    pub started_at: Option<Timestamp>,
    /// When all its objects were written; null: they were not.
    pub applied_at: Option<Timestamp>,
    /// When it ended; null: it has not.
    pub ended_at: Option<Timestamp>,
    /// Attempts so far, of this step and since it was queued; one that was given back is none.
    pub attempt: u32,
    /// When the next attempt is due; null: none is.
    pub next_attempt_at: Option<Timestamp>,
    /// Until when it waits for health; null: it does not wait.
    pub deadline: Option<Timestamp>,
    /// What it waits for.
    pub waiting_for: Vec<WaitingFor>,
    /// How many objects it waits for beyond those; not given: none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waiting_for_more: u32,
    /// How long each phase took, of the last attempt; queue: since that was due.
    pub phases: Vec<PhaseDuration>,
    /// Why it failed, or why the last attempt did; null: it did not.
    pub error: Option<Failure>,
    /// What it would do, if it waits for a yes; null: it showed none.
    pub plan: Option<BlockedPlan>,
    /// The hash of the plan that a person approved; null: none was.
    pub approved: Option<String>,
    /// Who stopped it: the name of an API token; null: nobody did.
    pub cancelled_by: Option<String>,
    /// Later checks that failed in the same way, one after the other: they leave no sync of their own.
    pub repeats: u32,
    /// When the last of these failed; null: none did.
    pub repeated_at: Option<Timestamp>,
    /// The sync that took over; null: none did.
    pub superseded_by: Option<SyncId>,
    /// The deliveries that it covers.
    pub deliveries: Vec<DeliveryId>,
    /// How many objects it created, configured, … ; the list is with the single sync.
    pub summary: Summary,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
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
            waiting_for_more: 0,
            phases: Vec::new(),
            error: None,
            plan: None,
            approved: None,
            cancelled_by: None,
            repeats: 0,
            repeated_at: None,
            superseded_by: None,
            deliveries: Vec::new(),
            summary: Summary::default(),
        }
    }
}
