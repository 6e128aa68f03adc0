//! Probes and metrics: they need no token and name nothing secret.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::domain::sync::SyncState;
use crate::http::App;
use crate::http::api::overview::{self, Known};
use crate::http::openapi::signature::{Output, Sketch, media};
use crate::http::problem::Problem;

/// The process runs.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Deliveries can be made durable, and syncs are worked on.
pub(super) async fn readyz(State(app): State<App>) -> Result<&'static str, Problem> {
    let unready = |why: &str| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why);
    if !app.ready.load(Ordering::Relaxed) {
        return Err(unready("headstay is starting or shutting down"));
    }
    app.context.store.queue_depth().await.map_err(|_| unready("the store does not answer"))?;
    let writable = app.context.store.check_writable().await;
    writable.map_err(|_| unready("the store cannot be written to: is its disk full?"))?;
    Ok("ok\n")
}

/// The metrics for Prometheus, as an answer.
pub(super) struct OpenMetrics(String);

impl OpenMetrics {
    const CONTENT_TYPE: &str = "application/openmetrics-text";
    const PARAMETERS: &str = "version=1.0.0; charset=utf-8";
}

impl IntoResponse for OpenMetrics {
    fn into_response(self) -> Response {
        let kind = format!("{}; {}", Self::CONTENT_TYPE, Self::PARAMETERS);
        ([(header::CONTENT_TYPE, kind)], self.0).into_response()
    }
}

impl Output for OpenMetrics {
    fn tell(sketch: &mut Sketch) {
        sketch.answer(200, "OK", media(Self::CONTENT_TYPE, json!({"type": "string"})));
    }
}

/// The metrics for Prometheus.
pub(super) async fn metrics(State(app): State<App>) -> Result<OpenMetrics, Problem> {
    let context = &app.context;
    let depth = context.store.queue_depth().await?;
    let config = context.config.load();
    let applications = overview::all(&app, &config).await?;
    let all = || applications.iter().map(|known| (known.application.name.to_string(), known));
    // Before the first check since ever, the time counts from the start of the process.
    let checked_at = |known: &Known| known.state.checked_at.unwrap_or(app.started_at);
    let text = context.metrics.scrape(|metrics| {
        metrics.set_queue(SyncState::Queued, depth.queued);
        metrics.set_queue(SyncState::Running, depth.running);
        metrics.set_queue(SyncState::Waiting, depth.waiting);
        metrics.set_queue(SyncState::Retrying, depth.retrying);
        metrics.set_queue(SyncState::Blocked, depth.blocked);
        metrics.set_health(all().map(|(name, known)| (name, known.state.health.as_str())));
        metrics.set_sync_state(all().map(|(name, known)| (name, known.sync_state().as_str())));
        metrics.set_checked_at(all().map(|(name, known)| (name, checked_at(known))));
        for (repository, fetches) in context.source.fetches() {
            metrics.set_fetches(repository.as_str(), "succeeded", fetches.succeeded);
            metrics.set_fetches(repository.as_str(), "failed", fetches.failed);
            metrics.set_fetch_failing(repository.as_str(), fetches.failing);
        }
        metrics.set_suspended(config.server.suspend);
        metrics.set_configuration_in_force(context.config.refusal().is_none());
        let reachable = context.watches.reachable().into_iter();
        metrics.set_unavailable(reachable.map(|(name, reachable)| (name.to_string(), !reachable)));
        for (cluster, calls) in context.clusters.calls() {
            metrics.set_calls(cluster.as_str(), "read", calls.reads);
            metrics.set_calls(cluster.as_str(), "dryRun", calls.dry_runs);
            metrics.set_calls(cluster.as_str(), "write", calls.writes);
        }
    });
    text.map(OpenMetrics).map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written")
    })
}
