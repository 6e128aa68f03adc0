//! `/api/v1/status`: the whole at a glance.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::http::App;
use crate::http::api::overview::{all, summary};
use crate::http::problem::Problem;
use crate::sync::error::chain;

/// `GET /api/v1/status`
pub(in crate::http) async fn status(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let context = &app.context;
    let config = context.config.load();
    let depth = context.store.queue_depth().await?;
    let unwritable = context.store.check_writable().await.err();
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
        "store": {
            "writable": unwritable.is_none(),
            "error": unwritable.as_ref().map(|error| chain(error)),
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
