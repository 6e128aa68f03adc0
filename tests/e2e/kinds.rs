//! Kinds come and go, with other applications and by other hands.

use serde_json::{Value, json};

use crate::world::manifests::{config_map, definition, gear};
use crate::world::wait::{DEADLINE, wait_until};
use crate::world::{Setup, World, application, assert_tells};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
fn two() -> World {
    let world = Setup {
        applications: application("stock", "main", "prune: true, pruneLimit: {kinds: []}"),
        ..Setup::default()
    }
    .start();
    let pushed = world.push(&[("apps/stock/shelf.yaml", Some(&config_map("shelf", "grey")))]);
    world.headstay.wait_for_state(pushed.sync_of("stock"), "Succeeded");
    world
}

/// A group that no other story has.
fn group(world: &World, name: &str) -> String {
    format!("{name}.{}.example.org", world.namespace)
}

fn gears(world: &World, group: &str) -> String {
    world.path(&format!("{group}/v1"), "gears")
}

/// Deletes a definition, and waits until it is gone, as all its objects are then.
fn undefine(world: &World, group: &str) {
    let path = format!("{DEFINITIONS}/gears.{group}");
    world.kubernetes.delete(&path);
    wait_until("the definition to be gone", DEADLINE, || world.kubernetes.get(&path).is_none());
}

#[test]
fn a_definition_and_its_object_in_two_applications_arrive_together() {
    let world = two();
    for (definer, user) in [("stock", "shop"), ("shop", "stock")] {
        let group = group(&world, definer);
        let [definition_file, gear_file] =
            [definer, user].map(|name| format!("apps/{name}/{definer}-kind.yaml"));
        let pushed = world.push(&[
            (&definition_file, Some(&definition(&group, &["teeth"]))),
            (&gear_file, Some(&gear(&group, "first", "teeth: many"))),
        ]);
        world.headstay.wait_for_state(pushed.sync_of(user), "Succeeded");
        world.headstay.wait_for_state(pushed.sync_of(definer), "Succeeded");
        let first = world.kubernetes.get(&format!("{}/first", gears(&world, &group)));
        assert_eq!(first.unwrap()["spec"]["teeth"], "many");
    }
    world.finish();
}

#[test]
fn a_field_that_its_definition_has_yet_to_get_is_waited_for() {
    let world = two();
    let group = group(&world, "late");
    let definition_of = |fields: &[&str]| definition(&group, fields);
    let pushed = world.push(&[
        ("apps/stock/kind.yaml", Some(&definition_of(&["teeth"]))),
        ("apps/shop/gear.yaml", Some(&gear(&group, "first", "teeth: many"))),
    ]);
    world.headstay.wait_for_state(pushed.sync_of("shop"), "Succeeded");

    let wider = gear(&group, "first", "teeth: many, width: \"2\"");
    let used = world.push(&[("apps/shop/gear.yaml", Some(&wider))]);
    let waits = world.headstay.wait_for_state(used.sync_of("shop"), "Retrying");
    assert_tells(&waits, "width");
    assert_eq!(waits["error"]["cause"], "environment");
    world.push(&[("apps/stock/kind.yaml", Some(&definition_of(&["teeth", "width"])))]);
    world.headstay.wait_until_through(used.sync_of("shop"));
    let first = world.kubernetes.get(&format!("{}/first", gears(&world, &group)));
    assert_eq!(first.unwrap()["spec"]["width"], "2");
    world.finish();
}

#[test]
fn a_kind_that_is_gone_takes_its_objects_with_it_and_keeps_nothing_back() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();
    let group = group(&world, "gone");
    world.kubernetes.create(DEFINITIONS, &definition_json(&group));
    wait_until("the kind to be served", DEADLINE, || {
        world.kubernetes.call("GET", &gears(&world, &group), None).unwrap().status == 200
    });
    // Checks come in between, and take over from a push that has to be tried again.
    let apply = |file: &str, text: &str| {
        let pushed = world.push(&[(file, Some(text))]);
        world.headstay.wait_until_through(&pushed.sync);
    };
    apply("apps/shop/gear.yaml", &gear(&group, "first", "teeth: many"));
    undefine(&world, &group);

    // Drift is healed although one kind cannot be looked at any more.
    world.kubernetes.edit(&world.config_map_path("settings"), &json!({"data": {"colour": "red"}}));
    world.push(&[("apps/shop/gear.yaml", None)]);
    wait_until("the drift to be healed", DEADLINE, || {
        world.colour("settings").as_deref() == Some("blue")
    });
    apply("apps/shop/settings.yaml", &config_map("settings", "green"));
    assert_eq!(world.colour("settings").as_deref(), Some("green"));
    wait_until("the inventory to forget it", DEADLINE, || {
        let application = world.headstay.application();
        let mut inventory = application["inventory"].as_array().unwrap().iter();
        inventory.all(|item| item["kind"] != "Gear")
    });
    world.finish();
}

fn definition_json(group: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("gears.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Gear", "plural": "gears", "singular": "gear", "listKind": "GearList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {
                    "type": "object", "properties": {"teeth": {"type": "string"}}}}}}}],
        },
    })
}
