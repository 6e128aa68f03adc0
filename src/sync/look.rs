//! The look around: what the application owns is listed and compared with what was applied, so
//! that a change that no event told of is found. Costs one list per kind and namespace, whatever
//! the number of objects.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::cluster::error::ClusterError;
use crate::cluster::read::LiveVersion;
use crate::cluster::serving::Serving;
use crate::domain::error::chain;
use crate::domain::inventory::InventoryItem;
use crate::domain::object::{APPLICATION_LABEL, GroupKind, ObjectKey};
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
    let seen = record.time(Phase::Diff, list(scene)).await?;
    let asked = scene.trigger().is_person();
    Ok(scene
        .inventory
        .iter()
        .filter(|item| item.kept.is_none() && !seen.is_unknown(item))
        .filter(|item| !is_as_left(item, seen.live.get(&item.object), asked))
        .map(|item| item.object.clone())
        .collect())
}

/// How closely the cluster is looked at.
pub(super) fn wanted(scene: &Scene<'_>) -> Look {
    // Drift that was left is as it was left, but a person who asks wants it gone.
    let asked = scene.trigger().is_person() && !scene.heals_unasked();
    // Settings may have changed what counts as drift, also while the process was down.
    let other_settings = scene.state.settings.as_ref() != Some(&scene.settings());
    if asked || other_settings { Look::All } else { scene.claim.sync.look }
}

fn is_as_left(item: &InventoryItem, live: Option<&LiveVersion>, asked: bool) -> bool {
    match live {
        Some(live) => item.resource_version.as_ref() == Some(&live.resource_version),
        // It was gone before and is left so, or its work is done.
        None => item.is_done_for(asked) || item.is_left_gone(),
    }
}

/// What the cluster says of the objects of an inventory.
#[derive(Default)]
struct Seen {
    live: HashMap<ObjectKey, LiveVersion>,
    /// Kinds, each with the version that its objects were applied in, of which nothing is known.
    unseen: HashSet<(GroupKind, String)>,
}

impl Seen {
    fn is_unknown(&self, item: &InventoryItem) -> bool {
        !self.unseen.is_empty()
            && self.unseen.contains(&(item.object.group_kind(), item.version.clone()))
    }
}

/// Lists what is owned. A kind that cannot be seen now keeps nobody from seeing the others; only when
/// none can, that is an error.
async fn list(scene: &Scene<'_>) -> Result<Seen, SyncError> {
    let mut places: BTreeMap<(GroupKind, String), BTreeSet<Option<String>>> = BTreeMap::new();
    for item in &scene.inventory {
        let kind = (item.object.group_kind(), item.version.clone());
        places.entry(kind).or_default().insert(item.object.namespace.clone());
    }
    let kinds = places.len();
    let looked = stream::iter(places)
        .map(|(kind, namespaces)| async move {
            let listed = list_kind(scene, &kind, namespaces).await;
            (kind, listed)
        })
        .buffer_unordered(LISTS_AT_ONCE);
    let looked: Vec<_> = looked.collect().await;
    let mut seen = Seen::default();
    let mut first = None;
    for (kind, listed) in looked {
        let error = match listed {
            Ok(listed) => {
                seen.live.extend(listed.into_iter().map(|live| (live.key.clone(), live)));
                continue;
            }
            Err(Unseen::Cluster(error)) if error.is_silence() => {
                return Err(scene.cluster_error()(error));
            }
            Err(Unseen::Cluster(error)) => {
                let why = chain(&error);
                first.get_or_insert(error);
                why
            }
            Err(Unseen::NotServed(why)) => why,
        };
        tracing::warn!(
            application = %scene.application.name, kind = %kind.0.kind, group = kind.0.group, error,
            "objects of a kind cannot be looked at now, and are left as they are"
        );
        seen.unseen.insert(kind);
    }
    match first {
        Some(error) if seen.unseen.len() == kinds => Err(scene.cluster_error()(error)),
        _ => Ok(seen),
    }
}

/// Why the objects of a kind cannot be seen.
enum Unseen {
    NotServed(String),
    Cluster(ClusterError),
}

/// Lists the objects of a kind in these namespaces; none of one that is gone with all its objects.
async fn list_kind(
    scene: &Scene<'_>,
    (kind, version): &(GroupKind, String),
    namespaces: BTreeSet<Option<String>>,
) -> Result<Vec<LiveVersion>, Unseen> {
    let selector = format!("{APPLICATION_LABEL}={}", scene.application.name);
    // What discovery remembers may be out of date: the first 404 has it look again.
    let mut again = true;
    loop {
        let resource = match scene.cluster.serving(kind, version).await {
            Ok(Serving::Served(resource)) => resource,
            Ok(Serving::Gone) => return Ok(Vec::new()),
            Ok(Serving::Unknown(why)) => return Err(Unseen::NotServed(why)),
            Err(error) => return Err(Unseen::Cluster(error)),
        };
        let lists: Result<Vec<_>, _> = stream::iter(namespaces.clone())
            .map(|namespace| {
                let (cluster, resource, selector) = (&scene.cluster, &resource, &selector);
                async move { cluster.list_versions(resource, namespace.as_deref(), selector).await }
            })
            .buffer_unordered(LISTS_AT_ONCE)
            .try_collect()
            .await;
        match lists {
            Ok(lists) => return Ok(lists.into_iter().flatten().collect()),
            Err(ClusterError::KindMissing { .. }) if std::mem::take(&mut again) => {}
            Err(error) => return Err(Unseen::Cluster(error)),
        }
    }
}
