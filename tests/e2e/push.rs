//! From a push to the cluster.

use serde_json::{Value, json};

use crate::world::manifests::{config_map, secret, service};
use crate::world::wait::{DEADLINE, wait_until};
use crate::world::{SECRET_VALUE, Setup, World};

#[test]
fn a_push_is_applied_and_the_history_tells_of_it() {
    let world = World::start();

    let pushed = world.push(&[
        ("apps/shop/settings.yaml", Some(&config_map("settings", "red"))),
        ("apps/shop/web/service.yaml", Some(&service("web"))),
        ("apps/other/stray.yaml", Some(&config_map("stray", "red"))),
    ]);
    let sync = world.headstay.wait_for_state(&pushed.sync, "Succeeded");

    assert_eq!(world.colour("settings").as_deref(), Some("red"));
    assert_eq!(world.colour("stray"), None, "it is outside of the path");
    let service = world.kubernetes.get(&format!("{}/web", world.path("v1", "services"))).unwrap();
    assert_eq!(service["metadata"]["labels"]["headstay.dev/application"], "shop");
    assert_eq!(service["metadata"]["annotations"]["headstay.dev/instance"], world.namespace);

    assert_eq!(sync["application"], "shop");
    assert_eq!(sync["trigger"], "webhook");
    assert_eq!(sync["actor"], "ada");
    assert_eq!(sync["commit"]["id"], pushed.commit);
    assert_eq!(sync["commit"]["author"], "Ada Lovelace <ada@example.org>");
    assert_eq!(sync["commit"]["message"], "Change 3 files");
    assert_eq!(sync["deliveries"], json!([pushed.delivery]));
    assert_eq!(action_on(&sync, "settings"), "configured");
    assert_eq!(action_on(&sync, "web"), "created");
    let phases: Vec<&Value> =
        sync["phases"].as_array().unwrap().iter().map(|phase| &phase["phase"]).collect();
    assert!(phases.contains(&&json!("fetch")) && phases.contains(&&json!("apply")), "{phases:?}");

    let delivery = world.headstay.delivery(&pushed.delivery);
    assert_eq!(delivery["outcome"], "accepted");
    assert_eq!(delivery["syncs"], json!([{"id": pushed.sync, "application": "shop"}]));
    let application = world.headstay.application();
    assert_eq!(application["applied"]["id"], pushed.commit);
    assert_eq!(application["health"], "Healthy");
    let status = world.headstay.status();
    assert_eq!(status["applications"][0]["name"], "shop");
    assert_eq!(status["applications"][0]["applied"]["id"], pushed.commit);
    world.finish();
}

#[test]
fn a_commit_that_comes_again_moves_nothing() {
    let world = World::start();
    let files: Vec<(String, String)> = (0..40)
        .map(|n| (format!("apps/shop/many/{n}.yaml"), config_map(&format!("many-{n}"), "green")))
        .chain([("apps/shop/web.yaml".to_owned(), service("web"))])
        .chain([("apps/shop/login.yaml".to_owned(), secret("login", SECRET_VALUE))])
        .collect();
    let changes: Vec<_> = files.iter().map(|(path, text)| (&**path, Some(&**text))).collect();
    let pushed = world.push(&changes);
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    let before = world.resource_versions();

    let again = world.announce(pushed.commit);
    let again = world.headstay.wait_for_state(&again.sync, "Succeeded");
    let asked = world.headstay.request_sync();
    let asked = world.headstay.wait_for_state(&asked, "Succeeded");

    for sync in [&again, &asked] {
        // `settings` was there before.
        assert_eq!(sync["summary"]["unchanged"], files.len() + 1);
    }
    assert_eq!(asked["trigger"], "manual");
    assert_eq!(asked["actor"], "tests");
    assert_eq!(world.resource_versions(), before);
    world.finish();
}

#[test]
fn a_push_whose_webhook_is_lost_arrives_by_the_timer() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();

    let commit = world
        .repository
        .commit(&[("apps/shop/settings.yaml", Some(&config_map("settings", "red")))]);

    let sync = world.headstay.wait_for_sync("the commit by the timer", |sync| {
        sync["commit"]["id"] == commit && sync["state"] == "Succeeded"
    });
    assert_eq!(sync["trigger"], "timer");
    assert_eq!(sync["deliveries"], json!([]));
    assert_eq!(world.colour("settings").as_deref(), Some("red"));
    world.finish();
}

