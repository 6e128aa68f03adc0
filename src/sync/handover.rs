//! The hand-over: an object that moves from one application to another is not deleted before the
//! other one has it. Git itself says what the other one takes, so it does not matter what keeps
//! that from taking it: its place in the queue, a failure, or a person's yes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::Application;
use crate::domain::commit::{CommitId, Revision};
use crate::domain::footprint::{Names, Render};
use crate::domain::inventory::{ApplicationState, InventoryItem, Kept};
use crate::domain::name::ApplicationName;
use crate::domain::object::ObjectKey;
use crate::domain::prune::Claims;
use crate::store::KeptRender;
use crate::sync::error::SyncError;
use crate::sync::homes;
use crate::sync::known;
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
    for key in objects {
        if let Some(owner) = Box::pin(homes::inhabitant(scene, key)).await? {
            let why = format!("{} of application {} is in it", owner.object, owner.application);
            claims.expected.entry(key.clone()).or_insert(why);
        }
    }
    claims.expected.retain(|object, _| !claims.taken.contains_key(object));
    let mut open: Vec<_> =
        objects.iter().filter(|object| !claims.taken.contains_key(*object)).collect();
    if open.is_empty() {
        return Ok(claims);
    }
    let mut neighbours = Neighbours::at(scene, commit).await?;
    for other in neighbours.following.clone() {
        open.retain(|object| !claims.expected.contains_key(*object));
        if open.is_empty() {
            break;
        }
        let (name, short) = (&other.name, commit.short());
        let (names, why) = match neighbours.say(other).await? {
            Says::ItsInventory => continue,
            Says::Names(names) => {
                (Some(names), format!("application {name} takes it over at {short}"))
            }
            Says::Nothing => {
                let why = "its files cannot be read";
                (None, format!("application {name} may take it over: {why} at {short}"))
            }
        };
        for object in &open {
            if names.as_ref().is_none_or(|names| names.has(object)) {
                claims.expected.insert((*object).clone(), why.clone());
            }
        }
    }
    neighbours.keep().await?;
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

/// The other applications of the cluster that are led to the same commit of the same repository.
struct Neighbours<'a> {
    scene: &'a Scene<'a>,
    commit: &'a CommitId,
    following: Vec<&'a Arc<Application>>,
    states: HashMap<ApplicationName, ApplicationState>,
    known: HashMap<ApplicationName, KeptRender>,
    /// Those that had to be rendered to know.
    rendered: Vec<(ApplicationName, Render)>,
}

/// What says what an application has, or will have, of a commit.
enum Says {
    /// Its inventory: its last complete apply was made from what that commit means for it as it is
    /// configured now.
    ItsInventory,
    /// What it names there.
    Names(Names),
    /// Nothing: its files cannot be read.
    Nothing,
}

impl<'a> Neighbours<'a> {
    async fn at(scene: &'a Scene<'a>, commit: &'a CommitId) -> Result<Self, SyncError> {
        let (ours, repositories) = (&scene.application, &scene.config.repositories);
        let others = scene.config.applications.values().filter(|other| {
            other.name != ours.name
                && other.cluster == ours.cluster
                && repositories
                    .get(&other.repository)
                    .is_some_and(|repository| repository.url == scene.repository.url)
        });
        let following = following(scene, others).await;
        let states = scene.context.store.applications().await?;
        let states = states.into_iter().map(|state| (state.name.clone(), state)).collect();
        let asked: Vec<_> = following.iter().map(|other| &***other).collect();
        let known = known::at(scene, &asked, commit).await?;
        Ok(Self { scene, commit, following, states, known, rendered: Vec::new() })
    }

    /// What one of them has there. Its files are rendered only if nobody has rendered the same before.
    async fn say(&mut self, other: &Arc<Application>) -> Result<Says, SyncError> {
        if let Some(known) = self.known.get(&other.name) {
            let inputs = known::inputs(self.scene, other, other.sync.prune);
            let inputs = inputs.made_from(known.digest.clone());
            if self.states.get(&other.name).is_some_and(|state| state.was_made_from(&inputs)) {
                return Ok(Says::ItsInventory);
            }
            let names = self.scene.context.store.names(known).await?;
            return Ok(names.map_or(Says::Nothing, Says::Names));
        }
        let kept = render::manifests(self.scene, other, self.commit).await.kept;
        let names = kept.as_ref().and_then(|kept| kept.names.clone());
        self.rendered.extend(kept.map(|kept| (other.name.clone(), kept)));
        Ok(names.map_or(Says::Nothing, Says::Names))
    }

    /// Keeps what was rendered for whoever asks next.
    async fn keep(self) -> Result<(), SyncError> {
        Ok(self.scene.context.store.keep_renders(&self.rendered).await?)
    }
}

/// Those applications that follow what ours does: the same revision, or one that leads to the same
/// commit now (`main` and `refs/heads/main`).
async fn following<'a>(
    scene: &Scene<'_>,
    others: impl Iterator<Item = &'a Arc<Application>>,
) -> Vec<&'a Arc<Application>> {
    let ours = &scene.application.revision;
    let resolve = |revision| scene.context.source.resolve(&scene.repository, revision);
    let mut same: HashMap<&Revision, bool> = HashMap::from([(ours, true)]);
    let mut following = Vec::new();
    for other in others {
        if !same.contains_key(&other.revision) {
            let (theirs, ours) = tokio::join!(resolve(&other.revision), resolve(ours));
            let follows = matches!((theirs, ours), (Ok(theirs), Ok(ours)) if theirs.id == ours.id);
            same.insert(&other.revision, follows);
        }
        if same.get(&other.revision) == Some(&true) {
            following.push(other);
        }
    }
    following
}
