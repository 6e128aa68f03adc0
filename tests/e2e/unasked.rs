//! Nothing is deleted or written that was not asked for: whatever comes between the moment in which a
//! sync decides and the one in which it acts.

use serde_json::{Value, json};

use crate::world::headstay::ENDED;
use crate::world::manifests::{config_map, deployment};
use crate::world::repository::Change;
use crate::world::wait::{DEADLINE, wait_for, wait_until};
use crate::world::{Setup, World, application, assert_tells};

const SETTINGS: &str = "apps/shop/settings.yaml";
const EXTRA: &str = "apps/shop/extra.yaml";
/// A second application on the same repository and namespace.
fn stock() -> String {
    application("stock", "main", "prune: true")
}

/// What no API server takes.
const REFUSED: &str =
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: refused}, data: {a: [b]}}";

/// A second application in the namespace of the first.
fn annotated(name: &str, annotation: &str) -> String {
    let annotations = format!("metadata:\n  annotations: {{{annotation}}}");
    config_map(name, "red").replace("metadata:", &annotations)
}

fn owner(world: &World, name: &str) -> Value {
    let object = world.kubernetes.get(&world.config_map_path(name)).unwrap();
    object["metadata"]["labels"]["headstay.dev/application"].clone()
}

/// How many syncs have ended: a check that is under way leaves none behind.
fn ended(world: &World) -> usize {
    let syncs = world.headstay.syncs();
    syncs.iter().filter(|sync| ENDED.iter().any(|state| sync["state"] == *state)).count()
}

fn kept(world: &World, name: &str) -> Value {
    let application = world.headstay.application();
    let inventory = application["inventory"].as_array().unwrap();
    let item = inventory.iter().find(|item| item["name"] == name);
    item.map_or(Value::Null, |item| item["kept"].clone())
}

#[track_caller]
fn wait_for_checks(world: &World) {
    let checked = || world.headstay.application()["checkedAt"].clone();
    for _ in 0..2 {
        let last = checked();
        wait_until("another check", DEADLINE, || checked() != last);
    }
}

#[track_caller]
fn approve(world: &World, sync: &str) {
    world.headstay.post(&format!("/api/v1/syncs/{sync}/approve"), &json!({}));
}

/// What is told of an object, by whichever sync came to it: that of the push, or a check that found the
/// commit just before.
#[track_caller]
fn told(world: &World, name: &str, what: impl Fn(&Value) -> bool) -> Value {
    wait_for(&format!("something to be told of {name}"), DEADLINE, || {
        let syncs = world.headstay.syncs();
        let whole = |sync: &Value| {
            let path = format!("/api/v1/syncs/{}", sync["id"].as_str()?);
            Some(world.headstay.api("GET", &path, None).body)
        };
        let objects = syncs
            .iter()
            .filter_map(whole)
            .flat_map(|sync| sync["objects"].as_array().cloned().unwrap_or_default());
        let mut objects = objects.filter(|object| object["name"] == name);
        objects.find(|object| what(object)).ok_or_else(|| format!("{syncs:?}"))
    })
}

/// Pushes changes, and waits until whichever sync came to them is through.
#[track_caller]
fn apply(world: &World, changes: &[Change]) {
    let pushed = world.push(changes);
    world.headstay.wait_until_through(&pushed.sync);
}

/// The newest sync of `shop` in a state, as soon as there is one.
#[track_caller]
fn newest(world: &World, state: &str) -> Value {
    world
        .headstay
        .wait_for_sync(state, |sync| sync["application"] == "shop" && sync["state"] == state)
}

