//! What the cluster's own rules refuse is named, and arrives by itself when they permit it.

use serde_json::{Value, json};

use crate::world::manifests::{config_map, secret};
use crate::world::wait::{DEADLINE, wait_until};
use crate::world::{SECRET_VALUE, World, assert_tells};

#[test]
fn what_a_quota_refuses_arrives_when_there_is_room() {
    let world = World::start();
    let quotas = world.path("v1", "resourcequotas");
    let hard = json!({"count/secrets": "0"});
    world.kubernetes.create(&quotas, &json!({"metadata": {"name": "few"}, "spec": {"hard": hard}}));
    // No controller counts here.
    let counted = json!({"status": {"hard": hard, "used": hard}});
    world.kubernetes.edit(&format!("{quotas}/few/status"), &counted);
    wait_until_refused(&world, "secrets", &json!({"metadata": {"name": "probe"}}));

    let pushed = world.push(&[("apps/shop/login.yaml", Some(&secret("login", SECRET_VALUE)))]);
    let sync = world.headstay.wait_for_state(&pushed.sync, "Retrying");
    assert_tells(&sync, "quota");
    assert_status_names(&world, "login");

    world.kubernetes.delete(&format!("{quotas}/few"));
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    assert!(world.kubernetes.get(&format!("{}/login", world.path("v1", "secrets"))).is_some());
    assert_eq!(world.headstay.condition("SyncFailed"), None);
    world.finish();
}

#[test]
fn what_a_policy_refuses_arrives_when_it_permits_it() {
    let world = World::start();
    let [policies, bindings] = ["policies", "policybindings"]
        .map(|what| format!("/apis/admissionregistration.k8s.io/v1/validatingadmission{what}"));
    let name = &world.namespace;
    world.kubernetes.create(
        &policies,
        &json!({"metadata": {"name": name}, "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
                "resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"],
                    "operations": ["CREATE", "UPDATE"],
                }],
            },
            "validations": [{"expression": "object.data.colour != 'red'", "message": "too loud"}],
        }}),
    );
    world.kubernetes.create(
        &bindings,
        &json!({
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        }),
    );
    let red = json!({"metadata": {"name": "probe"}, "data": {"colour": "red"}});
    wait_until_refused(&world, "configmaps", &red);

    let pushed = world.push(&[
        ("apps/shop/another.yaml", Some(&config_map("another", "green"))),
        ("apps/shop/settings.yaml", Some(&config_map("settings", "red"))),
    ]);
    let sync = world.headstay.wait_for_state(&pushed.sync, "Retrying");
    assert_tells(&sync, "too loud");
    assert_status_names(&world, "settings");
    assert_eq!(world.colour("another"), None, "the whole stage is held back");

    world.kubernetes.delete(&format!("{bindings}/{name}"));
    world.kubernetes.delete(&format!("{policies}/{name}"));
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    assert_eq!(world.colour("settings").as_deref(), Some("red"));
    assert_eq!(world.colour("another").as_deref(), Some("green"));
    world.finish();
}

/// The API server learns of its rules a moment after they are written.
#[track_caller]
fn wait_until_refused(world: &World, plural: &str, object: &Value) {
    let path = format!("{}?dryRun=All", world.path("v1", plural));
    wait_until("the rule to be in force", DEADLINE, || {
        let body = Some(("application/json", object));
        world.kubernetes.call("POST", &path, body).unwrap().status >= 400
    });
}

/// The status, which people look at first, names the object that fails.
#[track_caller]
fn assert_status_names(world: &World, object: &str) {
    let message = world.headstay.condition("SyncFailed").unwrap();
    assert!(message.contains(object), "{message}");
    let status = world.headstay.status();
    let error = &status["applications"][0]["lastSync"]["error"];
    assert!(error.as_str().is_some_and(|error| error.contains(object)), "{status:#}");
}
