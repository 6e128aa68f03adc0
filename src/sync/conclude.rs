//! What a finished run means for the sync, its application and its inventory.

use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::health::{self, HealthStatus};
use crate::domain::inventory::{InventoryItem, Kept};
use crate::domain::object::ObjectKey;
use crate::domain::stop::Stop;
use crate::domain::sync::{Attempt, Failure, FailureCause, Look, Phase, SyncState, WaitingFor};
use crate::store::{ApplicationChange, Claim, Outcome, Step};
use crate::sync::context::Context;
use crate::sync::ended::{Applied, Ended};
use crate::sync::error::SyncError;
use crate::sync::fetch::Target;
use crate::sync::handover;
use crate::sync::look;
use crate::sync::prune;
use crate::sync::record::Record;
use crate::sync::scene::Scene;

/// The commit's inputs are those of the last complete apply: only the revision advances.
pub(super) async fn advance(
    scene: &Scene<'_>,
    record: &mut Record,
    target: Target,
) -> Result<Applied, SyncError> {
    let kept = scene.inventory.iter().filter(|item| item.kept.is_some());
    let mut stale: Vec<_> = kept.cloned().collect();
    let wanted = scene.inventory.len() - stale.len();
    record.unchanged = u32::try_from(wanted).unwrap_or(u32::MAX);
    if scene.trigger().is_person() {
        // Who asks wants what was stopped before.
        for item in stale.iter_mut().filter(|item| item.kept == Some(Kept::ByPerson)) {
            item.kept = Some(Kept::UntilHealthy);
        }
    }
    finish(scene, record, target, Vec::new(), stale).await
}

/// Everything of the commit was written or found to be as wanted.
pub(super) async fn applied(
    scene: &Scene<'_>,
    record: &mut Record,
    target: Target,
    items: Vec<InventoryItem>,
    mut stale: Vec<InventoryItem>,
) -> Result<Applied, SyncError> {
    keep(scene, &target, &mut stale);
    name_again(scene, record, &items, &stale);
    finish(scene, record, target, items, stale).await
}

/// What Git names is not kept for any reason, although it was not written.
fn name_again(
    scene: &Scene<'_>,
    record: &mut Record,
    items: &[InventoryItem],
    stale: &[InventoryItem],
) {
    let settled: HashSet<_> = items.iter().chain(stale).map(|item| &item.object).collect();
    let kept = scene.inventory.iter().filter(|item| item.kept.is_some());
    let named = kept.filter(|item| !settled.contains(&item.object));
    record.kept.extend(named.map(|item| InventoryItem { kept: None, ..item.clone() }));
}

/// Says of what Git no longer names why it is still there.
fn keep(scene: &Scene<'_>, target: &Target, stale: &mut [InventoryItem]) {
    // What a person stopped, and what an annotation asked for, holds for what Git said then.
    let asked = scene.trigger().is_person();
    let before = scene.state.inputs.as_ref();
    let same = before.is_none_or(|inputs| inputs.may_be(&target.inputs));
    let same_files = before.is_none_or(|inputs| inputs.may_be_of_the_same_files(&target.inputs));
    for item in stale {
        item.kept = Some(match item.kept {
            Some(Kept::Terminating) => Kept::Terminating,
            _ if !scene.prunes() => Kept::ByPolicy,
            Some(stays @ (Kept::ForNeighbour | Kept::Refused)) => stays,
            Some(Kept::ByPerson) if same_files && !asked => Kept::ByPerson,
            Some(stays @ (Kept::ByAnnotation | Kept::InUse)) if same && !asked => stays,
            _ => Kept::UntilHealthy,
        });
    }
}

/// Lets go of what Git no longer names before anything is asked of the cluster: whoever takes it must
/// not wait until all else of this commit could be applied. Two that exchange objects would wait for
/// each other for ever.
pub(super) async fn let_go(
    scene: &Scene<'_>,
    target: &Target,
    stale: &mut [InventoryItem],
) -> Result<(), SyncError> {
    keep(scene, target, stale);
    let newly_kept = newly_kept(scene, stale);
    if newly_kept.is_empty() {
        return Ok(());
    }
    let (store, cluster) = (&scene.context.store, &scene.application.cluster);
    let held = store.let_go(scene.lease.key(), cluster, &newly_kept).await?;
    if held { Ok(()) } else { Err(Stop::LeaseLost.into()) }
}

/// Those rows of which something else is known than when the sync began. What stays is not written: a
/// person may have decided about it meanwhile.
fn newly_kept(scene: &Scene<'_>, stale: &[InventoryItem]) -> Vec<InventoryItem> {
    let known = scene.owned();
    let news = |item: &&InventoryItem| known.get(&item.object).is_none_or(|known| *known != *item);
    stale.iter().filter(news).cloned().collect()
}