#[test]
fn what_a_neighbour_does_not_take_after_all_is_still_much_to_prune() {
    let sync = "prune: true, pruneLimit: {objects: 1}";
    let world = Setup { applications: stock(), sync, interval: "2s", ..Setup::default() }.start();
    let names = ["one", "two", "three"];
    let paths = names.map(|name| format!("apps/shop/{name}.yaml"));
    let texts = names.map(|name| config_map(name, "blue"));
    let mut added = [0, 1, 2].map(|n| (&*paths[n], Some(&*texts[n]))).to_vec();
    let shelf = config_map("shelf", "grey");
    added.push(("apps/stock/shelf.yaml", Some(&shelf)));
    let pushed = world.push(&added);
    for application in ["shop", "stock"] {
        world.headstay.wait_for_state(pushed.sync_of(application), "Succeeded");
    }

    // As long as its files cannot be read, `stock` may take what `shop` does not name any more.
    let mut removed = [0, 1, 2].map(|n| (&*paths[n], None)).to_vec();
    removed.push(("apps/stock/broken.yaml", Some("kind: [")));
    let pushed = world.push(&removed);
    world.headstay.wait_for_state(pushed.sync_of("shop"), "Succeeded");
    let mended = world.push(&[("apps/stock/broken.yaml", None)]);
    world.headstay.wait_for_state(mended.sync_of("stock"), "Succeeded");

    let blocked = newest(&world, "Blocked");
    wait_for_checks(&world);
    assert_eq!(blocked["plan"]["prune"].as_array().unwrap().len(), 3, "{blocked:#}");
    assert!(names.iter().all(|name| world.colour(name).is_some()), "nobody was asked");
    let blocked = newest(&world, "Blocked");
    approve(&world, blocked["id"].as_str().unwrap());
    wait_until("what was approved to be pruned", DEADLINE, || {
        names.iter().all(|name| world.colour(name).is_none())
    });
    world.finish();
}

#[test]
fn an_annotation_that_was_taken_away_is_not_believed_any_more() {
    let sync = "prune: true, pruneLimit: {kinds: [ConfigMap]}";
    let world = Setup { sync, ..Setup::default() }.start();
    world.apply(&[(EXTRA, Some(&config_map("extra", "red")))]);
    let annotate = |value: Value| {
        let change = json!({"metadata": {"annotations": {"headstay.dev/prune": value}}});
        world.kubernetes.edit(&world.config_map_path("extra"), &change);
    };
    annotate(json!("disabled"));
    world.apply(&[(EXTRA, None)]);
    assert_eq!(kept(&world, "extra"), "byAnnotation");

    annotate(Value::Null);
    let pushed = world.push(&[(SETTINGS, Some(&config_map("settings", "green")))]);

    let blocked = world.headstay.wait_for_state(&pushed.sync, "Blocked");
    assert_eq!(blocked["plan"]["prune"][0]["name"], "extra", "{blocked:#}");
    assert_eq!(world.colour("extra").as_deref(), Some("red"));
    world.finish();
}

#[test]
fn what_git_said_is_never_to_be_pruned_stays_although_the_object_does_not_say_so() {
    let world = World::start();
    let paths = ["left", "once", "bare"].map(|name| format!("apps/shop/{name}.yaml"));
    let says = |annotations: [&str; 3]| {
        [0, 1, 2].map(|n| annotated(["left", "once", "bare"][n], annotations[n]))
    };
    let apply = |texts: [String; 3]| {
        world.apply(&[0, 1, 2].map(|n| (&*paths[n], Some(&*texts[n]))));
    };
    let disabled = "headstay.dev/prune: disabled";
    let (ignore, once) = ("headstay.dev/apply: ignore", "headstay.dev/apply: if-not-present");
    apply(says(["a: b", once, disabled]));
    apply(says([&format!("{ignore}, {disabled}"), &format!("{once}, {disabled}"), disabled]));
    let taken_off = json!({"metadata": {"annotations": {"headstay.dev/prune": null}}});
    world.kubernetes.edit(&world.config_map_path("bare"), &taken_off);

    world.apply(&[0, 1, 2].map(|n| (&*paths[n], None)));
    for name in ["left", "once", "bare"] {
        assert_eq!(kept(&world, name), "byAnnotation", "{name}");
        assert_eq!(world.colour(name).as_deref(), Some("red"), "{name}");
    }
    apply(says(["a: b"; 3]));
    world.apply(&[0, 1, 2].map(|n| (&*paths[n], None)));
    wait_until("what Git says no more of to go", DEADLINE, || {
        ["left", "once", "bare"].iter().all(|name| world.colour(name).is_none())
    });
    world.finish();
}

