//! The cluster room against a real kube-apiserver (see `scripts/kube-parts`).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

// The API server is that of the stories of the whole, which use more of it.
#[path = "../e2e/world/kube_apiserver.rs"]
#[allow(dead_code, unreachable_pub, reason = "not all of it is used here")]
mod server;
mod world;

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use headstay::cluster::apply::{Applied, Force};
use headstay::cluster::delete::Deleted;
use headstay::cluster::error::ClusterError;
use headstay::cluster::watch::WatchEvent;
use headstay::domain::diff::changes;
use headstay::domain::fields;
use headstay::domain::health::HealthStatus;
use headstay::domain::installation::Installation;
use headstay::domain::inventory::InventoryItem;
use headstay::domain::manifest::{Desired, Origin};
use headstay::domain::object::{
    APPLICATION_LABEL, GroupKind, INSTANCE_ANNOTATION, ObjectKey, Resource, split_api_version,
};
use headstay::domain::prune::{Claims, Deletion, Fate, Live, Sight, fate};
use headstay::domain::stop::Stop;
use headstay::domain::sync::FailureCause;
use serde_json::{Value, json};

use crate::world::{World, open};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_read_written_and_watched() {
    let world = World::start().await;
    tokio::join!(
        fields_of_kubectl_are_taken_over(&world),
        a_gate_that_closes_between_two_writes_stops_the_second(&world),
        a_field_that_went_to_and_fro_is_seen(&world),
        refusals_are_told_apart(&world),
        conflicts_are_reported_without_force(&world),
        only_what_was_seen_is_deleted(&world),
        a_list_is_one_call_however_long(&world),
        a_watch_sees_every_change(&world),
        kinds_come_and_go(&world),
    );
    let calls = world.cluster.calls();
    assert!(calls.reads > 0 && calls.dry_runs > 0 && calls.writes > 0, "{calls:?}");
}

async fn fields_of_kubectl_are_taken_over(world: &World) {
    world.namespace("takeover").await;
    let mut manifest = config_map("takeover", "old", &json!({"kept": "1", "dropped": "2"}));
    manifest["metadata"]["annotations"][fields::LAST_APPLIED_ANNOTATION] = json!("{}");
    world.as_kubectl("kubectl-client-side-apply", &manifest).await;

    let desired = wanted(config_map("takeover", "old", &json!({"kept": "1"})));
    let live = world.live(&desired).await;
    assert!(fields::our_entry(&live).is_none());
    let taken =
        world.writer().take_over(&desired, &live).await.unwrap().expect("something to take");
    assert!(taken["metadata"]["annotations"].get(fields::LAST_APPLIED_ANNOTATION).is_none());
    let applied = world.apply(&desired).await.unwrap();
    assert_eq!(applied.object["data"], json!({"kept": "1"}));
    assert!(!applied.created);
    let managers = applied.object["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(managers.len(), 1, "{managers:?}");

    // A stale read is read again; what is ours is not taken twice.
    world.writer().take_over(&desired, &live).await.unwrap();
    assert_eq!(world.writer().take_over(&desired, &applied.object).await.unwrap(), None);

    let created = wanted(config_map("takeover", "new", &json!({"a": "b"})));
    let first = world.writer().create(&created).await.unwrap();
    assert!(fields::is_applied(&first.object, Some("shop")));
    let again = world.writer().create(&created).await.unwrap_err();
    assert!(matches!(again, ClusterError::AlreadyExists { .. }), "{again}");
}

async fn a_gate_that_closes_between_two_writes_stops_the_second(world: &World) {
    world.namespace("gate").await;
    let passed = AtomicUsize::new(0);
    let once = || match passed.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(()),
        _ => Err(Stop::LeaseLost),
    };
    let desired = wanted(config_map("gate", "new", &json!({"a": "b"})));
    let stopped = world.cluster.writer(&once).create(&desired).await.unwrap_err();
    assert!(matches!(stopped, ClusterError::Stopped(Stop::LeaseLost)), "{stopped}");
    let live = world.live(&desired).await;
    assert!(fields::our_entry(&live).is_none(), "it was made, and not taken over");
    world.writer().take_over(&desired, &live).await.unwrap().expect("it can be taken over later");
}

