//! A disk without room: nothing is promised that cannot be kept, and nobody has to come.

use crate::world::World;
use crate::world::manifests::config_map;
use crate::world::wait::{DEADLINE, wait_for};
use crate::world::webhook::Webhook;

const SETTINGS: &str = "apps/shop/settings.yaml";

/// What the log says while nothing can be written.
const EXPECTED: &[&str] =
    &["the store did not answer", "the store gives no work", "could not record"];

#[test]
fn a_full_disk_refuses_deliveries_and_takes_them_when_it_has_room() {
    let world = World::start();
    world.repository.commit(&[(SETTINGS, Some(&config_map("settings", "red")))]);
    let push = Webhook::push(&world.repository, "main");

    world.headstay.limit_files("0");
    for _ in 0..3 {
        let answer = world.headstay.deliver(&push);
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.retry_after.is_some(), "{answer:?}");
    }
    let stranger = Webhook { signature: None, ..push.clone() };
    assert_ne!(world.headstay.deliver(&stranger).status, 202);
    assert_eq!(world.headstay.api("GET", "/healthz", None).status, 200);
    wait_for("a probe that says so", DEADLINE, || {
        let probe = world.headstay.api("GET", "/readyz", None);
        if probe.status == 503 { Ok(()) } else { Err(format!("{probe:?}")) }
    });
    let status = world.headstay.status();
    assert_eq!(status["store"]["writable"], false, "{status}");
    assert!(status["store"]["error"].as_str().unwrap().contains("disk"), "{status}");
    assert_eq!(status["applications"][0]["health"], "Healthy");
    assert_eq!(world.colour("settings").as_deref(), Some("blue"));

    world.headstay.limit_files("unlimited");
    let answer = world.headstay.deliver(&push);
    assert_eq!(answer.status, 202, "{answer:?}");
    let sync = answer.body["syncs"][0]["id"].as_str().unwrap();
    world.headstay.wait_for_state(sync, "Succeeded");
    wait_for("the end of the warning", DEADLINE, || {
        let store = &world.headstay.status()["store"];
        if store["writable"] == true { Ok(()) } else { Err(store.to_string()) }
    });
    assert_eq!(world.headstay.api("GET", "/readyz", None).status, 200);
    assert_eq!(world.colour("settings").as_deref(), Some("red"));
    world.finish_despite(EXPECTED);
}

#[test]
fn what_was_accepted_before_the_disk_was_full_is_applied_when_it_has_room() {
    let world = World::start();
    world.git.down();
    let pushed = world.push(&[(SETTINGS, Some(&config_map("settings", "red")))]);
    world.headstay.wait_for_state(&pushed.sync, "Retrying");

    world.headstay.limit_files("0");
    world.git.up();
    world.headstay.wait_for_log("the store gives no work");
    assert_eq!(world.colour("settings").as_deref(), Some("blue"), "what is written is known first");
    world.headstay.limit_files("unlimited");

    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    assert_eq!(world.colour("settings").as_deref(), Some("red"));
    world.finish_despite(EXPECTED);
}