#[test]
fn what_a_refused_commit_said_is_never_to_be_pruned_stays() {
    let world = World::start();
    world.apply(&[(EXTRA, Some(&config_map("extra", "red")))]);
    let refused = world.push(&[
        (EXTRA, Some(&annotated("extra", "headstay.dev/prune: disabled"))),
        ("apps/shop/refused.yaml", Some(REFUSED)),
    ]);
    world.headstay.wait_for_sync("the commit to be refused", |sync| {
        sync["id"] == *refused.sync && sync["error"] != Value::Null
    });

    world.apply(&[(EXTRA, None), ("apps/shop/refused.yaml", None)]);
    assert_eq!(kept(&world, "extra"), "byAnnotation");
    assert_eq!(world.colour("extra").as_deref(), Some("red"));
    world.finish();
}

#[test]
fn what_a_newer_commit_names_again_is_not_pruned_although_that_commit_fails() {
    let world = World::start();
    world.apply(&[(EXTRA, Some(&config_map("extra", "red")))]);
    let web = deployment("web", "web:1");
    let dropped = world.push(&[(EXTRA, None), ("apps/shop/web.yaml", Some(&web))]);
    world.headstay.wait_for_state(&dropped.sync, "Waiting");

    let back = world.push(&[
        (EXTRA, Some(&config_map("extra", "red"))),
        ("apps/shop/refused.yaml", Some(REFUSED)),
    ]);
    world.headstay.wait_for_sync("the newer commit to be refused", |sync| {
        sync["id"] == *back.sync && sync["error"] != Value::Null
    });
    world.kubernetes.run_pod(&world.path("v1", "pods"));

    let ended = world.headstay.wait_for_state(&dropped.sync, "Superseded");
    assert_eq!(ended["commit"]["id"], dropped.commit, "it stays the record of its own commit");
    assert_eq!(world.colour("extra").as_deref(), Some("red"));
    world.apply(&[("apps/shop/refused.yaml", None)]);
    assert_eq!(world.colour("extra").as_deref(), Some("red"));
    world.finish();
}

#[test]
fn what_git_names_again_is_not_pruned_although_no_delivery_told_of_it() {
    let world = World::start();
    world.apply(&[(EXTRA, Some(&config_map("extra", "red")))]);
    let web = deployment("web", "web:1");
    let dropped = world.push(&[(EXTRA, None), ("apps/shop/web.yaml", Some(&web))]);
    world.headstay.wait_for_state(&dropped.sync, "Waiting");
    let back = world.repository.commit(&[(EXTRA, Some(&config_map("extra", "red")))]);

    world.kubernetes.run_pod(&world.path("v1", "pods"));

    world.headstay.wait_for_state(&dropped.sync, "Superseded");
    let sync = world.headstay.wait_for_sync("the newer commit to be applied", |sync| {
        sync["commit"]["id"] == back && sync["state"] == "Succeeded"
    });
    assert_eq!(sync["summary"]["pruned"], 0, "{sync:#}");
    assert_eq!(world.colour("extra").as_deref(), Some("red"));
    world.finish();
}

