//! The apply stage: what differs is written, in parallel within a stage.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::stream::{self, StreamExt};
use serde_json::Value;

use crate::cluster::Writer;
use crate::cluster::error::ClusterError;
use crate::config::OnError;
use crate::domain::commit::CommitId;
use crate::domain::directives;
use crate::domain::health::HealthStatus;
use crate::domain::inventory::InventoryItem;
use crate::domain::manifest::Desired;
use crate::domain::stop::Stop;
use crate::domain::sync::{Action, ObjectResult, Phase};
use crate::failpoint::failpoint;
use crate::store::ApplyStart;
use crate::sync::checked::{Change, Checked, Seen};
use crate::sync::diff::{Plan, force, is_foundation};
use crate::sync::error::SyncError;
use crate::sync::fetch::Target;
use crate::sync::record::{Record, Refused};
use crate::sync::scene::{Scene, WriteAccess};
use crate::sync::usable;

/// What is to be written down before the first write.
pub(super) fn start(scene: &Scene<'_>, target: &Target, plan: &Plan) -> ApplyStart {
    let owned = scene.owned();
    let intended = plan
        .candidates
        .iter()
        .filter(|desired| {
            let ignored = desired.directives().apply == directives::ApplyMode::Ignore;
            !ignored && !owned.contains_key(&desired.key)
        })
        .map(|desired| item(desired, &target.commit.id))
        .collect();
    let cluster = scene.application.cluster.clone();
    ApplyStart { commit: target.commit.clone(), rewind: target.rewind, cluster, intended }
}

/// Writes down what is about to be written, so that nothing is ever on a cluster that no
/// inventory knows of, and takes over from older syncs that wait.
pub(super) async fn begin(scene: &Scene<'_>, start: &ApplyStart) -> Result<(), SyncError> {
    failpoint("begin-apply:before");
    let held = scene.context.store.begin_apply(scene.lease.key(), start.clone()).await?;
    failpoint("begin-apply:after");
    if held { Ok(()) } else { Err(Stop::LeaseLost.into()) }
}

/// An inventory row of an object that is not applied yet.
fn item(desired: &Desired, commit: &CommitId) -> InventoryItem {
    InventoryItem {
        object: desired.key.clone(),
        version: desired.resource.version.clone(),
        hash: None,
        commit: commit.clone(),
        uid: None,
        resource_version: None,
        generation: None,
        health: HealthStatus::Unknown,
        health_reason: None,
        kept: None,
        prune_disabled: desired.directives().prune_disabled,
    }
}

/// Writes what differs of one stage, records it, and waits for what others need.
pub(super) async fn apply(
    scene: &Scene<'_>,
    access: Option<&WriteAccess<'_>>,
    record: &mut Record,
    commit: &CommitId,
    stage: Vec<Checked>,
) -> Result<Vec<InventoryItem>, SyncError> {
    let written = record.time(Phase::Apply, write_all(scene, access, commit, stage)).await;
    let mut items = Vec::new();
    let mut foundations = Vec::new();
    let mut stopped = None;
    for outcome in written {
        match outcome {
            Written::Settled { item, result, foundation } => {
                items.push(*item);
                foundations.extend(foundation);
                match result {
                    Some(result) => record.results.push(result),
                    None => record.unchanged += 1,
                }
            }
            Written::Left(result) => record.results.push(result),
            Written::NotOurs(result) => {
                record.forget.push(result.object.clone());
                record.results.push(result);
            }
            Written::Done => record.unchanged += 1,
            Written::Failed(refused) => record.refuse(refused),
            Written::Stopped(stop) => stopped = Some(stop),
        }
    }
    if !items.is_empty() {
        failpoint("record-applied:before");
        let (store, cluster) = (&scene.context.store, &scene.application.cluster);
        let held = store.record_applied(scene.lease.key(), cluster, &items).await?;
        failpoint("record-applied:after");
        if !held {
            return Err(Stop::LeaseLost.into());
        }
    }
    if let Some(stop) = stopped {
        return Err(stop.into());
    }
    if scene.application.sync.on_error == OnError::Hold && record.holds {
        record.fail_on_failed_objects()?;
    }
    let established = scene.lease.unless_stopped(usable::establish(scene, &foundations));
    record.time(Phase::Apply, established).await??;
    Ok(items)
}

