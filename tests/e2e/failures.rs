//! What fails leaves the cluster as it is, says why, and heals when its cause is gone.

use std::sync::Arc;

use serde_json::json;

use crate::world::api_server::ApiServer;
use crate::world::manifests::{config_map, secret};
use crate::world::silent_host::SilentHost;
use crate::world::wait::{DEADLINE, wait_until};
use crate::world::webhook::Webhook;
use crate::world::{SECRET_VALUE, Setup, World, assert_tells};

const SETTINGS: &str = "apps/shop/settings.yaml";

#[test]
fn a_broken_file_is_named_with_its_line_and_the_cluster_keeps_its_state() {
    let world = World::start();
    let versions = world.resource_versions();
    let broken = config_map("settings", "red") + "  colour: green\n";

    let pushed = world.push(&[
        (SETTINGS, Some(&broken)),
        ("apps/shop/another.yaml", Some(&config_map("another", "red"))),
    ]);
    let sync = world.headstay.wait_for_state(&pushed.sync, "Failed");

    assert_tells(&sync, "apps/shop/settings.yaml:7");
    assert_eq!(sync["error"]["class"], "permanent");
    assert_eq!(world.resource_versions(), versions);
    world.apply(&[(SETTINGS, Some(&config_map("settings", "red")))]);
    assert_eq!(world.colour("settings").as_deref(), Some("red"));
    world.finish();
}

#[test]
fn an_object_that_the_api_server_refuses_holds_back_the_others() {
    let world = World::start();
    let versions = world.resource_versions();
    let refused = config_map("Not_A_Name", "red");

    let pushed = world.push(&[
        ("apps/shop/another.yaml", Some(&config_map("another", "red"))),
        ("apps/shop/refused.yaml", Some(&refused)),
    ]);
    let sync = world.headstay.wait_for_sync("the refusal", |sync| {
        sync["id"] == pushed.sync && matches!(sync["state"].as_str(), Some("Failed" | "Retrying"))
    });

    assert_tells(&sync, "Not_A_Name");
    assert_eq!(world.resource_versions(), versions);
    world.finish();
}

#[test]
fn a_secret_that_cannot_be_read_is_not_told() {
    let world = World::start();
    world.apply(&[("apps/shop/login.yaml", Some(&secret("login", SECRET_VALUE)))]);
    let broken = secret("login", SECRET_VALUE).replace("  password", "\tpassword");

    let pushed = world.push(&[("apps/shop/login.yaml", Some(&broken))]);
    let sync = world.headstay.wait_for_state(&pushed.sync, "Failed");

    assert_tells(&sync, "apps/shop/login.yaml");
    world.headstay.application();
    // The end of every story looks for the value in all that was told.
    world.finish();
}

#[test]
fn a_push_arrives_when_the_git_host_is_back() {
    let world = World::start();
    let push = |colour: &str| world.push(&[(SETTINGS, Some(&config_map("settings", colour)))]);

    world.git.down();
    let pushed = push("red");
    let sync = world.headstay.wait_for_state(&pushed.sync, "Retrying");
    assert_tells(&sync, "fleet");
    world.git.up();
    let sync = world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    assert!(sync["attempt"].as_u64().unwrap() > 1, "{sync:#}");
    assert_eq!(world.colour("settings").as_deref(), Some("red"));

    world.git.stall(true);
    let pushed = push("green");
    world.headstay.wait_for_state(&pushed.sync, "Retrying");
    world.git.stall(false);
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    assert_eq!(world.colour("settings").as_deref(), Some("green"));
    world.finish();
}

#[test]
fn a_push_arrives_when_the_api_server_is_back() {
    let api_server = Arc::new(ApiServer::own());
    let world = Setup { api_server, ..Setup::default() }.start();

    world.api_server.stop();
    let pushed = world.push(&[(SETTINGS, Some(&config_map("settings", "red")))]);
    let sync = world.headstay.wait_for_state(&pushed.sync, "Retrying");
    assert_eq!(sync["error"]["class"], "transient");
    let diff = world.headstay.api("GET", "/api/v1/applications/shop/diff", None);
    assert_eq!(diff.status, 502, "an API server that is away is no difference: {diff:?}");
    world.api_server.start();

    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    assert_eq!(world.colour("settings").as_deref(), Some("red"));
    world.finish();
}