async fn finish(
    scene: &Scene<'_>,
    record: &mut Record,
    target: Target,
    items: Vec<InventoryItem>,
    mut stale: Vec<InventoryItem>,
) -> Result<Applied, SyncError> {
    handover::let_go(scene, &target.commit.id, &mut stale).await?;
    ask_again(&mut stale);
    prune::forget_what_went(scene, record, &mut stale).await?;
    Ok(weigh(scene, target, items, stale))
}

/// What something else lives in is asked about again when that may be pruned next.
fn ask_again(stale: &mut [InventoryItem]) {
    if stale.iter().any(|item| item.kept.is_some_and(Kept::is_due)) {
        for item in stale.iter_mut().filter(|item| item.kept == Some(Kept::InUse)) {
            item.kept = Some(Kept::UntilHealthy);
        }
    }
}

fn weigh(
    scene: &Scene<'_>,
    target: Target,
    items: Vec<InventoryItem>,
    stale: Vec<InventoryItem>,
) -> Applied {
    let before = scene.inventory.iter().cloned();
    let mut owned: BTreeMap<ObjectKey, InventoryItem> =
        before.chain(items).map(|item| (item.object.clone(), item)).collect();
    for item in &stale {
        owned.remove(&item.object);
    }
    owned.retain(|_, item| !item.is_left_gone());
    let newly_kept = newly_kept(scene, &stale);
    let lets_go = |item: &InventoryItem| health::allows_prune(&item.object, item.health);
    let may_prune = scene.access().is_some() && owned.values().all(lets_go);
    Applied {
        target,
        stale,
        newly_kept,
        health: health::worst(owned.values().map(|item| item.health)),
        waiting_for: owned.into_values().filter_map(wait_for).collect(),
        timeout: scene.application.sync.timeout,
        may_prune,
        settings: scene.settings(),
        looked: look::wanted(scene) != Look::Not && scene.options().revision.is_none(),
    }
}

/// Whether all that is owned and that Git names works, as far as the observer has seen.
pub(super) fn works(scene: &Scene<'_>) -> bool {
    let counted = scene.inventory.iter().filter(|item| item.counts_for_health());
    counted.map(|item| item.health).all(HealthStatus::is_good)
}

/// What is to be waited for about an object; the observer finds out more.
fn wait_for(item: InventoryItem) -> Option<WaitingFor> {
    let reason = item.health_reason.unwrap_or_else(|| "its state was not seen yet".to_owned());
    let InventoryItem { object, health, .. } = item;
    (!health.is_good()).then_some(WaitingFor { object, health, reason })
}

/// The outcome that the worker records.
pub(super) fn outcome(
    context: &Context,
    claim: &Claim,
    record: Record,
    ended: Result<Ended, SyncError>,
) -> Outcome {
    let now = context.store.now();
    let phase = record.phase;
    let moved = record.moved();
    let means_something_else = record.means_something_else();
    let mut outcome = blank(claim, record);
    match ended {
        Ok(Ended::Applied(applied)) => settle(&mut outcome, claim, applied, moved, now),
        Ok(Ended::Blocked(plan)) => {
            outcome.state = SyncState::Blocked;
            outcome.application.wanted.clone_from(&outcome.commit);
            outcome.plan = Some(plan);
        }
        Ok(Ended::DryRun) => outcome.state = SyncState::Succeeded,
        Ok(Ended::Pruned) => {
            outcome.state = SyncState::Succeeded;
            outcome.application.healthy = outcome.commit.as_ref().map(|commit| commit.id.clone());
        }
        Ok(Ended::Overtaken) => outcome.state = SyncState::Superseded,
        Ok(Ended::Held { settings, at_its_commit }) => {
            outcome.state = SyncState::Succeeded;
            outcome.discard_if_quiet = outcome.results.is_empty();
            outcome.application.checked_at = Some(now);
            outcome.application.settings = Some(settings);
            outcome.application.wanted.clone_from(&outcome.commit);
            // What was put back is what was applied, from whatever that was made.
            outcome.application.revoke_inputs = false;
            if !at_its_commit {
                // It brought nothing to this commit: it only held what was applied before.
                outcome.commit = None;
            }
            // An application that is not automated has no webhook ask for it.
            outcome.application.followed = None;
        }
        Err(error) => {
            fail(context, &mut outcome, claim, &error.failure(phase), &error);
            // That its commit is applied says no longer that it is where it is wanted.
            outcome.application.revoke_inputs |=
                means_something_else && error.cause() == FailureCause::Commit;
        }
    }
    if claim.sync.options.dry_run {
        outcome.application = ApplicationChange::default();
    }
    outcome
}