#[test]
fn nothing_is_pruned_for_a_path_that_the_configuration_has_left() {
    let world = World::start();
    world.apply(&[(EXTRA, Some(&config_map("extra", "red")))]);
    let web = deployment("web", "web:1");
    let dropped = world.push(&[(EXTRA, None), ("apps/shop/web.yaml", Some(&web))]);
    world.headstay.wait_for_state(&dropped.sync, "Waiting");

    world.headstay.reconfigure("    path: apps/shop\n", "    path: apps/other\n");
    world.headstay.wait_for_sync("the sync of the new path to fail", |sync| {
        sync["trigger"] == "configuration" && sync["error"].to_string().contains("apps/other")
    });
    world.kubernetes.run_pod(&world.path("v1", "pods"));

    world.headstay.wait_for_state(&dropped.sync, "Superseded");
    assert_eq!(world.colour("extra").as_deref(), Some("red"));
    world.finish();
}

#[test]
fn what_only_looks_writes_nothing_although_it_fails() {
    let sync = "prune: true, drift: report";
    let world = Setup { sync, ..Setup::default() }.start();
    let path = world.config_map_path("settings");
    world.kubernetes.edit(&path, &json!({"data": {"colour": "red"}}));
    let edited = world.resource_versions();

    for asked in [json!({"revision": "nowhere", "dryRun": true}), json!({"revision": "nowhere"})] {
        let sync = world.headstay.post("/api/v1/applications/shop/sync", &asked);
        let sync = world.headstay.wait_for_state(sync["id"].as_str().unwrap(), "Failed");
        assert_tells(&sync, "nowhere");
        assert_eq!(world.resource_versions(), edited, "{asked}");
    }
    world.finish();
}

#[test]
fn nothing_is_written_that_nobody_asked_for_while_a_path_waits_for_a_person() {
    let sync = "prune: true, automated: false";
    let world = Setup { sync, interval: "2s", ..Setup::default() }.start_unapplied();
    world.repository.commit(&[("apps/next/settings.yaml", Some(&config_map("settings", "green")))]);
    let asked = world.headstay.request_sync();
    world.headstay.wait_for_state(&asked, "Succeeded");

    world.headstay.reconfigure("    path: apps/shop\n", "    path: apps/next\n");
    world.headstay.reconfigure("automated: false", "automated: false, drift: heal");
    wait_until("the new path to be wanted", DEADLINE, || {
        world.headstay.application()["path"] == "apps/next"
    });
    world.kubernetes.edit(&world.config_map_path("settings"), &json!({"data": {"colour": "red"}}));
    let edited = world.resource_versions();
    wait_for_checks(&world);

    assert_eq!(world.resource_versions(), edited);
    world.finish();
}

#[test]
fn what_is_healed_is_what_was_applied_and_not_what_the_settings_of_now_make_of_it() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();
    world.apply(&[("apps/next/settings.yaml", Some(&config_map("settings", "green")))]);

    // From then on nothing can be applied, and the path has another `settings` in it.
    world.push(&[("apps/next/broken.yaml", Some("kind: ["))]);
    world.headstay.reconfigure("    path: apps/shop\n", "    path: apps/next\n");
    world.headstay.wait_for_sync("the sync of the new path to fail", |sync| {
        sync["state"] == "Failed" && sync["error"].to_string().contains("apps/next/broken.yaml")
    });
    world.kubernetes.edit(&world.config_map_path("settings"), &json!({"data": {"size": "7"}}));
    let edited = world.resource_versions();
    wait_for_checks(&world);

    assert_eq!(world.resource_versions(), edited);
    world.finish();
}

#[test]
fn a_prune_that_a_person_stopped_does_not_come_back_by_itself() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();
    world.apply(&[(EXTRA, Some(&config_map("extra", "red")))]);
    let web = deployment("web", "web:1");
    let dropped = world.push(&[(EXTRA, None), ("apps/shop/web.yaml", Some(&web))]);
    world.headstay.wait_for_state(&dropped.sync, "Waiting");

    world.headstay.post(&format!("/api/v1/syncs/{}/cancel", dropped.sync), &json!({}));
    let cancelled = world.headstay.wait_for_state(&dropped.sync, "Cancelled");
    assert_eq!(cancelled["cancelledBy"], "tests");
    world.kubernetes.run_pod(&world.path("v1", "pods"));
    world.headstay.wait_until("the application to be healthy", |status| {
        status["applications"][0]["health"] == "Healthy"
    });
    wait_for_checks(&world);
    assert_eq!(kept(&world, "extra"), "byPerson");
    assert_eq!(world.colour("extra").as_deref(), Some("red"));

    let asked = world.headstay.request_sync();
    world.headstay.wait_for_state(&asked, "Succeeded");
    assert_eq!(world.colour("extra"), None, "whoever asks for a sync wants it");
    world.finish();
}