#[test]
fn a_webhook_that_is_lost_again_and_again_is_told_of_until_one_comes() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();

    for colour in ["red", "green"] {
        assert_eq!(world.headstay.condition("WebhookMissing"), None);
        let settings = config_map("settings", colour);
        world.repository.commit(&[("apps/shop/settings.yaml", Some(&settings))]);
        wait_until("the commit by the timer", DEADLINE, || {
            world.colour("settings").as_deref() == Some(colour)
        });
    }
    wait_until("the condition", DEADLINE, || {
        world.headstay.condition("WebhookMissing").is_some_and(|told| told.contains("fleet"))
    });

    world.apply(&[("apps/shop/settings.yaml", Some(&config_map("settings", "blue")))]);
    assert_eq!(world.headstay.condition("WebhookMissing"), None);
    world.finish();
}

#[test]
fn a_forced_push_is_followed_and_called_a_rewind() {
    let world = World::start();
    let first = world.repository.head("main").unwrap();
    world.apply(&[("apps/shop/settings.yaml", Some(&config_map("settings", "red")))]);

    world.repository.force_push("main", &first);
    let pushed = world.announce(first);
    let sync = world.headstay.wait_for_state(&pushed.sync, "Succeeded");

    assert_eq!(sync["rewind"], true);
    assert_eq!(world.colour("settings").as_deref(), Some("blue"));
    world.finish();
}

#[test]
fn a_range_of_versions_follows_the_highest_tag() {
    let world = Setup { interval: "2s", revision: "^1.0", ..Setup::default() }.start();
    let commit = |colour: &str| {
        let settings = config_map("settings", colour);
        world.repository.commit(&[("apps/shop/settings.yaml", Some(&settings))])
    };

    let next = commit("green");
    let too_far = commit("red");
    world.repository.tag("v2.0.0", &too_far);
    world.repository.tag("v1.1.0", &next);

    world.headstay.wait_for_sync("the tag v1.1.0", |sync| {
        sync["commit"]["id"] == next && sync["state"] == "Succeeded"
    });
    assert_eq!(world.colour("settings").as_deref(), Some("green"));
    world.finish();
}

#[test]
fn a_definition_and_its_objects_arrive_in_one_commit() {
    let world = World::start();
    let group = format!("{}.example.org", world.namespace);
    let definition = format!(
        "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: widgets.{group}}}
spec:
  group: {group}
  names: {{kind: Widget, plural: widgets}}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {{type: object, properties: {{size: {{type: integer}}}}}}
"
    );
    let widget = format!(
        "apiVersion: {group}/v1\nkind: Widget\nmetadata: {{name: first}}\nspec: {{size: 3}}\n"
    );

    // The file of the object is read first; the order of applying is not that of the files.
    world.apply(&[
        ("apps/shop/a-widget.yaml", Some(&widget)),
        ("apps/shop/b-definition.yaml", Some(&definition)),
    ]);

    let path = format!("{}/first", world.path(&format!("{group}/v1"), "widgets"));
    assert_eq!(world.kubernetes.get(&path).unwrap()["spec"]["size"], 3);
    world.finish();
}

#[test]
fn pushes_in_quick_succession_end_at_the_last_one() {
    let world = World::start();

    let mut last = None;
    for n in 0..20 {
        let settings = config_map("settings", &format!("shade-{n}"));
        last = Some(world.push(&[("apps/shop/settings.yaml", Some(&settings))]));
    }
    let last = last.unwrap();

    world.headstay.wait_for_state(&last.sync, "Succeeded");
    wait_until("the last push on the cluster", DEADLINE, || {
        world.colour("settings").as_deref() == Some("shade-19")
    });
    assert_eq!(world.headstay.application()["applied"]["id"], last.commit);
    world.finish();
}

/// What a sync did to the object of a name.
fn action_on<'a>(sync: &'a Value, name: &str) -> &'a str {
    let objects = sync["objects"].as_array().unwrap_or_else(|| panic!("no objects: {sync:#}"));
    let object = objects.iter().find(|object| object["name"] == name);
    object.and_then(|object| object["action"].as_str()).unwrap_or_else(|| panic!("{objects:#?}"))
}
