//! What somebody changes on the cluster is put back within an interval.

use std::time::Duration;

use serde_json::{Value, json};

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
        let checked = checked_at(&world);
        wait_until("a check by the timer", WITHIN_AN_INTERVAL, || checked_at(&world) > checked);
    }

    assert_eq!(world.resource_versions(), before);
    assert_eq!(world.headstay.syncs().len(), 1, "checks that find nothing leave no history");
    world.finish();
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
