//! What was accepted is done, whatever happens to the process.

use std::sync::Mutex;
use std::time::Duration;

use crate::world::manifests::config_map;
use crate::world::random::random;
use crate::world::webhook::Webhook;
use crate::world::{World, share};

const SETTINGS: &str = "apps/shop/settings.yaml";

/// Worlds at a time, and how often the process of each is killed.
const WORLDS: usize = 5;
const KILLS: usize = 10;
/// It is killed at any time up to this many milliseconds after a delivery was sent.
const LATEST_KILL_MS: u64 = 250;

#[test]
fn killed_at_any_time_it_ends_at_the_last_push_and_knows_what_became_of_each() {
    let accepted = Mutex::new(0);
    share(WORLDS, 0..WORLDS, |worlds| {
        for _ in worlds {
            *accepted.lock().unwrap() += accepted_between_kills();
        }
    });
    assert!(accepted.into_inner().unwrap() > 0, "no delivery was ever accepted");
}

/// How many deliveries the process took before it was killed again; they must not be lost.
fn accepted_between_kills() -> usize {
    let world = World::start();
    let mut accepted = Vec::new();

    for n in 0..KILLS {
        let settings = config_map("settings", &format!("shade-{n}"));
        world.repository.commit(&[(SETTINGS, Some(&settings))]);
        let push = Webhook::push(&world.repository, "main");
        let delay = Duration::from_millis(random() % LATEST_KILL_MS);
        std::thread::scope(|scope| {
            let delivered = scope.spawn(|| world.headstay.try_deliver(&push));
            std::thread::sleep(delay);
            world.headstay.kill9();
            // Without an answer nothing was promised.
            if let Ok(answer) = delivered.join().unwrap() {
                assert_eq!(answer.status, 202, "{answer:?}");
                accepted.push(answer.body["delivery"].as_str().unwrap().to_owned());
            }
        });
        world.headstay.restart();
    }

    let count = accepted.len();
    let last = world.announce(world.repository.head("main").unwrap());
    accepted.push(last.delivery);
    for delivery in &accepted {
        world.headstay.wait_until_covered(delivery);
    }
    assert_eq!(world.headstay.application()["applied"]["id"], last.commit);
    assert_eq!(world.colour("settings"), Some(format!("shade-{}", KILLS - 1)));
    world.finish();
    count
}

#[test]
fn what_was_accepted_before_an_orderly_end_is_done_after_it() {
    let world = World::start();

    // The host is down, so that the sync cannot be done before the end.
    world.git.down();
    let pushed = world.push(&[(SETTINGS, Some(&config_map("settings", "red")))]);
    world.headstay.terminate();
    world.git.up();
    world.headstay.restart();

    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    assert_eq!(world.colour("settings").as_deref(), Some("red"));
    world.headstay.wait_until_covered(&pushed.delivery);
    world.finish();
}

#[test]
fn a_restart_finds_what_was_pushed_meanwhile_and_writes_nothing_else() {
    let world = World::start();
    world.apply(&[("apps/shop/another.yaml", Some(&config_map("another", "red")))]);
    let another = world.config_map_path("another");
    let before = world.kubernetes.get(&another);

    world.headstay.terminate();
    let commit = world.repository.commit(&[(SETTINGS, Some(&config_map("settings", "red")))]);
    world.headstay.restart();

    let sync = world.headstay.wait_for_sync("the commit to be found at the start", |sync| {
        sync["commit"]["id"] == commit && sync["state"] == "Succeeded"
    });
    assert_eq!(sync["trigger"], "start-up");
    assert_eq!(world.kubernetes.get(&another), before);
    world.finish();
}
