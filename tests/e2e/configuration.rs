//! The configuration changes while the program runs.

use serde_json::json;

use crate::world::manifests::config_map;
use crate::world::wait::{DEADLINE, wait_until};
use crate::world::webhook::Webhook;
use crate::world::{Setup, World};

const SETTINGS: &str = "apps/shop/settings.yaml";

#[test]
fn a_broken_configuration_is_refused_by_line_and_the_one_before_stays_in_force() {
    let world = World::start();

    world
        .headstay
        .reconfigure("    path: apps/shop\n", "    path: apps/shop\n    pathh: apps/shop\n");
    let status = world.headstay.wait_until("the configuration to be refused", |status| {
        status["configuration"]["inForce"] == false
    });
    let error = status["configuration"]["error"].as_str().unwrap();
    let line = world.headstay.line_of_configuration("pathh");
    assert!(error.contains(&format!("headstay.yaml:{line}")), "{error}");
    assert!(error.contains("pathh"), "{error}");
    world.apply(&[(SETTINGS, Some(&config_map("settings", "red")))]);
    assert_eq!(world.colour("settings").as_deref(), Some("red"));

    world.headstay.reconfigure("    pathh: apps/shop\n", "");
    let status = world.headstay.wait_until("the configuration to be in force", |status| {
        status["configuration"]["inForce"] == true
    });
    let configuration = json!({"inForce": true, "generation": 2, "error": null});
    assert_eq!(status["configuration"], configuration);
    world.finish_despite(&["the configuration file was refused"]);
}

#[test]
fn nothing_is_written_while_suspended_and_all_that_was_pushed_is_applied_after() {
    let world = World::start();

    world.headstay.reconfigure("server:\n", "server:\n  suspend: true\n");
    world.headstay.wait_until("the suspension", |status| status["suspended"] == true);
    assert!(world.headstay.condition("Suspended").is_some());
    let pushed = world.push(&[(SETTINGS, Some(&config_map("settings", "red")))]);
    let asked = world.headstay.request_sync();
    // The sync of a push begins within milliseconds; a change of the file takes seconds.
    world.headstay.reconfigure("instance:", "retention: {age: 30d}\n  instance:");
    let applications = world.headstay.status()["applications"].clone();
    world.headstay.wait_until("another round of the reload", |status| {
        status["suspended"] == true && status["applications"] == applications
    });
    let dry_run = json!({"dryRun": true});
    let dry_run = world.headstay.post("/api/v1/applications/shop/sync", &dry_run);
    world.headstay.wait_for_state(dry_run["id"].as_str().unwrap(), "Succeeded");
    for sync in [&pushed.sync, &asked] {
        assert_eq!(world.headstay.sync(sync)["state"], "Queued");
    }
    assert_eq!(world.colour("settings").as_deref(), Some("blue"));

    world.headstay.reconfigure("  suspend: true\n", "");
    world.headstay.wait_until_covered(&pushed.delivery);
    assert_eq!(world.colour("settings").as_deref(), Some("red"));
    assert_eq!(world.headstay.condition("Suspended"), None);
    world.finish();
}

#[test]
fn an_application_that_is_added_is_synced_and_one_that_is_removed_leaves_its_objects() {
    let world = World::start();
    world.repository.commit(&[("apps/stock/shelf.yaml", Some(&config_map("shelf", "grey")))]);
    let stock = format!(
        "applications:
  - name: stock
    repository: depot
    revision: main
    path: apps/stock
    cluster: test
    namespace: {}
",
        world.namespace
    );

    let url = &world.repository.url;
    let depot = format!(
        "repositories: [{{name: depot, url: \"{url}\", auth: {{token: {{env: GIT_TOKEN}}}}}}, "
    );
    let is_measured = || {
        let metrics = world.headstay.get_as(None, "/metrics").text;
        ["application=\"stock\"", "repository=\"depot\""].map(|label| metrics.contains(label))
    };

    world.headstay.reconfigure("repositories: [", &depot);
    world.headstay.reconfigure("applications:\n", &stock);
    let sync = world.headstay.wait_for_sync("the new application to be synced", |sync| {
        sync["application"] == "stock" && sync["state"] == "Succeeded"
    });
    assert_eq!(sync["trigger"], "configuration");
    assert_eq!(world.colour("shelf").as_deref(), Some("grey"));
    assert_eq!(is_measured(), [true, true]);

    world.headstay.reconfigure(&stock, "applications:\n");
    world.headstay.reconfigure(&depot, "repositories: [");
    world.headstay.wait_until("the application to be gone", |status| {
        status["applications"].as_array().unwrap().len() == 1
    });
    assert_eq!(world.headstay.api("GET", "/api/v1/applications/stock", None).status, 404);
    let stays = json!([{"application": "stock", "cluster": "test", "objects": 1}]);
    assert_eq!(world.headstay.status()["departed"], stays);
    wait_until("the metrics to forget them", DEADLINE, || is_measured() == [false, false]);
    assert_eq!(world.colour("shelf").as_deref(), Some("grey"));
    world.finish();
}

#[test]
fn an_application_that_is_not_automated_is_synced_only_when_asked() {
    let sync = "prune: true, automated: false";
    let world = Setup { interval: "2s", sync, ..Setup::default() }.start_unapplied();
    let standing = |standing: &str| {
        wait_until(&format!("the application to be {standing}"), DEADLINE, || {
            world.headstay.application()["syncState"] == standing
        });
    };
    standing("OutOfSync");
    assert_eq!(world.colour("settings"), None);

    let answer = world.headstay.deliver(&Webhook::push(&world.repository, "main"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let reason = answer.body["reason"].as_str().unwrap();
    assert!(reason.contains("not automated"), "{reason}");
    let delivery = world.headstay.delivery(answer.body["delivery"].as_str().unwrap());
    assert_eq!(delivery["outcome"], "ignored");
    assert_eq!(delivery["reason"], reason);
    let asked = world.headstay.request_sync();
    world.headstay.wait_for_state(&asked, "Succeeded");
    assert_eq!(world.colour("settings").as_deref(), Some("blue"));
    standing("Synced");

    // The timer finds the commit, and leaves it.
    world.repository.commit(&[(SETTINGS, Some(&config_map("settings", "red")))]);
    standing("OutOfSync");
    assert_eq!(world.colour("settings").as_deref(), Some("blue"));
    let asked = world.headstay.request_sync();
    world.headstay.wait_for_state(&asked, "Succeeded");
    assert_eq!(world.colour("settings").as_deref(), Some("red"));
    world.finish();
}
