//! The HTTP interface: webhooks come in, state goes out.

pub mod accept;
mod api;
mod arriving;
mod auth;
mod body;
mod extract;
mod leaving;
pub mod local;
mod openapi;
mod patience;
pub mod probes;
mod problem;
mod refusals;
mod seats;
mod table;
mod webhooks;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::domain::name::ReceiverName;
use crate::http::api::diff::Diffs;
use crate::http::body::Budget;
use crate::http::openapi::Rendered;
use crate::http::problem::Problem;
use crate::http::refusals::Refusals;
use crate::sync::context::Context;

/// It depends on nothing but the program.
static DOCUMENT: Rendered = Rendered::new(|| openapi::document(&table::sections()).to_string());

/// What the handlers share.
#[derive(Clone)]
pub struct App {
    context: Context,
    budget: Budget,
    forgeries: Arc<Refusals<ReceiverName>>,
    refusals: Arc<Refusals<&'static str>>,
    /// Secrets that cannot be used, by what they are for and its name.
    unusable: Arc<Refusals<(&'static str, String)>>,
    diffs: Arc<Diffs>,
    started_at: Timestamp,
    ready: Arc<AtomicBool>,
    document: &'static Rendered,
}

impl App {
    /// The handlers over the adapters of the process; `ready` is what `/readyz` answers.
    pub fn new(context: Context, ready: Arc<AtomicBool>) -> Self {
        let limits = context.config.load().server.limits;
        Self {
            budget: Budget::new(limits.bodies_bytes),
            forgeries: Arc::default(),
            refusals: Arc::default(),
            unusable: Arc::default(),
            diffs: Arc::default(),
            started_at: context.store.now(),
            ready,
            document: &DOCUMENT,
            context,
        }
    }
}

/// Everything that is served, by the table.
pub fn router(app: App) -> Router {
    let operations = table::sections().into_iter().flat_map(|section| section.operations);
    operations
        .fold(Router::new(), |router, operation| operation.serve(router, &app))
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