/// What became of one object.
enum Written {
    /// It is as wanted now; no result when it was before. `foundation`: others may need it.
    Settled {
        item: Box<InventoryItem>,
        result: Option<ObjectResult>,
        foundation: Option<Box<Desired>>,
    },
    /// It was left alone.
    Left(ObjectResult),
    /// It was left alone, and somebody else made it.
    NotOurs(ObjectResult),
    /// It was there, did its work, and is not to come again.
    Done,
    /// It was refused.
    Failed(Refused),
    /// It was stopped, before its first write or between two.
    Stopped(Stop),
}

async fn write_all(
    scene: &Scene<'_>,
    access: Option<&WriteAccess<'_>>,
    commit: &CommitId,
    stage: Vec<Checked>,
) -> Vec<Written> {
    let hold = scene.application.sync.on_error == OnError::Hold;
    let failed = AtomicBool::new(false);
    let owned = scene.owned();
    let at_once = scene.config.server.limits.calls_per_cluster.max(1);
    stream::iter(stage)
        .map(|checked| {
            let failed = &failed;
            let known = owned.get(&checked.desired.key).copied();
            async move {
                // After a failure the calls in flight end, and no new one is begun.
                if hold && failed.load(Ordering::Relaxed) && !checked.change.is_none() {
                    return Written::Left(held_back(&checked));
                }
                let written = write(scene, access, commit, checked, known).await;
                if matches!(&written, Written::Failed(refused) if !refused.as_applied) {
                    failed.store(true, Ordering::Relaxed);
                }
                written
            }
        })
        .buffer_unordered(at_once)
        .collect()
        .await
}

fn held_back(checked: &Checked) -> ObjectResult {
    ObjectResult {
        object: checked.desired.key.clone(),
        action: Action::Skipped,
        fields: Vec::new(),
        message: Some("not begun: another object of its stage failed".into()),
    }
}

/// Writes one object; `known` is its row of the inventory from before this sync.
async fn write(
    scene: &Scene<'_>,
    access: Option<&WriteAccess<'_>>,
    commit: &CommitId,
    checked: Checked,
    known: Option<&InventoryItem>,
) -> Written {
    let action = match &checked.change {
        Change::None(seen) => {
            let item = Box::new(applied_item(&checked.desired, commit, seen.clone()));
            return Written::Settled { item, result: None, foundation: None };
        }
        Change::Rest(..) => return Written::Done,
        Change::Leave(why, seen) => return left(&checked, seen.clone(), known, commit, why),
        Change::Create => Action::Created,
        Change::Adopt(_) | Change::Configure(_) | Change::Recreate(..) => Action::Configured,
    };
    let Some(access) = access else {
        let why = "not written: nobody asked for it".to_owned();
        return Written::Left(skipped(&checked, why));
    };
    failpoint("write:before");
    let applied_before = known.is_some_and(|item| item.hash.is_some());
    let gate = || access.gate();
    let done = put(scene, &scene.cluster.writer(&gate), &checked, applied_before).await;
    failpoint("write:after");
    let object = checked.desired.key.clone();
    match done {
        Ok(live) => {
            if known.is_some_and(|item| item.is_made_from(&checked.desired.hash)) {
                note_put_back(scene, &checked);
            }
            let seen = Seen::of(scene, &checked.desired.resource, &live).await;
            let item = Box::new(applied_item(&checked.desired, commit, seen));
            let message = (!checked.warnings.is_empty()).then(|| checked.warnings.join("; "));
            let result = Some(ObjectResult { object, action, fields: checked.paths(), message });
            let foundation = is_foundation(&checked.desired).then(|| Box::new(checked.desired));
            Written::Settled { item, result, foundation }
        }
        Err(ClusterError::Stopped(stop)) => Written::Stopped(stop),
        Err(error) => {
            let as_applied = known.is_some_and(|item| item.is_made_from(&checked.desired.hash));
            Written::Failed(Refused::by_cluster(&checked.desired, &error, as_applied))
        }
    }
}

