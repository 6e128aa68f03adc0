//! An object has one owner.

use serde_json::{Value, json};

use crate::world::api_server::User;
use crate::world::manifests::config_map;
use crate::world::wait::{DEADLINE, wait_until};
use crate::world::{Setup, World, application, assert_tells};

/// A second application on the same repository and namespace. What it follows is what the first
/// does, by another name.
/// `shop` has `settings` and is checked every 2 s; `stock` has `shelf` and prunes one object unasked
/// at most.
fn shop_and_stock(limits: &'static str) -> World {
    let world = Setup {
        applications: application(
            "stock",
            "refs/heads/main",
            "prune: true, pruneLimit: {objects: 1}",
        ),
        limits,
        interval: "2s",
        ..Setup::default()
    }
    .start();
    let pushed = world.push(&[("apps/stock/shelf.yaml", Some(&config_map("shelf", "grey")))]);
    world.headstay.wait_for_state(pushed.sync_of("stock"), "Succeeded");
    world
}

/// Why the inventory of `shop` keeps an object; none if that is not in it.
fn kept(world: &World, name: &str) -> Option<Value> {
    let application = world.headstay.application();
    let mut inventory = application["inventory"].as_array()?.iter();
    inventory.find(|item| item["name"] == name).map(|item| item["kept"].clone())
}

/// What the newest sync of `shop` that tells of an object says of it: that of the push, or a check
/// that came just before.
#[track_caller]
fn result(world: &World, name: &str) -> Value {
    let syncs = world.headstay.syncs();
    let of_shop = syncs.iter().filter(|sync| sync["application"] == "shop");
    let results = of_shop.filter_map(|sync| {
        // A check that has found nothing since leaves no history: it is gone.
        let path = format!("/api/v1/syncs/{}", sync["id"].as_str()?);
        let sync = world.headstay.api("GET", &path, None).body;
        let mut objects = sync["objects"].as_array()?.iter();
        objects.find(|object| object["name"] == name).cloned()
    });
    let mut results = results.collect::<Vec<_>>().into_iter();
    results.next().unwrap_or_else(|| panic!("no sync tells of {name}"))
}

fn owner(world: &World, name: &str) -> Value {
    let object = world.kubernetes.get(&world.config_map_path(name)).unwrap();
    object["metadata"]["labels"]["headstay.dev/application"].clone()
}

#[test]
fn what_another_installation_holds_is_left_to_it_until_it_is_handed_over() {
    let world = World::start();
    let theirs = json!({
        "metadata": {
            "name": "theirs",
            "labels": {"headstay.dev/application": "till"},
            "annotations": {"headstay.dev/instance": "elsewhere"},
        },
        "data": {"colour": "red"},
    });
    world.kubernetes.create(&world.path("v1", "configmaps"), &theirs);

    let ours = config_map("theirs", "blue");
    let pushed = world.push(&[("apps/shop/theirs.yaml", Some(&ours))]);
    let sync = world.headstay.wait_for_state(&pushed.sync, "Retrying");
    assert_tells(&sync, "application till of the headstay instance `elsewhere`");
    assert_eq!(world.colour("theirs").as_deref(), Some("red"));

    let released = json!({"metadata": {"annotations": {"headstay.dev/instance": null}}});
    world.kubernetes.edit(&world.config_map_path("theirs"), &released);
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    assert_eq!(world.colour("theirs").as_deref(), Some("blue"));
    assert_eq!(owner(&world, "theirs"), "shop");
    world.finish();
}

