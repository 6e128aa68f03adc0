//! Who writes the same fields again and again is named, and nobody fights without end.

use serde_json::json;

use crate::world::manifests::{config_map, deployment};
use crate::world::wait::{DEADLINE, wait_for, wait_until};
use crate::world::{Setup, World};

#[test]
fn an_object_that_is_put_back_again_and_again_is_left_alone_for_a_while_and_told() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();
    let settings = world.config_map_path("settings");
    let message = wait_for("the fight to be told", DEADLINE, || {
        if world.colour("settings").as_deref() == Some("blue") {
            world.kubernetes.edit(&settings, &json!({"data": {"colour": "red"}}));
        }
        world.headstay.condition("Fight").ok_or_else(|| world.headstay.application().to_string())
    });
    for told in ["settings", "`kubectl-edit`", "/data/colour"] {
        assert!(message.contains(told), "{message}");
    }
    // What a person asks for is done all the same.
    world.kubernetes.edit(&settings, &json!({"data": {"colour": "red"}}));
    world.headstay.wait_until_through(&world.headstay.request_sync());
    assert_eq!(world.colour("settings").as_deref(), Some("blue"));
    world.push(&[("apps/shop/settings.yaml", Some(&config_map("settings", "green")))]);
    wait_until("a commit to be applied", DEADLINE, || {
        world.colour("settings").as_deref() == Some("green")
    });
    world.finish();
}

#[test]
fn what_a_controller_writes_is_not_sent_and_told() {
    let world = World::start();
    let exported = deployment("web", "web:1").replace(
        "  name: web\nspec:",
        "  name: web\n  annotations: {deployment.kubernetes.io/revision: \"7\"}\nspec:",
    );
    let pushed = world.push(&[("apps/shop/web.yaml", Some(&exported))]);
    let sync = wait_for("it to be applied", DEADLINE, || {
        let sync = world.headstay.sync(&pushed.sync);
        if sync["appliedAt"].is_string() { Ok(sync) } else { Err(sync.to_string()) }
    });
    let told = sync["objects"].to_string();
    assert!(
        told.contains("deployment.kubernetes.io/revision") && told.contains("controller"),
        "{told}"
    );
    let path = format!("{}/web", world.path("apps/v1", "deployments"));
    let live = world.kubernetes.get(&path).unwrap();
    assert_ne!(live["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "7");
    world.finish();
}