async fn a_field_that_went_to_and_fro_is_seen(world: &World) {
    world.namespace("drift").await;
    let desired = wanted(deployment("drift", "web"));
    let applied = world.apply(&desired).await.unwrap();
    assert!(applied.created);
    let quiet = world.apply(&desired).await.unwrap();
    assert!(!quiet.created);
    assert_eq!(version_of(&quiet), version_of(&applied), "an apply without a change is no write");

    for replicas in [3, 1] {
        world.merge(&desired, "kubectl-edit", &json!({"spec": {"replicas": replicas}})).await;
    }
    let live = world.live(&desired).await;
    let dry = world.cluster.dry_run(&desired, Force::Yes).await.unwrap();
    assert_eq!(changes(Some(&live), &dry.object), [], "the value is as wanted");
    assert!(!fields::same_fields(&live, &dry.object), "but the field is no longer ours");
    assert!(!fields::same_fields(&live, &applied.object));

    let healed = world.apply(&desired).await.unwrap();
    assert!(fields::same_fields(&healed.object, &applied.object));
    assert!(!world.cluster.dry_run(&desired, Force::Yes).await.unwrap().created);

    world.merge(&desired, "kubectl-scale", &json!({"spec": {"replicas": 7}})).await;
    let live = world.live(&desired).await;
    let dry = world.cluster.dry_run(&desired, Force::Yes).await.unwrap();
    let paths: Vec<_> = changes(Some(&live), &dry.object).into_iter().map(|c| c.path).collect();
    assert_eq!(paths, ["/spec/replicas"]);
}

