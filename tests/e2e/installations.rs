//! Several installations on one cluster, and one that has lost its store.

use serde_json::{Value, json};

use crate::world::headstay::Headstay;
use crate::world::manifests::config_map;
use crate::world::wait::{DEADLINE, wait_until};
use crate::world::{Setup, World, assert_tells};

const SETTINGS: &str = "apps/shop/settings.yaml";
const EXTRA: &str = "apps/shop/extra.yaml";
const ID: &str = "headstay.dev/installation";

/// A second server with the same configuration, the same name and a store of its own.
fn another(world: &World) -> Headstay {
    let folder = world.headstay.folder();
    let text = std::fs::read_to_string(folder.join("headstay.yaml")).unwrap();
    Headstay::start(&text.replace(folder.to_str().unwrap(), "FOLDER"))
}

fn id(world: &World, name: &str) -> Value {
    let object = world.kubernetes.get(&world.config_map_path(name)).unwrap();
    object["metadata"]["annotations"][ID].clone()
}

/// Makes an object what it was before there were ids.
fn take_id_off(world: &World, name: &str) {
    let path = world.config_map_path(name);
    world.kubernetes.edit(&path, &json!({"metadata": {"annotations": {ID: null}}}));
}

fn owns(server: &Headstay, name: &str) -> bool {
    server.application()["inventory"].as_array().unwrap().iter().any(|item| item["name"] == name)
}

/// Waits until a sync of a server is refused for what another installation holds.
#[track_caller]
fn wait_until_refused(server: &Headstay) -> Value {
    server.wait_for_sync("it to be refused", |sync| {
        sync["error"].to_string().contains("that is not this one")
    })
}

#[track_caller]
fn wait_for_checks(server: &Headstay) {
    let checked = || server.application()["checkedAt"].clone();
    for _ in 0..2 {
        let last = checked();
        wait_until("another check", DEADLINE, || checked() != last);
    }
}

#[test]
fn two_servers_of_one_name_leave_each_others_objects_alone() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();
    world.repository.commit(&[(EXTRA, Some(&config_map("extra", "red")))]);
    wait_until("it to be applied", DEADLINE, || world.colour("extra").is_some());
    take_id_off(&world, "extra");
    wait_for_checks(&world.headstay);
    let before = world.resource_versions();

    let second = another(&world);
    let refused = wait_until_refused(&second);
    assert_tells(&refused, "ConfigMap");
    assert_eq!(refused["error"]["details"].as_array().unwrap().len(), 2, "{refused:#}");
    assert_eq!(world.resource_versions(), before);
    assert_eq!(second.application()["applied"], Value::Null);

    // A person gives all of it to the second. The first says that it is not its any more.
    let asked = second.post("/api/v1/applications/shop/sync", &json!({"adopt": true}));
    second.wait_for_state(asked["id"].as_str().unwrap(), "Succeeded");
    wait_until_refused(&world.headstay);
    let taken = id(&world, "settings");
    world.repository.commit(&[("apps/other/till.yaml", Some(&config_map("till", "grey")))]);
    world.headstay.reconfigure("    path: apps/shop\n", "    path: apps/other\n");
    wait_until("what it does not name any more to be let go", DEADLINE, || {
        owns(&world.headstay, "till") && !owns(&world.headstay, "settings")
    });
    assert_eq!(id(&world, "settings"), taken);
    assert!(owns(&second, "settings") && owns(&second, "extra"));
    assert_eq!(world.colour("extra").as_deref(), Some("red"));
    second.terminate();
    second.assert_clean(&[]);
    world.finish();
}

#[test]
fn a_store_that_was_lost_is_told_and_one_command_takes_over() {
    let world = World::start();
    let once = config_map("once", "blue")
        .replace("metadata:", "metadata:\n  annotations: {headstay.dev/apply: if-not-present}");
    world
        .apply(&[(EXTRA, Some(&config_map("extra", "red"))), ("apps/shop/once.yaml", Some(&once))]);
    let before = world.resource_versions();
    world.headstay.terminate();
    for file in std::fs::read_dir(world.headstay.folder()).unwrap().map(Result::unwrap) {
        if file.file_name().to_str().unwrap().starts_with("headstay.db") {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
    world.headstay.restart();
    let refused = wait_until_refused(&world.headstay);
    assert_tells(&refused, "headstay sync shop --adopt");
    assert_eq!(world.resource_versions(), before);

    let adopted = world.headstay.command(&["sync", "shop", "--adopt", "--wait"]);
    assert_eq!(adopted.status.code(), Some(0), "{adopted:?}");
    assert_eq!(world.headstay.application()["syncState"], "Synced");
    world.apply(&[(EXTRA, None), ("apps/shop/once.yaml", None)]);
    for name in ["extra", "once"] {
        assert_eq!(world.colour(name), None, "{name} is ours again, and pruned as such");
    }
    world.finish();
}

#[test]
fn what_was_applied_before_there_were_ids_is_ours_and_no_drift() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();
    let pushed = world.push(&[(EXTRA, Some(&config_map("extra", "red")))]);
    world.headstay.wait_until_through(&pushed.sync);
    for name in ["settings", "extra"] {
        take_id_off(&world, name);
    }
    let before = world.resource_versions();
    wait_for_checks(&world.headstay);
    assert_eq!(world.resource_versions(), before);

    let green = config_map("settings", "green");
    let pushed = world.push(&[(SETTINGS, Some(&green)), (EXTRA, None)]);
    world.headstay.wait_until_through(&pushed.sync);
    wait_until("it to be pruned", DEADLINE, || world.colour("extra").is_none());
    assert_eq!(world.colour("settings").as_deref(), Some("green"));
    assert!(id(&world, "settings").is_string(), "a write for another reason brings it");
    world.finish();
}
