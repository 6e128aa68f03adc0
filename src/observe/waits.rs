//! The ends of syncs that wait for health.

use jiff::Timestamp;

use crate::domain::inventory::{InventoryItem, Kept};
use crate::domain::sync::f64_ms::Ms;
use crate::domain::sync::{Failure, FailureCause, Phase, PhaseDuration, Sync};
use crate::failpoint::failpoint;
use crate::store::WaitingEnd;
use crate::store::error::StoreError;
use crate::sync::context::Context;
use crate::sync::error::SyncError;

/// Ends every wait that is over whatever the clusters say; returns the others.
pub(super) async fn end_overdue(
    context: &Context,
    waiting: Vec<Sync>,
) -> Result<Vec<Sync>, StoreError> {
    let config = context.config.load();
    let now = context.store.now();
    let mut others = Vec::with_capacity(waiting.len());
    for sync in waiting {
        let sight = match config.applications.get(&sync.application) {
            None => Sight::NotConfigured,
            Some(it) if context.watches.silence(&it.cluster).is_some() => Sight::Silent,
            Some(_) => Sight::Seen,
        };
        match overdue(&sync, sight, now) {
            Some(over) => drop(end(context, &sync, over).await?),
            None => others.push(sync),
        }
    }
    Ok(others)
}

/// Ends the wait of a sync whose application works; `prunes_next` is what [`prunes_next`] says.
/// False: it waited no more.
pub(super) async fn end_well(
    context: &Context,
    sync: &Sync,
    prunes_next: bool,
) -> Result<bool, StoreError> {
    let Some(commit) = &sync.commit else { return Ok(false) };
    let phases = vec![waited(sync, context.store.now())];
    let well = if prunes_next {
        WaitingEnd::PruneNext { phases }
    } else {
        WaitingEnd::Healthy { commit: commit.id.clone(), phases }
    };
    end(context, sync, well).await
}

/// Ends the wait of a sync for an object that has failed for good, the first of what it waits for.
/// False: it waited no more.
pub(super) async fn end_in_vain(context: &Context, sync: &Sync) -> Result<bool, StoreError> {
    let phases = vec![waited(sync, context.store.now())];
    let failure = failure(sync, "applied, but it cannot become healthy");
    end(context, sync, WaitingEnd::Failed { failure, phases }).await
}

/// Whether something is to be pruned once the application works.
pub(super) fn prunes_next(items: &[InventoryItem]) -> bool {
    items.iter().any(|item| item.kept.is_some_and(Kept::is_due))
}

/// How an application is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// It left the configuration.
    NotConfigured,
    /// Its cluster does not answer.
    Silent,
    /// By the watches.
    Seen,
}

/// How a wait ends that is over whatever the cluster says; none: it goes on.
fn overdue(sync: &Sync, sight: Sight, now: Timestamp) -> Option<WaitingEnd> {
    let phases = vec![waited(sync, now)];
    if sight == Sight::NotConfigured {
        let message = SyncError::NotConfigured(sync.application.clone()).to_string();
        let failure = Failure::new(Phase::Health, FailureCause::Person, message, Vec::new());
        return Some(WaitingEnd::Cancelled { failure, phases });
    }
    if sync.deadline.is_none_or(|deadline| now < deadline) {
        return None;
    }
    let what = match sight {
        Sight::Silent => "applied, but the cluster does not answer; when last seen, not healthy",
        _ => "applied, but not healthy within the timeout",
    };
    let failure = failure(sync, what);
    Some(WaitingEnd::Failed { failure, phases })
}

/// The failure of a wait, which tells what was waited for.
fn failure(sync: &Sync, what: &str) -> Failure {
    let details: Vec<_> = sync
        .waiting_for
        .iter()
        .map(|waiting| format!("{}: {}", waiting.object, waiting.reason))
        .collect();
    let first = details.first().map_or("the cluster does not say what is missing", String::as_str);
    let message = match sync.waiting_for_more {
        0 => format!("{what}: {first}"),
        more => format!("{what}: {first} (and {more} more objects than are named)"),
    };
    Failure::new(Phase::Health, FailureCause::Environment, message, details)
}

async fn end(context: &Context, sync: &Sync, end: WaitingEnd) -> Result<bool, StoreError> {
    let (state, phases) = (end.state(), end.phases().to_vec());
    let error = match &end {
        WaitingEnd::Failed { failure, .. } | WaitingEnd::Cancelled { failure, .. } => {
            Some(failure.message.clone())
        }
        WaitingEnd::Healthy { .. } | WaitingEnd::PruneNext { .. } => None,
    };
    failpoint("end-waiting:before");
    let ended = context.store.end_waiting(sync.id, end).await?;
    failpoint("end-waiting:after");
    if !ended {
        return Ok(false);
    }
    context.metrics.sync_ran(sync, state, &phases);
    let (id, application) = (sync.id, &sync.application);
    let commit = sync.commit.as_ref().map(|commit| commit.id.short().to_owned());
    let state = state.as_str();
    match error {
        None => tracing::info!(sync = %id, %application, state, commit, "application healthy"),
        Some(error) => {
            tracing::warn!(sync = %id, %application, state, commit, error, "application not healthy");
        }
    }
    Ok(true)
}

fn waited(sync: &Sync, now: Timestamp) -> PhaseDuration {
    let since = sync.applied_at.unwrap_or(now);
    let micros = now.duration_since(since).as_micros();
    PhaseDuration { phase: Phase::Health, duration_ms: Ms(u64::try_from(micros).unwrap_or(0)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::health::HealthStatus;
    use crate::domain::name::SyncId;
    use crate::domain::object::ObjectKey;
    use crate::domain::sync::{SyncOptions, SyncRequest, SyncState, Trigger, WaitingFor};

    #[test]
    fn a_wait_ends_by_its_deadline_or_with_its_application() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let request = SyncRequest {
            application: "shop".parse().unwrap(),
            trigger: Trigger::Webhook,
            actor: None,
            options: SyncOptions::default(),
        };
        let mut sync = Sync::asked_for(SyncId::from_uuid(uuid::Uuid::nil()), request, at(0));
        assert_eq!(overdue(&sync, Sight::Seen, at(100)), None, "no deadline");

        let object = ObjectKey {
            group: "apps".into(),
            kind: "Deployment".into(),
            namespace: Some("shop".into()),
            name: "web".into(),
        };
        let reason = "0 of 1 replicas".to_owned();
        sync.waiting_for = vec![WaitingFor { object, health: HealthStatus::Progressing, reason }];
        sync.applied_at = Some(at(1));
        sync.deadline = Some(at(10));
        assert_eq!(overdue(&sync, Sight::Seen, at(9)), None);
        let Some(WaitingEnd::Failed { failure, phases }) = overdue(&sync, Sight::Seen, at(10))
        else {
            panic!("the deadline has passed");
        };
        assert!(failure.message.ends_with(": Deployment.apps shop/web: 0 of 1 replicas"));
        assert_eq!(phases[0].duration_ms, Ms(9_000_000));
        let Some(WaitingEnd::Failed { failure, .. }) = overdue(&sync, Sight::Silent, at(10)) else {
            panic!("the deadline has passed");
        };
        assert!(failure.message.contains("the cluster does not answer"), "{}", failure.message);

        let end = overdue(&sync, Sight::NotConfigured, at(2)).unwrap();
        assert_eq!(end.state(), SyncState::Cancelled, "its application is gone");
    }
}