async fn refusals_are_told_apart(world: &World) {
    world.namespace("refusals").await;
    world.apply(&wanted(deployment("refusals", "web"))).await.unwrap();
    let unwanted = async |manifest: Value| {
        world.cluster.dry_run(&wanted(manifest), Force::Yes).await.unwrap_err()
    };
    let refused = async |manifest: Value| world.apply(&wanted(manifest)).await.unwrap_err();

    let mut selector = deployment("refusals", "web");
    selector["spec"]["selector"]["matchLabels"]["app"] = json!("other");
    selector["spec"]["template"]["metadata"]["labels"]["app"] = json!("other");
    let error = unwanted(selector).await;
    assert!(
        matches!(&error, ClusterError::Immutable { field, .. } if field == "spec.selector"),
        "{error}"
    );

    let mut misspelt = deployment("refusals", "web");
    misspelt["spec"]["template"]["spec"]["containers"][0]["imagee"] = json!("x");
    let error = unwanted(misspelt).await;
    assert!(matches!(error, ClusterError::UnknownField { .. }), "{error}");

    let error = unwanted(config_map("nowhere", "a", &json!({}))).await;
    assert!(
        matches!(&error, ClusterError::NamespaceMissing { namespace, .. } if namespace == "nowhere"),
        "{error}"
    );
    let mut number = config_map("refusals", "a", &json!({"a": 1}));
    assert_eq!(refused(number.clone()).await.cause(), FailureCause::Commit);
    number["apiVersion"] = json!("v9");
    let error = refused(number).await;
    assert!(matches!(error, ClusterError::KindMissing { .. }), "{error}");

    // Nothing finalises the namespace here, so that it stays as it is being deleted.
    world.namespace("ending").await;
    let namespace =
        wanted(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ending"}}));
    let uid = uid_of(&world.live(&namespace).await);
    let deleted = world.writer().delete(&seen(&namespace, &uid, None)).await.unwrap();
    assert!(matches!(deleted, Deleted::Terminating(_)), "{deleted:?}");
    let error = refused(config_map("ending", "a", &json!({}))).await;
    assert!(matches!(error, ClusterError::NamespaceTerminating { .. }), "{error}");

    let nobody = world.connect_as("nobody").await;
    let error = nobody
        .dry_run(&wanted(config_map("refusals", "a", &json!({}))), Force::Yes)
        .await
        .unwrap_err();
    assert!(matches!(error, ClusterError::Forbidden { .. }), "{error}");
    let wrong = world.connect_as("wrong").await;
    let error = wrong.get(&namespace.resource, &namespace.key).await.unwrap_err();
    assert!(matches!(error, ClusterError::Unauthorized { .. }), "{error}");
    let missing = world.connect_as("missing").await;
    let error = missing.get(&namespace.resource, &namespace.key).await.unwrap_err();
    assert!(matches!(error, ClusterError::Credentials(_)), "{error}");
    let closed = world.connect_in_vain().await;
    let error = closed.get(&namespace.resource, &namespace.key).await.unwrap_err();
    assert!(matches!(error, ClusterError::Unreachable { .. }) && error.is_transient(), "{error}");
    assert_eq!(closed.calls().retries, 3);
}

async fn conflicts_are_reported_without_force(world: &World) {
    world.namespace("conflicts").await;
    world.as_kubectl("kubectl-create", &config_map("conflicts", "a", &json!({"a": "1"}))).await;
    let desired = wanted(config_map("conflicts", "a", &json!({"a": "2"})));
    let error = world.writer().apply(&desired, Force::No).await.unwrap_err();
    let ClusterError::FieldConflict { conflicts, .. } = &error else { panic!("{error}") };
    assert_eq!(
        (conflicts[0].field.as_str(), conflicts[0].manager.as_str()),
        (".data.a", "kubectl-create")
    );
}

async fn only_what_was_seen_is_deleted(world: &World) {
    world.namespace("deletes").await;
    let desired = wanted(config_map("deletes", "a", &json!({"a": "1"})));
    let Desired { resource, key, .. } = &desired;
    let applied = world.apply(&desired).await.unwrap();
    let uid = uid_of(&applied.object);
    for (uid, version) in [("another", None), (uid.as_str(), Some("1"))] {
        let error = world.writer().delete(&seen(&desired, uid, version)).await.unwrap_err();
        assert!(matches!(error, ClusterError::Conflict { .. }), "{error}");
    }
    let version = version_of(&applied);
    let as_it_is = seen(&desired, &uid, Some(&version));
    let deleted = world.writer().delete(&as_it_is).await.unwrap();
    assert_eq!(deleted, Deleted::Gone);
    assert_eq!(world.cluster.get(resource, key).await.unwrap(), None);
    assert_eq!(world.writer().delete(&as_it_is).await.unwrap(), Deleted::Gone);
}

async fn a_list_is_one_call_however_long(world: &World) {
    const MANY: usize = 1_050;
    world.namespace("lists").await;
    let writes = (0..MANY).map(async |n| {
        let manifest = wanted(config_map("lists", &format!("c{n}"), &json!({"a": "b"})));
        world.apply(&manifest).await.unwrap();
    });
    futures::stream::iter(writes).buffer_unordered(64).collect::<Vec<()>>().await;
    let of = wanted(config_map("lists", "a", &json!({}))).resource;
    let selector = format!("{APPLICATION_LABEL}=shop");
    // Nobody else calls through this connection.
    let reader = world.connect_as("admin").await;
    let listed = reader.list_versions(&of, Some("lists"), &selector).await.unwrap();
    assert_eq!((listed.len(), reader.calls().reads), (MANY, 1));
    let one = wanted(config_map("lists", "c7", &json!({})));
    let seen = listed.iter().find(|seen| seen.key == one.key).expect("it is in the list");
    let live = world.live(&one).await;
    assert_eq!(live["metadata"]["resourceVersion"], *seen.resource_version);
    let some =
        world.cluster.list(&of, Some("lists"), &selector, "metadata.name=c7", 5).await.unwrap();
    assert_eq!(some.len(), 1);
    assert_eq!(
        (&some[0]["kind"], &some[0]["metadata"]["name"]),
        (&json!("ConfigMap"), &json!("c7"))
    );
}

async fn a_watch_sees_every_change(world: &World) {
    world.namespace("watched").await;
    let first = wanted(config_map("watched", "first", &json!({"a": "1"})));
    let second = wanted(config_map("watched", "second", &json!({"a": "1"})));
    world.apply(&first).await.unwrap();
    let selector = format!("{APPLICATION_LABEL}=shop");
    let mut events = pin!(world.cluster.watch(&first.resource, Some("watched"), &selector));
    let mut next = async || {
        let event = tokio::time::timeout(Duration::from_secs(20), events.next()).await;
        event.expect("an event").expect("no end").expect("no error")
    };
    assert_eq!(next().await, WatchEvent::Restarted);
    let WatchEvent::Listed(live) = next().await else { panic!("not listed") };
    assert!(live.object["metadata"].get("managedFields").is_none());
    assert_eq!(
        (&live.object["kind"], &live.object["data"]["a"]),
        (&json!("ConfigMap"), &json!("1"))
    );
    assert_eq!(next().await, WatchEvent::InitDone);

    world.apply(&second).await.unwrap();
    assert!(matches!(next().await, WatchEvent::Applied(live) if live.key == second.key));
    world.writer().delete(&seen(&second, &uid_of(&world.live(&second).await), None)).await.unwrap();
    assert!(matches!(next().await, WatchEvent::Deleted(live) if live.key == second.key));
    // A stripped label looks like a deletion.
    world
        .merge(&first, "kubectl-label", &json!({"metadata": {"labels": {APPLICATION_LABEL: null}}}))
        .await;
    assert!(matches!(next().await, WatchEvent::Deleted(live) if live.key == first.key));
}

async fn kinds_come_and_go(world: &World) {
    world.namespace("kinds").await;
    let gear = ("ex.org".to_owned(), "v1".to_owned(), "Gear".to_owned());
    let map = (String::new(), "v1".to_owned(), "ConfigMap".to_owned());
    let kinds = [gear.clone(), map.clone()].into();
    let found = world.cluster.resources(&kinds).await.unwrap();
    assert!(found.contains_key(&map) && !found.contains_key(&gear));

    world.apply(&wanted(crd(&[("v1", true), ("v2", false)]))).await.unwrap();
    let served = world.until(async |cluster| {
        cluster.forget_discovery().await;
        cluster.resources(&kinds).await.unwrap().remove(&gear)
    });
    let resource = served.await;
    assert_eq!((resource.plural.as_str(), resource.namespaced), ("gears", true));

    let mut object = wanted(json!({"apiVersion": "ex.org/v1", "kind": "Gear",
        "metadata": {"name": "g", "namespace": "kinds"}, "spec": {"a": "1"}}));
    world.until(async |cluster| cluster.writer(&open).apply(&object, Force::Yes).await.ok()).await;

    // The version that our fields are noted in goes, after the object was stored in another. That
    // v3 is served tells that the API server has taken the change up.
    let both = crd(&[("v1", false), ("v2", true), ("v3", false)]);
    world.apply(&wanted(both)).await.unwrap();
    let mut newest = object.clone();
    newest.resource.version = "v3".into();
    newest.value["apiVersion"] = json!("ex.org/v3");
    world.until(async |cluster| cluster.dry_run(&newest, Force::Yes).await.ok()).await;
    object.value["spec"]["b"] = json!("1");
    world.apply(&object).await.unwrap();
    object.value["spec"].as_object_mut().unwrap().remove("b");
    let status = wanted(crd(&[("v2", true)]));
    world.status(&status, &json!({"status": {"storedVersions": ["v2"]}})).await;
    world.apply(&status).await.unwrap();
    let kind = GroupKind { group: "ex.org".into(), kind: "Gear".into() };
    let resource = world.until(async |cluster| {
        cluster.forget_discovery().await;
        let resource = cluster.resource_for(&kind, "v1").await.unwrap()?;
        (resource.version == "v2").then_some(resource)
    });
    object.resource = resource.await;
    object.value["apiVersion"] = json!("ex.org/v2");
    object.value["spec"]["a"] = json!("2");
    let error = world.until(async |cluster| match cluster.dry_run(&object, Force::Yes).await {
        Err(error @ ClusterError::StaleFields { .. }) => Some(error),
        _ => None,
    });
    assert_eq!(error.await.cause(), FailureCause::Environment);
    let applied = world.apply(&object).await.unwrap();
    assert_eq!(applied.object["spec"], json!({"a": "2"}));
}

fn config_map(namespace: &str, name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap",
           "metadata": {"name": name, "namespace": namespace}, "data": data})
}