#[test]
fn what_two_applications_claim_stays_with_the_first() {
    let world = shop_and_stock("workers: 4");

    let claimed = config_map("settings", "grey");
    let pushed = world.push(&[("apps/stock/settings.yaml", Some(&claimed))]);
    let sync = world.headstay.wait_for_state(pushed.sync_of("stock"), "Retrying");
    assert_tells(&sync, "settings");
    assert_tells(&sync, "application shop owns it already");
    assert_eq!(world.colour("settings").as_deref(), Some("blue"));
    assert_eq!(owner(&world, "settings"), "shop");
    world.headstay.wait_for_state(pushed.sync_of("shop"), "Succeeded");

    let given_up = world.push(&[("apps/stock/settings.yaml", None)]);
    world.headstay.wait_for_state(given_up.sync_of("stock"), "Succeeded");
    assert_eq!(world.colour("settings").as_deref(), Some("blue"));
    world.finish();
}

#[test]
fn what_moves_to_another_application_is_handed_over_and_not_deleted() {
    // One worker comes to the application that gives before the one that takes, or after.
    let world = shop_and_stock("workers: 1");
    world.apply(&[("apps/shop/till.yaml", Some(&config_map("till", "blue")))]);
    let settings = world.config_map_path("settings");
    let uid = || world.kubernetes.get(&settings).map(|object| object["metadata"]["uid"].clone());
    let before = uid();

    for (colour, from, to) in [("red", "shop", "stock"), ("green", "stock", "shop")] {
        let text = config_map("settings", colour);
        let [old, new] = [from, to].map(|name| format!("apps/{name}/settings.yaml"));
        let pushed = world.push(&[(&*old, None), (&*new, Some(&*text))]);
        world.headstay.wait_until_through(pushed.sync_of(to));
        world.headstay.wait_until_through(pushed.sync_of(from));
        assert_eq!(uid(), before, "from {from} to {to}");
        assert_eq!(world.colour("settings").as_deref(), Some(colour));
        assert_eq!(owner(&world, "settings"), to);
    }
    world.finish();
}

#[test]
fn what_is_handed_over_needs_no_yes_although_it_is_more_than_may_be_pruned() {
    let world = shop_and_stock("workers: 4");
    world.apply(&[("apps/shop/till.yaml", Some(&config_map("till", "blue")))]);
    let moved = ["shelf", "drawer"];
    let drawer = config_map("drawer", "grey");
    let pushed = world.push(&[("apps/stock/drawer.yaml", Some(&drawer))]);
    world.headstay.wait_for_state(pushed.sync_of("stock"), "Succeeded");
    let uids = || {
        moved.map(|name| {
            let object = world.kubernetes.get(&world.config_map_path(name)).unwrap();
            object["metadata"]["uid"].clone()
        })
    };
    let before = uids();

    let shelf = config_map("shelf", "grey");
    let pushed = world.push(&[
        ("apps/stock/shelf.yaml", None),
        ("apps/stock/drawer.yaml", None),
        ("apps/stock/rest.yaml", Some(&config_map("rest", "grey"))),
        ("apps/shop/shelf.yaml", Some(&shelf)),
        ("apps/shop/drawer.yaml", Some(&drawer)),
    ]);
    for application in ["stock", "shop"] {
        world.headstay.wait_until_through(pushed.sync_of(application));
    }
    assert_eq!(uids(), before);
    assert_eq!(moved.map(|name| owner(&world, name)), ["shop", "shop"].map(Value::from));
    world.finish();
}

