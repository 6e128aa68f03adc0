//! What a row says of its attempts, of when it was asked for, and of why it failed.

#![expect(clippy::unwrap_used, reason = "a story ends where something unexpected happens")]

use std::time::Duration;

use headstay::domain::sync::{Failure, FailureCause, Phase, Sync, SyncState, Trigger};
use headstay::store::{ClaimKey, Outcome, Step};
use jiff::Timestamp;

use crate::world::{World, commit, outcome};

/// What happens to a sync.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// Somebody wants the same.
    Request(Trigger),
    /// A worker takes it.
    Claim,
    /// Its attempt fails, and another follows at once.
    Fail,
    /// Its worker gives it back, because the process ends.
    Release,
    /// All is applied and healthy: its second step is due.
    Prune,
}

/// What its row says then.
#[derive(Debug, PartialEq)]
struct Row {
    state: SyncState,
    trigger: Trigger,
    attempt: u32,
    /// Whether it says that it was queued when the last request came, and not before.
    anew: bool,
    /// Whether it tells of a failed attempt, and to which commit that was to bring it.
    failed: bool,
    commit: bool,
}

#[tokio::test]
async fn attempts_times_and_errors_are_those_of_the_wish_that_is_served() {
    use Event::{Claim, Fail, Prune, Release, Request};
    use SyncState::{Queued, Retrying, Running};
    use Trigger::{Manual, Timer, Webhook};
    let row = |state, trigger, attempt, anew, told: bool| Row {
        state,
        trigger,
        attempt,
        anew,
        failed: told,
        commit: told,
    };
    for (begun_by, events, expected) in [
        (Webhook, &[][..], row(Queued, Webhook, 0, true, false)),
        (Webhook, &[Claim, Fail], row(Retrying, Webhook, 1, true, true)),
        (Webhook, &[Claim, Fail, Claim], row(Running, Webhook, 2, true, true)),
        // A newer push begins anew; of the older one nothing is told any more.
        (Webhook, &[Claim, Fail, Request(Webhook)], row(Queued, Webhook, 0, true, false)),
        (
            Timer,
            &[Claim, Fail, Claim, Fail, Request(Webhook)],
            row(Queued, Webhook, 0, true, false),
        ),
        (Manual, &[Claim, Fail, Request(Webhook)], row(Queued, Manual, 0, true, false)),
        // Who only looks around, and who comes before it has begun, joins what there is.
        (Webhook, &[Claim, Fail, Request(Timer)], row(Retrying, Webhook, 1, false, true)),
        (Webhook, &[Request(Webhook)], row(Queued, Webhook, 0, false, false)),
        // What was given back was no attempt, and takes no earlier failure back.
        (Webhook, &[Claim, Release], row(Queued, Webhook, 0, true, false)),
        (Webhook, &[Claim, Fail, Claim, Release], row(Queued, Webhook, 1, true, true)),
        // Attempts are counted per step.
        (Webhook, &[Claim, Fail, Claim, Prune], {
            Row { commit: true, ..row(Queued, Webhook, 0, true, false) }
        }),
    ] {
        let world = World::new().await;
        let id = world.enqueue("shop", begun_by).await;
        let mut wished_at = world.store.sync(id).await.unwrap().unwrap().queued_at;
        let mut claim = None;
        for event in events {
            if let Request(_) = event {
                wished_at = later(&world, wished_at).await;
            }
            happen(&world, &mut claim, *event).await;
        }
        let sync = world.store.sync(id).await.unwrap().unwrap();
        assert_eq!(told(&sync, wished_at), expected, "{begun_by:?} {events:?}");
    }
}

fn told(sync: &Sync, wished_at: Timestamp) -> Row {
    Row {
        state: sync.state,
        trigger: sync.trigger,
        attempt: sync.attempt,
        anew: sync.queued_at >= wished_at,
        failed: sync.error.is_some(),
        commit: sync.commit.is_some(),
    }
}

/// A moment that is not the same as this one.
async fn later(world: &World, than: Timestamp) -> Timestamp {
    loop {
        let now = world.store.now();
        if now > than {
            return now;
        }
        tokio::task::yield_now().await;
    }
}

async fn happen(world: &World, claim: &mut Option<ClaimKey>, event: Event) {
    let end = match event {
        Event::Request(trigger) => {
            world.enqueue("shop", trigger).await;
            return;
        }
        Event::Claim => {
            *claim = world.claim().await.map(|claim| claim.key);
            return;
        }
        Event::Fail => {
            let message = "no answer".to_owned();
            let error = Failure::new(Phase::Apply, FailureCause::Environment, message, Vec::new());
            Outcome {
                commit: Some(commit('a')),
                error: Some(error),
                next_attempt_at: Some(Timestamp::MIN),
                ..outcome(SyncState::Retrying)
            }
        }
        Event::Release => outcome(SyncState::Queued),
        Event::Prune => Outcome { step: Step::Prune, ..outcome(SyncState::Queued) },
    };
    assert!(world.store.finish(claim.unwrap(), end).await.unwrap(), "{event:?}");
}

#[tokio::test]
async fn the_wait_in_the_queue_counts_from_when_it_was_due() {
    let world = World::new().await;
    let queued = world.store.now();
    world.enqueue("shop", Trigger::Webhook).await;
    let claim = world.claim().await.unwrap();
    assert!(claim.waited <= since(&world, queued));
    let before = world.store.now();
    let retry = Outcome { next_attempt_at: Some(before), ..outcome(SyncState::Retrying) };
    assert!(world.store.finish(claim.key, retry).await.unwrap());
    let claim = world.claim().await.unwrap();
    assert!(claim.waited <= since(&world, before), "not from when it was queued");
}

fn since(world: &World, time: Timestamp) -> Duration {
    world.store.now().duration_since(time).try_into().unwrap()
}
