//! `/api/v1/syncs`: the history, and what a person can do to one sync.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::commit::CommitId;
use crate::domain::name::{ApplicationName, SyncId};
use crate::domain::sync::{ObjectResult, Sync, SyncState, Trigger};
use crate::http::App;
use crate::http::api::PageQuery;
use crate::http::auth::Caller;
use crate::http::extract::{Accepted, Payload, Query, Segment};
use crate::http::problem::Problem;
use crate::store::{Approval, Cancellation, Paged, SyncFilter};

/// Which syncs to list.
#[derive(Deserialize, JsonSchema)]
pub(in crate::http) struct FilterQuery {
    /// Only those of this application.
    application: Option<ApplicationName>,
    /// Only those in this state.
    state: Option<SyncState>,
    /// Only those that this asked for.
    trigger: Option<Trigger>,
    /// Only those to this commit, by its full id.
    commit: Option<CommitId>,
}

/// A sync with what became of its objects.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct SyncDetail {
    #[serde(flatten)]
    sync: Sync,
    /// What became of each object, in the order of the work. Unchanged ones are only counted, in
    /// `summary`.
    objects: Vec<ObjectResult>,
}

/// `GET /api/v1/syncs`
pub(in crate::http) async fn list(
    State(app): State<App>,
    Query(filter): Query<FilterQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Paged<Sync>>, Problem> {
    let FilterQuery { application, state, trigger, commit } = filter;
    let filter = SyncFilter { application, state, trigger, commit, real: false };
    Ok(Json(app.context.store.syncs(&filter, page.try_into()?).await?))
}

async fn find(app: &App, id: SyncId) -> Result<Sync, Problem> {
    let sync = app.context.store.sync(id).await?;
    sync.ok_or_else(|| Problem::not_found(format!("sync {id}")))
}

/// `GET /api/v1/syncs/{id}`: with the result of every object.
pub(in crate::http) async fn one(
    State(app): State<App>,
    Segment(id): Segment<SyncId>,
) -> Result<Json<SyncDetail>, Problem> {
    let sync = find(&app, id).await?;
    let objects = app.context.store.results(id).await?;
    Ok(Json(SyncDetail { sync, objects }))
}

/// What a person says yes to.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "SyncApproval")]
pub(in crate::http) struct ApprovalBody {
    /// The `plan.hash` of the sync as it was seen. If its plan is another one by now, nothing is
    /// approved. Null: the plan is approved that the sync has now.
    plan: Option<String>,
}

/// `POST /api/v1/syncs/{id}/approve`: lets a blocked sync do exactly what it showed.
pub(in crate::http) async fn approve(
    State(app): State<App>,
    Segment(id): Segment<SyncId>,
    Extension(Caller(actor)): Extension<Caller>,
    Payload(body): Payload<ApprovalBody>,
) -> Result<Accepted<Sync>, Problem> {
    let approval = app.context.store.approve(id, &actor, body.plan.as_deref()).await?;
    match approval {
        Approval::Approved => {
            tracing::info!(sync = %id, actor, "the plan of a blocked sync was approved");
            Ok(Accepted(find(&app, id).await?))
        }
        Approval::NotFound => Err(Problem::not_found(format!("sync {id}"))),
        Approval::AnotherPlan(plan) => Err(Problem::new(
            StatusCode::CONFLICT,
            format!(
                "sync {id} has another plan by now: `{}`, which prunes {} objects: look at it, and \
                 approve that",
                plan.hash,
                plan.prune.len()
            ),
        )),
        Approval::NotBlocked(state) => Err(Problem::new(
            StatusCode::CONFLICT,
            format!("sync {id} is {}, not Blocked: there is nothing to approve", state.as_str()),
        )),
    }
}

/// `POST /api/v1/syncs/{id}/cancel`: stops a running sync between two objects.
pub(in crate::http) async fn cancel(
    State(app): State<App>,
    Segment(id): Segment<SyncId>,
    Extension(Caller(actor)): Extension<Caller>,
) -> Result<Accepted<Sync>, Problem> {
    match app.context.store.cancel(id, &actor).await? {
        Cancellation::NotFound => Err(Problem::not_found(format!("sync {id}"))),
        Cancellation::Ended(state) => Err(Problem::new(
            StatusCode::CONFLICT,
            format!("sync {id} is {} already", state.as_str()),
        )),
        Cancellation::Cancelled | Cancellation::Requested => {
            app.context.leases.cancel(id);
            tracing::info!(sync = %id, actor, "a sync was cancelled");
            Ok(Accepted(find(&app, id).await?))
        }
    }
}
