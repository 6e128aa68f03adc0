//! The render stage: the files of a commit become the objects that are sent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::config::Application;
use crate::domain::account::Account;
use crate::domain::commit::CommitId;
use crate::domain::manifest::{Desired, Manifest, Origin};
use crate::domain::object::{GroupVersionKind, ObjectKey};
use crate::domain::resolve;
use crate::domain::sync::Phase;
use crate::render::plain;
use crate::sync::error::SyncError;
use crate::sync::record::Record;
use crate::sync::scene::Scene;

/// Longest time that reading the manifests of an application may take: hundred times what the
/// largest known ones do.
const RENDER_TIME_MAX: Duration = Duration::from_mins(1);

/// Reads the application's path at a commit.
pub(super) async fn render(
    scene: &Scene<'_>,
    record: &mut Record,
    commit: &CommitId,
) -> Result<Vec<Desired>, SyncError> {
    record.time(Phase::Render, objects(scene, commit)).await
}

/// The manifests of any application of the same repository. All that it takes, from the trees of the
/// commit to the last value, is charged to one account.
pub(super) async fn manifests(
    scene: &Scene<'_>,
    application: &Application,
    commit: &CommitId,
) -> Result<Vec<Manifest>, SyncError> {
    let source = &scene.context.source;
    let read = async |account: Arc<Account>| {
        let files = source.read(&scene.repository, commit, &application.path, &account).await?;
        // Parsing is work for a core, not for the tasks that wait.
        match tokio::task::spawn_blocking(move || plain::render(files, &account)).await {
            Ok(manifests) => manifests.map_err(SyncError::Render),
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
    source.account(in_time).await
}

/// The objects of the application at a commit.
pub(super) async fn objects(
    scene: &Scene<'_>,
    commit: &CommitId,
) -> Result<Vec<Desired>, SyncError> {
    let application = &scene.application;
    let mut manifests = manifests(scene, application, commit).await?;
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