fn blank(claim: &Claim, record: Record) -> Outcome {
    let wrote = record.wrote();
    // What was found out in this claim, and not what a person named for once.
    let followed = record.inputs.is_some() && claim.sync.options.revision.is_none();
    let followed = record.commit.as_ref().filter(|_| followed).map(|commit| commit.id.clone());
    Outcome {
        state: SyncState::Failed,
        step: claim.step,
        commit: record.commit,
        rewind: record.rewind,
        inputs: record.inputs,
        render: record.render,
        next_attempt_at: None,
        deadline: None,
        applied_at: record.applied_at,
        waiting_for: Vec::new(),
        phases: record.phases,
        error: None,
        plan: None,
        results: record.results,
        unchanged: record.unchanged,
        application: ApplicationChange {
            // What was applied is no longer made from one commit; a complete apply sets it anew.
            revoke_inputs: wrote,
            followed,
            ..ApplicationChange::default()
        },
        cluster: record.cluster,
        applied: record.kept,
        forget: record.forget,
        discard_if_quiet: false,
    }
}

fn settle(outcome: &mut Outcome, claim: &Claim, applied: Applied, moved: bool, now: Timestamp) {
    let prunes_next = applied.prunes_next();
    let works = applied.health.is_good();
    let commit = applied.target.commit;
    // What could not be pruned yet is no news while health does not come.
    let quiet = claim.sync.trigger.is_check()
        && outcome.results.is_empty()
        && !(prunes_next && works)
        && !moved;
    outcome.applied_at.get_or_insert(now);
    outcome.application = ApplicationChange {
        wanted: Some(commit.clone()),
        applied: Some((commit.clone(), now, applied.target.inputs)),
        wrote: outcome.application.revoke_inputs,
        checked_at: applied.looked.then_some(now),
        followed: outcome.application.followed.take(),
        health: Some(applied.health),
        settings: Some(applied.settings),
        healthy: (works && !prunes_next).then(|| commit.id.clone()),
        ..ApplicationChange::default()
    };
    outcome.applied.extend(applied.newly_kept);
    outcome.discard_if_quiet = quiet;
    outcome.state = if quiet {
        SyncState::Succeeded
    } else if !works {
        let timeout = SignedDuration::try_from(applied.timeout).unwrap_or(SignedDuration::MAX);
        outcome.waiting_for = applied.waiting_for;
        outcome.deadline = now.saturating_add(timeout).ok();
        outcome.step = Step::Start;
        SyncState::Waiting
    } else if prunes_next {
        outcome.step = Step::Prune;
        SyncState::Queued
    } else {
        SyncState::Succeeded
    };
}

fn fail(
    context: &Context,
    outcome: &mut Outcome,
    claim: &Claim,
    failure: &Failure,
    error: &SyncError,
) {
    if let SyncError::Stopped(stop) = error {
        outcome.state = match stop {
            Stop::Cancelled => SyncState::Cancelled,
            // Nothing is lost: the next claim does all of it again.
            Stop::Released | Stop::LeaseLost => SyncState::Queued,
        };
        return;
    }
    let now = context.store.now();
    outcome.application.wanted.clone_from(&outcome.commit);
    outcome.state = SyncState::Failed;
    if matches!(error, SyncError::NotConfigured(_)) {
        outcome.state = SyncState::Cancelled;
    } else if failure.cause().admits(Attempt::Retry) && !claim.sync.options.dry_run {
        let policy = context
            .config
            .load()
            .applications
            .get(&claim.sync.application)
            .map(|application| application.sync.retry)
            .unwrap_or_default();
        let attempt = claim.sync.attempt.max(1);
        if let Some(delay) = policy.delay(attempt, fastrand::f64()) {
            let delay = SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX);
            outcome.state = SyncState::Retrying;
            outcome.next_attempt_at = now.saturating_add(delay).ok();
        }
    }
    outcome.error = Some(failure.clone());
}

/// The outcome of a sync whose code panicked: a bug, but neither a lost sync nor a lost worker.
pub(super) fn panicked(context: &Context, claim: &Claim, phase: Phase) -> Outcome {
    let mut record = Record::new(claim);
    record.phase = phase;
    let error = SyncError::Panicked;
    let mut outcome = blank(claim, record);
    fail(context, &mut outcome, claim, &error.failure(phase), &error);
    outcome
}
