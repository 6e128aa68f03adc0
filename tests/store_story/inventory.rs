//! What applications own, and what a newer sync does to older ones.

use headstay::domain::health::{Health, HealthStatus};
use headstay::domain::inventory::{InventoryItem, Kept};
use headstay::domain::sync::{Action, SyncState, Trigger};
use headstay::store::{ApplicationChange, Cancellation, Outcome, Step, WaitingEnd};
use jiff::Timestamp;

use crate::world::{
    World, cluster, commit, commit_id, inputs, item, key, name, outcome, plan, result,
};

#[tokio::test]
async fn objects_are_known_before_they_are_written() {
    let world = World::new().await;
    let id = world.enqueue("shop", Trigger::Webhook).await;
    let claim = world.claim().await.unwrap();
    let before = [item("cluster-wide", 'a'), item("web", 'a')];
    assert!(world.store.record_applied(claim.key, &cluster("main"), &before[1..]).await.unwrap());

    let intended = |object| {
        let mut intended = item(object, 'b');
        (intended.hash, intended.uid) = (None, None);
        intended
    };
    let start = vec![intended("cluster-wide"), intended("web")];
    assert!(world.begin_apply(claim.key, start).await);
    let world = world.reopen().await;
    let inventory = world.inventory("shop", "main").await;
    assert_eq!(inventory, [intended("cluster-wide"), item("web", 'a')], "what is there stays");
    let shop = world.store.application(&name("shop")).await.unwrap().unwrap();
    assert_eq!(shop.wanted, Some(commit('a')));
    assert_eq!(world.store.sync(id).await.unwrap().unwrap().commit, Some(commit('a')));

    let done = Outcome {
        applied: vec![item("cluster-wide", 'a')],
        forget: vec![key("web")],
        ..outcome(SyncState::Succeeded)
    };
    assert!(world.store.finish(claim.key, done).await.unwrap());
    assert_eq!(world.inventory("shop", "main").await, [item("cluster-wide", 'a')]);
}

#[tokio::test]
async fn whoever_applies_supersedes_what_it_overtakes() {
    let world = World::new().await;
    let pruning = world.enqueue("shop", Trigger::Webhook).await;
    world.run(outcome(SyncState::Waiting)).await;
    let waiting = world.enqueue("shop", Trigger::Webhook).await;
    world.run(outcome(SyncState::Waiting)).await;
    let blocked = world.enqueue("shop", Trigger::Webhook).await;
    world.run(Outcome { plan: Some(plan("h")), ..outcome(SyncState::Blocked) }).await;
    let elsewhere = world.enqueue("blog", Trigger::Webhook).await;
    world.run(outcome(SyncState::Waiting)).await;

    let newest = world.enqueue("shop", Trigger::Webhook).await;
    let claim = world.claim().await.unwrap();
    let end = WaitingEnd::PruneNext { phases: Vec::new() };
    assert!(world.store.end_waiting(pruning, end).await.unwrap());
    let queued = world.enqueue("shop", Trigger::Webhook).await;
    assert!(world.begin_apply(claim.key, Vec::new()).await);

    for id in [pruning, waiting, blocked] {
        let sync = world.store.sync(id).await.unwrap().unwrap();
        assert_eq!((sync.state, sync.superseded_by), (SyncState::Superseded, Some(newest)));
        assert!(sync.ended_at.is_some());
    }
    assert_eq!(world.state(elsewhere).await, SyncState::Waiting);
    assert_eq!(world.state(queued).await, SyncState::Queued);
}

#[tokio::test]
async fn a_thousand_objects_are_one_transaction() {
    let world = World::new().await;
    world.enqueue("shop", Trigger::Webhook).await;
    let claim = world.claim().await.unwrap();
    let held = |n| InventoryItem { kept: None, ..item(&format!("web-{n:03}"), 'a') };
    let items: Vec<_> = (0..1000).map(held).chain([item("web-given-up", 'a')]).collect();
    assert!(world.store.record_applied(claim.key, &cluster("main"), &items).await.unwrap());
    assert_eq!(world.inventory("shop", "main").await, items);
    let keys: Vec<_> = items.iter().map(|item| item.object.clone()).collect();
    world.configure(&[("shop", "main"), ("blog", "main")]).await;
    let owners = async |on: &str, except: &str| {
        world.store.owners(&keys, &cluster(on), &name(except)).await.unwrap()
    };
    assert_eq!(owners("main", "blog").await.len(), 1000);
    assert!(owners("main", "shop").await.is_empty());
    assert!(owners("other", "blog").await.is_empty());
    world.configure(&[("shop", "other"), ("blog", "main")]).await;
    assert!(owners("main", "blog").await.is_empty(), "shop has moved away");
}

