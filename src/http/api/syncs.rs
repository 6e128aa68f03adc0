//! `/api/v1/syncs`: the history, and what a person can do to one sync.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::sync::Sync;
use crate::http::App;
use crate::http::api::{self, page, parse, parse_id, parse_word};
use crate::http::auth::Caller;
use crate::http::problem::Problem;
use crate::store::{Approval, Cancellation, SyncFilter};

#[derive(Deserialize)]
pub(in crate::http) struct ListQuery {
    application: Option<String>,
    state: Option<String>,
    trigger: Option<String>,
    commit: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// `GET /api/v1/syncs`
pub(in crate::http) async fn list(
    State(app): State<App>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, Problem> {
    let filter = SyncFilter {
        application: query.application.map(|name| parse("application", &name)).transpose()?,
        state: query.state.map(|state| parse_word("state", &state)).transpose()?,
        trigger: query.trigger.map(|trigger| parse_word("trigger", &trigger)).transpose()?,
        commit: query.commit.map(|commit| parse("commit", &commit)).transpose()?,
    };
    let page = page(query.limit, query.cursor)?;
    Ok(api::list(&app.context.store.syncs(&filter, page).await?))
}

async fn find(app: &App, id: &str) -> Result<Sync, Problem> {
    let sync = app.context.store.sync(parse_id("sync", id)?).await?;
    sync.ok_or_else(|| Problem::not_found(format!("sync {id}")))
}

/// `GET /api/v1/syncs/{id}`: with the result of every object.
pub(in crate::http) async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let sync = find(&app, &id).await?;
    let objects = app.context.store.results(sync.id).await?;
    let mut shown = json!(sync);
    shown["objects"] = json!(objects);
    Ok(Json(shown))
}

/// `POST /api/v1/syncs/{id}/approve`: lets a blocked sync do exactly what it showed.
pub(in crate::http) async fn approve(
    State(app): State<App>,
    Path(id): Path<String>,
    Extension(Caller(actor)): Extension<Caller>,
) -> Result<(StatusCode, Json<Sync>), Problem> {
    let approval = app.context.store.approve(parse_id("sync", &id)?, &actor).await?;
    match approval {
        Approval::Approved => {
            tracing::info!(sync = id, actor, "the plan of a blocked sync was approved");
            app.context.queue.ring();
            Ok((StatusCode::ACCEPTED, Json(find(&app, &id).await?)))
        }
        Approval::NotFound => Err(Problem::not_found(format!("sync {id}"))),
        Approval::NotBlocked(state) => Err(Problem::new(
            StatusCode::CONFLICT,
            format!("sync {id} is {}, not Blocked: there is nothing to approve", state.as_str()),
        )),
    }
}

/// `POST /api/v1/syncs/{id}/cancel`: stops a running sync between two objects.
pub(in crate::http) async fn cancel(
    State(app): State<App>,
    Path(id): Path<String>,
    Extension(Caller(actor)): Extension<Caller>,
) -> Result<(StatusCode, Json<Sync>), Problem> {
    match app.context.store.cancel(parse_id("sync", &id)?, &actor).await? {
        Cancellation::NotFound => Err(Problem::not_found(format!("sync {id}"))),
        Cancellation::Ended(state) => Err(Problem::new(
            StatusCode::CONFLICT,
            format!("sync {id} is {} already", state.as_str()),
        )),
        Cancellation::Cancelled | Cancellation::Requested => {
            tracing::info!(sync = id, actor, "a sync was cancelled");
            app.context.queue.ring();
            Ok((StatusCode::ACCEPTED, Json(find(&app, &id).await?)))
        }
    }
}
