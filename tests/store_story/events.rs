//! What changes leaves its transaction as an event.

use std::time::Duration;

use headstay::domain::health::{Health, HealthStatus};
use headstay::domain::sync::{SyncState, Trigger};
use headstay::store::Outcome;
use headstay::store::events::Event;
use tokio::sync::broadcast::Receiver;

use crate::world::{World, cluster, delivery, key, name, outcome, request};

/// What was told since the last time.
fn told(events: &mut Receiver<Event>) -> Vec<String> {
    std::iter::from_fn(|| events.try_recv().ok())
        .map(|event| match event {
            Event::Sync { application, state, .. } => {
                format!("{application} {}", state.map_or("gone", SyncState::as_str))
            }
            Event::Application { name } => format!("{name}"),
        })
        .collect()
}

#[tokio::test]
async fn every_change_of_state_is_told() {
    let world = World::new().await;
    world.configure(&[("shop", "main")]).await;
    let mut events = world.store.events();
    assert!(told(&mut events).is_empty(), "who listens hears what comes");

    let requests = vec![request("shop", Trigger::Webhook)];
    world.store.accept(delivery("1"), requests).await.unwrap();
    assert_eq!(told(&mut events), ["shop Queued"]);
    let claim = world.claim().await.unwrap();
    assert_eq!(told(&mut events), ["shop Running"]);
    assert!(world.begin_apply(claim.key, Vec::new()).await);
    assert_eq!(told(&mut events), ["shop"], "what is applied");
    world.store.finish(claim.key, outcome(SyncState::Waiting)).await.unwrap();
    assert_eq!(told(&mut events), ["shop Waiting"]);
    let (shop, main) = (name("shop"), cluster("main"));
    let web = [(key("web"), Health::healthy())];
    world.store.record_health(&shop, &main, &web, HealthStatus::Degraded).await.unwrap();
    assert_eq!(told(&mut events), ["shop"]);
    world.store.record_health(&shop, &main, &web, HealthStatus::Degraded).await.unwrap();
    assert!(told(&mut events).is_empty(), "nothing has changed");

    world.store.cancel(claim.key.sync, "ada").await.unwrap();
    assert_eq!(told(&mut events), ["shop Cancelled"]);
    world.configure(&[("shop", "other")]).await;
    assert_eq!(told(&mut events), ["shop"]);

    world.enqueue("shop", Trigger::Timer).await;
    world.run(Outcome { discard_if_quiet: true, ..outcome(SyncState::Succeeded) }).await;
    assert_eq!(told(&mut events), ["shop Queued", "shop Running", "shop gone"]);
}

#[tokio::test]
async fn what_did_not_come_about_is_not_told() {
    let world = World::new().await;
    world.enqueue("shop", Trigger::Webhook).await;
    let lost = world.store.claim(Duration::ZERO).await.unwrap().unwrap().key;
    world.claim().await.unwrap();
    let mut events = world.store.events();
    let bell = world.store.work_bell().listen();
    assert!(!world.store.finish(lost, outcome(SyncState::Succeeded)).await.unwrap());
    assert!(told(&mut events).is_empty());
    assert!(!bell.has_changed().unwrap());

    world.enqueue("blog", Trigger::Webhook).await;
    assert_eq!(told(&mut events), ["blog Queued", "blog"]);
    assert!(bell.has_changed().unwrap());
}
