//! What Git no longer names goes, but never much of it unasked.

use serde_json::{Value, json};

use crate::world::manifests::config_map;
use crate::world::wait::{DEADLINE, wait_until};
use crate::world::{Setup, World};

#[test]
fn what_git_no_longer_names_is_pruned() {
    let world = World::start();
    world.apply(&[("apps/shop/extra.yaml", Some(&config_map("extra", "red")))]);
    world.kubernetes.create(
        &world.path("v1", "configmaps"),
        &json!({"metadata": {"name": "by-hand", "labels": {"headstay.dev/application": "shop"}}}),
    );

    let sync = world.apply(&[("apps/shop/extra.yaml", None)]);

    assert_eq!(sync["summary"]["pruned"], 1);
    wait_until("the object to be gone", DEADLINE, || world.colour("extra").is_none());
    assert_eq!(world.colour("settings").as_deref(), Some("blue"));
    let by_hand = world.kubernetes.get(&world.config_map_path("by-hand"));
    assert!(by_hand.is_some(), "a label alone does not make it ours");
    world.finish();
}

#[test]
fn an_object_can_be_kept() {
    let world = World::start();
    let kept = config_map("kept", "red")
        .replace("metadata:", "metadata:\n  annotations: {headstay.dev/prune: disabled}");
    world.apply(&[("apps/shop/kept.yaml", Some(&kept))]);

    world.apply(&[("apps/shop/kept.yaml", None)]);

    assert_eq!(world.colour("kept").as_deref(), Some("red"));
    world.finish();
}

#[test]
fn a_commit_that_would_prune_much_waits_for_a_yes() {
    let world = Setup { sync: "prune: true, pruneLimit: {objects: 2}", ..Setup::default() }.start();
    let names = ["one", "two", "three"];
    let paths = names.map(|name| format!("apps/shop/{name}.yaml"));
    let texts = names.map(|name| config_map(name, "red"));
    let added = [0, 1, 2].map(|n| (&*paths[n], Some(&*texts[n])));
    let removed = [0, 1, 2].map(|n| (&*paths[n], None));
    world.apply(&added);

    let pushed = world.push(&removed);
    let blocked = world.headstay.wait_for_state(&pushed.sync, "Blocked");

    let plan: Vec<&Value> =
        blocked["plan"]["prune"].as_array().unwrap().iter().map(|object| &object["name"]).collect();
    assert_eq!(plan.len(), 3, "{plan:?}");
    assert!(names.iter().all(|name| world.colour(name).as_deref() == Some("red")));

    let approve = format!("/api/v1/syncs/{}/approve", pushed.sync);
    world.headstay.post(&approve, &json!({}));
    let sync = world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    assert_eq!(sync["summary"]["pruned"], 3);
    wait_until("the objects to be gone", DEADLINE, || {
        names.iter().all(|name| world.colour(name).is_none())
    });
    world.finish();
}

#[test]
fn a_yes_is_for_the_plan_that_was_seen() {
    let world = Setup { sync: "prune: true, pruneLimit: {objects: 1}", ..Setup::default() }.start();
    let names = ["one", "two", "three"];
    let paths = names.map(|name| format!("apps/shop/{name}.yaml"));
    let texts = names.map(|name| config_map(name, "red"));
    world.apply(&[0, 1, 2].map(|n| (&*paths[n], Some(&*texts[n]))));
    let pushed = world.push(&[0, 1].map(|n| (&*paths[n], None)));
    let blocked = world.headstay.wait_for_state(&pushed.sync, "Blocked");
    let seen = blocked["plan"]["hash"].as_str().unwrap();
    let approve = |plan: &str| {
        let path = format!("/api/v1/syncs/{}/approve", pushed.sync);
        world.headstay.api("POST", &path, Some(&json!({"plan": plan})))
    };

    // The yes comes when Git has gone on, so it is asked anew, for more.
    world.repository.commit(&[(&*paths[2], None)]);
    assert_eq!(approve(seen).status, 202);
    let grown = world.headstay.wait_for_sync("another plan", |sync| {
        sync["id"] == *pushed.sync && sync["state"] == "Blocked" && sync["plan"]["hash"] != seen
    });
    let again = approve(seen);
    assert_eq!(again.status, 409, "{again:?}");
    assert!(again.body["detail"].as_str().unwrap().contains("prunes 3 objects"), "{again:?}");
    assert!(names.iter().all(|name| world.colour(name).is_some()), "nobody said yes to that");

    assert_eq!(approve(grown["plan"]["hash"].as_str().unwrap()).status, 202);
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    assert!(names.iter().all(|name| world.colour(name).is_none()));
    world.finish();
}

#[test]
fn nothing_is_pruned_when_nothing_is_left_in_git() {
    let world = World::start();

    let pushed = world.push(&[("apps/shop/settings.yaml", None)]);
    let sync = world.headstay.wait_for_state(&pushed.sync, "Failed");

    assert!(sync["error"]["message"].as_str().unwrap().contains("apps/shop"), "{sync:#}");
    assert_eq!(world.colour("settings").as_deref(), Some("blue"));
    world.finish();
}
