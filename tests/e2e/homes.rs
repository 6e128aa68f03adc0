//! What takes others along when it is deleted: a namespace, and the definition of a kind.

use serde_json::Value;

use crate::world::manifests::{config_map, definition, gear};
use crate::world::wait::{DEADLINE, wait_until};
use crate::world::{Setup, World, application};

/// Nothing is asked about, so that whatever may be deleted is.
const SYNC: &str = "prune: true, pruneLimit: {kinds: []}";
const HOME: &str = "apps/shop/home.yaml";

fn namespace(name: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n")
}

/// A ConfigMap in a namespace of its own choice.
fn inside(namespace: &str, name: &str, annotations: &str) -> String {
    let metadata = format!("metadata:\n  namespace: {namespace}\n  annotations: {{{annotations}}}");
    config_map(name, "blue").replace("metadata:", &metadata)
}

fn kept(world: &World, kind: &str) -> Value {
    let application = world.headstay.application();
    let mut inventory = application["inventory"].as_array().unwrap().iter();
    inventory.find(|item| item["kind"] == kind).map_or(Value::Null, |item| item["kept"].clone())
}

/// Whether an object is there, and stays.
fn lives(world: &World, path: &str) -> bool {
    let object = world.kubernetes.get(path);
    object.is_some_and(|object| object["metadata"]["deletionTimestamp"].is_null())
}

#[test]
fn a_namespace_is_not_pruned_while_something_stays_in_it() {
    let world = Setup { sync: SYNC, ..Setup::default() }.start();
    let more = format!("{}-more", world.namespace);
    let home = format!("/api/v1/namespaces/{more}");
    let one = inside(&more, "one", "");
    let never = inside(&more, "never", "headstay.dev/prune: disabled");
    let (one_file, never_file) = ("apps/shop/one.yaml", "apps/shop/never.yaml");
    world.apply(&[
        (HOME, Some(&namespace(&more))),
        (one_file, Some(&one)),
        (never_file, Some(&never)),
    ]);

    world.apply(&[(HOME, None)]);
    assert_eq!(kept(&world, "Namespace"), "inUse", "Git names what is in it");
    world.apply(&[(one_file, None), (never_file, None)]);
    assert_eq!(kept(&world, "Namespace"), "inUse", "something in it is never to be pruned");
    assert!(lives(&world, &home) && lives(&world, &format!("{home}/configmaps/never")));
    assert!(!lives(&world, &format!("{home}/configmaps/one")));
    world.finish();
}

#[test]
fn a_definition_is_not_pruned_while_git_names_an_object_of_its_kind() {
    let world = Setup { sync: SYNC, ..Setup::default() }.start();
    let group = format!("{}.example.org", world.namespace);
    let home = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gears.{group}");
    let big = world.path(&format!("{group}/v1"), "gears/big");
    let file = "apps/shop/gear.yaml";
    world.apply(&[
        (HOME, Some(&definition(&group, &["teeth"]))),
        (file, Some(&gear(&group, "big", "teeth: \"9\""))),
    ]);

    world.apply(&[(HOME, None)]);
    assert_eq!(kept(&world, "CustomResourceDefinition"), "inUse");
    assert!(lives(&world, &home) && lives(&world, &big));
    world.apply(&[(file, None)]);
    wait_until("both to go", DEADLINE, || !lives(&world, &big) && !lives(&world, &home));
    world.finish();
}

#[test]
fn a_namespace_is_not_pruned_while_another_application_has_something_in_it() {
    let world = Setup {
        sync: SYNC,
        applications: application("stock", "main", "prune: true"),
        interval: "2s",
        ..Setup::default()
    }
    .start();
    let more = format!("{}-more", world.namespace);
    let home = format!("/api/v1/namespaces/{more}");
    let first = world.push(&[(HOME, Some(&namespace(&more)))]);
    world.headstay.wait_until_through(first.sync_of("shop"));
    let (shelf, till) = (inside(&more, "shelf", ""), config_map("till", "grey"));
    let pushed = world
        .push(&[("apps/stock/shelf.yaml", Some(&shelf)), ("apps/stock/till.yaml", Some(&till))]);
    world.headstay.wait_until_through(pushed.sync_of("stock"));

    let dropped = world.push(&[(HOME, None)]);
    world.headstay.wait_until_through(dropped.sync_of("shop"));
    wait_until("it to be told", DEADLINE, || kept(&world, "Namespace") == "forNeighbour");
    assert!(lives(&world, &home));

    let emptied = world.push(&[("apps/stock/shelf.yaml", None)]);
    world.headstay.wait_until_through(emptied.sync_of("stock"));
    wait_until("a check to prune it", DEADLINE, || !lives(&world, &home));
    world.finish();
}
