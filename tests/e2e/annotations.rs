//! What annotations on an object ask for.

use serde_json::{Value, json};

use crate::world::manifests::config_map;
use crate::world::wait::{DEADLINE, wait_until};
use crate::world::{World, assert_tells};

/// A ConfigMap with an annotation of ours.
fn annotated(name: &str, colour: &str, annotation: &str) -> String {
    let annotations = format!("metadata:\n  annotations: {{headstay.dev/{annotation}}}");
    config_map(name, colour).replace("metadata:", &annotations)
}

/// Makes a ConfigMap as a person does.
fn make(world: &World, name: &str, colour: &str) -> Value {
    let object = json!({"metadata": {"name": name}, "data": {"colour": colour}});
    world.kubernetes.create(&world.path("v1", "configmaps"), &object)
}

fn uid(world: &World, name: &str) -> Value {
    world.kubernetes.get(&world.config_map_path(name)).unwrap()["metadata"]["uid"].clone()
}

#[test]
fn an_immutable_object_is_recreated_only_where_that_is_asked_for() {
    let world = World::start();
    let fixed = |colour| config_map("fixed", colour) + "immutable: true\n";
    world.apply(&[("apps/shop/fixed.yaml", Some(&fixed("blue")))]);
    let before = uid(&world, "fixed");

    let pushed = world.push(&[("apps/shop/fixed.yaml", Some(&fixed("red")))]);
    let sync = world.headstay.wait_for_state(&pushed.sync, "Retrying");
    assert_tells(&sync, "fixed");
    assert_tells(&sync, "headstay.dev/force: enabled");
    assert_eq!(world.colour("fixed").as_deref(), Some("blue"));
    assert_eq!(uid(&world, "fixed"), before);

    let forced = annotated("fixed", "red", "force: enabled") + "immutable: true\n";
    world.apply(&[("apps/shop/fixed.yaml", Some(&forced))]);
    assert_eq!(world.colour("fixed").as_deref(), Some("red"));
    assert_ne!(uid(&world, "fixed"), before);
    world.finish();
}

#[test]
fn what_is_only_to_be_there_is_made_and_then_left_alone() {
    let world = World::start();
    make(&world, "given", "by-hand");
    let given = |colour| annotated("given", colour, "apply: if-not-present");
    let fresh = |colour| annotated("fresh", colour, "apply: if-not-present");

    for (colour, number) in [("blue", "first"), ("red", "second")] {
        world.apply(&[
            ("apps/shop/given.yaml", Some(&given(colour))),
            ("apps/shop/fresh.yaml", Some(&fresh(colour))),
            ("apps/shop/settings.yaml", Some(&config_map("settings", number))),
        ]);
        assert_eq!(world.colour("given").as_deref(), Some("by-hand"));
        assert_eq!(world.colour("fresh").as_deref(), Some("blue"));
        assert_eq!(world.colour("settings").as_deref(), Some(number));
    }

    world.apply(&[("apps/shop/given.yaml", None), ("apps/shop/fresh.yaml", None)]);
    wait_until("what we made to be pruned", DEADLINE, || world.colour("fresh").is_none());
    assert_eq!(world.colour("given").as_deref(), Some("by-hand"), "we did not make it");
    world.finish();
}

#[test]
fn what_is_ignored_is_neither_made_nor_changed_nor_pruned() {
    let world = World::start();
    make(&world, "given", "by-hand");
    let ignored = ["given", "fresh"].map(|name| annotated(name, "blue", "apply: ignore"));

    let files = ["apps/shop/given.yaml", "apps/shop/fresh.yaml"];
    world.apply(&[(files[0], Some(&ignored[0])), (files[1], Some(&ignored[1]))]);
    assert_eq!(world.colour("given").as_deref(), Some("by-hand"));
    assert_eq!(world.colour("fresh"), None);
    assert_eq!(world.headstay.application()["health"], "Healthy");

    world.apply(&[(files[0], None), (files[1], None)]);
    assert_eq!(world.colour("given").as_deref(), Some("by-hand"));
    world.finish();
}

#[test]
fn what_is_merged_takes_no_field_from_others() {
    let world = World::start();
    make(&world, "given", "by-hand");
    let merged = annotated("given", "blue", "apply: merge");
    let beside = merged.replace("colour: blue", "size: \"7\"");

    world.apply(&[("apps/shop/given.yaml", Some(&beside))]);
    let data = &world.kubernetes.get(&world.config_map_path("given")).unwrap()["data"];
    assert_eq!(*data, json!({"colour": "by-hand", "size": "7"}));

    let pushed = world.push(&[("apps/shop/given.yaml", Some(&merged))]);
    let sync = world.headstay.wait_for_state(&pushed.sync, "Retrying");
    assert_tells(&sync, "colour");
    assert_tells(&sync, "belong to others");
    assert_eq!(world.colour("given").as_deref(), Some("by-hand"));

    // The other one lets the field go.
    world.kubernetes.edit(&world.config_map_path("given"), &json!({"data": {"colour": null}}));
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    assert_eq!(world.colour("given").as_deref(), Some("blue"));
    world.finish();
}
