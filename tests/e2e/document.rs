//! The OpenAPI document, followed. That every other answer of every story is held to it is in
//! `world/contract.rs`.

use serde_json::{Value, json};

use crate::world::World;
use crate::world::contract::DOCUMENT;
use crate::world::manifests::config_map;

#[test]
fn the_document_needs_no_token_and_every_path_in_it_is_served() {
    let world = World::start();
    let pushed = world.push(&[("apps/shop/settings.yaml", Some(&config_map("settings", "red")))]);
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");

    let answer = world.headstay.get_as(None, DOCUMENT);
    assert_eq!(answer.status, 200, "{answer:?}");
    let paths = answer.body["paths"].as_object().unwrap();
    let mut read = Vec::new();
    for (path, methods) in paths {
        let id = if path.contains("/syncs/") { &pushed.sync } else { &pushed.delivery };
        let named = path.replace("{name}", "shop").replace("{id}", id);
        if let Some(operation) = methods.get("get") {
            let open = operation["security"] == json!([]);
            let without = world.headstay.get_as(None, &named).status;
            assert_eq!(without, if open { 200 } else { 401 }, "GET {named}");
            world.headstay.api("GET", &named, None);
            read.push(path.as_str());
        }
        if methods.get("post").is_some() && !path.starts_with("/webhooks") {
            let body = if path.ends_with("/sync") { json!({"dryRun": true}) } else { json!({}) };
            let answer = world.headstay.api("POST", &named, Some(&body));
            assert!(matches!(answer.status, 202 | 409), "POST {named}: {answer:?}");
        }
    }
    assert!(read.contains(&"/api/v1/applications/{name}/diff"), "{read:?}");
    world.finish();
}

#[test]
fn a_request_that_is_not_understood_is_told_why() {
    let world = World::start();
    let sync = world.headstay.syncs()[0]["id"].as_str().unwrap().to_owned();
    let ask = "/api/v1/applications/shop/sync";
    let approve = format!("/api/v1/syncs/{sync}/approve");
    let nothing = "01a209e7-0000-7000-8000-000000000000";
    for (method, path, body, status, detail) in [
        ("GET", "/api/v1/syncs?limit=0", Value::Null, 400, "limit: 0 is not within 1 and 500"),
        ("GET", "/api/v1/syncs?limit=many", Value::Null, 400, "limit: invalid digit"),
        ("GET", "/api/v1/syncs?state=Lost", Value::Null, 400, "state: unknown variant `Lost`"),
        (
            "GET",
            "/api/v1/syncs?commit=abc",
            Value::Null,
            400,
            "commit: `abc` is not a full commit id",
        ),
        ("GET", "/api/v1/deliveries?cursor=%20", Value::Null, 400, "cursor"),
        (
            "GET",
            "/api/v1/syncs?aplication=shop",
            Value::Null,
            400,
            "unknown parameter `aplication`; there is: application, state, trigger, commit, limit, cursor",
        ),
        ("GET", "/api/v1/status?foo", Value::Null, 400, "unknown parameter `foo`; there is: none"),
        ("GET", "/api/v1/syncs/latest", Value::Null, 404, "there is no sync latest"),
        ("GET", &format!("/api/v1/deliveries/{nothing}"), Value::Null, 404, "there is no delivery"),
        (
            "GET",
            "/api/v1/applications/Shop",
            Value::Null,
            400,
            "application: `Shop` is not a valid name",
        ),
        (
            "GET",
            "/api/v1/applications/stock/diff",
            Value::Null,
            404,
            "there is no application stock",
        ),
        (
            "POST",
            "/api/v1/applications/stock/sync",
            json!({}),
            404,
            "there is no application stock",
        ),
        ("POST", ask, json!({"revison": "main"}), 400, "unknown field `revison`"),
        ("POST", ask, json!({"revision": " "}), 400, "revision: expected"),
        ("POST", ask, json!({"revision": "a\u{1b}b"}), 400, "revision: expected"),
        ("POST", ask, json!({"revision": "a".repeat(256)}), 400, "revision: it has more than 255"),
        ("POST", &approve, json!({}), 409, "not Blocked"),
        ("POST", &approve, json!({"hash": "1"}), 400, "unknown field `hash`"),
    ] {
        let answer = world.headstay.api(method, path, (!body.is_null()).then_some(&body));
        let told = answer.body["detail"].as_str().unwrap_or_default();
        assert!(answer.status == status && told.contains(detail), "{path}: {answer:?}");
    }
    world.finish();
}
