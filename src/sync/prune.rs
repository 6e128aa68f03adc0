//! The prune stage: what Git no longer names is deleted, after the new state was seen to work.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use futures::stream::{self, StreamExt};
use serde_json::Value;

use crate::cluster::error::ClusterError;
use crate::domain::directives;
use crate::domain::error::chain;
use crate::domain::fields;
use crate::domain::inventory::{InventoryItem, Kept};
use crate::domain::name::ApplicationName;
use crate::domain::object::{ObjectKey, Resource};
use crate::domain::order;
use crate::domain::stop::Stop;
use crate::domain::sync::{Action, FailureCause, ObjectResult, Phase};
use crate::failpoint::failpoint;
use crate::sync::conclude::Ended;
use crate::sync::error::SyncError;
use crate::sync::handover::{self, Claims};
use crate::sync::record::{Record, Refused};
use crate::sync::scene::Scene;

/// Deletes the kept objects of the inventory, those that depend on others first.
pub(super) async fn prune(scene: &Scene<'_>, record: &mut Record) -> Result<Ended, SyncError> {
    let Some(commit) = scene.claim.sync.commit.as_ref().filter(|_| scene.prunes()) else {
        return Ok(Ended::Pruned);
    };
    let kept: HashMap<ObjectKey, &InventoryItem> = scene
        .inventory
        .iter()
        .filter(|item| item.kept.is_some())
        .map(|item| (item.object.clone(), item))
        .collect();
    let mut keys: Vec<_> = kept.keys().cloned().collect();
    let Claims { taken: takers, expected } = handover::claims(scene, &commit.id, &keys).await?;
    for (key, why) in &expected {
        if let Some(item) = kept.get(key) {
            keep(record, item, Kept::ForNeighbour, why.clone());
        }
    }
    keys.retain(|key| !expected.contains_key(key));
    let named = named_by_git(scene);
    for group in order::prune_order(keys) {
        let pruned = prune_group(scene, group, &kept, &takers, &named);
        let mut stopped = Ok(());
        for (object, verdict) in record.time(Phase::Prune, pruned).await {
            let Some(item) = kept.get(&object) else { continue };
            if let Verdict::Stopped(stop) = verdict {
                stopped = Err(stop);
            }
            note(record, item, verdict);
        }
        stopped?;
        // A definition or a namespace that went now would take along what was refused.
        record.fail_on_failed_objects()?;
    }
    Ok(Ended::Pruned)
}

/// Deletes what may go at the same time; the verdicts are in the order of the objects.
async fn prune_group(
    scene: &Scene<'_>,
    group: Vec<ObjectKey>,
    kept: &HashMap<ObjectKey, &InventoryItem>,
    takers: &HashMap<ObjectKey, ApplicationName>,
    named: &HashSet<&str>,
) -> Vec<(ObjectKey, Verdict)> {
    let silence = AtomicBool::new(false);
    let at_once = scene.config.server.limits.calls_per_cluster.max(1);
    let items = group.into_iter().filter_map(|key| Some((kept.get(&key)?.version.clone(), key)));
    stream::iter(items.collect::<Vec<_>>())
        .map(|(version, object)| {
            let silence = &silence;
            async move {
                let taker = takers.get(&object);
                // As in the diff: the others would hold the worker for as long.
                if taker.is_none() && silence.load(Ordering::Relaxed) {
                    return (object, Verdict::Unasked);
                }
                let verdict = prune_one(scene, &object, &version, taker, named).await;
                if matches!(&verdict, Verdict::Failed(error) if error.is_silence()) {
                    silence.store(true, Ordering::Relaxed);
                }
                (object, verdict)
            }
        })
        .buffered(at_once)
        .collect()
        .await
}

/// The uids of the objects that Git still names. An object that moved to another API group is one
/// object under two names.
fn named_by_git<'a>(scene: &'a Scene<'_>) -> HashSet<&'a str> {
    let named = scene.inventory.iter().filter(|item| item.kept.is_none());
    named.filter_map(|item| item.uid.as_deref()).collect()
}

