//! The render stage: the files of a commit become the objects that are sent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::config::Application;
use crate::domain::account::Account;
use crate::domain::commit::CommitId;
use crate::domain::directives::{self, ApplyMode};
use crate::domain::footprint::{Names, Render};
use crate::domain::manifest::{Desired, Manifest, Origin};
use crate::domain::object::{GroupVersionKind, ObjectKey};
use crate::domain::plan;
use crate::domain::resolve;
use crate::domain::sync::{FailureCause, Phase};
use crate::render::{Rendered, Renderer};
use crate::source::Read;
use crate::source::error::{SourceError, TreeProblem};
use crate::sync::error::SyncError;
use crate::sync::fetch::Target;
use crate::sync::known;
use crate::sync::record::Record;
use crate::sync::scene::Scene;

/// Longest time that reading the manifests of an application may take: hundred times what the
/// largest known ones do.
const RENDER_TIME_MAX: Duration = Duration::from_mins(1);

/// Renders what a sync brings its application to; from then on it is known in full what its commit
/// means. What failed for its bytes alone fails again without being rendered, unless a person asks.
pub(super) async fn render(
    scene: &Scene<'_>,
    record: &mut Record,
    target: &mut Target,
) -> Result<Vec<Desired>, SyncError> {
    if let Some(failure) = target.failure.take().filter(|_| !scene.trigger().is_person()) {
        record.phase = Phase::Render;
        return Err(SyncError::RenderedBefore(*failure));
    }
    let commit = &target.commit.id;
    let work = async {
        let Rendering { manifests, kept } = manifests(scene, &scene.application, commit).await;
        let desired = match manifests {
            Ok(manifests) => resolved(scene, commit, manifests).await,
            Err(error) => Err(error),
        };
        (desired, kept)
    };
    let (desired, kept) = record.time(Phase::Render, work).await;
    if let Some(kept) = kept {
        target.inputs = target.inputs.made_from(kept.footprint.digest());
        record.inputs = Some(target.inputs.clone());
        record.render = Some(kept);
    }
    desired
}

/// Renders the application at a commit that the sync does not bring it to.
pub(super) async fn at(
    scene: &Scene<'_>,
    record: &mut Record,
    commit: &CommitId,
) -> Result<Vec<Desired>, SyncError> {
    record.time(Phase::Render, objects(scene, commit)).await
}

/// The objects of the application at a commit.
pub(super) async fn objects(
    scene: &Scene<'_>,
    commit: &CommitId,
) -> Result<Vec<Desired>, SyncError> {
    let manifests = manifests(scene, &scene.application, commit).await.manifests?;
    resolved(scene, commit, manifests).await
}

/// What came of reading and rendering an application's files.
pub(super) struct Rendering {
    /// The manifests.
    manifests: Result<Vec<Manifest>, SyncError>,
    /// What is to be kept of it; none: something beside the commit has failed.
    pub(super) kept: Option<Render>,
}

