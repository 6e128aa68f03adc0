//! `/api/v1/applications`: what each application is, has and lacks.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::value::FollowedRevision;
use crate::config::{Application, Config};
use crate::domain::inventory::{ApplicationState, InventoryItem};
use crate::domain::name::ApplicationName;
use crate::domain::sync::{Failure, Sync, SyncOptions, SyncRequest, Trigger};
use crate::http::App;
use crate::http::api::overview::{ApplicationSummary, all, know};
use crate::http::auth::Caller;
use crate::http::extract::{Accepted, Payload, Segment};
use crate::http::problem::Problem;
use crate::store::Paged;

/// An application with what it owns.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ApplicationDetail {
    #[serde(flatten)]
    summary: ApplicationSummary,
    /// Why the last sync failed; null: it did not.
    last_error: Option<Failure>,
    /// Every object that it owns on its cluster.
    inventory: Vec<InventoryItem>,
}

/// `GET /api/v1/applications`
pub(in crate::http) async fn list(
    State(app): State<App>,
) -> Result<Json<Paged<ApplicationSummary>>, Problem> {
    let config = app.context.config.load();
    let known = all(&app, &config).await?;
    let items = known.iter().map(|known| ApplicationSummary::of(&config, known)).collect();
    Ok(Json(Paged { items, next: None }))
}

/// `GET /api/v1/applications/{name}`: with its inventory, object by object.
pub(in crate::http) async fn one(
    State(app): State<App>,
    Segment(name): Segment<ApplicationName>,
) -> Result<Json<ApplicationDetail>, Problem> {
    let config = app.context.config.load();
    let application = find(&config, &name)?;
    let store = &app.context.store;
    let state = store.application(&application.name).await?;
    let state = state.unwrap_or_else(|| ApplicationState::new(application.name.clone()));
    let inventory = store.inventory(&application.name, &application.cluster).await?;
    let known = know(&app.context, application, state).await?;
    let summary = ApplicationSummary::of(&config, &known);
    let last_error = known.last_sync.and_then(|sync| sync.error);
    Ok(Json(ApplicationDetail { summary, last_error, inventory }))
}

fn find(config: &Config, name: &ApplicationName) -> Result<Arc<Application>, Problem> {
    let application = config.applications.get(name);
    application.cloned().ok_or_else(|| Problem::not_found(format!("application {name}")))
}

/// Longest revision that is taken, in characters; a ref has a few dozen.
const REVISION_MAX: usize = 255;

/// What is asked of a sync beyond the configuration.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "SyncRequest")]
pub(in crate::http) struct SyncBody {
    /// A revision instead of the configured one: a branch, a tag, a range of versions or a commit.
    revision: Option<String>,
    /// Only say what would be done.
    dry_run: bool,
    /// Prune, or do not, whatever the configuration says.
    prune: Option<bool>,
    /// Take over what another installation holds of what Git names.
    adopt: bool,
}

/// Refuses what cannot be a revision, by the rules of the configuration.
fn named_revision(text: &str) -> Result<(), String> {
    if text.chars().count() > REVISION_MAX {
        return Err(format!("revision: it has more than {REVISION_MAX} characters"));
    }
    let read = text.parse::<FollowedRevision>();
    read.map(drop).map_err(|refusal| format!("revision: {refusal}"))
}

/// `POST /api/v1/applications/{name}/sync`
pub(in crate::http) async fn sync(
    State(app): State<App>,
    Segment(name): Segment<ApplicationName>,
    Extension(Caller(actor)): Extension<Caller>,
    Payload(body): Payload<SyncBody>,
) -> Result<Accepted<Sync>, Problem> {
    let config = app.context.config.load();
    let application = find(&config, &name)?;
    if let Some(revision) = &body.revision {
        named_revision(revision).map_err(Problem::bad_request)?;
    }
    let SyncBody { revision, dry_run, prune, adopt } = body;
    let options = SyncOptions { revision, dry_run, prune, adopt };
    let request = SyncRequest {
        application: application.name.clone(),
        trigger: Trigger::Manual,
        actor: Some(actor),
        options,
    };
    let enqueued = app.context.store.enqueue(request).await?;
    let sync = app.context.store.sync(enqueued.id).await?;
    let sync = sync.ok_or_else(|| Problem::not_found(format!("sync {}", enqueued.id)))?;
    Ok(Accepted(sync))
}
