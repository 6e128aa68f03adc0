//! What is known of renders at a commit without rendering: an earlier one of the same footprint says
//! all of it.

use std::collections::HashMap;

use crate::config::Application;
use crate::domain::commit::CommitId;
use crate::domain::footprint::digest_of;
use crate::domain::name::ApplicationName;
use crate::domain::plan::Inputs;
use crate::render;
use crate::store::KeptRender;
use crate::sync::error::SyncError;
use crate::sync::scene::Scene;

/// Those of the renders that were kept of these applications that one at this commit would be equal
/// to. One question to the store and one to Git, however many applications there are.
pub(super) async fn at(
    scene: &Scene<'_>,
    applications: &[&Application],
    commit: &CommitId,
) -> Result<HashMap<ApplicationName, KeptRender>, SyncError> {
    let settings: HashMap<_, _> = applications
        .iter()
        .map(|application| (&application.name, render_settings(application)))
        .collect();
    let names: Vec<_> = applications.iter().map(|application| &application.name).collect();
    let mut kept = scene.context.store.renders(&names).await?;
    kept.retain(|render| {
        settings.get(&render.application) == Some(&render.settings)
            && render::is_current(&render.footprint)
    });
    if kept.is_empty() {
        return Ok(HashMap::new());
    }
    let looked_at = kept.iter().map(|render| render.footprint.paths.clone()).collect();
    let source = &scene.context.source;
    let stayed = source.have_stayed(&scene.repository, commit, looked_at).await?;
    let holding = kept.into_iter().zip(stayed).filter(|(_, stayed)| *stayed);
    Ok(holding.map(|(render, _)| (render.application.clone(), render)).collect())
}

/// The settings that decide what an application names, in one digest.
pub(super) fn render_settings(application: &Application) -> String {
    let namespace = application.namespace.as_deref().unwrap_or_default();
    let made = format!("{:?}", application.sync.create_namespace.is_some());
    digest_of(&[&application.path, namespace, &made])
}

/// What decides what a commit means for an application of the repository, beside what it renders to.
pub(super) fn inputs(scene: &Scene<'_>, application: &Application, prunes: bool) -> Inputs {
    let namespace = application.namespace.as_deref().unwrap_or_default();
    let labels = format!("{:?}", application.sync.create_namespace);
    // What a refusal depends on beside Git counts as well: it is not to be held against a commit
    // after the configuration was put right.
    let rules = format!(
        "{prunes} {} {:?} {:?}",
        application.sync.allow_empty,
        application.sync.prune_limit,
        scene.config.clusters.get(&application.cluster).map(|cluster| &cluster.access),
    );
    Inputs::before_the_render(&[
        application.path.as_str(),
        application.cluster.as_str(),
        namespace,
        scene.config.server.instance.as_str(),
        &labels,
        &rules,
    ])
}
