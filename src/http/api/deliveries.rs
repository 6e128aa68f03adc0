//! `/api/v1/deliveries`: what hosts sent and what became of it.

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::Value;

use crate::domain::delivery::Delivery;
use crate::http::App;
use crate::http::api::{self, page, parse_id};
use crate::http::problem::Problem;

#[derive(Deserialize)]
pub(in crate::http) struct ListQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

/// `GET /api/v1/deliveries`
pub(in crate::http) async fn list(
    State(app): State<App>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, Problem> {
    let page = page(query.limit, query.cursor)?;
    Ok(api::list(&app.context.store.deliveries(page).await?))
}

/// `GET /api/v1/deliveries/{id}`
pub(in crate::http) async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Delivery>, Problem> {
    let delivery = app.context.store.delivery(parse_id("delivery", &id)?).await?;
    delivery.map(Json).ok_or_else(|| Problem::not_found(format!("delivery {id}")))
}
