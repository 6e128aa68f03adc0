//! Healing while the wanted commit cannot be applied: each drifted object is put back to what was
//! last applied for it.

use std::collections::{BTreeMap, HashSet};

use crate::domain::commit::CommitId;
use crate::domain::inventory::InventoryItem;
use crate::domain::object::ObjectKey;
use crate::domain::order;
use crate::domain::sync::Action;
use crate::sync::apply;
use crate::sync::diff;
use crate::sync::error::SyncError;
use crate::sync::record::Record;
use crate::sync::render;
use crate::sync::scene::{Scene, Taken};

/// Puts the drifted objects back, from the commits that they were applied from. The mirror has
/// those, so this works while Git is down. A commit that cannot be put back holds up no other one;
/// the first error is returned.
pub(super) async fn heal(
    scene: &Scene<'_>,
    record: &mut Record,
    drifted: &HashSet<ObjectKey>,
) -> Result<(), SyncError> {
    let mut commits: BTreeMap<CommitId, HashSet<ObjectKey>> = BTreeMap::new();
    for item in untouched(scene, record).await? {
        if item.hash.is_some() && item.kept.is_none() && drifted.contains(&item.object) {
            commits.entry(item.commit).or_default().insert(item.object);
        }
    }
    // The failure of the wanted commit is told; refusals while healing come on top of it.
    let mut told = std::mem::take(&mut record.results);
    let mut healed = Ok(());
    for (commit, keys) in commits {
        let one = put_back(scene, record, &commit, &keys).await;
        told.append(&mut record.results);
        if matches!(one, Err(SyncError::Stopped(_))) {
            healed = one;
            break;
        }
        healed = healed.and(one);
    }
    record.results = told;
    healed
}

/// Puts objects back to what a commit says of them.
async fn put_back(
    scene: &Scene<'_>,
    record: &mut Record,
    commit: &CommitId,
    keys: &HashSet<ObjectKey>,
) -> Result<(), SyncError> {
    let mut desired = scene.lease.unless_stopped(render::render(scene, record, commit)).await??;
    desired.retain(|object| keys.contains(&object.key));
    for stage in order::stages(desired) {
        let checked = diff::dry_run(scene, record, commit, stage, &Taken::new()).await?;
        apply::apply(scene, record, commit, checked).await?;
    }
    Ok(())
}

/// The rows of the inventory that this run has not written: what it has is newer than what was
/// applied before, and must not be taken back.
async fn untouched(scene: &Scene<'_>, record: &Record) -> Result<Vec<InventoryItem>, SyncError> {
    let before = scene.owned();
    let tried: HashSet<&ObjectKey> = record
        .results
        .iter()
        .filter(|result| !matches!(result.action, Action::Skipped | Action::Unchanged))
        .map(|result| &result.object)
        .collect();
    let application = &scene.application;
    let store = &scene.context.store;
    let mut now = store.inventory(&application.name, &application.cluster).await?;
    now.retain(|item| {
        let same = before
            .get(&item.object)
            .is_some_and(|before| before.hash == item.hash && before.commit == item.commit);
        same && !tried.contains(&item.object)
    });
    Ok(now)
}