fn deployment(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": "nginx"}]}}}})
}

/// A kind `Gear` with these versions and which of them is stored.
fn crd(versions: &[(&str, bool)]) -> Value {
    let versions: Vec<_> = versions
        .iter()
        .map(|(name, storage)| {
            json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}})
        })
        .collect();
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "gears.ex.org"}, "spec": {"group": "ex.org", "scope": "Namespaced",
            "names": {"plural": "gears", "kind": "Gear"}, "versions": versions}})
}

pub(crate) fn wanted(mut value: Value) -> Desired {
    value["metadata"]["labels"][APPLICATION_LABEL] = json!("shop");
    value["metadata"]["annotations"][INSTANCE_ANNOTATION] = json!("headstay");
    let api_version = value["apiVersion"].as_str().unwrap().to_owned();
    let (group, version) = split_api_version(&api_version);
    let kind = value["kind"].as_str().unwrap();
    let text = |key: &str| value["metadata"][key].as_str().map(str::to_owned);
    Desired {
        key: ObjectKey {
            group: group.into(),
            kind: kind.into(),
            namespace: text("namespace"),
            name: text("name").unwrap(),
        },
        resource: Resource {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            plural: format!("{}s", kind.to_lowercase()),
            namespaced: text("namespace").is_some(),
        },
        origin: Origin { file: "story.yaml".into(), line: 1 },
        value,
        hash: String::new(),
        warnings: Vec::new(),
    }
}

