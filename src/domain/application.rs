//! Where an application stands against Git, and which of its syncs says so.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::inventory::ApplicationState;
use crate::domain::sync::{FailureCause, Phase, Sync, SyncState};

/// Where an application stands against Git, in one word; the API shows it as `syncState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub enum ApplicationSyncState {
    /// The wanted commit is applied in full.
    Synced,
    /// It is not, and no sync is at it.
    OutOfSync,
    /// A sync is queued or runs.
    Syncing,
    /// A sync waits for a person's yes.
    Blocked,
    /// The last sync failed before all was written.
    Failed,
    /// Nothing is known yet.
    Unknown,
}

impl ApplicationSyncState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Synced, Self::OutOfSync, Self::Syncing, Self::Blocked, Self::Failed, Self::Unknown];

    /// Where an application stands by its state and by the sync that decides, if there is one.
    pub fn of(state: &ApplicationState, sync: Option<&Sync>) -> Self {
        match sync {
            Some(Sync { state: SyncState::Blocked, .. }) => Self::Blocked,
            Some(sync) if is_failing(sync) => Self::Failed,
            Some(Sync { state: SyncState::Queued | SyncState::Running, .. }) => Self::Syncing,
            _ if at_wanted(state) => Self::Synced,
            _ if state.applied.is_none() && state.wanted.is_none() => Self::Unknown,
            _ => Self::OutOfSync,
        }
    }

    /// The name as the API shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "Synced",
            Self::OutOfSync => "OutOfSync",
            Self::Syncing => "Syncing",
            Self::Blocked => "Blocked",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
        }
    }
}

/// Whether a sync says where its application stands. None of these does: a dry run; a check that is
/// under way for the first time, or that only put back what had drifted; a request for a revision that
/// does not exist; and a failure after which a check found everything at the wanted commit, which
/// leaves no history.
pub fn decides(sync: &Sync, state: &ApplicationState) -> bool {
    let under_way =
        matches!(sync.state, SyncState::Queued | SyncState::Running | SyncState::Retrying);
    let looks =
        sync.trigger.is_check() && sync.error.is_none() && (sync.commit.is_none() || under_way);
    let mistaken = sync.options.revision.is_some()
        && sync.commit.is_none()
        && sync.state == SyncState::Failed
        && sync.error.as_ref().is_some_and(|error| error.cause() == FailureCause::Person);
    let failed_at = sync.repeated_at.max(sync.ended_at);
    let overcome =
        sync.state == SyncState::Failed && at_wanted(state) && state.checked_at > failed_at;
    !(sync.options.dry_run || looks || mistaken || overcome)
}

/// Whether the last attempt failed before all was written. What was applied but does not work is the
/// business of the application's health.
fn is_failing(sync: &Sync) -> bool {
    use SyncState::{Failed, Queued, Retrying, Running};
    matches!(sync.state, Queued | Running | Retrying | Failed)
        && sync.error.as_ref().is_some_and(|error| error.phase != Phase::Health)
}

fn at_wanted(state: &ApplicationState) -> bool {
    // A partial apply leaves no inputs behind.
    match (&state.wanted, &state.applied, &state.inputs) {
        (Some(wanted), Some(applied), Some(_)) => wanted.id == applied.id,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::commit::Commit;
    use crate::domain::name::SyncId;
    use crate::domain::plan::Inputs;
    use crate::domain::sync::{Failure, SyncOptions, SyncRequest, Trigger};

    #[test]
    fn a_revision_that_does_not_exist_says_nothing_of_the_application() {
        let failed = |revision: Option<&str>, cause| {
            let options =
                SyncOptions { revision: revision.map(str::to_owned), ..SyncOptions::default() };
            let (application, trigger) = ("shop".parse().unwrap(), Trigger::Manual);
            let request = SyncRequest { application, trigger, actor: None, options };
            let id = SyncId::from_uuid(uuid::Uuid::nil());
            let mut sync = Sync::asked_for(id, request, Timestamp::UNIX_EPOCH);
            sync.state = SyncState::Failed;
            let message = "there is no such branch or tag".to_owned();
            sync.error = Some(Failure::new(Phase::Fetch, cause, message, Vec::new()));
            sync
        };
        let state = ApplicationState::new("shop".parse().unwrap());
        for (revision, cause, beside) in [
            (Some("mian"), FailureCause::Person, true),
            (Some("main"), FailureCause::Environment, false),
            (None, FailureCause::Person, false),
        ] {
            let decides = decides(&failed(revision, cause), &state);
            assert_eq!(!decides, beside, "{revision:?}, {cause:?}");
        }
    }

    #[test]
    fn a_failure_lasts_until_a_check_finds_all_at_the_wanted_commit() {
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        let commit = Commit {
            id: "0123456789012345678901234567890123456789".parse().unwrap(),
            author: String::new(),
            message: String::new(),
            committed_at: Timestamp::UNIX_EPOCH,
        };
        let mut state = ApplicationState::new("shop".parse().unwrap());
        (state.wanted, state.applied, state.inputs) =
            (Some(commit.clone()), Some(commit), Some(Inputs::default()));
        state.checked_at = at(1);
        let (application, trigger) = ("shop".parse().unwrap(), Trigger::Timer);
        let request =
            SyncRequest { application, trigger, actor: None, options: SyncOptions::default() };
        let id = SyncId::from_uuid(uuid::Uuid::nil());
        let mut check = Sync::asked_for(id, request, Timestamp::UNIX_EPOCH);
        check.state = SyncState::Running;
        assert!(!decides(&check, &state), "its first attempt has found nothing yet");

        let message = "the Git host does not answer".to_owned();
        let (phase, cause) = (Phase::Fetch, FailureCause::Environment);
        check.error = Some(Failure::new(phase, cause, message, Vec::new()));
        for (now, ended_at) in
            [(SyncState::Retrying, None), (SyncState::Running, None), (SyncState::Failed, at(2))]
        {
            (check.state, check.ended_at) = (now, ended_at);
            let stands = ApplicationSyncState::of(&state, Some(&check));
            assert!(decides(&check, &state), "{now:?}");
            assert_eq!(stands, ApplicationSyncState::Failed, "{now:?}");
        }
        state.checked_at = at(3);
        assert!(!decides(&check, &state));
        state.inputs = None;
        assert!(decides(&check, &state), "not all of it is there");
    }

    #[test]
    fn the_api_and_the_metrics_call_a_state_the_same() {
        for state in ApplicationSyncState::ALL {
            assert_eq!(serde_json::json!(state), state.as_str());
        }
    }
}
