//! The look around: what the application owns is listed and compared with what was applied, so
//! that a change that no event told of is found. Costs one list per kind and namespace, whatever
//! the number of objects.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::cluster::read::LiveVersion;
use crate::domain::inventory::InventoryItem;
use crate::domain::object::{APPLICATION_LABEL, GroupKind, ObjectKey, Resource};
use crate::domain::sync::{Look, Phase};
use crate::sync::error::SyncError;
use crate::sync::record::Record;
use crate::sync::scene::Scene;

/// Lists that run at once; each is bounded again by the calls of its cluster.
const LISTS_AT_ONCE: usize = 8;

/// The objects of the inventory that are not at the `resourceVersion` at which they were last seen
/// to be as wanted: gone, stripped of their label, or written since, be it only their status.
pub(super) async fn look(
    scene: &Scene<'_>,
    record: &mut Record,
) -> Result<HashSet<ObjectKey>, SyncError> {
    let look = wanted(scene);
    if look == Look::Not || scene.inventory.is_empty() {
        return Ok(HashSet::new());
    }
    if look == Look::All {
        return Ok(scene.inventory.iter().map(|item| item.object.clone()).collect());
    }
    let live = record.time(Phase::Diff, list(scene)).await?;
    Ok(scene
        .inventory
        .iter()
        .filter(|item| item.kept.is_none() && !is_as_left(item, live.get(&item.object)))
        .map(|item| item.object.clone())
        .collect())
}

/// How closely the cluster is looked at.
pub(super) fn wanted(scene: &Scene<'_>) -> Look {
    // Drift that was left is as it was left, but a person who asks wants it gone.
    let asked = scene.trigger().is_person() && !scene.heals_unasked();
    if asked { Look::All } else { scene.claim.sync.look }
}

fn is_as_left(item: &InventoryItem, live: Option<&LiveVersion>) -> bool {
    match live {
        Some(live) => item.resource_version.as_ref() == Some(&live.resource_version),
        // It was gone before and is left so, or its work is done.
        None => item.is_done() || (item.hash.is_some() && item.resource_version.is_none()),
    }
}

async fn list(scene: &Scene<'_>) -> Result<HashMap<ObjectKey, LiveVersion>, SyncError> {
    let selector = format!("{APPLICATION_LABEL}={}", scene.application.name);
    let mut places: BTreeMap<(GroupKind, String), BTreeSet<Option<String>>> = BTreeMap::new();
    for item in &scene.inventory {
        let kind = (item.object.group_kind(), item.version.clone());
        places.entry(kind).or_default().insert(item.object.namespace.clone());
    }
    let mut lists: Vec<(Resource, Option<String>)> = Vec::new();
    for ((kind, version), namespaces) in places {
        let resource = scene.cluster.resource_for(&kind, &version).await;
        // A kind that is no longer served has no objects.
        let Some(resource) = resource.map_err(scene.cluster_error())? else { continue };
        lists.extend(namespaces.into_iter().map(|namespace| (resource.clone(), namespace)));
    }
    let found: Vec<Vec<LiveVersion>> = stream::iter(lists)
        .map(|(resource, namespace)| {
            let (cluster, selector) = (&scene.cluster, &selector);
            async move { cluster.list_versions(&resource, namespace.as_deref(), selector).await }
        })
        .buffer_unordered(LISTS_AT_ONCE)
        .try_collect()
        .await
        .map_err(scene.cluster_error())?;
    Ok(found.into_iter().flatten().map(|live| (live.key.clone(), live)).collect())
}
