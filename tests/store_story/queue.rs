//! Requests, claims and leases.

use std::time::Duration;

use headstay::domain::health::HealthStatus;
use headstay::domain::name::ApplicationName;
use headstay::domain::sync::{
    Phase, PhaseDuration, SyncOptions, SyncRequest, SyncState, Trigger, WaitingFor, f64_ms::Ms,
};
use headstay::store::error::StoreError;
use headstay::store::{Approval, Cancellation, Outcome, Page, Step, Store, SyncFilter, WaitingEnd};
use jiff::Timestamp;

use crate::world::{LEASE, World, cluster, commit_id, delivery, key, name, outcome, plan, request};

/// A time that these tests do not live to see.
const LATER: Timestamp = Timestamp::constant(200_000_000_000, 0);

#[tokio::test]
async fn wishes_of_one_slot_coalesce() {
    let world = World::new().await;
    let first = world.store.enqueue(request("shop", Trigger::Timer)).await.unwrap();
    let second = world.store.enqueue(request("shop", Trigger::Webhook)).await.unwrap();
    assert!(!first.coalesced && second.coalesced && first.id == second.id);
    let sync = world.store.sync(first.id).await.unwrap().unwrap();
    assert_eq!(sync.trigger, Trigger::Webhook, "a check yields to who was told");
    assert_eq!(sync.actor.as_deref(), Some("by webhook"));
    assert!(sync.requested_at >= sync.queued_at);

    let options = SyncOptions { dry_run: true, ..SyncOptions::default() };
    let other = SyncRequest { options, ..request("shop", Trigger::Manual) };
    assert!(!world.store.enqueue(other).await.unwrap().coalesced, "another slot");
    assert!(!world.store.enqueue(request("blog", Trigger::Manual)).await.unwrap().coalesced);
}

#[tokio::test]
async fn one_sync_of_an_application_runs_at_a_time() {
    let world = World::new().await;
    let first = world.enqueue("shop", Trigger::Webhook).await;
    let claim = world.claim().await.unwrap();
    assert_eq!((claim.key.sync, claim.step, claim.sync.attempt), (first, Step::Start, 1));
    assert_eq!(claim.sync.state, SyncState::Running);

    let second = world.enqueue("shop", Trigger::Webhook).await;
    assert_ne!(first, second, "who comes while it runs wants to be seen");
    assert!(world.claim().await.is_none());
    assert_eq!(world.store.next_due().await.unwrap(), Some(claim.lease_until));

    let blog = world.enqueue("blog", Trigger::Webhook).await;
    assert_eq!(world.claim().await.unwrap().key.sync, blog);

    assert!(world.store.finish(claim.key, outcome(SyncState::Succeeded)).await.unwrap());
    assert_eq!(world.claim().await.unwrap().key.sync, second);
}

#[tokio::test]
async fn a_lost_lease_is_fenced_off() {
    let world = World::new().await;
    let id = world.enqueue("shop", Trigger::Webhook).await;
    let old = world.store.claim(Duration::ZERO).await.unwrap().unwrap();
    let new = world.claim().await.expect("the lease has ended");
    assert_eq!((new.key.sync, new.sync.attempt), (id, 2));
    assert_eq!(new.sync.started_at, old.sync.started_at);

    assert!(!world.begin_apply(old.key, Vec::new()).await);
    assert!(!world.store.record_applied(old.key, &cluster("main"), &[]).await.unwrap());
    assert!(!world.store.finish(old.key, outcome(SyncState::Failed)).await.unwrap());

    let held = world.store.renew(&[old.key, new.key], LEASE).await.unwrap();
    assert!(held[&new.key].lease_until >= new.lease_until && !held.contains_key(&old.key));
    assert!(world.store.finish(new.key, outcome(SyncState::Succeeded)).await.unwrap());
    assert!(!world.store.finish(new.key, outcome(SyncState::Failed)).await.unwrap(), "once only");
    assert_eq!(world.state(id).await, SyncState::Succeeded);
}

#[tokio::test]
async fn a_retry_waits_unless_somebody_is_told_of_news() {
    let world = World::new().await;
    let id = world.enqueue("shop", Trigger::Timer).await;
    let retry = || Outcome { next_attempt_at: Some(LATER), ..outcome(SyncState::Retrying) };
    world.run(retry()).await;
    assert!(world.claim().await.is_none());
    assert_eq!(world.store.next_due().await.unwrap(), Some(LATER));

    assert_eq!(world.enqueue("shop", Trigger::Timer).await, id);
    assert_eq!(world.state(id).await, SyncState::Retrying, "a look around wakes nobody");
    assert_eq!(world.enqueue("shop", Trigger::Webhook).await, id);
    let claim = world.claim().await.expect("due at once");
    assert_eq!((claim.sync.attempt, claim.sync.next_attempt_at), (1, None));
}

