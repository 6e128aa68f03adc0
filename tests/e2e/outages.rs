//! A host that does not answer is in the state of each application concerned, and the state comes back
//! by itself when the host does.

use std::sync::Arc;

use serde_json::Value;

use crate::world::api_server::ApiServer;
use crate::world::manifests::{config_map, deployment};
use crate::world::wait::{DEADLINE, wait_for};
use crate::world::{Setup, World};

/// A world on an API server of its own, with something that is watched, healthy.
pub fn watched_world() -> World {
    let world = Setup { api_server: Arc::new(ApiServer::own()), ..Setup::default() }.start();
    let web = deployment("web", "web:1").replace("replicas: 1", "replicas: 0");
    world.apply(&[("apps/shop/web.yaml", Some(&web))]);
    assert_healthy(&world, "at the beginning");
    world
}

#[test]
fn a_cluster_that_is_down_is_in_the_state_until_it_is_back() {
    let world = watched_world();
    world.api_server.stop();
    let shop = assert_unavailable(&world, "an API server that is gone");
    assert!(shop["healthSince"].is_string(), "{shop:#}");
    // What is in Git is known all the same.
    assert_eq!(shop["syncState"], "Synced");

    world.headstay.terminate();
    world.headstay.restart();
    assert_unavailable(&world, "an API server that is gone at the start");
    world.api_server.start();
    assert_healthy(&world, "an API server that is back");
    world.finish();
}

#[test]
fn a_cluster_that_hangs_is_in_the_state_until_it_goes_on() {
    let world = watched_world();
    world.api_server.hang();
    assert_unavailable(&world, "an API server that hangs");
    world.api_server.go_on();
    assert_healthy(&world, "an API server that goes on");
    world.finish();
}

#[test]
fn a_wait_for_health_does_not_end_well_while_the_cluster_is_silent() {
    let world = watched_world();
    let pushed = world.push(&[("apps/shop/web.yaml", Some(&deployment("web", "web:2")))]);
    world.headstay.wait_for_state(&pushed.sync, "Waiting");
    world.api_server.stop();
    assert_unavailable(&world, "an API server that is gone during a roll-out");
    assert_eq!(world.headstay.sync(&pushed.sync)["state"], "Waiting");
    world.api_server.start();
    world.kubernetes.run_pod(&world.path("v1", "pods"));
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    assert_healthy(&world, "a roll-out that went on");
    world.finish();
}

#[test]
fn a_git_host_that_is_down_is_in_the_state_until_it_is_back() {
    let world = World::start();
    world.git.down();
    let pushed = world.push(&[("apps/shop/settings.yaml", Some(&config_map("settings", "red")))]);
    let told = |shop: &Value, kind: &str| condition(shop, kind).is_some();
    let both = |shop: &Value| told(shop, "RepositoryUnavailable") && told(shop, "SyncFailed");
    wait(&world, "both conditions", both);
    let repository = condition(&world.headstay.application(), "RepositoryUnavailable").unwrap();
    assert!(repository.starts_with("repository fleet cannot be fetched since 20"), "{repository}");
    // An attempt that runs takes nothing back.
    world.headstay.wait_for_sync("another attempt", |sync| {
        let shop = world.headstay.application();
        assert!(both(&shop), "{shop:#}");
        sync["id"] == pushed.sync && sync["attempt"].as_u64() > Some(2)
    });
    assert_eq!(world.headstay.exit_code_of_status(), 1);
    world.git.up();
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    wait(&world, "no condition", |shop| shop["conditions"].as_array().unwrap().is_empty());
    assert_eq!(world.headstay.exit_code_of_status(), 0);
    world.finish();
}

/// The state, the exit code of `headstay status` and the metrics tell that the cluster does not answer.
#[track_caller]
pub fn assert_unavailable(world: &World, what: &str) -> Value {
    let shop = wait(world, what, |shop| {
        shop["health"] == "Unknown" && condition(shop, "ClusterUnavailable").is_some()
    });
    let told = condition(&shop, "ClusterUnavailable").unwrap();
    assert!(told.starts_with("cluster test does not answer since 20"), "{told}");
    assert_eq!(world.headstay.exit_code_of_status(), 1, "{what}");
    assert_measured(world, "headstay_cluster_unavailable{cluster=\"test\"} 1");
    assert_measured(
        world,
        "headstay_application_health{application=\"shop\",health=\"Unknown\"} 1",
    );
    shop
}

#[track_caller]
pub fn assert_healthy(world: &World, what: &str) {
    wait(world, what, |shop| {
        shop["health"] == "Healthy" && shop["conditions"].as_array().unwrap().is_empty()
    });
    assert_eq!(world.headstay.exit_code_of_status(), 0, "{what}");
    assert_measured(world, "headstay_cluster_unavailable{cluster=\"test\"} 0");
}

#[track_caller]
fn wait(world: &World, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_for(&format!("the state to tell of {what}"), DEADLINE, || {
        let shop = world.headstay.status()["applications"][0].clone();
        if wanted(&shop) { Ok(shop) } else { Err(format!("{shop:#}")) }
    })
}

fn condition(shop: &Value, kind: &str) -> Option<String> {
    let mut conditions = shop["conditions"].as_array()?.iter();
    let found = conditions.find(|condition| condition["type"] == kind)?;
    found["message"].as_str().map(str::to_owned)
}

#[track_caller]
fn assert_measured(world: &World, line: &str) {
    let metrics = world.headstay.get_as(None, "/metrics").text;
    assert!(metrics.contains(line), "no `{line}` in:\n{metrics}");
}
