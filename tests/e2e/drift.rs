//! What somebody changes on the cluster is put back within an interval.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::headstay::ENDED;
use crate::world::manifests::config_map;
use crate::world::wait::{wait_for, wait_until};
use crate::world::{Setup, World};

/// The interval of two seconds, and what a busy machine may need beyond it.
const WITHIN_AN_INTERVAL: Duration = Duration::from_secs(12);

fn world() -> World {
    Setup { interval: "2s", ..Setup::default() }.start()
}

#[test]
fn an_edited_field_is_put_back_and_the_history_names_it() {
    let world = world();
    let path = world.config_map_path("settings");

    world.kubernetes.edit(&path, &json!({"data": {"colour": "red"}}));

    wait_for_colour(&world, "blue");
    let sync = world.headstay.wait_for_sync("the healing", |sync| {
        matches!(sync["trigger"].as_str(), Some("drift" | "timer")) && sync["state"] == "Succeeded"
    });
    let object = &sync["objects"][0];
    assert_eq!(object["name"], "settings");
    assert_eq!(object["action"], "configured");
    assert_eq!(object["fields"], json!(["/data/colour"]));
    world.finish();
}

#[test]
fn a_removed_field_is_put_back() {
    let world = world();
    let path = world.config_map_path("settings");
    world.kubernetes.edit(&path, &json!({"data": {"colour": null}}));
    wait_for_colour(&world, "blue");
    world.finish();
}

#[test]
fn a_field_that_was_changed_to_and_fro_is_ours_again() {
    let world = world();
    let path = world.config_map_path("settings");

    world.kubernetes.edit(&path, &json!({"data": {"colour": "red"}}));
    world.kubernetes.edit(&path, &json!({"data": {"colour": "blue"}}));

    wait_for("our field to be ours", WITHIN_AN_INTERVAL, || {
        let object = world.kubernetes.get(&path).unwrap();
        if owns_the_colour(&object) { Ok(()) } else { Err(object.to_string()) }
    });
    assert_eq!(world.colour("settings").as_deref(), Some("blue"));
    world.finish();
}

#[test]
fn a_deleted_object_comes_back() {
    let world = world();
    world.kubernetes.delete(&world.config_map_path("settings"));
    wait_for_colour(&world, "blue");
    world.finish();
}

#[test]
fn a_stripped_label_comes_back() {
    let world = world();
    let path = world.config_map_path("settings");

    world.kubernetes.edit(&path, &json!({"metadata": {"labels": null, "annotations": null}}));

    wait_until("our label and annotation", WITHIN_AN_INTERVAL, || {
        let metadata = &world.kubernetes.get(&path).unwrap()["metadata"];
        metadata["labels"]["headstay.dev/application"] == "shop"
            && metadata["annotations"]["headstay.dev/instance"] == world.namespace
    });
    world.finish();
}

#[test]
fn drift_that_is_only_to_be_reported_is_told_once_and_left() {
    let sync = "prune: true, drift: report";
    let world = Setup { interval: "2s", sync, ..Setup::default() }.start();
    let path = world.config_map_path("settings");

    world.kubernetes.edit(&path, &json!({"data": {"colour": "red"}}));
    let edited = world.resource_versions();
    let sync = world.headstay.wait_for_sync("the report", |sync| {
        sync["trigger"] == "timer" && sync["summary"]["skipped"] == 1
    });
    let (told, object) = (&sync["id"], &sync["objects"][0]);
    assert_eq!(object["name"], "settings");
    assert_eq!(object["fields"], json!(["/data/colour"]));
    wait_for_a_check(&world);
    assert_eq!(world.resource_versions(), edited);
    assert_eq!(world.headstay.syncs().len(), 2, "it is told once");
    ask_for_a_sync(&world);
    assert_eq!(world.colour("settings").as_deref(), Some("blue"), "a person wants what Git has");

    world.kubernetes.delete(&path);
    world.headstay.wait_for_sync("the report of the deletion", |sync| {
        sync["trigger"] == "timer" && sync["summary"]["skipped"] == 1 && sync["id"] != *told
    });
    wait_for_a_check(&world);
    assert_eq!(world.colour("settings"), None);
    assert_eq!(world.headstay.syncs().len(), 4, "it is told once");
    ask_for_a_sync(&world);
    assert_eq!(world.colour("settings").as_deref(), Some("blue"));
    world.finish();
}

