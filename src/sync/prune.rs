//! The prune stage: what Git no longer names is deleted, after the new state was seen to work.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::cluster::error::ClusterError;
use crate::domain::directives;
use crate::domain::fields;
use crate::domain::inventory::{InventoryItem, Kept};
use crate::domain::name::ApplicationName;
use crate::domain::object::ObjectKey;
use crate::domain::order;
use crate::domain::sync::{Action, ObjectResult, Phase};
use crate::failpoint::failpoint;
use crate::sync::Ended;
use crate::sync::error::{SyncError, chain};
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
    for group in order::prune_order(keys) {
        for key in group {
            let Some(item) = kept.get(&key) else { continue };
            let begun = prune_one(scene, item, takers.get(&key));
            let verdict = record.time(Phase::Prune, begun).await?;
            note(record, item, verdict);
        }
    }
    record.fail_on_failed_objects()?;
    Ok(Ended::Pruned)
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
}

async fn prune_one(
    scene: &Scene<'_>,
    item: &InventoryItem,
    taker: Option<&ApplicationName>,
) -> Result<Verdict, SyncError> {
    if let Some(taker) = taker {
        return Ok(Verdict::Released(format!("handed over to application {taker}")));
    }
    let cluster = &scene.cluster;
    let resource = match cluster.resource_for(&item.object.group_kind(), &item.version).await {
        Ok(Some(resource)) => resource,
        Ok(None) => return Ok(Verdict::Released("its kind is no longer served".into())),
        Err(error) => return Ok(Verdict::Failed(error)),
    };
    let live = match cluster.get(&resource, &item.object).await {
        Ok(Some(live)) => live,
        Ok(None) => return Ok(Verdict::Pruned),
        Err(error) => return Ok(Verdict::Failed(error)),
    };
    if let Some(verdict) = spare(scene, item, &live) {
        return Ok(verdict);
    }
    let metadata = &live["metadata"];
    let uid = metadata["uid"].as_str().unwrap_or_default();
    let gate = || scene.lease.may_write();
    failpoint("prune:before");
    let deleted = cluster
        .writer(&gate)
        .delete(&resource, &item.object, uid, metadata["resourceVersion"].as_str())
        .await;
    failpoint("prune:after");
    Ok(match deleted {
        Ok(_) | Err(ClusterError::NotFound { .. }) => Verdict::Pruned,
        Err(ClusterError::Stopped(stop)) => return Err(stop.into()),
        Err(error) => Verdict::Failed(error),
    })
}

/// Reasons not to delete a live object.
fn spare(scene: &Scene<'_>, item: &InventoryItem, live: &Value) -> Option<Verdict> {
    let instance = scene.config.server.instance.as_str();
    if !fields::owned_by_us(live, Some(scene.application.name.as_str()), instance) {
        return Some(Verdict::Released("it is no longer marked as ours".into()));
    }
    if directives::read(live).is_ok_and(|asked| asked.prune_disabled) {
        return Some(Verdict::Kept);
    }
    // An object that moved to another API group is one object under two names.
    let uid = live["metadata"]["uid"].as_str();
    let others: HashSet<_> = scene
        .inventory
        .iter()
        .filter(|other| other.kept.is_none() && other.object != item.object)
        .filter_map(|other| other.uid.as_deref())
        .collect();
    uid.filter(|uid| others.contains(uid))
        .map(|_| Verdict::Released("Git names it under another API group".into()))
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
                permanent: false,
            });
        }
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