#[tokio::test]
async fn a_move_leaves_the_inventory_behind_and_begins_anew() {
    let world = World::new().await;
    world.configure(&[("shop", "main")]).await;
    let shop = async || world.store.application(&name("shop")).await.unwrap().unwrap();
    let applied = || ApplicationChange {
        applied: Some((commit('a'), world.store.now(), inputs("a"))),
        ..Default::default()
    };
    let waiting = world.enqueue("shop", Trigger::Webhook).await;
    let items = vec![item("web", 'a'), item("cluster-wide", 'a')];
    let outcome = |state| Outcome { application: applied(), ..outcome(state) };
    world.run(Outcome { applied: items, ..outcome(SyncState::Waiting) }).await;
    let running = world.enqueue("shop", Trigger::Webhook).await;
    let claim = world.claim().await.unwrap();
    world.configure(&[("shop", "main")]).await;
    assert_eq!(shop().await.inputs, Some(inputs("a")), "it is where it was");

    world.configure(&[("shop", "other")]).await;
    let moved = shop().await;
    assert_eq!((moved.applied, moved.inputs), (None, None));
    assert_eq!(moved.left_behind, [(cluster("main"), 2)].into());
    assert!(world.inventory("shop", "other").await.is_empty());
    let ended = world.store.sync(waiting).await.unwrap().unwrap();
    assert_eq!(ended.state, SyncState::Cancelled);
    assert!(ended.error.unwrap().message.contains("has moved"));

    let late = Outcome { applied: vec![item("late", 'a')], ..outcome(SyncState::Waiting) };
    assert!(world.store.finish(claim.key, late).await.unwrap());
    assert_eq!(
        world.state(running).await,
        SyncState::Queued,
        "it has yet to come to the new place"
    );
    assert_eq!(shop().await.applied, None);
    assert_eq!(world.inventory("shop", "main").await.len(), 3);

    world.configure(&[("shop", "main")]).await;
    assert!(shop().await.left_behind.is_empty());
    world.run(Outcome { forget: vec![key("late")], ..outcome(SyncState::Succeeded) }).await;
    assert_eq!(world.inventory("shop", "main").await.len(), 2);
}

#[tokio::test]
async fn what_an_application_that_leaves_has_open_ends() {
    let world = World::new().await;
    world.configure(&[("shop", "main"), ("blog", "main")]).await;
    let prune = Outcome {
        step: Step::Prune,
        next_attempt_at: Some(Timestamp::MAX),
        ..outcome(SyncState::Retrying)
    };
    let blocked = Outcome { plan: Some(plan("h")), ..outcome(SyncState::Blocked) };
    let mut open = Vec::new();
    for outcome in [outcome(SyncState::Waiting), blocked, prune] {
        open.push(world.enqueue("shop", Trigger::Webhook).await);
        world.run(outcome).await;
    }
    let elsewhere = world.enqueue("blog", Trigger::Webhook).await;
    world.run(outcome(SyncState::Waiting)).await;
    let running = world.enqueue("shop", Trigger::Webhook).await;
    let claim = world.claim().await.unwrap();

    world.configure(&[("blog", "main")]).await;
    for id in open {
        let sync = world.store.sync(id).await.unwrap().unwrap();
        assert_eq!((sync.state, sync.next_attempt_at), (SyncState::Cancelled, None));
        assert!(sync.error.unwrap().message.contains("left the configuration"));
    }
    assert_eq!(world.state(elsewhere).await, SyncState::Waiting);
    assert!(world.store.finish(claim.key, outcome(SyncState::Waiting)).await.unwrap());
    assert_eq!(world.state(running).await, SyncState::Queued, "to find that it is gone");
}

#[tokio::test]
async fn what_one_source_declares_no_more_leaves_no_other() {
    let world = World::new().await;
    world.configure(&[("shop", "main"), ("blog", "main")]).await;
    world.tamper("UPDATE applications SET declared_by = 'elsewhere' WHERE name = 'shop'").await;
    let sync = world.enqueue("shop", Trigger::Webhook).await;
    world.run(outcome(SyncState::Waiting)).await;
    let placed = async || {
        let placed = world.store.due_checks(Timestamp::MAX).await.unwrap();
        placed.iter().map(ToString::to_string).collect::<Vec<_>>()
    };

    world.configure(&[]).await;
    assert_eq!(placed().await, ["shop"]);
    assert_eq!(world.state(sync).await, SyncState::Waiting);

    // From now on it is declared here.
    world.configure(&[("shop", "main")]).await;
    assert_eq!(world.state(sync).await, SyncState::Waiting, "it is where it was");
    world.configure(&[]).await;
    assert_eq!(world.state(sync).await, SyncState::Cancelled);
    assert!(placed().await.is_empty());
}

