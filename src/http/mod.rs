//! The HTTP interface: webhooks come in, state goes out.

pub mod accept;
mod api;
mod auth;
mod body;
mod forgeries;
mod patience;
mod peers;
mod probes;
mod problem;
mod webhooks;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::routing::{get, post};
use jiff::Timestamp;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::RequestBodyDeadlineLayer;

use crate::http::api::diff::Diffs;
use crate::http::body::{Budget, READ_TIMEOUT};
use crate::http::forgeries::Forgeries;
use crate::http::problem::Problem;
use crate::sync::context::Context;

/// What the handlers share.
#[derive(Clone)]
pub struct App {
    context: Context,
    budget: Budget,
    forgeries: Arc<Forgeries>,
    diffs: Arc<Diffs>,
    started_at: Timestamp,
    ready: Arc<AtomicBool>,
}

impl App {
    /// The handlers over the adapters of the process; `ready` is what `/readyz` answers.
    pub fn new(context: Context, ready: Arc<AtomicBool>) -> Self {
        let limits = context.config.load().server.limits;
        Self {
            budget: Budget::new(limits.bodies_bytes),
            forgeries: Arc::default(),
            diffs: Arc::default(),
            started_at: context.store.now(),
            ready,
            context,
        }
    }
}

/// The table of everything that is answered.
pub fn router(app: App) -> Router {
    let api = Router::new()
        .route("/status", get(api::status::status))
        .route("/applications", get(api::applications::list))
        .route("/applications/{name}", get(api::applications::one))
        .route("/applications/{name}/sync", post(api::applications::sync))
        .route("/applications/{name}/diff", get(api::diff::diff))
        .route("/syncs", get(api::syncs::list))
        .route("/syncs/{id}", get(api::syncs::one))
        .route("/syncs/{id}/approve", post(api::syncs::approve))
        .route("/syncs/{id}/cancel", post(api::syncs::cancel))
        .route("/deliveries", get(api::deliveries::list))
        .route("/deliveries/{id}", get(api::deliveries::one))
        .route_layer(axum::middleware::from_fn_with_state(app.clone(), auth::authorize))
        .layer(RequestBodyDeadlineLayer::new(READ_TIMEOUT));
    Router::new()
        .route("/webhooks/{receiver}", post(webhooks::receive))
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(probes::metrics))
        .nest("/api/v1", api)
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method")
        })
        .layer(CatchPanicLayer::new())
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .with_state(app)
}
