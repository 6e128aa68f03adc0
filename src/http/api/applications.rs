//! `/api/v1/applications`: what each application is, has and lacks.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::{Application, Config};
use crate::domain::inventory::ApplicationState;
use crate::domain::sync::{Sync, SyncOptions, SyncRequest, Trigger};
use crate::http::App;
use crate::http::api::overview::{all, know, summary};
use crate::http::api::parse;
use crate::http::auth::Caller;
use crate::http::problem::Problem;

/// `GET /api/v1/applications`
pub(in crate::http) async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let config = app.context.config.load();
    let known = all(&app, &config).await?;
    let items: Vec<_> = known.iter().map(|known| summary(&config, known)).collect();
    Ok(Json(json!({"items": items, "next": null})))
}

/// `GET /api/v1/applications/{name}`: with its inventory, object by object.
pub(in crate::http) async fn one(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let config = app.context.config.load();
    let application = find(&config, &name)?;
    let store = &app.context.store;
    let state = store.application(&application.name).await?;
    let state = state.unwrap_or_else(|| ApplicationState::new(application.name.clone()));
    let inventory = store.inventory(&application.name, &application.cluster).await?;
    let known = know(store, application, state).await?;
    let mut shown = summary(&config, &known);
    shown["lastError"] = json!(known.last_sync.as_ref().and_then(|sync| sync.error.as_ref()));
    shown["inventory"] = json!(inventory);
    Ok(Json(shown))
}

fn find(config: &Config, name: &str) -> Result<Arc<Application>, Problem> {
    let application = config.applications.get(&parse("application", name)?);
    application.cloned().ok_or_else(|| Problem::not_found(format!("application {name}")))
}

/// The body of a request for a sync.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::http) struct SyncBody {
    revision: Option<String>,
    dry_run: bool,
    prune: Option<bool>,
}

/// `POST /api/v1/applications/{name}/sync`
pub(in crate::http) async fn sync(
    State(app): State<App>,
    Path(name): Path<String>,
    Extension(Caller(actor)): Extension<Caller>,
    body: String,
) -> Result<(StatusCode, Json<Sync>), Problem> {
    let config = app.context.config.load();
    let application = find(&config, &name)?;
    let body: SyncBody = if body.trim().is_empty() {
        SyncBody::default()
    } else {
        serde_json::from_str(&body).map_err(|error| Problem::bad_request(error.to_string()))?
    };
    let options = SyncOptions { revision: body.revision, dry_run: body.dry_run, prune: body.prune };
    let request = SyncRequest {
        application: application.name.clone(),
        trigger: Trigger::Manual,
        actor: Some(actor),
        options,
    };
    let enqueued = app.context.queue.enqueue(request).await?;
    let sync = app.context.store.sync(enqueued.id).await?;
    let sync = sync.ok_or_else(|| Problem::not_found(format!("sync {}", enqueued.id)))?;
    Ok((StatusCode::ACCEPTED, Json(sync)))
}
