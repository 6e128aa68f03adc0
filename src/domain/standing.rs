//! Where an application stands against Git, and which of its syncs says so.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::inventory::ApplicationState;
use crate::domain::sync::{FailureClass, Phase, Sync, SyncState};

/// Where an application stands against Git, in one word; the API shows it as `syncState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ApplicationSyncState")]
pub enum Standing {
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

impl Standing {
    /// Where an application stands by its state and by the sync that decides, if there is one.
    pub fn of(state: &ApplicationState, sync: Option<&Sync>) -> Self {
        match sync.map(|sync| sync.state) {
            Some(SyncState::Queued | SyncState::Running) => Self::Syncing,
            Some(SyncState::Blocked) => Self::Blocked,
            // What was applied but does not work is the business of its health.
            Some(SyncState::Failed | SyncState::Retrying) if !failed_by_health(sync) => {
                Self::Failed
            }
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

/// Whether a sync says nothing of where its application stands: a dry run, a check that is under
/// way, one that only put back what had drifted, or a wish for a revision that does not exist.
pub fn is_beside(sync: &Sync) -> bool {
    let healed = sync.commit.is_none() && sync.error.is_none();
    let looks = sync.trigger.is_check() && (healed || !sync.state.is_ended());
    let mistaken = sync.options.revision.is_some()
        && sync.commit.is_none()
        && sync.state == SyncState::Failed
        && sync.error.as_ref().is_some_and(|error| error.class == FailureClass::Permanent);
    sync.options.dry_run || looks || mistaken
}

fn failed_by_health(sync: Option<&Sync>) -> bool {
    sync.and_then(|sync| sync.error.as_ref()).is_some_and(|error| error.phase == Phase::Health)
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
    use crate::domain::name::SyncId;
    use crate::domain::sync::{Failure, SyncOptions, SyncRequest, Trigger};

    #[test]
    fn a_revision_that_does_not_exist_says_nothing_of_the_application() {
        let failed = |revision: Option<&str>, class| {
            let options =
                SyncOptions { revision: revision.map(str::to_owned), ..SyncOptions::default() };
            let (application, trigger) = ("shop".parse().unwrap(), Trigger::Manual);
            let wish = SyncRequest { application, trigger, actor: None, options };
            let id = SyncId::from_uuid(uuid::Uuid::nil());
            let mut sync = Sync::asked_for(id, wish, Timestamp::UNIX_EPOCH);
            sync.state = SyncState::Failed;
            sync.error = Some(Failure {
                phase: Phase::Fetch,
                class,
                message: "there is no such branch or tag".to_owned(),
                details: Vec::new(),
            });
            sync
        };
        let (permanent, transient) = (FailureClass::Permanent, FailureClass::Transient);
        for (revision, class, beside) in [
            (Some("mian"), permanent, true),
            (Some("main"), transient, false),
            (None, permanent, false),
        ] {
            assert_eq!(is_beside(&failed(revision, class)), beside, "{revision:?}, {class:?}");
        }
    }
}
