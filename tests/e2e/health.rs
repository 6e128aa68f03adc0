//! A sync is done when what it applied works, and says what it waits for until then.

use serde_json::json;

use crate::world::manifests::{config_map, deployment, job};
use crate::world::{Setup, World, assert_tells};

#[test]
fn a_sync_waits_for_its_pods_and_says_so() {
    let world = World::start();

    let pushed = world.push(&[("apps/shop/web.yaml", Some(&deployment("web", "web:1")))]);
    let waiting = world.headstay.wait_for_state(&pushed.sync, "Waiting");
    let what = &waiting["waitingFor"][0];
    assert_eq!((&what["kind"], &what["name"]), (&json!("Deployment"), &json!("web")));
    assert!(!what["reason"].as_str().unwrap().is_empty(), "{waiting:#}");
    assert_eq!(world.headstay.application()["health"], "Progressing");

    world.kubernetes.run_pod(&world.path("v1", "pods"));
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    world.headstay.wait_until("the application to be healthy", |status| {
        status["applications"][0]["health"] == "Healthy"
    });
    world.finish();
}

#[test]
fn a_sync_whose_pods_never_run_fails_in_time_and_names_the_cause() {
    let world = Setup { sync: "prune: true, timeout: 3s", ..Setup::default() }.start();

    let pushed = world.push(&[("apps/shop/web.yaml", Some(&deployment("web", "web:1")))]);
    world.headstay.wait_for_state(&pushed.sync, "Waiting");
    world.kubernetes.set_pod_status(
        &world.path("v1", "pods"),
        &json!({"phase": "Pending", "containerStatuses": [{
            "name": "web", "image": "web:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}},
        }]}),
    );

    let sync = world.headstay.wait_for_state(&pushed.sync, "Failed");
    assert!(sync["error"].to_string().contains("web"), "{sync:#}");
    assert_eq!(sync["error"]["phase"], "health");
    world.finish();
}

#[test]
fn a_sync_does_not_wait_for_a_job_that_has_failed() {
    let world = Setup { sync: "prune: true, timeout: 1h", ..Setup::default() }.start();

    let pushed = world.push(&[("apps/shop/migrate.yaml", Some(&job("migrate", "migrate:1")))]);
    world.headstay.wait_for_state(&pushed.sync, "Waiting");
    world.kubernetes.set_pod_status(
        &world.path("v1", "pods"),
        &json!({"phase": "Failed", "containerStatuses": [{
            "name": "migrate", "image": "migrate:1", "imageID": "", "ready": false,
            "restartCount": 0, "state": {"terminated": {"exitCode": 3, "reason": "Error"}},
        }]}),
    );

    let sync = world.headstay.wait_for_state(&pushed.sync, "Failed");
    assert_tells(&sync, "it cannot become healthy: Job.batch ");
    assert_tells(&sync, "BackoffLimitExceeded");
    assert_tells(&sync, "exit code 3");
    world.finish();
}

#[test]
fn a_newer_push_takes_over_from_one_that_waits() {
    let world = World::start();
    let stuck = world.push(&[("apps/shop/web.yaml", Some(&deployment("web", "web:1")))]);
    world.headstay.wait_for_state(&stuck.sync, "Waiting");

    let sync = world.apply(&[
        ("apps/shop/web.yaml", None),
        ("apps/shop/settings.yaml", Some(&config_map("settings", "red"))),
    ]);

    let superseded = world.headstay.wait_for_state(&stuck.sync, "Superseded");
    assert_eq!(superseded["supersededBy"], sync["id"]);
    assert_eq!(world.colour("settings").as_deref(), Some("red"));
    world.finish();
}
