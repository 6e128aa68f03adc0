//! `/api/v1/status`: the whole at a glance.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::config::Config;
use crate::domain::inventory::ApplicationState;
use crate::domain::sync::{Sync, SyncState};
use crate::http::App;
use crate::http::api::applications::{Known, all, summary};
use crate::http::problem::Problem;

/// Commits in a row that the timer must find before the webhook is called broken: one can be a
/// push within the moment of a start.
const UNANNOUNCED_COMMITS: u32 = 2;

/// `GET /api/v1/status`
pub(in crate::http) async fn status(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let context = &app.context;
    let config = context.config.load();
    let depth = context.store.queue_depth().await?;
    let known = all(&app, &config).await?;
    let uptime = context.store.now().duration_since(app.started_at);
    let applications: Vec<_> = known.iter().map(|known| summary(&config, known)).collect();
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "instance": config.server.instance,
        "uptimeMs": u64::try_from(uptime.as_millis()).unwrap_or_default(),
        "suspended": config.server.suspend,
        "configuration": {
            "inForce": context.config.refusal().is_none(),
            "error": context.config.refusal().as_deref(),
        },
        "queue": {
            "queued": depth.queued,
            "running": depth.running,
            "waiting": depth.waiting,
            "retrying": depth.retrying,
            "blocked": depth.blocked,
        },
        "applications": applications,
    })))
}

/// Where an application stands against Git, in one word.
pub(super) fn standing(state: &ApplicationState, last_sync: Option<&Sync>) -> &'static str {
    match last_sync.map(|sync| sync.state) {
        Some(SyncState::Queued | SyncState::Running) => "Syncing",
        Some(SyncState::Blocked) => "Blocked",
        Some(SyncState::Failed | SyncState::Retrying) if !at_wanted(state) => "Failed",
        _ if at_wanted(state) => "Synced",
        _ if state.applied.is_none() && state.wanted.is_none() => "Unknown",
        _ => "OutOfSync",
    }
}

fn at_wanted(state: &ApplicationState) -> bool {
    // A partial apply leaves no inputs behind.
    match (&state.wanted, &state.applied, &state.inputs) {
        (Some(wanted), Some(applied), Some(_)) => wanted.id == applied.id,
        _ => false,
    }
}

/// What a person should know of an application beyond its state.
pub(super) fn conditions(config: &Config, known: &Known) -> Vec<Value> {
    let mut conditions = Vec::new();
    let mut tell = |kind: &str, message: String| {
        conditions.push(json!({"type": kind, "message": message}));
    };
    if config.server.suspend {
        tell("Suspended", "server.suspend is set: nothing is written to any cluster".into());
    }
    if known.state.unannounced >= UNANNOUNCED_COMMITS {
        tell(
            "WebhookMissing",
            format!(
                "the timer found {} commits in a row that no webhook announced: check the webhook \
                 of repository {}",
                known.state.unannounced, known.application.repository
            ),
        );
    }
    let Some(sync) = &known.last_sync else { return conditions };
    if let Some(plan) = &sync.plan
        && sync.state == SyncState::Blocked
    {
        let id = sync.id;
        tell("Blocked", format!("{}: approve with POST /api/v1/syncs/{id}/approve", plan.reason));
    }
    if let Some(error) = &sync.error
        && matches!(sync.state, SyncState::Failed | SyncState::Retrying)
    {
        tell("SyncFailed", error.message.clone());
    }
    for waiting in &sync.waiting_for {
        if sync.state == SyncState::Waiting {
            tell("WaitingForHealth", format!("{}: {}", waiting.object, waiting.reason));
        }
    }
    conditions
}
