//! The fetch stage: the mirror is brought up to date, and the wanted commit found.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::commit::{Commit, Revision};
use crate::domain::plan::Inputs;
use crate::domain::sync::{Failure, Phase};
use crate::failpoint::failpoint;
use crate::sync::error::SyncError;
use crate::sync::known;
use crate::sync::record::Record;
use crate::sync::scene::Scene;

/// The commit that a sync brings its application to.
pub(super) struct Target {
    /// The commit.
    pub(super) commit: Commit,
    /// Whether it does not contain the commit that was applied before.
    pub(super) rewind: bool,
    /// What it means for this application, as far as that is known.
    pub(super) inputs: Inputs,
    /// Why it cannot be rendered, if that is known.
    pub(super) failure: Option<Box<Failure>>,
}

impl Target {
    /// Whether the last complete apply was made from the same inputs, so that neither rendering
    /// nor the cluster can tell anything new.
    pub(super) fn is_applied(&self, scene: &Scene<'_>) -> bool {
        scene.state.was_made_from(&self.inputs) && !scene.options().dry_run
    }
}

/// Fetches and resolves. A fetch that began after the sync was last asked for is good enough, so
/// that ten applications of one push cost one.
pub(super) async fn fetch(scene: &Scene<'_>, record: &mut Record) -> Result<Target, SyncError> {
    let target = record.time(Phase::Fetch, find(scene, scene.claim.sync.requested_at)).await?;
    record.commit = Some(target.commit.clone());
    record.rewind = target.rewind;
    record.inputs = Some(target.inputs.clone());
    Ok(target)
}

/// The commit that the sync's revision leads to, by a fetch that began at `since` or later.
pub(super) async fn find(scene: &Scene<'_>, since: Timestamp) -> Result<Target, SyncError> {
    let source = &scene.context.source;
    let repository = &scene.repository;
    let revision = match &scene.options().revision {
        Some(text) => Revision::parse(text),
        None => scene.application.revision.clone(),
    };
    let asked_for = scene.options().revision.is_some();
    // A host hands out by its id what is on no branch or tag: a commit of anybody's fork. So it is
    // looked for in what the repository shows, unless the configuration has it.
    let by_id = asked_for
        && matches!(revision, Revision::Commit(_))
        && revision != scene.application.revision;
    let mut revisions = revisions_in_use(scene);
    let fetched = if by_id { Revision::every() } else { revision.clone() };
    if !revisions.contains(&fetched) {
        revisions.push(fetched);
    }
    failpoint("fetch:before");
    source.fetch(repository, &revisions, since).await?;
    failpoint("fetch:after");
    let unresolved = |error| SyncError::unresolved(error, &revision, asked_for);
    let commit = source.resolve(repository, &revision).await.map_err(unresolved)?;
    if by_id {
        source.must_be_published(repository, &commit.id).await.map_err(unresolved)?;
    }
    // Pinned before anything refers to it, so that no force-push and no gc can take it away.
    source.pin(repository, std::slice::from_ref(&commit.id)).await?;
    failpoint("pin:after");
    let rewind = match &scene.state.applied {
        Some(applied) if applied.id != commit.id => {
            !source.contains(repository, &commit.id, &applied.id).await.unwrap_or(true)
        }
        _ => false,
    };
    let application = &scene.application;
    let inputs = known::inputs(scene, application, scene.prunes());
    let known = known::at(scene, &[application], &commit.id).await?.remove(&application.name);
    let (inputs, failure) = match known {
        Some(known) => (inputs.made_from(known.digest), known.failure.map(Box::new)),
        None => (inputs, None),
    };
    Ok(Target { commit, rewind, inputs, failure })
}

/// Every revision of the repository that any application follows: one fetch serves all.
fn revisions_in_use(scene: &Scene<'_>) -> Vec<Revision> {
    let mut seen = BTreeSet::new();
    scene
        .config
        .applications
        .values()
        .filter(|application| application.repository == scene.repository.name)
        .map(|application| application.revision.clone())
        .filter(|revision| seen.insert(format!("{revision:?}")))
        .collect()
}