#[test]
fn a_prune_that_a_person_asked_for_is_not_lost_to_a_check() {
    let sync = "prune: false";
    let world = Setup { sync, interval: "2s", ..Setup::default() }.start();
    apply(&world, &[(EXTRA, Some(&config_map("extra", "red")))]);
    let web = deployment("web", "web:1");
    let dropped = world.push(&[(EXTRA, None), ("apps/shop/web.yaml", Some(&web))]);
    world.headstay.wait_for_sync("the commit to be applied", |sync| {
        sync["commit"]["id"] == *dropped.commit && sync["appliedAt"] != Value::Null
    });
    let asked = world.headstay.post("/api/v1/applications/shop/sync", &json!({"prune": true}));
    let asked = asked["id"].as_str().unwrap();
    world.headstay.wait_for_state(asked, "Waiting");

    wait_for_checks(&world);
    world.kubernetes.edit(&world.config_map_path("settings"), &json!({"data": {"colour": "red"}}));
    wait_until("a check to put it back", DEADLINE, || {
        world.colour("settings").as_deref() == Some("blue")
    });
    wait_for_checks(&world);
    world.kubernetes.run_pod(&world.path("v1", "pods"));
    world.headstay.wait_for_state(asked, "Succeeded");
    assert_eq!(world.colour("extra"), None);
    world.finish();
}

#[test]
fn what_was_made_once_is_ours_although_the_program_died_right_after() {
    let world = World::start();
    world.headstay.terminate();
    world
        .repository
        .commit(&[(EXTRA, Some(&annotated("extra", "headstay.dev/apply: if-not-present")))]);

    world.headstay.die_at("create:after");
    world.headstay.restart();
    wait_until("the object to be in the inventory", DEADLINE, || {
        let application = world.headstay.application();
        application["syncState"] == "Synced"
            && application["inventory"].to_string().contains("extra")
    });
    world.apply(&[(EXTRA, None)]);
    assert_eq!(world.colour("extra"), None, "and so it is pruned as well");
    world.finish();
}

#[test]
fn an_installation_that_gets_another_name_keeps_what_it_holds() {
    let world = World::start();
    world.apply(&[(EXTRA, Some(&config_map("extra", "red")))]);
    let instance = format!("instance: {}", world.namespace);
    let path = world.config_map_path("settings");
    let named = || {
        let object = world.kubernetes.get(&path).unwrap();
        object["metadata"]["annotations"]["headstay.dev/instance"].clone()
    };

    // What is pruned and what stays was both applied under the name of before.
    world.repository.commit(&[(EXTRA, None)]);
    world.headstay.reconfigure(&instance, "instance: renamed");
    wait_until("the objects to have the new name", DEADLINE, || named() == "renamed");
    wait_until("what Git dropped to be pruned", DEADLINE, || world.colour("extra").is_none());
    world.finish();
}