/// The manifests of any application of the same repository. All that it takes, from the trees of the
/// commit to the last value, is charged to one account.
pub(super) async fn manifests(
    scene: &Scene<'_>,
    application: &Arc<Application>,
    commit: &CommitId,
) -> Rendering {
    scene.context.metrics.rendered(application.name.as_str());
    let source = &scene.context.source;
    let read = async |account: Arc<Account>| {
        let read = source.read(&scene.repository, commit, &application.path, &account).await?;
        let application = application.clone();
        // Parsing is work for a core, not for the tasks that wait.
        match tokio::task::spawn_blocking(move || rendering(&application, read, &account)).await {
            Ok(rendering) => Ok(rendering),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    };
    let late = |_| {
        let (path, seconds) = (application.path.clone(), RENDER_TIME_MAX.as_secs());
        SyncError::RenderTime { path, seconds }
    };
    // Where others are read first, the time begins after that.
    let in_time =
        async |account| tokio::time::timeout(RENDER_TIME_MAX, read(account)).await.map_err(late)?;
    let failed = |error| Rendering { manifests: Err(error), kept: None };
    source.account(in_time).await.unwrap_or_else(failed)
}

fn rendering(application: &Application, read: Read, account: &Account) -> Rendering {
    let renderer = Renderer::Plain;
    let (footprint, manifests) = match read.files {
        Ok(files) => {
            let Rendered { manifests, footprint } = renderer.render(files, read.paths, account);
            (footprint, manifests.map_err(SyncError::Render))
        }
        Err(error) => (renderer.footprint(read.paths), Err(error.into())),
    };
    let (names, failure) = match &manifests {
        Ok(manifests) => (Some(names(application, manifests)), None),
        Err(SyncError::Source(SourceError::Tree {
            problem: TreeProblem::PathNotFound { .. },
            ..
        })) => (Some(Names::default()), None),
        Err(error) if error.cause() != FailureCause::Commit => {
            return Rendering { manifests, kept: None };
        }
        Err(error @ SyncError::Render(_)) => (None, Some(error.failure(Phase::Render))),
        // It names the commit.
        Err(_) => (None, None),
    };
    let settings = known::render_settings(application);
    Rendering { manifests, kept: Some(Render { settings, footprint, names, failure }) }
}

/// What an application names by these manifests.
fn names(application: &Application, manifests: &[Manifest]) -> Names {
    let namespace = application.namespace.as_deref();
    // Who is to leave an object alone does not take it.
    let takes = |manifest: &&Manifest| {
        directives::read(&manifest.value).map_or(true, |asked| asked.apply != ApplyMode::Ignore)
    };
    let mut keys = plan::possible_keys(manifests.iter().filter(takes), namespace);
    if application.sync.create_namespace.is_some() {
        keys.extend(namespace.map(ObjectKey::of_namespace));
    }
    keys.iter().collect()
}

/// The objects of manifests.
async fn resolved(
    scene: &Scene<'_>,
    commit: &CommitId,
    mut manifests: Vec<Manifest>,
) -> Result<Vec<Desired>, SyncError> {
    let application = &scene.application;
    if manifests.is_empty() && !application.sync.allow_empty {
        let path = application.path.clone();
        return Err(SyncError::Empty { path, commit: commit.short().to_owned() });
    }
    manifests.extend(own_namespace(scene, &manifests).await?);
    let declared = resolve::declared_resources(&manifests);
    let kinds: BTreeSet<_> = resolve::kinds(&manifests)
        .into_iter()
        .filter(|kind| !declared.contains_key(kind))
        .map(|kind| (kind.group, kind.version, kind.kind))
        .collect();
    let known = scene.cluster.resources(&kinds).await.map_err(scene.cluster_error())?;
    let resource_of = |group: &str, version: &str, kind: &str| {
        let name = (group.to_owned(), version.to_owned(), kind.to_owned());
        known.get(&name).cloned().or_else(|| {
            let (group, version, kind) = name;
            declared.get(&GroupVersionKind { group, version, kind }).cloned()
        })
    };
    resolve::resolve(
        manifests,
        resource_of,
        application.namespace.as_deref(),
        &application.name,
        &scene.installation,
    )
    .map_err(SyncError::Manifests)
}

/// The application's namespace, if it is to be made, and neither Git nor another application has
/// it. Applications may share a namespace: the first makes it.
async fn own_namespace(
    scene: &Scene<'_>,
    manifests: &[Manifest],
) -> Result<Option<Manifest>, SyncError> {
    let application = &scene.application;
    let (Some(labels), Some(name)) = (&application.sync.create_namespace, &application.namespace)
    else {
        return Ok(None);
    };
    let declared = manifests.iter().any(|manifest| {
        manifest.value["kind"] == "Namespace" && manifest.value["metadata"]["name"] == **name
    });
    let key = ObjectKey::of_namespace(name);
    if declared || !scene.taken(std::slice::from_ref(&key)).await?.is_empty() {
        return Ok(None);
    }
    let mut value = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    if !labels.is_empty() {
        value["metadata"]["labels"] = json!(labels);
    }
    let file = Arc::from(format!("(createNamespace of application {})", scene.application.name));
    Ok(Some(Manifest { origin: Origin { file, line: 1 }, value }))
}