/// What became of an object that Git no longer names.
enum Verdict {
    /// It is deleted, or was gone.
    Pruned,
    /// It is no longer ours to delete, for this reason.
    Released(String),
    /// It is ours and stays, as its annotations ask.
    Kept,
    /// It could not be deleted.
    Failed(ClusterError),
    /// It was not begun: the API server did not answer about another one.
    Unasked,
    /// It was not begun: the sync has to stop.
    Stopped(Stop),
}

async fn prune_one(
    scene: &Scene<'_>,
    object: &ObjectKey,
    version: &str,
    taker: Option<&ApplicationName>,
    named: &HashSet<&str>,
) -> Verdict {
    if let Some(taker) = taker {
        return Verdict::Released(format!("handed over to application {taker}"));
    }
    let (resource, live) = match find(scene, object, version).await {
        Ok(found) => found,
        Err(verdict) => return verdict,
    };
    if let Some(verdict) = spare(scene, &live, named) {
        return verdict;
    }
    let metadata = &live["metadata"];
    let uid = metadata["uid"].as_str().unwrap_or_default();
    let gate = || scene.lease.may_write();
    failpoint("prune:before");
    let deleted = scene
        .cluster
        .writer(&gate)
        .delete(&resource, object, uid, metadata["resourceVersion"].as_str())
        .await;
    failpoint("prune:after");
    match deleted {
        Ok(_) | Err(ClusterError::NotFound { .. }) => Verdict::Pruned,
        Err(ClusterError::Stopped(stop)) => Verdict::Stopped(stop),
        Err(error) => Verdict::Failed(error),
    }
}

/// The live object and how it is reached, or what is to be said of it without.
async fn find(
    scene: &Scene<'_>,
    object: &ObjectKey,
    version: &str,
) -> Result<(Resource, Value), Verdict> {
    scene.lease.may_write().map_err(Verdict::Stopped)?;
    let look = async {
        let resource = scene.cluster.resource_for(&object.group_kind(), version).await?;
        let Some(resource) = resource else {
            return Ok(Err(Verdict::Released("its kind is no longer served".into())));
        };
        let live = scene.cluster.get(&resource, object).await?;
        Ok(live.map(|live| (resource, live)).ok_or(Verdict::Pruned))
    };
    let found = scene.lease.unless_stopped(look).await.map_err(Verdict::Stopped)?;
    found.map_err(Verdict::Failed)?
}

/// Reasons not to delete a live object.
fn spare(scene: &Scene<'_>, live: &Value, named: &HashSet<&str>) -> Option<Verdict> {
    let instance = scene.config.server.instance.as_str();
    if !fields::owned_by_us(live, Some(scene.application.name.as_str()), instance) {
        return Some(Verdict::Released("it is no longer marked as ours".into()));
    }
    if directives::read(live).is_ok_and(|asked| asked.prune_disabled) {
        return Some(Verdict::Kept);
    }
    let moved = live["metadata"]["uid"].as_str().is_some_and(|uid| named.contains(uid));
    moved.then(|| Verdict::Released("Git names it under another API group".into()))
}

fn note(record: &mut Record, item: &InventoryItem, verdict: Verdict) {
    let (action, message) = match verdict {
        Verdict::Pruned => (Action::Pruned, None),
        Verdict::Released(why) => (Action::Skipped, Some(why)),
        Verdict::Kept => {
            let why = "its annotations say that it is not to be pruned".to_owned();
            return keep(record, item, Kept::ByAnnotation, why);
        }
        Verdict::Failed(error) => {
            return record.refuse(Refused {
                object: item.object.clone(),
                message: chain(&error),
                cause: FailureCause::Environment,
            });
        }
        Verdict::Unasked => return record.refuse(Refused::unasked(item.object.clone())),
        // The sync goes back to the queue, and its next run looks at it anew.
        Verdict::Stopped(_) => return,
    };
    record.forget.push(item.object.clone());
    record.results.push(ObjectResult {
        object: item.object.clone(),
        action,
        fields: Vec::new(),
        message,
    });
}

/// An object that stays in the inventory, and why.
fn keep(record: &mut Record, item: &InventoryItem, kept: Kept, why: String) {
    record.kept.push(InventoryItem { kept: Some(kept), ..item.clone() });
    record.results.push(ObjectResult {
        object: item.object.clone(),
        action: Action::Skipped,
        fields: Vec::new(),
        message: Some(why),
    });
}