#[test]
fn what_is_deleted_and_not_gone_yet_stays_in_the_inventory_and_says_why() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();
    apply(&world, &[(EXTRA, Some(&config_map("extra", "red")))]);
    let path = world.config_map_path("extra");
    world.kubernetes.edit(&path, &json!({"metadata": {"finalizers": ["example.org/keep"]}}));

    apply(&world, &[(EXTRA, None)]);
    let extra = told(&world, "extra", |object| object["action"] == "pruned");
    assert!(extra["message"].as_str().unwrap().contains("example.org/keep"), "{extra}");
    assert_eq!(kept(&world, "extra"), "terminating");
    wait_for_checks(&world);
    let history = ended(&world);

    world.kubernetes.edit(&path, &json!({"metadata": {"finalizers": null}}));
    wait_until("the inventory to let it go", DEADLINE, || {
        !world.headstay.application()["inventory"].to_string().contains("extra")
    });
    assert_eq!(ended(&world), history, "that is no news");
    world.finish();
}

#[test]
fn what_paused_pods_may_still_use_is_not_pruned() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();
    let web = deployment("web", "web:1");
    let pushed = world
        .push(&[(EXTRA, Some(&config_map("extra", "red"))), ("apps/shop/web.yaml", Some(&web))]);
    world.headstay.wait_for_state(&pushed.sync, "Waiting");
    world.kubernetes.run_pod(&world.path("v1", "pods"));
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");

    let paused = web.replace("spec:\n  replicas", "spec:\n  paused: true\n  replicas");
    apply(&world, &[(EXTRA, None), ("apps/shop/web.yaml", Some(&paused))]);
    wait_for_checks(&world);
    assert_eq!(kept(&world, "extra"), "untilHealthy");
    assert_eq!(world.colour("extra").as_deref(), Some("red"));

    apply(&world, &[("apps/shop/web.yaml", Some(&web))]);
    wait_until("it to be pruned", DEADLINE, || world.colour("extra").is_none());
    world.finish();
}

#[test]
fn what_is_left_alone_is_told_once_and_not_with_each_change_by_others() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();
    let ignored = annotated("extra", "headstay.dev/apply: ignore");
    let once = annotated("once", "headstay.dev/apply: if-not-present");
    apply(
        &world,
        &[(EXTRA, Some(&config_map("extra", "red"))), ("apps/shop/once.yaml", Some(&once))],
    );
    apply(&world, &[(EXTRA, Some(&ignored))]);
    told(&world, "extra", |object| object["action"] == "skipped");
    wait_for_checks(&world);
    let history = ended(&world);

    for name in ["extra", "once"] {
        let change = json!({"data": {"colour": "by hand"}});
        world.kubernetes.edit(&world.config_map_path(name), &change);
        wait_for_checks(&world);
        assert_eq!(world.colour(name).as_deref(), Some("by hand"));
        assert_eq!(ended(&world), history, "{name}");
    }
    world.finish();
}

#[test]
fn a_configuration_that_changed_while_the_program_was_down_counts_from_the_start() {
    let sync = "prune: true, drift: report";
    let world = Setup { sync, interval: "2s", ..Setup::default() }.start();
    world.kubernetes.edit(&world.config_map_path("settings"), &json!({"data": {"colour": "red"}}));
    world.headstay.wait_for_sync("the report", |sync| sync["summary"]["skipped"] == 1);
    wait_for_checks(&world);

    world.headstay.terminate();
    world.headstay.reconfigure("drift: report", "drift: heal");
    world.headstay.restart();

    wait_for("what was noted to be put back", DEADLINE, || match world.colour("settings") {
        Some(colour) if colour == "blue" => Ok(()),
        colour => Err(format!("{colour:?}")),
    });
    world.finish();
}

/// The sync that a changed configuration asked for, as soon as it has failed: a check may have come
/// before it.
#[track_caller]
fn failed_by_configuration(world: &World) -> Value {
    world.headstay.wait_for_sync("what was configured to fail", |sync| {
        sync["trigger"] == "configuration" && sync["state"] == "Failed"
    })
}

