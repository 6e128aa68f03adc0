//! `/api/v1/deliveries`: what hosts sent and what became of it.

use axum::Json;
use axum::extract::State;

use crate::domain::delivery::Delivery;
use crate::domain::name::DeliveryId;
use crate::http::App;
use crate::http::api::PageQuery;
use crate::http::extract::{Query, Segment};
use crate::http::problem::Problem;
use crate::store::Paged;

/// `GET /api/v1/deliveries`
pub(in crate::http) async fn list(
    State(app): State<App>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Paged<Delivery>>, Problem> {
    Ok(Json(app.context.store.deliveries(page.try_into()?).await?))
}

/// `GET /api/v1/deliveries/{id}`
pub(in crate::http) async fn one(
    State(app): State<App>,
    Segment(id): Segment<DeliveryId>,
) -> Result<Json<Delivery>, Problem> {
    let delivery = app.context.store.delivery(id).await?;
    delivery.map(Json).ok_or_else(|| Problem::not_found(format!("delivery {id}")))
}
