//! Probes and metrics: they need no token and name nothing secret.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::config::Config;
use crate::domain::name::{ApplicationName, ReceiverName};
use crate::domain::sync::SyncState;
use crate::http::App;
use crate::http::api::overview::{self, Known};
use crate::http::openapi::signature::{Output, Sketch, media};
use crate::http::problem::Problem;
use crate::telemetry::Metrics;

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

/// Forgets what was counted for what is not in the configuration.
pub fn keep(metrics: &Metrics, config: &Config) {
    let applications = config.applications.keys().map(ApplicationName::as_str).collect();
    let receivers = config.receivers.keys().map(ReceiverName::as_str).collect();
    metrics.keep(&applications, &receivers);
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
        // What left the configuration is known elsewhere for a while.
        let mut fetches = context.source.fetches();
        fetches.retain(|(name, _)| config.repositories.contains_key(name));
        metrics.set_fetches(fetches.iter().flat_map(|(name, fetches)| {
            [("succeeded", fetches.succeeded), ("failed", fetches.failed)]
                .map(|(outcome, count)| (name.to_string(), outcome, count))
        }));
        metrics.set_fetch_failing(
            fetches.iter().map(|(name, fetches)| (name.to_string(), fetches.failing)),
        );
        metrics.set_suspended(config.server.suspend);
        metrics.set_configuration_in_force(context.config.refusal().is_none());
        let reachable = context.watches.reachable().into_iter();
        let reachable = reachable.filter(|(name, _)| config.clusters.contains_key(name));
        metrics.set_unavailable(reachable.map(|(name, reachable)| (name.to_string(), !reachable)));
        let calls = context.clusters.calls().into_iter();
        let calls = calls.filter(|(name, _)| config.clusters.contains_key(name));
        metrics.set_calls(calls.flat_map(|(name, calls)| {
            [("read", calls.reads), ("dryRun", calls.dry_runs), ("write", calls.writes)]
                .map(|(kind, count)| (name.to_string(), kind, count))
        }));
        keep(metrics, &config);
    });
    text.map(OpenMetrics).map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written")
    })
}