#[test]
fn a_path_that_is_wrong_stays_failed_until_it_is_put_right() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();
    world.headstay.reconfigure("    path: apps/shop\n", "    path: apps/gone\n");
    let failed = failed_by_configuration(&world);
    let history = ended(&world);
    wait_for_checks(&world);
    // A check that is under way is the last sync, until it has found the same.
    wait_until("the failure to be the last word", DEADLINE, || {
        let shop = world.headstay.application();
        shop["syncState"] == "Failed" && shop["lastSync"]["id"] == failed["id"]
    });
    assert_eq!(ended(&world), history);

    world.headstay.reconfigure("    path: apps/gone\n", "    path: apps/shop\n");
    wait_until("the path to be right", DEADLINE, || {
        world.headstay.application()["syncState"] == "Synced"
    });
    world.finish();
}

#[test]
fn checks_that_fail_in_the_same_way_are_counted_with_the_first() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();
    let id = "0123456789abcdef0123456789abcdef01234567";
    world.headstay.reconfigure("revision: \"main\"", &format!("revision: {id}"));
    let failed = failed_by_configuration(&world);
    let history = ended(&world);

    let repeated = world.headstay.wait_for_sync("checks to be counted", |sync| {
        sync["id"] == failed["id"] && sync["repeats"].as_u64() > Some(1)
    });
    let at = |key: &str| repeated[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(at("repeatedAt") > at("endedAt"));
    assert_eq!(ended(&world), history);
    world.finish();
}

#[test]
fn two_that_exchange_objects_in_one_commit_do_not_wait_for_each_other() {
    let world = Setup { applications: stock(), interval: "2s", ..Setup::default() }.start();
    let (extra, shelf) = (config_map("extra", "red"), config_map("shelf", "grey"));
    let pushed = world.push(&[(EXTRA, Some(&extra)), ("apps/stock/shelf.yaml", Some(&shelf))]);
    for application in ["shop", "stock"] {
        world.headstay.wait_until_through(pushed.sync_of(application));
    }
    let uid = |name: &str| {
        let object = world.kubernetes.get(&world.config_map_path(name)).unwrap();
        object["metadata"]["uid"].clone()
    };
    let before = ["extra", "shelf"].map(uid);

    let till = config_map("till", "grey");
    let pushed = world.push(&[
        (EXTRA, None),
        ("apps/shop/shelf.yaml", Some(&shelf)),
        ("apps/stock/shelf.yaml", None),
        ("apps/stock/extra.yaml", Some(&extra)),
        ("apps/stock/till.yaml", Some(&till)),
    ]);
    for application in ["shop", "stock"] {
        world.headstay.wait_until_through(pushed.sync_of(application));
    }
    assert_eq!(["extra", "shelf"].map(uid), before);
    assert_eq!(["extra", "shelf"].map(|name| owner(&world, name)), ["stock", "shop"]);
    world.finish();
}

#[test]
fn what_is_handed_over_to_be_left_alone_is_marked_and_pruned_as_what_was_made() {
    let world = Setup { applications: stock(), interval: "2s", ..Setup::default() }.start();
    let once = annotated("extra", "headstay.dev/apply: if-not-present");
    let shelf = config_map("shelf", "grey");
    let pushed = world.push(&[
        (EXTRA, Some(&config_map("extra", "blue"))),
        ("apps/stock/shelf.yaml", Some(&shelf)),
    ]);
    for application in ["shop", "stock"] {
        world.headstay.wait_until_through(pushed.sync_of(application));
    }

    let moved = world.push(&[(EXTRA, None), ("apps/stock/extra.yaml", Some(&once))]);
    world.headstay.wait_until_through(moved.sync_of("stock"));
    assert_eq!(owner(&world, "extra"), "stock");
    assert_eq!(world.colour("extra").as_deref(), Some("blue"), "what it says is left alone");
    let dropped = world.push(&[("apps/stock/extra.yaml", None)]);
    world.headstay.wait_until_through(dropped.sync_of("stock"));
    wait_until("it to be pruned", DEADLINE, || world.colour("extra").is_none());
    world.finish();
}