#[test]
fn what_moves_to_an_application_that_waits_for_a_yes_stays_until_it_is_given() {
    let world = shop_and_stock("workers: 4");
    let pushed = world.push(&[
        ("apps/shop/till.yaml", Some(&config_map("till", "blue"))),
        ("apps/stock/drawer.yaml", Some(&config_map("drawer", "grey"))),
    ]);
    for application in ["shop", "stock"] {
        world.headstay.wait_for_state(pushed.sync_of(application), "Succeeded");
    }
    let before = world.kubernetes.get(&world.config_map_path("settings")).unwrap();

    let pushed = world.push(&[
        ("apps/shop/settings.yaml", None),
        ("apps/stock/settings.yaml", Some(&config_map("settings", "red"))),
        ("apps/stock/shelf.yaml", None),
        ("apps/stock/drawer.yaml", None),
    ]);
    world.headstay.wait_for_state(pushed.sync_of("stock"), "Blocked");
    world.headstay.wait_for_state(pushed.sync_of("shop"), "Succeeded");
    let settings = result(&world, "settings");
    assert_eq!(settings["action"], "skipped", "{settings}");
    assert!(settings["message"].as_str().unwrap().starts_with("application stock takes it over"));
    let newest = || {
        let mut syncs = world.headstay.syncs().into_iter();
        let ended = |sync: &Value| sync["application"] == "shop" && sync["state"] == "Succeeded";
        syncs.find(ended).unwrap()["id"].clone()
    };
    let before_checks = newest();
    let checked = || world.headstay.application()["checkedAt"].clone();
    for _ in 0..2 {
        let last = checked();
        wait_until("another check", DEADLINE, || checked() != last);
    }
    assert_eq!(newest(), before_checks, "what is still kept is no news");
    assert_eq!(world.colour("settings").as_deref(), Some("blue"));
    assert_eq!(kept(&world, "settings"), Some(json!("forNeighbour")));

    world.headstay.post(&format!("/api/v1/syncs/{}/approve", pushed.sync_of("stock")), &json!({}));
    world.headstay.wait_for_state(pushed.sync_of("stock"), "Succeeded");
    wait_until("shop to let it go", DEADLINE, || kept(&world, "settings").is_none());
    let after = world.kubernetes.get(&world.config_map_path("settings")).unwrap();
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(world.colour("settings").as_deref(), Some("red"));
    assert_eq!(owner(&world, "settings"), "stock");
    world.finish();
}

#[test]
fn nothing_is_pruned_that_an_application_may_take_whose_files_cannot_be_read() {
    let world = shop_and_stock("workers: 4");
    world.apply(&[
        ("apps/shop/till.yaml", Some(&config_map("till", "blue"))),
        ("apps/shop/extra.yaml", Some(&config_map("extra", "blue"))),
    ]);

    let pushed = world.push(&[
        ("apps/shop/settings.yaml", None),
        ("apps/shop/extra.yaml", None),
        ("apps/stock/settings.yaml", Some(&config_map("settings", "red"))),
        ("apps/stock/broken.yaml", Some("kind: [")),
    ]);
    world.headstay.wait_for_state(pushed.sync_of("stock"), "Failed");
    world.headstay.wait_for_state(pushed.sync_of("shop"), "Succeeded");
    for name in ["settings", "extra"] {
        let result = result(&world, name);
        assert_eq!(result["action"], "skipped", "{result}");
        assert!(result["message"].as_str().unwrap().contains("application stock may take it"));
        assert_eq!(world.colour(name).as_deref(), Some("blue"));
    }

    let mended = world.push(&[("apps/stock/broken.yaml", None)]);
    world.headstay.wait_for_state(mended.sync_of("stock"), "Succeeded");
    wait_until("shop to prune the rest", DEADLINE, || {
        ["settings", "extra"].iter().all(|name| kept(&world, name).is_none())
    });
    assert_eq!(world.colour("extra"), None);
    assert_eq!(world.colour("settings").as_deref(), Some("red"));
    assert_eq!(owner(&world, "settings"), "stock");
    world.finish();
}