#[test]
fn hosts_that_hang_hold_up_only_those_who_need_them() {
    let world = Setup { limits: "workers: 1", ..Setup::default() }.start();
    let silent = SilentHost::start();

    world.headstay.reconfigure(
        "clusters: [",
        &format!("clusters: [{{name: silent, kubeconfig: {}}}, ", silent.kubeconfig().display()),
    );
    world.headstay.reconfigure(
        "repositories: [",
        &format!("repositories: [{{name: silent, url: \"{}\", timeout: 5m}}, ", silent.url("git")),
    );
    let application = |name: &str, repository: &str, cluster: &str| {
        format!(
            "  - {{name: {name}, repository: {repository}, path: apps/shop, cluster: {cluster}, \
             namespace: {}}}\n",
            world.namespace
        )
    };
    let (lost, deaf) =
        (application("lost", "silent", "test"), application("deaf", "fleet", "silent"));
    world.headstay.reconfigure("applications:\n", &format!("applications:\n{lost}{deaf}"));
    let waits = ["lost", "deaf"].map(|name| {
        let sync = world.headstay.wait_for_sync("a sync that waits for its host", |sync| {
            sync["application"] == name && sync["state"] == "Running"
        });
        sync["id"].as_str().unwrap().to_owned()
    });

    let pushed = world.push(&[(SETTINGS, Some(&config_map("settings", "red")))]);
    world.headstay.wait_for_state(pushed.sync_of("shop"), "Succeeded");
    for sync in waits.map(|id| world.headstay.sync(&id)) {
        assert_eq!((&sync["state"], &sync["attempt"]), (&json!("Running"), &json!(1)), "{sync:#}");
    }
    assert_eq!(world.colour("settings").as_deref(), Some("red"));
    world.finish();
}

#[test]
fn what_waits_to_be_recreated_is_not_written_once_writes_are_off() {
    let world = World::start();
    let fixed = |colour| {
        let metadata = "metadata:\n  annotations: {headstay.dev/force: enabled}";
        config_map("fixed", colour).replace("metadata:", metadata) + "immutable: true\n"
    };
    world.apply(&[("apps/shop/fixed.yaml", Some(&fixed("blue")))]);
    let path = world.config_map_path("fixed");
    // It stays as it is being deleted.
    let finalizers = |names: &[&str]| json!({"metadata": {"finalizers": names}});
    world.kubernetes.edit(&path, &finalizers(&["tests.headstay.dev/hold"]));

    let pushed = world.push(&[("apps/shop/fixed.yaml", Some(&fixed("red")))]);
    wait_until("the deletion", DEADLINE, || {
        let object = world.kubernetes.get(&path).unwrap();
        object["metadata"]["deletionTimestamp"].is_string()
    });
    world.headstay.reconfigure("server:\n", "server:\n  suspend: true\n");
    world.headstay.wait_for_state(&pushed.sync, "Queued");
    world.kubernetes.edit(&path, &finalizers(&[]));
    wait_until("it to be gone", DEADLINE, || world.kubernetes.get(&path).is_none());
    world.headstay.terminate();
    assert_eq!(world.kubernetes.get(&path), None);

    world.headstay.reconfigure("  suspend: true\n", "");
    world.headstay.restart();
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    assert_eq!(world.colour("fixed").as_deref(), Some("red"));
    world.finish();
}

#[test]
fn a_branch_that_is_gone_leaves_everything_as_it_is() {
    let world = World::start();
    let versions = world.resource_versions();
    let main = world.repository.head("main").unwrap();

    world.repository.delete_branch("main");
    let answer = world.headstay.deliver(&Webhook::push(&world.repository, "main"));
    assert!(matches!(answer.status, 200 | 202), "{answer:?}");
    let asked = world.headstay.request_sync();
    let sync = world.headstay.wait_for_sync("a sync that finds no branch", |sync| {
        sync["id"] == asked && matches!(sync["state"].as_str(), Some("Failed" | "Retrying"))
    });
    assert_tells(&sync, "main");
    assert_eq!(world.resource_versions(), versions);

    world.repository.force_push("main", &main);
    world.apply(&[(SETTINGS, Some(&config_map("settings", "red")))]);
    world.finish();
}
