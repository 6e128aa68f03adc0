//! Jobs run once.

use serde_json::json;

use crate::world::manifests::job;
use crate::world::wait::{DEADLINE, wait_until};
use crate::world::{Setup, World};

#[test]
fn a_job_that_is_done_and_cleared_away_at_once_does_not_run_again() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();
    let migrate = job("migrate", "migrate:1")
        .replace("spec:\n  backoffLimit", "spec:\n  ttlSecondsAfterFinished: 0\n  backoffLimit");
    world.push(&[("apps/shop/migrate.yaml", Some(&migrate))]);
    let pods = world.path("v1", "pods");
    world.kubernetes.set_pod_status(
        &pods,
        &json!({"phase": "Succeeded", "containerStatuses": [{
            "name": "migrate", "image": "migrate:1", "imageID": "", "ready": false,
            "restartCount": 0, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}},
        }]}),
    );
    let path = format!("{}/migrate", world.path("batch/v1", "jobs"));
    wait_until("the Job to be cleared away", DEADLINE, || world.kubernetes.get(&path).is_none());
    for _ in 0..3 {
        wait_for_a_check(&world);
        assert_eq!(world.kubernetes.get(&path), None);
    }
    world.finish();
}

#[test]
fn a_job_that_is_deleted_before_it_is_done_is_made_again() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();
    let pushed = world.push(&[("apps/shop/migrate.yaml", Some(&job("migrate", "migrate:1")))]);
    world.headstay.wait_for_state(&pushed.sync, "Waiting");
    let path = format!("{}/migrate", world.path("batch/v1", "jobs"));
    let uid = || world.kubernetes.get(&path).map(|object| object["metadata"]["uid"].clone());
    let before = uid();

    world.kubernetes.delete(&format!("{path}?propagationPolicy=Background"));

    wait_until("another Job", DEADLINE, || uid().is_some_and(|uid| Some(uid) != before));
    world.finish();
}

#[track_caller]
fn wait_for_a_check(world: &World) {
    let checked = || world.headstay.application()["checkedAt"].clone();
    let last = checked();
    wait_until("another check", DEADLINE, || checked() != last);
}
