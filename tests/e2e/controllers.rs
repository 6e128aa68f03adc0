//! Health that others write: the story is the controller of its custom resources, or there is none.

use serde_json::{Value, json};

use crate::world::manifests::{gear, promising_definition, stateful_set, volume_claim};
use crate::world::{Setup, World, assert_tells};

/// A group that no other story has.
fn group(world: &World) -> String {
    format!("{}.controllers.example.org", world.namespace)
}

/// Writes what the controller of a gear says.
#[track_caller]
fn say(world: &World, name: &str, status: &str, reason: &str) {
    let path = format!("{}/{name}/status", world.path(&format!("{}/v1", group(world)), "gears"));
    let condition = json!({"type": "Ready", "status": status, "reason": reason,
        "message": "as the story says", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    world.kubernetes.edit(&path, &json!({"status": {"conditions": [condition]}}));
}

fn reasons(sync: &Value) -> String {
    sync["waitingFor"].to_string()
}

#[test]
fn a_new_custom_resource_is_not_healthy_before_its_controller_has_seen_it() {
    let world = World::start();
    let group = group(&world);

    // Definition and object come at once, and what they replace goes.
    let pushed = world.push(&[
        ("apps/shop/definition.yaml", Some(&promising_definition(&group))),
        ("apps/shop/gear.yaml", Some(&gear(&group, "first", "teeth: many"))),
        ("apps/shop/web.yaml", Some(&gear(&group, "second", "teeth: few"))),
        ("apps/shop/settings.yaml", None),
    ]);
    let waiting = world.headstay.wait_for_state(&pushed.sync, "Waiting");
    assert!(reasons(&waiting).contains("has not written a status yet"), "{waiting:#}");
    assert_eq!(world.headstay.application()["health"], "Progressing");

    say(&world, "first", "True", "Turning");
    say(&world, "second", "False", "Warming");
    world.headstay.wait_for_sync("only the second gear to be waited for", |sync| {
        sync["id"] == *pushed.sync
            && reasons(sync).contains("Ready is False: Warming")
            && !reasons(sync).contains("first")
    });
    assert_eq!(world.colour("settings").as_deref(), Some("blue"), "nothing is pruned before");

    say(&world, "second", "True", "Turning");
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    assert_eq!(world.colour("settings"), None);

    say(&world, "first", "False", "BearingError");
    world.headstay.wait_until("the broken gear to be seen", |status| {
        status["applications"][0]["health"] == "Degraded"
    });
    world.finish();
}

#[test]
fn a_claim_that_is_to_be_bound_at_once_is_not_healthy_before() {
    let world = Setup { sync: "prune: true, timeout: 2s", ..Setup::default() }.start();
    let class = |mode: &str| {
        let name = format!("{}-{}", world.namespace, mode.to_lowercase());
        let class = json!({"metadata": {"name": name}, "volumeBindingMode": mode,
            "provisioner": "kubernetes.io/no-provisioner"});
        world.kubernetes.create("/apis/storage.k8s.io/v1/storageclasses", &class);
        name
    };

    let late = volume_claim("late", &class("WaitForFirstConsumer"));
    world.apply(&[("apps/shop/late.yaml", Some(&late))]);

    let now = volume_claim("now", &class("Immediate"));
    let pushed = world.push(&[("apps/shop/now.yaml", Some(&now))]);
    let sync = world.headstay.wait_for_state(&pushed.sync, "Failed");
    assert_tells(&sync, "PersistentVolumeClaim ");
    assert_tells(&sync, "now: not bound: Pending");
    world.finish();
}

#[test]
fn a_stateful_set_is_waited_for() {
    let world = World::start();

    let pushed = world.push(&[("apps/shop/data.yaml", Some(&stateful_set("data", "data:1")))]);
    let waiting = world.headstay.wait_for_state(&pushed.sync, "Waiting");
    assert!(reasons(&waiting).contains("StatefulSet"), "{waiting:#}");
    world.kubernetes.run_pod(&world.path("v1", "pods"));
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    world.finish();
}
