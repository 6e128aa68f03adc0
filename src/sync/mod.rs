//! One sync: fetch → render → diff → apply, then health and prune. Each stage is a file.
//!
//! [`run`] is the whole of it on one screen. It never writes the sync's row itself: it returns the
//! [`Outcome`] that the worker records.

mod apply;
pub mod checked;
mod conclude;
pub mod context;
pub mod diff;
mod ended;
pub mod error;
mod fetch;
pub mod fights;
mod handover;
mod heal;
mod homes;
mod known;
pub mod lease;
mod look;
mod obstacles;
mod prune;
mod record;
mod render;
mod scene;
mod usable;
mod wanted;
pub mod worker;
pub mod workers;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::error::chain;
use crate::domain::inventory::InventoryItem;
use crate::domain::name::{ApplicationName, SyncId};
use crate::domain::object::ObjectKey;
use crate::domain::order;
use crate::domain::stop::Stop;
use crate::domain::sync::{
    Attempt, Look, Phase, Sync, SyncOptions, SyncRequest, SyncState, Trigger,
};
use crate::store::{Claim, ClaimKey, Outcome, Page, Step, SyncFilter};
use crate::sync::checked::Checked;
use crate::sync::context::Context;
use crate::sync::diff::Preview;
use crate::sync::ended::Ended;
use crate::sync::error::SyncError;
use crate::sync::fetch::Target;
use crate::sync::lease::Lease;
use crate::sync::prune::Planned;
use crate::sync::record::Record;
use crate::sync::scene::Scene;
use crate::sync::wanted::Wanted;

/// Asks what a sync would change now; writes nothing.
pub async fn preview(context: &Context, name: &ApplicationName) -> Result<Preview, SyncError> {
    let request = SyncRequest {
        application: name.clone(),
        trigger: Trigger::Manual,
        actor: None,
        options: SyncOptions { dry_run: true, ..SyncOptions::default() },
    };
    let id = SyncId::from_uuid(uuid::Uuid::nil());
    let now = context.store.now();
    // A claim of nothing: it is never recorded, and its lease permits no write.
    let claim = Claim {
        key: ClaimKey { sync: id, fence: 0 },
        sync: Sync::asked_for(id, request, now),
        step: Step::Start,
        waited: Duration::ZERO,
        lease_until: now,
    };
    let lease = Lease::new(context, &claim, CancellationToken::new());
    let mut scene = Scene::set(context, &claim, &lease).await?;
    scene.read_inventory().await?;
    let mut record = Record::new(&claim);
    let target = fetch::fetch(&scene, &mut record).await?;
    let desired = render::at(&scene, &mut record, &target.commit.id).await?;
    diff::preview(&scene, &target, desired).await
}

/// Runs a claimed sync to its outcome.
pub async fn run(context: &Context, claim: &Claim, lease: &Lease) -> Outcome {
    let mut record = Record::new(claim);
    let ended = match Scene::set(context, claim, lease).await {
        Ok(scene) => {
            record.cluster = Some(scene.application.cluster.clone());
            record.wanted_before = scene.state.wanted.as_ref().map(|wanted| wanted.id.clone());
            let applied = scene.state.applied.as_ref().map(|applied| applied.id.clone());
            record.applied_before = applied.zip(scene.state.inputs.clone());
            match claim.step {
                Step::Start => start(scene, &mut record).await,
                Step::Prune => end(scene, &mut record).await,
            }
        }
        Err(error) => Err(error),
    };
    conclude::outcome(context, claim, record, ended)
}