#[tokio::test]
async fn health_is_recorded_where_something_is_owned() {
    let world = World::new().await;
    world.enqueue("shop", Trigger::Webhook).await;
    world.run(Outcome { applied: vec![item("web", 'a')], ..outcome(SyncState::Waiting) }).await;
    let well = Health::healthy();
    let objects = [(key("web"), well.clone()), (key("stranger"), well)];
    let record = async |health| {
        world.store.record_health(&name("shop"), &cluster("main"), &objects, health).await.unwrap();
        world.store.application(&name("shop")).await.unwrap().unwrap()
    };
    let first = record(HealthStatus::Healthy).await;
    assert_eq!(first.health, HealthStatus::Healthy);
    assert_eq!(record(HealthStatus::Healthy).await, first, "no change, no new time");
    assert!(record(HealthStatus::Degraded).await.health_changed_at >= first.health_changed_at);

    let inventory = world.inventory("shop", "main").await;
    assert_eq!(inventory.len(), 1);
    let health = (inventory[0].health, inventory[0].health_reason.as_deref());
    assert_eq!(health, (HealthStatus::Healthy, None));
}

#[tokio::test]
async fn an_application_keeps_what_does_not_change() {
    let world = World::new().await;
    let now = world.store.now();
    world.configure(&[("shop", "main"), ("blog", "main")]).await;
    assert_eq!(world.store.due_checks(now).await.unwrap().len(), 2);
    world.store.schedule_checks(&[(name("blog"), jiff::Timestamp::MAX)]).await.unwrap();
    assert_eq!(world.store.due_checks(now).await.unwrap(), [name("shop")]);

    let change = |application| Outcome { application, ..outcome(SyncState::Succeeded) };
    for step in [
        ApplicationChange {
            applied: Some((commit('a'), now, inputs("a"))),
            checked_at: Some(now),
            ..Default::default()
        },
        ApplicationChange { wanted: Some(commit('b')), ..Default::default() },
    ] {
        world.enqueue("shop", Trigger::Webhook).await;
        world.run(change(step)).await;
    }
    let shop = world.store.application(&name("shop")).await.unwrap().unwrap();
    assert_eq!((shop.applied, shop.applied_at), (Some(commit('a')), Some(now)));
    assert_eq!(shop.inputs, Some(inputs("a")));
    assert_eq!((shop.wanted, shop.checked_at), (Some(commit('b')), Some(now)));

    world.enqueue("shop", Trigger::Webhook).await;
    let revoke = ApplicationChange { revoke_inputs: true, ..Default::default() };
    let results = vec![result("web", Action::Failed)];
    world.run(Outcome { results, ..change(revoke) }).await;
    let shop = world.store.application(&name("shop")).await.unwrap().unwrap();
    assert_eq!((shop.inputs, shop.applied), (None, Some(commit('a'))));

    let commits = world.store.commits().await.unwrap();
    assert_eq!(commits.into_iter().collect::<Vec<_>>(), [commit_id('a'), commit_id('b')]);
}

#[tokio::test]
async fn what_a_stopped_sync_was_to_prune_stays_until_somebody_asks() {
    let world = World::new().await;
    world.configure(&[("shop", "main")]).await;
    let waits = InventoryItem { kept: Some(Kept::UntilHealthy), ..item("old", 'a') };
    let named = InventoryItem { kept: None, ..item("web", 'a') };
    for (applied_at, kept) in
        [(None, Kept::UntilHealthy), (Some(world.store.now()), Kept::ByPerson)]
    {
        world.enqueue("shop", Trigger::Webhook).await;
        let applied = vec![waits.clone(), named.clone()];
        let waiting = Outcome { applied, applied_at, ..outcome(SyncState::Waiting) };
        let id = world.run(waiting).await;
        assert_eq!(world.store.cancel(id, "ada").await.unwrap(), Cancellation::Cancelled);
        let sync = world.store.sync(id).await.unwrap().unwrap();
        assert_eq!(sync.cancelled_by.as_deref(), Some("ada"));
        let now: Vec<_> =
            world.inventory("shop", "main").await.into_iter().map(|item| item.kept).collect();
        assert_eq!(now, [Some(kept), None]);
    }
}