fn skipped(checked: &Checked, why: String) -> ObjectResult {
    ObjectResult {
        object: checked.desired.key.clone(),
        action: Action::Skipped,
        fields: checked.paths(),
        message: Some(why),
    }
}

/// What was put back although no commit changed it may be a fight. What a person asks for is none.
fn note_put_back(scene: &Scene<'_>, checked: &Checked) {
    if scene.trigger().is_person() {
        return;
    }
    let (application, now) = (&scene.application, scene.context.store.now());
    let (object, before) = (&checked.desired.key, checked.change.live());
    let fights = &scene.context.fights;
    let paths = checked.paths();
    fights.put_back(&application.cluster, &application.name, object, before, &paths, now);
}

/// An object that is left as it is: still ours if it was, and not looked at again until it changes.
fn left(
    checked: &Checked,
    seen: Option<Seen>,
    known: Option<&InventoryItem>,
    commit: &CommitId,
    why: &str,
) -> Written {
    let result = skipped(checked, why.to_owned());
    if seen.is_none() && known.is_some_and(InventoryItem::is_done) {
        return Written::Done;
    }
    // An intended row proves nothing: the process may have ended before the write.
    let held = known.is_some_and(|item| item.hash.is_some());
    if !held && !seen.as_ref().is_some_and(|seen| seen.ours) {
        return if known.is_some() { Written::NotOurs(result) } else { Written::Left(result) };
    }
    let item = match seen {
        Some(seen) => applied_item(&checked.desired, commit, seen),
        None => InventoryItem {
            hash: Some(checked.desired.hash.clone()),
            ..item(&checked.desired, commit)
        },
    };
    Written::Settled { item: Box::new(item), result: Some(result), foundation: None }
}

/// The writes themselves. Each of them passes the gate of the writer: what comes after a wait may
/// not be written any more.
async fn put(
    scene: &Scene<'_>,
    writer: &Writer<'_>,
    checked: &Checked,
    applied_before: bool,
) -> Result<Value, ClusterError> {
    let desired = &checked.desired;
    let asked = desired.directives().apply;
    match &checked.change {
        Change::Recreate(deletion, _) => usable::recreate(scene, writer, desired, deletion).await?,
        Change::Adopt(live) => {
            return writer.adopt(desired, live).await;
        }
        Change::Configure(live) if asked != directives::ApplyMode::Merge && !applied_before => {
            writer.take_over(desired, live).await?;
            failpoint("take-over:after");
        }
        _ => {}
    }
    if let (Change::Configure(live), false) = (&checked.change, checked.obstacles.is_empty()) {
        writer.clear(desired, live, &checked.obstacles).await?;
    }
    let applied = if asked == directives::ApplyMode::IfNotPresent {
        writer.create(desired).await?
    } else {
        writer.apply(desired, force(asked)).await?
    };
    Ok(applied.object)
}

/// The inventory row of an object as the API server returned it.
fn applied_item(desired: &Desired, commit: &CommitId, seen: Seen) -> InventoryItem {
    let Seen { uid, resource_version, generation, health, terminating, ours: _ } = seen;
    // What goes is not what was applied, however it was written: it is made when it has gone. Not so a
    // Job, which may go because it is done: whether it is, its watch sees.
    let lost = terminating && !desired.key.is("batch", "Job");
    InventoryItem {
        hash: (!lost).then(|| desired.hash.clone()),
        uid,
        resource_version,
        generation,
        health: health.status,
        health_reason: health.reason,
        ..item(desired, commit)
    }
}