#[test]
fn drift_that_is_ignored_is_neither_told_nor_put_back_unasked() {
    let annotated = "metadata:\n  annotations: {headstay.dev/drift: ignore}";
    let annotated = config_map("settings", "blue").replace("metadata:", annotated);
    for (sync, asked) in [("prune: true, drift: ignore", "blue"), ("prune: true", "red")] {
        let world = Setup { interval: "2s", sync, ..Setup::default() }.start();
        if asked == "red" {
            world.apply(&[("apps/shop/settings.yaml", Some(&annotated))]);
        }
        let history = ended(&world);

        world
            .kubernetes
            .edit(&world.config_map_path("settings"), &json!({"data": {"colour": "red"}}));
        wait_for_a_check(&world);
        wait_for_a_check(&world);
        assert_eq!(world.colour("settings").as_deref(), Some("red"));
        assert_eq!(ended(&world), history);
        ask_for_a_sync(&world);
        assert_eq!(world.colour("settings").as_deref(), Some(asked), "{sync}");
        world.finish();
    }
}

#[test]
fn what_git_does_not_name_is_left_to_others() {
    let world = world();
    let path = world.config_map_path("settings");

    world.kubernetes.edit(&path, &json!({"data": {"size": "7"}}));
    world.kubernetes.edit(&path, &json!({"data": {"colour": "red"}}));

    wait_for_colour(&world, "blue");
    assert_eq!(world.kubernetes.get(&path).unwrap()["data"]["size"], "7");
    world.finish();
}

#[test]
fn a_quiet_cluster_is_not_written_to() {
    let world = world();
    let before = world.resource_versions();
    for _ in 0..3 {
        wait_for_a_check(&world);
    }

    assert_eq!(world.resource_versions(), before);
    assert_eq!(ended(&world).len(), 1, "checks that find nothing leave no history");
    world.finish();
}

/// The syncs of the history that have ended: a check that is under way leaves none behind.
#[track_caller]
fn ended(world: &World) -> Vec<Value> {
    let mut syncs = world.headstay.syncs();
    syncs.retain(|sync| ENDED.iter().any(|state| sync["state"] == *state));
    syncs
}

#[track_caller]
fn ask_for_a_sync(world: &World) {
    let asked = world.headstay.request_sync();
    world.headstay.wait_for_state(&asked, "Succeeded");
}

#[track_caller]
fn wait_for_a_check(world: &World) {
    let checked = checked_at(world);
    wait_until("a check by the timer", WITHIN_AN_INTERVAL, || checked_at(world) > checked);
}

/// When Git and the cluster were last compared in full.
fn checked_at(world: &World) -> jiff::Timestamp {
    let application = world.headstay.application();
    let at = application["checkedAt"].as_str().unwrap_or_else(|| panic!("{application:#}"));
    at.parse().unwrap()
}

#[track_caller]
fn wait_for_colour(world: &World, colour: &str) {
    wait_for(&format!("the colour {colour}"), WITHIN_AN_INTERVAL, || {
        let now = world.colour("settings");
        if now.as_deref() == Some(colour) { Ok(()) } else { Err(format!("{now:?}")) }
    });
}

/// Whether the field is in the entry of our field manager.
fn owns_the_colour(object: &Value) -> bool {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    entries.iter().any(|entry| {
        entry["manager"] == "headstay"
            && entry["operation"] == "Apply"
            && entry["fieldsV1"]["f:data"].get("f:colour").is_some()
    })
}
