//! What is kept of renders.

use std::collections::BTreeMap;

use headstay::domain::footprint::{Footprint, Names, Paths, Render, TreeEntry};
use headstay::domain::sync::{Failure, FailureCause, Phase, SyncState, Trigger};
use headstay::store::{ApplicationChange, Outcome, Retention};

use crate::world::{World, commit, inputs, key, name, outcome};

/// A render of a folder with this id, which names one object.
fn render(id: &str, names: Option<&str>) -> Render {
    let mut seen = Paths::seen(TreeEntry { mode: 0o040_000, id: "root".into() });
    seen.note("apps/shop", Some(TreeEntry { mode: 0o040_000, id: id.into() }));
    seen.note("lib/none.yaml", None);
    let (renderer, external) = ("plain-1".to_owned(), BTreeMap::new());
    let footprint = Footprint { renderer, paths: seen.paths(), external };
    let failure = names.is_none().then(|| {
        Failure::new(Phase::Render, FailureCause::Commit, format!("{id}:1: no kind"), Vec::new())
    });
    let names: Option<Names> = names.map(|name| [&key(name)].into_iter().collect());
    Render { settings: "settings".into(), footprint, names, failure }
}

impl World {
    async fn rendered(&self, render: Render, application: ApplicationChange) {
        self.enqueue("shop", Trigger::Timer).await;
        let (render, discard_if_quiet) = (Some(render), true);
        let ended = outcome(SyncState::Succeeded);
        self.run(Outcome { render, discard_if_quiet, application, ..ended }).await;
    }

    /// The digests of what is kept of `shop`.
    async fn kept(&self) -> Vec<String> {
        let kept = self.store.renders(&[&name("shop")]).await.expect("the store can be read");
        kept.into_iter().map(|render| render.digest).collect()
    }
}

#[tokio::test]
async fn a_render_is_kept_with_what_it_was_made_from_and_what_it_names() {
    let world = World::new().await;
    world.rendered(render("a", Some("web")), ApplicationChange::default()).await;
    world.store.keep_renders(&[(name("stock"), render("b", None))]).await.unwrap();

    let world = world.reopen().await;
    let kept = world.store.renders(&[&name("shop"), &name("stock")]).await.unwrap();
    let [shop, stock] = <[_; 2]>::try_from(kept).unwrap();
    let (made, failed) = (render("a", Some("web")), render("b", None));
    assert_eq!((&shop.footprint, &stock.footprint), (&made.footprint, &failed.footprint));
    assert_eq!((shop.failure.as_ref(), stock.failure.as_ref()), (None, failed.failure.as_ref()));
    let names = world.store.names(&shop).await.unwrap().unwrap();
    assert_eq!((names.has(&key("web")), names.has(&key("till"))), (true, false));
    assert_eq!(world.store.names(&stock).await.unwrap(), None, "it may name anything");
    world.tamper("UPDATE renders SET footprint = '{' WHERE application = 'shop'").await;
    assert_eq!(world.kept().await, [""; 0], "what cannot be read is rendered again");
}

#[tokio::test]
async fn of_many_renders_the_newest_are_kept_and_that_of_the_last_complete_apply() {
    let world = World::new().await;
    world.configure(&[("shop", "main")]).await;
    let applied = render("applied", Some("web"));
    let first = applied.footprint.digest();
    let inputs = inputs(&first);
    let change = ApplicationChange {
        applied: Some((commit('a'), world.store.now(), inputs)),
        ..Default::default()
    };
    world.rendered(applied, change).await;
    let ids = ["b", "c", "d", "e", "f", "b"];
    for id in ids {
        world.rendered(render(id, Some("web")), ApplicationChange::default()).await;
    }
    let mut expected = vec![first];
    expected.extend(["b", "d", "e", "f"].map(|id| render(id, Some("web")).footprint.digest()));
    let mut kept = world.kept().await;
    kept.sort_unstable();
    expected.sort_unstable();
    assert_eq!(kept, expected);
}

#[tokio::test]
async fn renders_go_with_their_application() {
    let world = World::new().await;
    world.configure(&[("shop", "main")]).await;
    world.rendered(render("a", Some("web")), ApplicationChange::default()).await;
    let expire = || {
        let older_than = world.store.now();
        world.store.expire(Retention { syncs_per_application: 1, older_than })
    };
    expire().await.unwrap();
    assert_eq!(world.kept().await.len(), 1);
    world.configure(&[]).await;
    expire().await.unwrap();
    assert_eq!(world.kept().await, [""; 0]);
}