/// The right to delete an object that nobody wants, as it was seen to be.
fn seen(desired: &Desired, uid: &str, version: Option<&str>) -> Deletion {
    let application = "shop".parse().unwrap();
    let live = json!({"metadata": {
        "uid": uid,
        "resourceVersion": version,
        "labels": {APPLICATION_LABEL: application},
        "annotations": {INSTANCE_ANNOTATION: "headstay"},
        "managedFields": [{"manager": "headstay", "operation": "Apply"}],
    }});
    let item = InventoryItem {
        object: desired.key.clone(),
        version: desired.resource.version.clone(),
        hash: None,
        commit: "a".repeat(40).parse().unwrap(),
        uid: Some(uid.to_owned()),
        resource_version: None,
        generation: None,
        health: HealthStatus::Unknown,
        health_reason: None,
        kept: None,
        prune_disabled: false,
    };
    let id = "01a209e4-db44-70d0-b91b-6f65201e4671".parse().unwrap();
    let instance = "headstay".to_owned();
    let installation = Installation { id, instance, former: Vec::new() };
    let sight = Sight::of(&live, desired.resource.clone(), &item, &application, &installation);
    match fate(&item, Live::There(Box::new(sight)), &Claims::default()) {
        Fate::Delete(deletion) => *deletion,
        other => panic!("{other:?}"),
    }
}

fn uid_of(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

fn version_of(applied: &Applied) -> String {
    applied.object["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}