#[tokio::test]
async fn attempts_are_counted_per_step() {
    let world = World::new().await;
    world.enqueue("shop", Trigger::Webhook).await;
    let retry = Outcome { next_attempt_at: Some(Timestamp::MIN), ..outcome(SyncState::Retrying) };
    let healthy_at_once = Outcome { step: Step::Prune, ..outcome(SyncState::Queued) };
    for (attempt, end) in [(1, retry), (2, healthy_at_once), (1, outcome(SyncState::Succeeded))] {
        let claim = world.claim().await.unwrap();
        assert_eq!(claim.sync.attempt, attempt, "{:?}", claim.step);
        assert!(world.store.finish(claim.key, end).await.unwrap());
    }
}

#[tokio::test]
async fn a_retry_gives_way_to_what_was_queued_meanwhile() {
    let world = World::new().await;
    let old = world.enqueue("shop", Trigger::Webhook).await;
    let claim = world.claim().await.unwrap();
    let new = world.enqueue("shop", Trigger::Timer).await;
    let retry = Outcome { next_attempt_at: Some(LATER), ..outcome(SyncState::Retrying) };
    assert!(world.store.finish(claim.key, retry).await.unwrap());

    let old = world.store.sync(old).await.unwrap().unwrap();
    assert_eq!((old.state, old.superseded_by), (SyncState::Superseded, Some(new)));
    assert!(old.ended_at.is_some() && old.next_attempt_at.is_none());
    let new = world.claim().await.unwrap().sync;
    assert_eq!(new.trigger, Trigger::Webhook, "the request lives on in it");
}

#[tokio::test]
async fn a_push_that_is_tried_again_outlives_a_sync_of_another_revision() {
    let at = |revision: &str| SyncRequest {
        options: SyncOptions { revision: Some(revision.into()), ..SyncOptions::default() },
        ..request("shop", Trigger::Manual)
    };
    let pruned = SyncRequest {
        options: SyncOptions { prune: Some(true), ..SyncOptions::default() },
        ..request("shop", Trigger::Manual)
    };
    let push = || request("shop", Trigger::Webhook);
    for (older, newer, left) in [
        (push(), at("v1"), SyncState::Retrying),
        (at("v1"), at("v2"), SyncState::Retrying),
        (push(), pruned, SyncState::Superseded),
        (at("v1"), push(), SyncState::Superseded),
    ] {
        let world = World::new().await;
        let older = world.store.enqueue(older).await.unwrap().id;
        world.run(Outcome { next_attempt_at: Some(LATER), ..outcome(SyncState::Retrying) }).await;
        world.store.enqueue(newer.clone()).await.unwrap();
        let claim = world.claim().await.unwrap();
        assert!(world.begin_apply(claim.key, Vec::new()).await);
        assert_eq!(world.state(older).await, left, "{newer:?}");
    }
}

#[tokio::test]
async fn who_is_interrupted_goes_back_to_the_queue() {
    let world = World::new().await;
    let shop = world.enqueue("shop", Trigger::Webhook).await;
    let blog = world.enqueue("blog", Trigger::Webhook).await;
    let lost = [world.claim().await.unwrap(), world.claim().await.unwrap()];
    let newer = world.enqueue("blog", Trigger::Webhook).await;

    let world = world.reopen().await;
    assert_eq!(world.store.recover().await.unwrap(), 2);
    assert_eq!(world.state(shop).await, SyncState::Queued);
    assert_eq!(world.state(blog).await, SyncState::Superseded, "its slot was taken meanwhile");
    assert_eq!(world.state(newer).await, SyncState::Queued);
    for claim in lost {
        assert!(!world.store.finish(claim.key, outcome(SyncState::Failed)).await.unwrap());
    }
    assert_eq!(world.claim().await.unwrap().key.sync, newer);
    assert_eq!(world.claim().await.unwrap().sync.attempt, 2);
}