#[test]
fn nobody_waits_for_what_is_left_gone_on_purpose() {
    let sync = "prune: true, drift: report";
    let world = Setup { sync, interval: "2s", ..Setup::default() }.start();
    let web = deployment("web", "web:1");
    let pushed = world.push(&[("apps/shop/web.yaml", Some(&web))]);
    world.kubernetes.run_pod(&world.path("v1", "pods"));
    world.headstay.wait_until_through(&pushed.sync);

    world.kubernetes.delete(&format!("{}/web", world.path("apps/v1", "deployments")));
    told(&world, "web", |object| object["action"] == "skipped");
    apply(&world, &[(SETTINGS, Some(&config_map("settings", "green")))]);
    assert_eq!(world.colour("settings").as_deref(), Some("green"));
    world.finish();
}

#[test]
fn an_installation_that_gets_another_name_hands_over_what_it_holds_as_before() {
    let world = Setup { applications: stock(), interval: "2s", ..Setup::default() }.start();
    let (extra, shelf) = (config_map("extra", "red"), config_map("shelf", "grey"));
    let pushed = world.push(&[(EXTRA, Some(&extra)), ("apps/stock/shelf.yaml", Some(&shelf))]);
    for application in ["shop", "stock"] {
        world.headstay.wait_until_through(pushed.sync_of(application));
    }
    let uid = || {
        let object = world.kubernetes.get(&world.config_map_path("extra")).unwrap();
        object["metadata"]["uid"].clone()
    };
    let before = uid();

    world.repository.commit(&[(EXTRA, None), ("apps/stock/extra.yaml", Some(&extra))]);
    world.headstay.terminate();
    let instance = format!("instance: {}", world.namespace);
    world.headstay.reconfigure(&instance, "instance: renamed");
    world.headstay.restart();
    wait_until("it to be handed over", DEADLINE, || owner(&world, "extra") == "stock");
    wait_until("shop to let it go", DEADLINE, || kept(&world, "extra").is_null());
    assert_eq!(uid(), before);
    world.finish();
}

#[test]
fn a_commit_that_was_refused_and_taken_back_leaves_all_that_git_names_in_care() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();
    let extra = config_map("extra", "red");
    apply(&world, &[(EXTRA, Some(&extra))]);
    let good = world.repository.head("main").unwrap();

    let bad = world.push(&[(EXTRA, None), ("apps/shop/refused.yaml", Some(REFUSED))]);
    world.headstay.wait_for_sync("the commit to be refused", |sync| {
        sync["commit"]["id"] == *bad.commit && sync["error"] != Value::Null
    });
    world.repository.force_push("main", &good);
    world.headstay.wait_for_sync("the commit before it", |sync| {
        sync["commit"]["id"] == good && sync["state"] == "Succeeded" && sync["rewind"] == false
    });
    wait_until("it to be named again", DEADLINE, || {
        world.headstay.application()["syncState"] == "Synced" && kept(&world, "extra").is_null()
    });
    world.kubernetes.delete(&world.config_map_path("extra"));
    wait_until("it to be put back", DEADLINE, || world.colour("extra").is_some());
    world.finish();
}

#[test]
fn what_is_not_ours_is_not_deleted_to_be_made_anew() {
    let world = World::start();
    let theirs =
        json!({"metadata": {"name": "extra"}, "data": {"colour": "blue"}, "immutable": true});
    let made = world.kubernetes.create(&world.path("v1", "configmaps"), &theirs);

    let forced = annotated("extra", "headstay.dev/force: enabled");
    let pushed = world.push(&[(EXTRA, Some(&forced))]);
    world.headstay.wait_for_sync("it to be refused", |sync| {
        sync["id"] == *pushed.sync && sync["error"].to_string().contains("extra")
    });
    let now = world.kubernetes.get(&world.config_map_path("extra")).unwrap();
    assert_eq!(now["metadata"]["uid"], made["metadata"]["uid"]);
    world.apply(&[(EXTRA, None)]);
    world.finish();
}
