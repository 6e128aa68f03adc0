//! The hand-over: an object that moves from one application to another is not deleted before the
//! other one has it. Git itself says what the other one takes, so it does not matter what keeps
//! that from taking it: its place in the queue, a failure, or a person's yes.

use std::collections::{HashMap, HashSet};

use crate::config::Application;
use crate::domain::commit::CommitId;
use crate::domain::directives::{self, ApplyMode};
use crate::domain::inventory::{ApplicationState, InventoryItem, Kept};
use crate::domain::name::ApplicationName;
use crate::domain::object::ObjectKey;
use crate::domain::plan;
use crate::domain::prune::Claims;
use crate::source::error::{SourceError, TreeProblem};
use crate::sync::error::SyncError;
use crate::sync::fetch;
use crate::sync::render;
use crate::sync::scene::Scene;

/// Asks the inventories, and Git for what the applications that are not at this commit yet name
/// there. Only those that are led to the same commit are asked: nobody else takes part in a move.
pub(super) async fn claims(
    scene: &Scene<'_>,
    commit: &CommitId,
    objects: &[ObjectKey],
) -> Result<Claims, SyncError> {
    let mut claims = Claims::default();
    for owner in scene.other_owners(objects).await? {
        if owner.applied {
            claims.taken.insert(owner.object, owner.application);
        } else {
            let why = format!("application {} takes it over", owner.application);
            claims.expected.insert(owner.object, why);
        }
    }
    claims.expected.retain(|object, _| !claims.taken.contains_key(object));
    for key in objects.iter().filter(|key| key.is("", "Namespace")) {
        if let Some(other) = lives_in(scene, key) {
            let why = format!("application {other} lives in it");
            claims.expected.entry(key.clone()).or_insert(why);
        }
    }
    claims.expected.retain(|object, _| !claims.taken.contains_key(object));
    let mut open: Vec<_> =
        objects.iter().filter(|object| !claims.taken.contains_key(*object)).collect();
    if open.is_empty() {
        return Ok(claims);
    }
    let states = scene.context.store.applications().await?;
    let states: HashMap<_, _> = states.iter().map(|state| (&state.name, state)).collect();
    for other in neighbours(scene) {
        open.retain(|object| !claims.expected.contains_key(*object));
        if open.is_empty() {
            break;
        }
        if !follows_along(scene, other).await
            || is_settled(scene, other, states.get(&other.name).copied(), commit).await
        {
            continue;
        }
        let (name, short) = (&other.name, commit.short());
        let (named, why) = match named(scene, other, commit).await {
            Ok(keys) => (Some(keys), format!("application {name} takes it over at {short}")),
            Err(SyncError::Source(SourceError::Tree {
                problem: TreeProblem::PathNotFound { .. },
                ..
            })) => continue,
            Err(_) => {
                let why = "its files cannot be read";
                (None, format!("application {name} may take it over: {why} at {short}"))
            }
        };
        for object in &open {
            if named.as_ref().is_none_or(|keys| keys.contains(*object)) {
                claims.expected.insert((*object).clone(), why.clone());
            }
        }
    }
    Ok(claims)
}

/// Another application whose objects go into a namespace: they would go with it.
fn lives_in<'a>(scene: &'a Scene<'_>, namespace: &ObjectKey) -> Option<&'a ApplicationName> {
    let applications = scene.config.applications.values();
    let mut others = applications.filter(|other| {
        other.name != scene.application.name
            && other.cluster == scene.application.cluster
            && other.namespace.as_deref() == Some(namespace.name.as_str())
    });
    others.next().map(|other| &other.name)
}

/// Lets go what waits for another application and need not any more: it is pruned next.
pub(super) async fn let_go(
    scene: &Scene<'_>,
    commit: &CommitId,
    stale: &mut [InventoryItem],
) -> Result<(), SyncError> {
    let mut waiting: Vec<_> =
        stale.iter_mut().filter(|item| item.kept == Some(Kept::ForNeighbour)).collect();
    if waiting.is_empty() || !scene.prunes() {
        return Ok(());
    }
    let keys: Vec<_> = waiting.iter().map(|item| item.object.clone()).collect();
    let claims = claims(scene, commit, &keys).await?;
    for item in &mut waiting {
        if !claims.expected.contains_key(&item.object) {
            item.kept = Some(Kept::UntilHealthy);
        }
    }
    Ok(())
}

/// The other applications of the cluster whose files are in the same repository, by whatever name.
fn neighbours<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = &'a Application> {
    let (ours, repositories) = (&scene.application, &scene.config.repositories);
    scene.config.applications.values().map(|other| &**other).filter(|other| {
        other.name != ours.name
            && other.cluster == ours.cluster
            && repositories
                .get(&other.repository)
                .is_some_and(|repository| repository.url == scene.repository.url)
    })
}

/// Whether what another application follows is what ours does: the same revision, or one that leads
/// to the same commit now (`main` and `refs/heads/main`).
async fn follows_along(scene: &Scene<'_>, other: &Application) -> bool {
    let ours = &scene.application;
    if other.revision == ours.revision {
        return true;
    }
    let resolve = |revision| scene.context.source.resolve(&scene.repository, revision);
    let (theirs, ours) = tokio::join!(resolve(&other.revision), resolve(&ours.revision));
    matches!((theirs, ours), (Ok(theirs), Ok(ours)) if theirs.id == ours.id)
}

/// Whether the inventory of an application says all that it names at a commit: its last complete
/// apply was made from what that commit means for it as it is configured now.
async fn is_settled(
    scene: &Scene<'_>,
    other: &Application,
    state: Option<&ApplicationState>,
    commit: &CommitId,
) -> bool {
    let Some(state) = state else { return false };
    let inputs = fetch::inputs(scene, other, other.sync.prune, commit).await;
    inputs.is_ok_and(|inputs| state.was_made_from(&inputs))
}

/// What an application names at a commit.
async fn named(
    scene: &Scene<'_>,
    other: &Application,
    commit: &CommitId,
) -> Result<HashSet<ObjectKey>, SyncError> {
    let mut manifests = render::manifests(scene, other, commit).await?;
    // Who is to leave an object alone does not take it.
    manifests.retain(|manifest| {
        directives::read(&manifest.value).map_or(true, |asked| asked.apply != ApplyMode::Ignore)
    });
    let mut keys = plan::possible_keys(&manifests, other.namespace.as_deref());
    if other.sync.create_namespace.is_some() {
        keys.extend(other.namespace.as_deref().map(ObjectKey::of_namespace));
    }
    Ok(keys)
}
