//! Healing while the wanted commit cannot be applied: each drifted object is put back to what was
//! last applied for it.

use std::collections::{BTreeMap, HashMap, HashSet};

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

/// Whether what drifted is put back, or told, although the sync itself failed. A person's sync that
/// failed has done nothing of what was asked, and what nobody asked for it does only where that is
/// done unasked.
pub(super) fn is_due(scene: &Scene<'_>, drifted: &HashSet<ObjectKey>) -> bool {
    let unasked = scene.heals_unasked() || !scene.trigger().is_person();
    !drifted.is_empty() && !scene.options().dry_run && unasked
}

/// Puts the drifted objects back, from the commits that they were applied from. The mirror has
/// those, so this works while Git is down. A commit that cannot be put back holds up no other one;
/// the first error is returned.
pub(super) async fn heal(
    scene: &Scene<'_>,
    record: &mut Record,
    drifted: &HashSet<ObjectKey>,
) -> Result<(), SyncError> {
    let mut commits: BTreeMap<CommitId, HashMap<ObjectKey, String>> = BTreeMap::new();
    for item in untouched(scene, record).await? {
        let InventoryItem { object, commit, hash, kept, .. } = item;
        if let (Some(hash), None, true) = (hash, kept, drifted.contains(&object)) {
            commits.entry(commit).or_default().insert(object, hash);
        }
    }
    // The failure of the wanted commit is told; refusals while healing come on top of it.
    let mut told = std::mem::take(&mut record.results);
    let mut healed = Ok(());
    for (commit, applied) in commits {
        let one = put_back(scene, record, &commit, &applied).await;
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

/// Puts objects back to what was applied for them from a commit, each named by its hash. What the
/// commit says of them by the settings of now may be something else, which nobody applied: that is
/// not for healing.
async fn put_back(
    scene: &Scene<'_>,
    record: &mut Record,
    commit: &CommitId,
    applied: &HashMap<ObjectKey, String>,
) -> Result<(), SyncError> {
    let rendered = scene.lease.unless_stopped(render::at(scene, record, commit)).await?;
    let mut desired = match rendered {
        // By the settings of now it is not there, or no longer manifests.
        Err(error) if error.is_of_git() => Vec::new(),
        rendered => rendered?,
    };
    desired.retain(|object| applied.get(&object.key) == Some(&object.hash));
    if desired.len() < applied.len() {
        tracing::info!(
            application = %scene.application.name, %commit, objects = applied.len() - desired.len(),
            "what drifted is left: its commit says something else of it by the settings of now"
        );
    }
    let keys: Vec<_> = desired.iter().map(|object| object.key.clone()).collect();
    let taken = scene.taken(&keys).await?;
    desired.retain(|object| !taken.contains_key(&object.key));
    let access = scene.access().filter(|_| scene.heals_unasked());
    for stage in order::stages(desired) {
        let checked = diff::dry_run(scene, record, commit, stage, &Taken::new()).await?;
        apply::apply(scene, access.as_ref(), record, commit, checked).await?;
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