async fn start(mut scene: Scene<'_>, record: &mut Record) -> Result<Ended, SyncError> {
    // Hosts may hang: while they are waited for, no worker is held.
    let asked = async { tokio::join!(fetch::fetch(&scene, record), scene.cluster.answers()) };
    let (target, answers) = scene.lease.unless_stopped(asked).await?;
    if needs_the_cluster(&scene, &target) {
        record.phase = Phase::Diff;
        answers.map_err(scene.cluster_error())?;
    }
    let _worker = scene.take_worker(record).await?;
    if !Arc::ptr_eq(&scene.config, &scene.context.config.load()) {
        // What was asked before the wait was asked by settings that are no longer in force.
        return Err(Stop::Released.into());
    }
    let scene = &scene;
    let drifted = scene.lease.unless_stopped(look::look(scene, record)).await??;
    match bring(scene, record, target, &drifted).await {
        // A commit that cannot be applied must not keep what was applied from being held.
        Err(error) if error.leaves_the_applied_state() && heal::is_due(scene, &drifted) => {
            let failed_in = record.phase;
            if let Err(second) = heal::heal(scene, record, &drifted).await {
                tracing::warn!(
                    application = %scene.application.name, error = %chain(&second),
                    "what drifted could not be put back either"
                );
            }
            record.phase = failed_in;
            Err(error)
        }
        ended => ended,
    }
}

/// The second step, after health: what Git no longer names goes.
async fn end(mut scene: Scene<'_>, record: &mut Record) -> Result<Ended, SyncError> {
    // Hosts may hang: while they are waited for, no worker is held.
    let asked_at = scene.context.store.now();
    let asked = async { tokio::join!(wanted::target(&scene, asked_at), scene.cluster.answers()) };
    let asked = record.time(Phase::Prune, scene.lease.unless_stopped(asked));
    let (target, answers) = asked.await?;
    if target?.is_none() {
        return Ok(Ended::Overtaken);
    }
    answers.map_err(scene.cluster_error())?;
    let _worker = scene.take_worker(record).await?;
    // That wait may have been long, and what counts is what is so when objects are deleted.
    let mut scene = Scene::set(scene.context, scene.claim, scene.lease).await?;
    scene.read_inventory().await?;
    let Some(access) = scene.access() else { return Ok(Ended::Overtaken) };
    let wanted = Wanted::since(&scene, asked_at);
    let target = scene.lease.unless_stopped(wanted.target());
    let Some(target) = record.time(Phase::Prune, target).await?? else {
        return Ok(Ended::Overtaken);
    };
    if !conclude::works(&scene) {
        // It worked when this was queued. What is deleted may be what it needs to work again.
        return Ok(Ended::Applied(conclude::advance(&scene, record, target).await?));
    }
    match prune::plan(&scene, record, &target).await? {
        Planned::Blocked(plan) => Ok(Ended::Blocked(plan)),
        Planned::Plan(plan) => prune::prune(&scene, &access, &wanted, record, plan).await,
    }
}

/// Whether the sync has to ask or change anything on the cluster.
fn needs_the_cluster(scene: &Scene<'_>, target: &Result<Target, SyncError>) -> bool {
    look::wanted(scene) != Look::Not
        || target.as_ref().is_ok_and(|target| !target.is_applied(scene))
}

async fn bring(
    scene: &Scene<'_>,
    record: &mut Record,
    target: Result<Target, SyncError>,
    drifted: &HashSet<ObjectKey>,
) -> Result<Ended, SyncError> {
    let mut target = target.inspect_err(|_| record.phase = Phase::Fetch)?;
    if leaves_it_to_a_prune(scene, &target).await? {
        heal::heal(scene, record, drifted).await?;
        return Ok(Ended::Held { settings: scene.settings(), at_its_commit: true });
    }
    if drifted.is_empty() && target.is_applied(scene) {
        let mut applied = conclude::advance(scene, record, target).await?;
        // A plan that waits for a yes is not shown anew with each check.
        if applied.prunes_next() {
            applied.may_prune = !waits_for_a_person(scene, &applied.target).await?;
        }
        return Ok(Ended::Applied(applied));
    }
    if waits_for_a_person(scene, &target).await? {
        heal::heal(scene, record, drifted).await?;
        return Ok(Ended::Held { settings: scene.settings(), at_its_commit: false });
    }
    let rendered = scene.lease.unless_stopped(render::render(scene, record, &mut target));
    let desired = rendered.await??;
    let plan = diff::plan(scene, record, &target, desired, drifted);
    let mut plan = scene.lease.unless_stopped(plan).await??;
    if let Some(blocked) = plan.blocked {
        return Ok(Ended::Blocked(blocked));
    }
    let Some(access) = scene.access() else {
        return tell(scene, record, &target, plan).await;
    };
    conclude::let_go(scene, &target, &mut plan.stale).await?;
    let start = apply::start(scene, &target, &plan);
    // The intent to take an object over has to be known to the application that gives it away.
    let mut begun = !plan.taken.is_empty();
    if begun {
        apply::begin(scene, &start).await?;
    }
    let mut applied: Vec<InventoryItem> = Vec::new();
    for stage in order::stages(plan.candidates) {
        let checked = diff::dry_run(scene, record, &target.commit.id, stage, &plan.taken).await?;
        // A sync that finds nothing to write must not end the wait of the one before it.
        if !begun && checked.iter().any(Checked::is_written) {
            apply::begin(scene, &start).await?;
            begun = true;
        }
        let stage = apply::apply(scene, Some(&access), record, &target.commit.id, checked);
        applied.extend(stage.await?);
    }
    record.fail_on_failed_objects()?;
    Ok(Ended::Applied(conclude::applied(scene, record, target, applied, plan.stale).await?))
}

