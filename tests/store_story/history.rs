//! What is kept of syncs, for how long, and how it is found.

use headstay::domain::sync::{Action, Summary, SyncState, Trigger};
use headstay::store::{Expired, Outcome, Page, Retention, Step, SyncFilter, WaitingEnd};
use jiff::Timestamp;

use crate::world::{World, commit, commit_id, delivery, item, name, outcome, request, result};

#[tokio::test]
async fn a_prune_adds_to_the_results() {
    let world = World::new().await;
    let id = world.enqueue("shop", Trigger::Webhook).await;
    let results = vec![result("web", Action::Created), result("old", Action::Skipped)];
    world.run(Outcome { results, ..outcome(SyncState::Waiting) }).await;
    let end = WaitingEnd::PruneNext { phases: Vec::new() };
    assert!(world.store.end_waiting(id, end).await.unwrap());
    let results = vec![result("old", Action::Pruned)];
    let done = Outcome { results, step: Step::Prune, ..outcome(SyncState::Succeeded) };
    world.run(done).await;

    let results = world.store.results(id).await.unwrap();
    assert_eq!(results, [result("web", Action::Created), result("old", Action::Pruned)]);
    let summary = world.store.sync(id).await.unwrap().unwrap().summary;
    assert_eq!(summary, Summary { created: 1, pruned: 1, ..Summary::default() });
}

#[tokio::test]
async fn a_quiet_look_around_leaves_no_history() {
    let world = World::new().await;
    let quiet = || Outcome { discard_if_quiet: true, ..outcome(SyncState::Succeeded) };
    let asked = world.enqueue("shop", Trigger::Manual).await;
    world.run(quiet()).await;
    let looked = world.enqueue("shop", Trigger::Timer).await;
    world.run(quiet()).await;
    assert_eq!(world.state(asked).await, SyncState::Succeeded);
    assert_eq!(world.store.sync(looked).await.unwrap(), None);

    let requests = vec![request("shop", Trigger::Timer)];
    let announced = world.store.accept(delivery("d-1"), requests).await.unwrap();
    world.run(quiet()).await;
    assert_eq!(world.state(announced.syncs[0].id).await, SyncState::Succeeded, "it was announced");
}

#[tokio::test]
async fn history_is_found_by_what_it_is() {
    let world = World::new().await;
    let shop = world.enqueue("shop", Trigger::Webhook).await;
    world.run(Outcome { commit: Some(commit('a')), ..outcome(SyncState::Failed) }).await;
    let blog = world.enqueue("blog", Trigger::Manual).await;
    let find = async |filter: SyncFilter| -> Vec<_> {
        let page = Page { cursor: None, limit: 10 };
        let found = world.store.syncs(&filter, page).await.unwrap();
        assert_eq!(found.next, None);
        found.items.iter().map(|sync| sync.id).collect()
    };
    let all = SyncFilter::default;
    assert_eq!(find(all()).await, [blog, shop]);
    assert_eq!(find(SyncFilter { application: Some(name("shop")), ..all() }).await, [shop]);
    assert_eq!(find(SyncFilter { state: Some(SyncState::Queued), ..all() }).await, [blog]);
    assert_eq!(find(SyncFilter { trigger: Some(Trigger::Manual), ..all() }).await, [blog]);
    assert_eq!(find(SyncFilter { commit: Some(commit_id('a')), ..all() }).await, [shop]);
    assert_eq!(find(SyncFilter { commit: Some(commit_id('b')), ..all() }).await, []);
}

#[tokio::test]
async fn old_history_goes_and_what_is_in_use_stays() {
    let world = World::new().await;
    let now = world.store.now();
    let mut syncs = Vec::new();
    for n in 0..6 {
        let requests = vec![request("shop", Trigger::Webhook)];
        let sync = world.store.accept(delivery(&n.to_string()), requests).await.unwrap();
        syncs.push(sync.syncs[0].id);
        let applied_at = (n == 1).then_some(now);
        world.run(Outcome { applied_at, ..outcome(SyncState::Failed) }).await;
    }
    let waiting = world.enqueue("blog", Trigger::Webhook).await;
    world.run(outcome(SyncState::Waiting)).await;

    let gone = |syncs, deliveries| Expired { syncs, deliveries, left_behind: 0 };
    let few = Retention { syncs_per_application: 3, older_than: Timestamp::MIN };
    assert_eq!(world.store.expire(few).await.unwrap(), gone(2, 0));
    let all = Retention { syncs_per_application: 3, older_than: Timestamp::MAX };
    assert_eq!(world.store.expire(all).await.unwrap(), gone(2, 4));
    for (n, id) in syncs.into_iter().enumerate() {
        let kept = world.store.sync(id).await.unwrap().is_some();
        assert_eq!(kept, n == 1 || n == 5, "the last that applied, and the last: {n}");
    }
    assert_eq!(world.state(waiting).await, SyncState::Waiting);
}

#[tokio::test]
async fn what_is_left_behind_is_remembered_as_long_as_history() {
    let world = World::new().await;
    world.configure(&[("shop", "main"), ("blog", "main"), ("till", "main")]).await;
    for (application, digit) in [("shop", 'a'), ("blog", 'b'), ("till", 'c')] {
        world.enqueue(application, Trigger::Webhook).await;
        let applied_at = Some(world.store.now());
        let applied = vec![item("web", digit)];
        world.run(Outcome { applied, applied_at, ..outcome(SyncState::Succeeded) }).await;
    }
    // `shop` leaves, `blog` moves.
    world.configure(&[("blog", "other"), ("till", "main")]).await;
    assert_eq!(world.store.due_checks(world.store.now()).await.unwrap().len(), 2);
    let retention = |older_than| Retention { syncs_per_application: 9, older_than };
    let expired = world.store.expire(retention(Timestamp::MIN)).await.unwrap();
    assert_eq!(expired, Expired::default());
    assert_eq!(world.inventory("shop", "main").await.len(), 1);
    let commits = async || world.store.commits().await.unwrap();
    assert_eq!(commits().await, ['a', 'b', 'c'].map(commit_id).into(), "the mirrors keep them");

    let expired = world.store.expire(retention(Timestamp::MAX)).await.unwrap();
    assert_eq!(expired, Expired { syncs: 1, deliveries: 0, left_behind: 2 });
    let known = world.store.applications().await.unwrap();
    let known: Vec<_> = known.iter().map(|state| (&state.name, state.left_behind.len())).collect();
    assert_eq!(known, [(&name("blog"), 0), (&name("till"), 0)]);
    assert!(world.inventory("shop", "main").await.is_empty());
    assert_eq!(world.inventory("till", "main").await.len(), 1, "it is where it was");
    assert_eq!(commits().await, [commit_id('c')].into());
}