#[tokio::test]
async fn the_wait_for_health_ends_in_a_prune_that_comes_first() {
    let world = World::new().await;
    let phase = |phase, us| vec![PhaseDuration { phase, duration_ms: Ms(us) }];
    let id = world.enqueue("shop", Trigger::Webhook).await;
    let applied = [phase(Phase::Queue, 3), phase(Phase::Apply, 5)].concat();
    let waiting = Outcome { phases: applied, ..outcome(SyncState::Waiting) };
    world.run(waiting).await;
    assert_eq!(world.store.waiting().await.unwrap().len(), 1);
    world.enqueue("shop", Trigger::Timer).await;

    let end = WaitingEnd::PruneNext { phases: phase(Phase::Health, 7) };
    assert!(world.store.end_waiting(id, end.clone()).await.unwrap());
    assert!(!world.store.end_waiting(id, end).await.unwrap(), "it waits no more");
    assert!(!world.store.record_waiting(id, &[]).await.unwrap());

    let claim = world.claim().await.unwrap();
    assert_eq!((claim.key.sync, claim.step), (id, Step::Prune));
    let pruned = [phase(Phase::Queue, 4), phase(Phase::Prune, 9)].concat();
    let done = Outcome { phases: pruned, ..outcome(SyncState::Succeeded) };
    assert!(world.store.finish(claim.key, done).await.unwrap());
    let phases = world.store.sync(id).await.unwrap().unwrap().phases;
    let of_all = [(Phase::Queue, 7), (Phase::Apply, 5), (Phase::Health, 7), (Phase::Prune, 9)];
    assert_eq!(phases, of_all.map(|(of, us)| phase(of, us)).concat());
}

#[tokio::test]
async fn of_what_is_waited_for_the_first_are_named_and_the_others_counted() {
    let world = World::new().await;
    let id = world.enqueue("shop", Trigger::Webhook).await;
    let waits = |count: usize| -> Vec<WaitingFor> {
        let one = |nth: usize| WaitingFor {
            object: key(&format!("web-{nth}")),
            health: HealthStatus::Progressing,
            reason: "0 of 1 replicas".into(),
        };
        (0..count).map(one).collect()
    };
    let many = WaitingFor::NAMED_MAX + 7;
    world.run(Outcome { waiting_for: waits(many), ..outcome(SyncState::Waiting) }).await;
    let told = async || {
        let sync = world.store.sync(id).await.unwrap().unwrap();
        (sync.waiting_for.len(), sync.waiting_for_more)
    };
    assert_eq!(told().await, (WaitingFor::NAMED_MAX, 7));
    assert!(world.store.record_waiting(id, &waits(3)).await.unwrap());
    assert_eq!(told().await, (3, 0));
    assert!(world.store.record_waiting(id, &waits(many + 1)).await.unwrap());
    assert_eq!(told().await, (WaitingFor::NAMED_MAX, 8));
}

#[tokio::test]
async fn the_wait_for_health_ends_well() {
    let world = World::new().await;
    let id = world.enqueue("shop", Trigger::Webhook).await;
    world.run(outcome(SyncState::Waiting)).await;
    let end = WaitingEnd::Healthy { commit: commit_id('a'), phases: Vec::new() };
    assert!(world.store.end_waiting(id, end).await.unwrap());
    assert_eq!(world.state(id).await, SyncState::Succeeded);
    let shop = world.store.applications().await.unwrap().remove(0);
    assert_eq!((shop.healthy, shop.last_sync), (Some(commit_id('a')), Some(id)));
}

#[tokio::test]
async fn of_the_blocked_syncs_of_a_slot_only_the_newest_waits_for_a_yes() {
    let world = World::new().await;
    let blocked = |hash| Outcome { plan: Some(plan(hash)), ..outcome(SyncState::Blocked) };
    let pruned = SyncRequest {
        options: SyncOptions { prune: Some(true), ..SyncOptions::default() },
        ..request("shop", Trigger::Manual)
    };
    let other = world.store.enqueue(pruned).await.unwrap().id;
    world.run(blocked("h0")).await;
    let push = vec![request("shop", Trigger::Webhook)];
    let told = world.store.accept(delivery("d-1"), push).await.unwrap();
    let old = world.run(blocked("h1")).await;
    world.enqueue("shop", Trigger::Timer).await;
    let new = world.run(blocked("h2")).await;

    let old = world.store.sync(old).await.unwrap().unwrap();
    assert_eq!((old.state, old.superseded_by), (SyncState::Superseded, Some(new)));
    assert!(old.ended_at.is_some(), "retention reaches it");
    let new = world.store.sync(new).await.unwrap().unwrap();
    assert_eq!((new.state, new.trigger), (SyncState::Blocked, Trigger::Webhook));
    assert_eq!(new.deliveries, [told.id]);
    assert_eq!(world.state(other).await, SyncState::Blocked, "another slot");
}

#[tokio::test]
async fn a_yes_is_not_lost_to_a_check_that_ran_when_it_was_given() {
    let world = World::new().await;
    let asked = world.enqueue("shop", Trigger::Webhook).await;
    let plan = Some(plan("h1"));
    world.run(Outcome { plan, step: Step::Prune, ..outcome(SyncState::Blocked) }).await;
    world.enqueue("shop", Trigger::Timer).await;
    let check = world.claim().await.unwrap().key;
    world.store.approve(asked, "ada", None).await.unwrap();

    assert!(world.begin_apply(check, Vec::new()).await);
    assert_eq!(world.state(asked).await, SyncState::Superseded);
    let outcome = Outcome { step: Step::Prune, ..outcome(SyncState::Queued) };
    assert!(world.store.finish(check, outcome).await.unwrap());
    let sync = world.claim().await.unwrap().sync;
    assert_eq!((sync.id, sync.approved.as_deref()), (check.sync, Some("h1")));
    assert_eq!(sync.plan.unwrap().hash, "h1");
}