#[test]
fn what_moves_by_a_change_of_paths_waits_for_the_one_that_now_has_it() {
    let world = shop_and_stock("workers: 4");
    world.repository.commit(&[("apps/till/till.yaml", Some(&config_map("till", "blue")))]);
    let settings = world.config_map_path("settings");
    let uid = || world.kubernetes.get(&settings).map(|object| object["metadata"]["uid"].clone());
    let before = uid();
    let applied = || world.headstay.get("/api/v1/applications/stock")["applied"]["id"].clone();
    let asked = world.headstay.post("/api/v1/applications/stock/sync", &json!({}));
    world.headstay.wait_for_state(asked["id"].as_str().unwrap(), "Succeeded");
    assert_eq!(applied(), world.repository.head("main").unwrap(), "it is at the commit already");

    // At one commit `settings` becomes that of `stock`, which takes it when a person says so.
    world.headstay.reconfigure("sync: {interval: 1h,", "sync: {automated: false, interval: 1h,");
    world.headstay.reconfigure("path: apps/stock", "path: apps/shop");
    world.headstay.reconfigure("\"main\"\n    path: apps/shop", "\"main\"\n    path: apps/till");
    wait_until("shop to keep it for stock", DEADLINE, || {
        kept(&world, "settings") == Some(json!("forNeighbour"))
    });
    assert_eq!(uid(), before);

    let asked = world.headstay.post("/api/v1/applications/stock/sync", &json!({}));
    world.headstay.wait_for_state(asked["id"].as_str().unwrap(), "Succeeded");
    wait_until("shop to let it go", DEADLINE, || kept(&world, "settings").is_none());
    assert_eq!(uid(), before);
    assert_eq!(owner(&world, "settings"), "stock");
    world.finish();
}

#[test]
fn what_somebody_else_made_is_not_ours_although_the_program_died_over_it() {
    let world = World::start();
    let theirs = json!({"metadata": {"name": "given"}, "data": {"colour": "red"}});
    world.kubernetes.create(&world.path("v1", "configmaps"), &theirs);
    let given = config_map("given", "blue")
        .replace("metadata:", "metadata:\n  annotations: {headstay.dev/apply: if-not-present}");
    world.repository.commit(&[
        ("apps/shop/given.yaml", Some(&given)),
        ("apps/shop/settings.yaml", Some(&config_map("settings", "green"))),
    ]);

    world.headstay.terminate();
    world.headstay.die_at("begin-apply:after");
    world.headstay.restart();

    wait_until("the commit to be applied", DEADLINE, || {
        world.headstay.application()["syncState"] == "Synced"
            && world.colour("settings").as_deref() == Some("green")
    });
    assert_eq!(world.colour("given").as_deref(), Some("red"));
    assert_eq!(kept(&world, "given"), None, "it is not in the inventory");
    world.finish();
}

#[test]
fn what_stays_behind_on_another_cluster_is_told_and_is_owned_again_after_a_return() {
    let world = World::start();
    world.apply(&[("apps/shop/extra.yaml", Some(&config_map("extra", "red")))]);
    world.repository.commit(&[("apps/shop/extra.yaml", None)]);
    // The same API server under another name: what is looked for there would be found and deleted.
    let kubeconfig = world.api_server.kubeconfig(User::Admin);
    let second = format!("clusters: [{{name: second, kubeconfig: {}}}, ", kubeconfig.display());
    let moves = |from: &str, to: &str| {
        let known: Vec<_> = world.headstay.syncs().iter().map(|sync| sync["id"].clone()).collect();
        let [from, to] = [from, to].map(|name| format!("    cluster: {name}\n"));
        world.headstay.reconfigure(&from, &to);
        world.headstay.wait_for_sync("a sync of the new place", |sync| {
            !known.contains(&sync["id"]) && sync["state"] == "Succeeded"
        })
    };

    world.headstay.reconfigure("clusters: [", &second);
    moves("test", "second");
    assert_eq!(world.colour("extra").as_deref(), Some("red"));
    let told = world.headstay.condition("LeftBehind").unwrap();
    assert!(told.starts_with("2 objects are no longer managed on cluster test"), "{told}");
    assert!(told.contains("If both are one API server under two names, do not delete"), "{told}");
    assert_eq!(world.headstay.application()["inventory"].as_array().unwrap().len(), 1);

    let back = moves("second", "test");
    assert_eq!(back["summary"]["pruned"], 1, "{back:#}");
    assert_eq!(world.colour("extra"), None);
    let told = world.headstay.condition("LeftBehind").unwrap();
    assert!(told.starts_with("1 object is no longer managed on cluster second"), "{told}");
    world.finish();
}
