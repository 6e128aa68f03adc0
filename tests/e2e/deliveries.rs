//! What a Git host, or somebody who pretends to be one, is answered.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::json;

use crate::world::manifests::config_map;
use crate::world::webhook::{NO_COMMIT, Webhook, sign};
use crate::world::{Setup, WEBHOOK_SECRET, World};

/// Every one of these says that `main` has moved, and it has; none of them may make anybody look.
#[test]
fn what_cannot_be_verified_is_refused_and_nothing_else_happens() {
    let world = World::start();
    let history = world.headstay.syncs().len();
    world.repository.commit(&[("apps/shop/settings.yaml", Some(&config_map("settings", "green")))]);
    let push = Webhook::push(&world.repository, "main");

    let truncated = push.body[..push.body.len() / 2].to_vec();
    let other = sign("not-the-secret", &push.body);
    let sha1 = "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59".to_owned();
    let cut = push.signature.as_ref().unwrap()[..40].to_owned();
    let forged = [
        ("without a signature", Webhook { signature: None, ..push.clone() }, 401),
        ("with an empty one", Webhook { signature: Some(String::new()), ..push.clone() }, 401),
        (
            "with an empty digest",
            Webhook { signature: Some("sha256=".into()), ..push.clone() },
            401,
        ),
        ("with half a digest", Webhook { signature: Some(cut), ..push.clone() }, 401),
        ("with another secret", Webhook { signature: Some(other), ..push.clone() }, 401),
        ("with another algorithm", Webhook { signature: Some(sha1), ..push.clone() }, 401),
        ("truncated", Webhook { body: truncated, ..push.clone() }, 401),
        ("empty", Webhook { body: Vec::new(), ..push.clone() }, 401),
        ("to nobody", Webhook { receiver: "gitlab".into(), ..push.clone() }, 404),
    ];
    for (what, webhook, status) in forged {
        let answer = world.headstay.deliver(&webhook);
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert_eq!(answer.body["status"], status, "a problem document, {what}: {answer:?}");
    }
    break_off(&world, &push);

    // The first push that is real makes the first sync since.
    let pushed = world.announce(world.repository.head("main").unwrap());
    let sync = world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    assert_eq!(sync["deliveries"], json!([pushed.delivery]));
    assert_eq!(world.headstay.syncs().len(), history + 1);
    world.finish();
}

#[test]
fn what_is_verified_but_says_nothing_is_answered_and_nothing_else_happens() {
    let world = World::start();
    let history = world.headstay.syncs();
    let first = world.repository.head("main").unwrap();
    world.repository.commit_to("feature", Some(&first), &[("feature.txt", Some("new\n"))]);
    let feature = Webhook::push(&world.repository, "feature");
    world.repository.delete_branch("feature");
    let deleted = Webhook::push(&world.repository, "feature");
    let stranger = json!({
        "ref": "refs/heads/main",
        "before": NO_COMMIT,
        "after": first,
        "repository": {"full_name": "evil/fleet", "clone_url": "https://example.org/evil/fleet.git"},
    });

    let harmless = [
        ("a ping", Webhook::ping(), 200),
        ("another event", Webhook::signed("issues", b"{\"action\": \"opened\"}"), 200),
        ("another branch", feature, 200),
        ("a branch that is gone", deleted, 200),
        ("another repository", Webhook::signed("push", stranger.to_string().as_bytes()), 200),
        ("no JSON", Webhook::signed("push", b"{\"ref\": \"refs/he"), 400),
        ("nothing", Webhook::signed("push", b""), 400),
        ("no push", Webhook::signed("push", b"[1, 2, 3]"), 400),
    ];
    for (what, webhook, status) in harmless {
        let answer = world.headstay.deliver(&webhook);
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        let reason = if status == 200 { &answer.body["reason"] } else { &answer.body["detail"] };
        assert!(reason.as_str().is_some_and(|reason| !reason.is_empty()), "{what}: {answer:?}");
    }

    assert_eq!(world.headstay.syncs(), history);
    world.finish();
}

#[test]
fn a_repeated_delivery_is_a_hint_like_any_other() {
    let world = World::start();
    world.repository.commit(&[("apps/shop/settings.yaml", Some(&config_map("settings", "red")))]);
    let push = Webhook::push(&world.repository, "main");
    let first = world.headstay.deliver(&push);
    let sync = first.body["syncs"][0]["id"].as_str().unwrap();
    world.headstay.wait_for_state(sync, "Succeeded");
    let versions = world.resource_versions();

    let second = world.headstay.deliver(&push);

    assert_eq!(second.status, 202, "{second:?}");
    let sync = second.body["syncs"][0]["id"].as_str().unwrap();
    world.headstay.wait_for_state(sync, "Succeeded");
    assert_eq!(world.resource_versions(), versions);
    let delivery = world.headstay.delivery(second.body["delivery"].as_str().unwrap());
    assert_eq!(delivery["repeated"], true);
    assert_eq!(delivery["hostId"], push.id);
    world.finish();
}

#[test]
fn a_body_beyond_the_limit_is_refused() {
    let world = Setup { limits: "bodyBytes: 4KiB", ..Setup::default() }.start();

    let answer = world.headstay.deliver(&Webhook::signed("push", &[b' '; 5000]));

    assert_eq!(answer.status, 413, "{answer:?}");
    world.apply(&[("apps/shop/settings.yaml", Some(&config_map("settings", "red")))]);
    world.finish();
}

#[test]
fn somebody_who_guesses_is_slowed_down_and_the_host_is_not() {
    let world = Setup { limits: "failedVerificationsPerMinute: 5", ..Setup::default() }.start();
    let push = Webhook::push(&world.repository, "main");

    let statuses: Vec<u16> = (0..20)
        .map(|n| {
            let signature = Some(sign(&format!("{WEBHOOK_SECRET}-{n}"), &push.body));
            world.headstay.deliver(&Webhook { signature, ..push.clone() }).status
        })
        .collect();

    assert_eq!(statuses[0], 401, "{statuses:?}");
    assert_eq!(statuses[19], 429, "{statuses:?}");
    world.apply(&[("apps/shop/settings.yaml", Some(&config_map("settings", "red")))]);
    world.finish();
}

#[test]
fn the_api_is_for_those_with_a_token() {
    let world = World::start();
    for path in
        ["/api/v1/status", "/api/v1/applications/shop", "/api/v1/syncs", "/api/v1/deliveries"]
    {
        for authorization in [None, Some("Bearer guess")] {
            let answer = world.headstay.get_as(authorization, path);
            assert_eq!(answer.status, 401, "{path}: {answer:?}");
        }
    }
    world.finish();
}

/// Sends half of a body that is signed as a whole, and hangs up.
fn break_off(world: &World, push: &Webhook) {
    let mut stream = TcpStream::connect(world.headstay.address()).unwrap();
    let head = format!(
        "POST /webhooks/github HTTP/1.1\r\nhost: headstay\r\ncontent-type: application/json\r\n\
         x-github-event: push\r\nx-github-delivery: {}\r\nx-hub-signature-256: {}\r\n\
         content-length: {}\r\n\r\n",
        push.id,
        push.signature.as_ref().unwrap(),
        push.body.len(),
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&push.body[..push.body.len() / 2]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    // An end without an answer is as good as a refusal.
    let _ = stream.read_to_string(&mut answer);
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
}