#[tokio::test]
async fn an_approval_names_one_plan() {
    let world = World::new().await;
    let blocked = || Outcome { plan: Some(plan("h1")), ..outcome(SyncState::Blocked) };
    let id = world.enqueue("shop", Trigger::Webhook).await;
    assert_eq!(
        world.store.approve(id, "ada", None).await.unwrap(),
        Approval::NotBlocked(SyncState::Queued)
    );
    world.run(blocked()).await;
    let newer = world.enqueue("shop", Trigger::Timer).await;

    let approve = async |seen| world.store.approve(id, "ada", Some(seen)).await.unwrap();
    assert_eq!(approve("h0").await, Approval::AnotherPlan(plan("h1")));
    assert_eq!(world.state(id).await, SyncState::Blocked);
    assert_eq!(approve("h1").await, Approval::Approved);
    assert_eq!(world.state(newer).await, SyncState::Superseded);
    let claim = world.claim().await.unwrap();
    assert_eq!((claim.key.sync, claim.sync.approved.as_deref()), (id, Some("h1")));
    assert!(world.store.finish(claim.key, blocked()).await.unwrap());
    assert_eq!(world.store.sync(id).await.unwrap().unwrap().approved, None, "asked again");
}

#[tokio::test]
async fn a_person_stops_a_sync() {
    let world = World::new().await;
    let queued = world.enqueue("shop", Trigger::Webhook).await;
    let cancel = async |id| world.store.cancel(id, "ada").await.unwrap();
    assert_eq!(cancel(queued).await, Cancellation::Cancelled);
    assert_eq!(cancel(queued).await, Cancellation::Ended(SyncState::Cancelled));

    let running = world.enqueue("shop", Trigger::Webhook).await;
    let claim = world.claim().await.unwrap();
    let is_told =
        async || world.store.renew(&[claim.key], LEASE).await.unwrap()[&claim.key].cancel_requested;
    assert!(!is_told().await);
    assert_eq!(cancel(running).await, Cancellation::Requested);
    assert!(is_told().await);
    assert!(world.store.finish(claim.key, outcome(SyncState::Waiting)).await.unwrap());
    assert_eq!(world.state(running).await, SyncState::Cancelled, "it was not heard in time");
}

#[tokio::test]
async fn a_sync_that_cannot_be_read_fails_and_holds_up_no_other() {
    let world = World::new().await;
    world.configure(&[("shop", "main"), ("blog", "main")]).await;
    world.store.schedule_checks(&[("shop", LATER), ("blog", LATER)].map(due)).await.unwrap();
    let damaged = world.enqueue("shop", Trigger::Webhook).await;
    let next = world.enqueue("blog", Trigger::Webhook).await;
    world
        .tamper("UPDATE syncs SET trigger = 'omen', options = '{' WHERE application = 'shop'")
        .await;
    assert_eq!(world.enqueue("shop", Trigger::Webhook).await, damaged, "it can still be joined");

    assert_eq!(world.claim().await.unwrap().key.sync, next);
    let page = Page { cursor: None, limit: 10 };
    let listed = world.store.syncs(&SyncFilter::default(), page).await.unwrap().items;
    let [blog, shop] = &listed[..] else { panic!("nothing is left out: {listed:?}") };
    assert_eq!((blog.id, shop.id, shop.state), (next, damaged, SyncState::Failed));
    let message = &shop.error.as_ref().unwrap().message;
    assert!(message.contains("column `options`: EOF"), "{message}");
    assert!(message.contains("ask for a new sync"), "{message}");
    assert_eq!(world.store.due_checks(world.store.now()).await.unwrap(), [name("shop")]);

    let waiting = world.enqueue("shop", Trigger::Webhook).await;
    world.run(outcome(SyncState::Waiting)).await;
    world.tamper("UPDATE syncs SET phases = 'later' WHERE state = 'Waiting'").await;
    assert_eq!(world.store.waiting().await.unwrap(), []);
    assert_eq!(world.state(waiting).await, SyncState::Failed);
}

fn due((application, at): (&str, Timestamp)) -> (ApplicationName, Timestamp) {
    (name(application), at)
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let world = World::new().await;
    let Err(error) = Store::open(&world.path()).await else { panic!("it was let in") };
    assert!(matches!(error, StoreError::InUse { .. }));
    assert!(error.to_string().contains("headstay.db is in use"), "{error}");
    world.reopen().await;
}