/// Says what a sync would do, and does nothing.
async fn tell(
    scene: &Scene<'_>,
    record: &mut Record,
    target: &Target,
    plan: diff::Plan,
) -> Result<Ended, SyncError> {
    for stage in order::stages(plan.candidates) {
        diff::dry_run(scene, record, &target.commit.id, stage, &plan.taken).await?;
    }
    record.fail_on_failed_objects()?;
    let foretold =
        scene.lease.unless_stopped(prune::foretell(scene, target, &plan.stale, &plan.named));
    let foretold = record.time(Phase::Prune, foretold).await??;
    record.results.extend(foretold);
    Ok(Ended::DryRun)
}

/// Whether a person has asked for a prune of this very commit, which the configuration does not do, and it
/// is still to come. Whoever else comes to the commit holds what is applied, and leaves the rest to it.
async fn leaves_it_to_a_prune(scene: &Scene<'_>, target: &Target) -> Result<bool, SyncError> {
    if scene.trigger().is_person() || scene.prunes() {
        return Ok(false);
    }
    let made_from = scene.context.store.prune_to_come(&scene.application.name).await?;
    let Some(made_from) = made_from.filter(|inputs| scene.state.was_made_from(inputs)) else {
        return Ok(false);
    };
    let inputs = known::inputs(scene, &scene.application, true);
    Ok(inputs.made_from(target.inputs.footprint().to_owned()).are(&made_from))
}

/// Whether trying this commit again can only end as it did: it is not to be applied unasked, was
/// refused for what its bytes are, is blocked, or was stopped by a person.
async fn waits_for_a_person(scene: &Scene<'_>, target: &Target) -> Result<bool, SyncError> {
    if scene.trigger().is_person() {
        return Ok(false);
    }
    if !scene.application.sync.automated {
        return Ok(true);
    }
    if !scene.trigger().is_check() {
        return Ok(false);
    }
    let filter = SyncFilter {
        application: Some(scene.application.name.clone()),
        commit: Some(target.commit.id.clone()),
        real: true,
        ..SyncFilter::default()
    };
    // This one and the one before it.
    let page = Page { cursor: None, limit: 2 };
    let earlier = scene.context.store.syncs(&filter, page).await?.items;
    let last = earlier.into_iter().find(|sync| sync.id != scene.claim.sync.id);
    Ok(last.is_some_and(|sync| {
        let inputs = sync.inputs.unwrap_or_default();
        match sync.state {
            // What is not known of their inputs is no reason to go on without the person.
            SyncState::Blocked => inputs.may_be(&target.inputs),
            SyncState::Cancelled => sync.cancelled_by.is_some() && inputs.may_be(&target.inputs),
            SyncState::Failed => {
                let lasts = sync.error.is_some_and(|error| !error.cause().admits(Attempt::Check));
                lasts && inputs.are(&target.inputs)
            }
            _ => false,
        }
    }))
}
