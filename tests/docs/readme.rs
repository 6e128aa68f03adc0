//! README, from a clone to a webhook of GitHub.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::page;
use crate::play::Play;
use crate::session::Session;
use crate::town::Town;
use crate::world::call::Answer;

/// The section with which other pages begin.
pub const OWN_CLUSTER: (&str, &str) = ("README.md", "Your own cluster");
/// What is pushed before the delivery by hand.
pub const PUSHED: &str = "body='{\"ref\"";

const PING: &str = include_str!("../fixtures/webhooks/github/ping.json");
const PUSH: &str = include_str!("../fixtures/webhooks/github/push.json");

#[test]
fn who_follows_it_has_a_webhook_that_works() {
    Play::of("README.md")
        .without("cargo test", "it runs this test")
        .before(PUSHED, ada_says_hello)
        .before("Configuration", github_is_set_up)
        .in_town(Town::with_api_server().and_a_shop());
}

/// Pushes what the pages show; nobody has set up a webhook yet.
pub fn ada_says_hello(session: &mut Session) {
    greet(session, "Say hello", "Hello");
}

fn greet(session: &Session, message: &str, greeting: &str) {
    let settings = format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: settings}}, data: {{greeting: {greeting}}}}}\n"
    );
    session.town().push(message, &[("apps/shop/settings.yaml", Some(&settings))]);
}

/// What GitHub does once the webhook is made by the section: it sends a ping, and then each push.
fn github_is_set_up(session: &mut Session) {
    let ping = github_sends(session, "ping", PING);
    let reason = "\"reason\":\"it is a ping: the webhook works\"";
    assert_eq!(ping.status, 200, "{ping:?}");
    assert!(ping.text.contains(reason), "{ping:?}");
    assert!(page::read("README.md").contains(&format!("`{reason}`")), "README says otherwise");

    greet(session, "Say good evening", "Good evening");
    let pushed = github_sends(session, "push", PUSH);
    assert_eq!(pushed.status, 202, "{pushed:?}");
    session.rest();
    let greeting = session.run(
        "kubectl --namespace shop get configmap settings --output jsonpath='{.data.greeting}'",
    );
    assert_eq!(greeting.output, "Good evening");
}

/// Sends a push of `main` as GitHub does.
pub fn github_pushes(session: &mut Session) {
    ada_says_hello(session);
    let pushed = github_sends(session, "push", PUSH);
    assert_eq!(pushed.status, 202, "{pushed:?}");
}

/// A delivery with the headers of GitHub, signed with what the reader gave it as the secret.
fn github_sends(session: &mut Session, event: &str, body: &str) -> Answer {
    let secret = session.variable("GITHUB_WEBHOOK_SECRET");
    let body: Value = serde_json::from_str(&session.town().here(body)).unwrap();
    let body = body.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let headers = [
        ("accept", "*/*"),
        ("content-type", "application/json"),
        ("user-agent", "GitHub-Hookshot/044aadd"),
        ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ("x-github-event", event),
        ("x-github-hook-id", "292430182"),
        ("x-github-hook-installation-target-id", "79929171"),
        ("x-github-hook-installation-target-type", "repository"),
        ("x-hub-signature-256", &signature),
    ];
    session.town().deliver(&headers, &body)
}
