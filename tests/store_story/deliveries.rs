//! Deliveries: journalled before they are answered, and linked to what they caused.

use headstay::domain::delivery::{Outcome as Became, RefKind, RefUpdate};
use headstay::domain::sync::{SyncState, Trigger};
use headstay::store::error::StoreError;
use headstay::store::{ApplicationChange, NewDelivery, Outcome, Page};

use crate::world::{World, commit_id, delivery, name, outcome, request};

#[tokio::test]
async fn deliveries_that_come_together_are_all_durable() {
    let world = World::new().await;
    let accepts = (0..500).map(|n| {
        let store = world.store.clone();
        let request = request(&format!("app-{}", n % 7), Trigger::Webhook);
        tokio::spawn(async move { store.accept(delivery(&format!("d-{n}")), vec![request]).await })
    });
    let accepts: Vec<_> = accepts.collect();
    let mut accepted = Vec::new();
    for accept in accepts {
        accepted.push(accept.await.unwrap().unwrap());
    }

    let world = world.reopen().await;
    for delivery in &accepted {
        let stored = world.store.delivery(delivery.id).await.unwrap();
        assert_eq!(stored.as_ref(), Some(delivery));
        assert!(!delivery.repeated);
    }
    assert_eq!(world.store.queue_depth().await.unwrap().queued, 7);
    let first = world.store.application(&name("app-0")).await.unwrap().unwrap();
    assert!(first.announced_at.is_some());
}

#[tokio::test]
async fn a_repeated_delivery_joins_what_is_unfinished() {
    let world = World::new().await;
    let accept = async || {
        let requests = vec![request("shop", Trigger::Webhook)];
        world.store.accept(delivery("d-1"), requests).await.unwrap()
    };
    let first = accept().await;
    let running = world.claim().await.unwrap();
    let second = accept().await;
    assert!(!first.repeated && second.repeated);
    assert_eq!(first.syncs, second.syncs, "although it runs already");
    let sync = world.store.sync(running.key.sync).await.unwrap().unwrap();
    assert_eq!(sync.deliveries, [second.id, first.id]);

    assert!(world.store.finish(running.key, outcome(SyncState::Succeeded)).await.unwrap());
    let third = accept().await;
    assert!(third.repeated);
    assert_ne!(third.syncs, first.syncs, "what has ended cannot be joined");
    assert_eq!(accept().await.syncs, third.syncs);
}

#[tokio::test]
async fn commits_count_as_unannounced_until_a_delivery_comes() {
    let world = World::new().await;
    let led_to = |digit| Outcome {
        application: ApplicationChange { followed: Some(commit_id(digit)), ..Default::default() },
        ..outcome(SyncState::Succeeded)
    };
    let nowhere = || outcome(SyncState::Succeeded);
    let count = async || world.store.application(&name("shop")).await.unwrap().unwrap().unannounced;
    let announce = async |id: &str| {
        let requests = vec![request("shop", Trigger::Webhook)];
        world.store.accept(delivery(id), requests).await.unwrap();
    };
    for (found, expected) in [('a', 0), ('b', 1), ('b', 1), ('c', 2)] {
        world.enqueue("shop", Trigger::Timer).await;
        world.run(led_to(found)).await;
        assert_eq!(count().await, expected);
    }
    // A person names a commit for one sync, and the next check comes back from it.
    world.enqueue("shop", Trigger::Manual).await;
    world.run(nowhere()).await;
    world.enqueue("shop", Trigger::Timer).await;
    world.run(led_to('c')).await;
    assert_eq!(count().await, 2);
    // The timer has found the commit when the delivery of it comes.
    world.enqueue("shop", Trigger::Timer).await;
    let claim = world.claim().await.unwrap();
    announce("d-1").await;
    assert_eq!(count().await, 0);
    assert!(world.store.finish(claim.key, led_to('d')).await.unwrap());
    assert_eq!(count().await, 0);
    world.run(led_to('d')).await;

    world.enqueue("shop", Trigger::Timer).await;
    announce("d-2").await;
    world.run(led_to('e')).await;
    assert_eq!(count().await, 0, "the delivery joined the check");
    world.enqueue("shop", Trigger::Timer).await;
    world.run(led_to('f')).await;
    assert_eq!(count().await, 1);
}

#[tokio::test]
async fn a_forger_cannot_occupy_an_id() {
    let world = World::new().await;
    let forged = NewDelivery { outcome: Became::Rejected, ..delivery("d-1") };
    assert!(!world.store.accept(forged.clone(), Vec::new()).await.unwrap().repeated);
    let genuine = world.store.accept(delivery("d-1"), vec![]).await.unwrap();
    assert!(!genuine.repeated);
    assert!(!world.store.accept(forged, Vec::new()).await.unwrap().repeated);
    let elsewhere = NewDelivery { receiver: "other".parse().unwrap(), ..delivery("d-1") };
    assert!(!world.store.accept(elsewhere, Vec::new()).await.unwrap().repeated);
}

#[tokio::test]
async fn the_journal_says_what_came() {
    let world = World::new().await;
    let refs = vec![RefUpdate {
        kind: RefKind::Tag,
        name: "v1".into(),
        before: None,
        after: Some(commit_id('b')),
        deleted: false,
    }];
    let odd = NewDelivery {
        refs,
        pusher: Some("O'Neil \"\u{0}\" \u{1f980}".into()),
        reason: Some(String::new()),
        repository: None,
        host_id: None,
        ..delivery("")
    };
    let stored = world.store.accept(odd, vec![request("shop", Trigger::Webhook)]).await.unwrap();
    assert_eq!(world.store.delivery(stored.id).await.unwrap(), Some(stored));
}

#[tokio::test]
async fn the_journal_is_read_page_by_page() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.insert(0, world.store.accept(delivery(&n.to_string()), vec![]).await.unwrap().id);
    }
    let mut seen = Vec::new();
    let mut page = Page { cursor: None, limit: 2 };
    loop {
        let part = world.store.deliveries(page.clone()).await.unwrap();
        seen.extend(part.items.iter().map(|delivery| delivery.id));
        let Some(next) = part.next else { break };
        page.cursor = Some(next);
    }
    assert_eq!(seen, ids);
    page.cursor = Some("2".into());
    assert!(matches!(world.store.deliveries(page).await, Err(StoreError::Cursor { .. })));
}
