//! Claims what is due, runs each sync in a task of its own, and records what became of it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::domain::error::chain;
use crate::domain::sync::{Phase, Summary};
use crate::failpoint::failpoint;
use crate::store::{Claim, Claimable, Outcome, Step};
use crate::sync::conclude;
use crate::sync::context::Context;
use crate::sync::lease::{LEASE, Lease};

/// Most syncs that are claimed at once: so many may wait for hosts that hang before one whose hosts
/// are well has to wait. One that waits costs a task and a few kilobytes, and in a fetch a thread.
pub const CLAIMS_MAX: usize = 1024;
/// How long it sleeps at most when nobody rings: rows may become claimable in silence.
const POLL: Duration = Duration::from_secs(5);
/// How long it waits for a store that does not answer.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// Works until `shutdown`; syncs that run then are released, each between two writes.
pub async fn work(context: Context, shutdown: CancellationToken) {
    tokio::select! {
        () = claim_and_run(&context, &shutdown) => {}
        never = context.leases.keep(&context.store) => match never {},
    }
}

async fn claim_and_run(context: &Context, shutdown: &CancellationToken) {
    let mut bell = context.store.work_bell().listen();
    let mut running = JoinSet::new();
    while !shutdown.is_cancelled() {
        bell.mark_unchanged();
        while let Some(ended) = running.try_join_next() {
            must_have_ended_well(ended);
        }
        let full = running.len() >= CLAIMS_MAX;
        let config = context.config.load();
        let crowded = context.workers.crowded(&config);
        let dry_runs_only = config.server.suspend;
        let which = Claimable { beside: &crowded, dry_runs_only };
        // A sync that ends, or gets its worker, rings.
        let claimed = if full { Ok(None) } else { context.store.claim_of(which, LEASE).await };
        match claimed {
            Ok(Some(claim)) => {
                running.spawn(execute(context.clone(), claim, shutdown.child_token()));
            }
            Ok(None) => idle(context, &mut bell, (!full).then_some(which), shutdown).await,
            Err(error) => {
                tracing::error!(error = %chain(&error), "the store gives no work");
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
    }
    while let Some(ended) = running.join_next().await {
        must_have_ended_well(ended);
    }
}

/// A panic in a sync is caught where it is run. Another one is not survived.
fn must_have_ended_well(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        let told: Box<dyn Any + Send> = match error.try_into_panic() {
            Ok(panic) => panic,
            Err(error) => Box::new(error.to_string()),
        };
        resume_unwind(told);
    }
}

async fn idle(
    context: &Context,
    bell: &mut watch::Receiver<u64>,
    which: Option<Claimable<'_>>,
    shutdown: &CancellationToken,
) {
    let due = match which {
        Some(which) => context.store.next_due_of(which).await.ok().flatten(),
        // Then nothing is due, however long it has waited.
        None => None,
    };
    let pause = due.map_or(POLL, |due| {
        let left: SignedDuration = due.duration_since(context.store.now());
        Duration::try_from(left).unwrap_or_default().clamp(Duration::from_millis(5), POLL)
    });
    tokio::select! {
        _ = bell.changed() => {}
        () = tokio::time::sleep(pause) => {}
        () = shutdown.cancelled() => {}
    }
}

async fn execute(context: Context, claim: Claim, stop: CancellationToken) {
    failpoint("claim:after");
    let lease = Arc::new(Lease::new(&context, &claim, stop));
    context.leases.hold(&lease);
    let ran = AssertUnwindSafe(super::run(&context, &claim, &lease)).catch_unwind().await;
    drop(lease);
    let outcome = ran.unwrap_or_else(|_| conclude::panicked(&context, &claim, Phase::Queue));
    tell(&context, &claim, &outcome);
    failpoint("finish:before");
    settle(&context, &claim, outcome).await;
    failpoint("finish:after");
}

/// Records the outcome; while the store is away it tries on, until the claim has run out and the
/// sync is claimed anew.
async fn settle(context: &Context, claim: &Claim, outcome: Outcome) {
    let given_up = context.store.now().saturating_add(LEASE).unwrap_or(claim.lease_until);
    while context.store.now() < given_up {
        match context.store.finish(claim.key, outcome.clone()).await {
            Ok(true) => return,
            Ok(false) => break,
            Err(error) => {
                tracing::error!(sync = %claim.sync.id, error = %chain(&error), "could not record the sync");
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
    }
    tracing::warn!(sync = %claim.sync.id, "the claim was lost before the sync was recorded");
}

/// Says in log and metrics what became of a sync.
fn tell(context: &Context, claim: &Claim, outcome: &Outcome) {
    let sync = &claim.sync;
    context.metrics.sync_ran(sync, outcome.state, &outcome.phases);
    if let Some(applied_at) = outcome.applied_at.filter(|_| claim.step == Step::Start)
        && !outcome.discard_if_quiet
    {
        let took = applied_at.duration_since(sync.queued_at);
        context.metrics.applied(sync.trigger, took.try_into().unwrap_or_default());
    }
    if outcome.discard_if_quiet {
        tracing::debug!(sync = %sync.id, application = %sync.application, "checked, nothing to do");
        return;
    }
    let commit = outcome.commit.as_ref().map(|commit| commit.id.short().to_owned());
    let counts = Summary::of(&outcome.results);
    match &outcome.error {
        None => tracing::info!(
            sync = %sync.id, application = %sync.application, trigger = sync.trigger.as_str(),
            state = outcome.state.as_str(), commit, created = counts.created,
            configured = counts.configured, pruned = counts.pruned, "sync ran"
        ),
        Some(failure) => tracing::warn!(
            sync = %sync.id, application = %sync.application, trigger = sync.trigger.as_str(),
            state = outcome.state.as_str(), commit, phase = failure.phase.as_str(),
            error = failure.message, details = failure.details.join("; "), "sync failed"
        ),
    }
}
