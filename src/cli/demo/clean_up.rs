//! Takes the demo off a cluster again.
//!
//! What there is to delete is in the inventories: nothing is ever on a cluster by Headstay's hand that
//! no inventory names.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kube::Client;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Preconditions};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use tokio::time::sleep;

use crate::cli::demo::broken::Broken;
use crate::cli::demo::folder::{CLUSTER, Folder};
use crate::cli::demo::screen::{Screen, took};
use crate::cli::demo::shop::APPLICATIONS;
use crate::config::kubeconfig::in_our_words;
use crate::domain::error::chain;
use crate::domain::inventory::InventoryItem;
use crate::domain::object::{INSTANCE_ANNOTATION, ObjectKey};
use crate::domain::order::prune_order;
use crate::store::Store;

/// Longest time in which what was deleted may take to go: Pods are given time to end.
const PATIENCE: Duration = Duration::from_mins(2);
/// Time between two looks.
const POLL: Duration = Duration::from_millis(100);

/// Deletes all that the demo, an installation with a name of its own, has applied, and waits until
/// it is gone; returns what is not. Headstay must have ended before, or it would put it back.
pub(super) async fn clean_up(
    folder: &Folder,
    client: &Client,
    instance: &str,
    screen: &mut Screen<'_>,
) -> Result<Vec<ObjectKey>, Broken> {
    screen.heading("Cleaning up")?;
    let items = inventory(folder).await?;
    let began = Instant::now();
    let mut going = Vec::new();
    let mut left = Vec::new();
    for item in to_delete(items) {
        match delete(client, instance, &item).await {
            Ok(None) => {}
            Ok(Some(api)) => {
                screen.note(&format!("{} is deleted", item.object))?;
                going.push((item.object, api));
            }
            Err(error) => {
                let error = in_our_words(error.into());
                screen.bad(&format!("{}: {}", item.object, chain(error.as_ref())))?;
                left.push(item.object);
            }
        }
    }
    for (object, api) in going {
        let what = format!("{object} to be gone");
        // An error may pass, and is no proof that it is gone.
        while !matches!(api.get_metadata_opt(&object.name).await, Ok(None)) {
            if began.elapsed() > PATIENCE {
                left.push(object);
                break;
            }
            screen.waiting(&what, began.elapsed())?;
            sleep(POLL).await;
        }
    }
    if left.is_empty() {
        let since = took(began.elapsed());
        screen.good(&format!("nothing of the demo is left on the cluster, after {since}"))?;
    } else {
        screen.note("To delete the rest by hand:")?;
    }
    for object in &left {
        screen.command(&by_hand(object))?;
    }
    Ok(left)
}

async fn inventory(folder: &Folder) -> Result<Vec<InventoryItem>, Broken> {
    let store = Store::open(&folder.store()).await?;
    let mut items = Vec::new();
    for application in APPLICATIONS {
        if let (Ok(name), Ok(cluster)) = (application.parse(), CLUSTER.parse()) {
            items.extend(store.inventory(&name, &cluster).await?);
        }
    }
    store.close().await;
    Ok(items)
}

/// What is to be deleted, in order; what goes with its namespace needs no delete of its own.
fn to_delete(items: Vec<InventoryItem>) -> Vec<InventoryItem> {
    let namespaces: BTreeSet<_> = items
        .iter()
        .filter(|item| item.object.is("", "Namespace"))
        .map(|item| item.object.name.clone())
        .collect();
    let outside = |item: &InventoryItem| {
        item.object.namespace.as_ref().is_none_or(|namespace| !namespaces.contains(namespace))
    };
    let items: Vec<_> = items.into_iter().filter(outside).collect();
    let order = prune_order(items.iter().map(|item| item.object.clone()).collect());
    let order = order.into_iter().flatten();
    order.filter_map(|key| items.iter().find(|item| item.object == key).cloned()).collect()
}

/// Deletes an object if it is there and ours; returns by what it can be looked for.
async fn delete(
    client: &Client,
    instance: &str,
    item: &InventoryItem,
) -> Result<Option<Api<DynamicObject>>, kube::Error> {
    let ObjectKey { group, kind, namespace, name } = &item.object;
    let kind = GroupVersionKind::gvk(group, &item.version, kind);
    let (resource, capabilities) = match pinned_kind(client, &kind).await {
        Ok(known) => known,
        // Its definition is not there (any more), so that it is not either.
        Err(kube::Error::Discovery(_)) => return Ok(None),
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
        Err(error) => return Err(error),
    };
    let api = api(client, &resource, &capabilities.scope, namespace.as_deref());
    let Some(live) = api.get_metadata_opt(name).await? else { return Ok(None) };
    let annotations = live.metadata.annotations.unwrap_or_default();
    if annotations.get(INSTANCE_ANNOTATION).map(String::as_str) != Some(instance) {
        return Ok(None);
    }
    let preconditions = Preconditions { uid: live.metadata.uid, resource_version: None };
    let params = DeleteParams::background().preconditions(preconditions);
    match api.delete(name, &params).await {
        Ok(_) => Ok(Some(api)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

fn api(
    client: &Client,
    resource: &ApiResource,
    scope: &Scope,
    namespace: Option<&str>,
) -> Api<DynamicObject> {
    match (scope, namespace) {
        (Scope::Namespaced, Some(namespace)) => {
            Api::namespaced_with(client.clone(), namespace, resource)
        }
        _ => Api::all_with(client.clone(), resource),
    }
}

/// The command that deletes an object.
fn by_hand(object: &ObjectKey) -> String {
    let ObjectKey { group, kind, namespace, name } = object;
    let kind = if group.is_empty() { kind.clone() } else { format!("{kind}.{group}") };
    match namespace {
        Some(namespace) => format!("kubectl --namespace {namespace} delete {kind} {name}"),
        None => format!("kubectl delete {kind} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(group: &str, kind: &str, namespace: Option<&str>, name: &str) -> InventoryItem {
        let item = json!({
            "group": group, "kind": kind, "namespace": namespace, "name": name, "version": "v1",
            "hash": null, "commit": "0".repeat(40), "uid": null, "resourceVersion": null,
            "generation": null, "health": "Healthy", "healthReason": null, "kept": null,
            "pruneDisabled": false,
        });
        serde_json::from_value(item).unwrap()
    }

    #[test]
    fn what_is_in_a_namespace_of_ours_goes_with_it_and_definitions_go_last() {
        let items = vec![
            item("apiextensions.k8s.io", "CustomResourceDefinition", None, "promotions"),
            item("", "Namespace", None, "shop"),
            item("apps", "Deployment", Some("shop"), "web"),
            item("", "ConfigMap", Some("default"), "elsewhere"),
        ];
        let names: Vec<_> = to_delete(items).into_iter().map(|item| item.object.name).collect();
        assert_eq!(names, ["elsewhere", "promotions", "shop"]);
    }

    #[test]
    fn what_is_left_comes_with_its_command() {
        let object = item("apps", "Deployment", Some("shop"), "web").object;
        assert_eq!(by_hand(&object), "kubectl --namespace shop delete Deployment.apps web");
    }
}
