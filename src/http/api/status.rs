//! `/api/v1/status`: the whole at a glance.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::error::chain;
use crate::domain::name::InstanceName;
use crate::http::App;
use crate::http::api::overview::{ApplicationSummary, all};
use crate::http::problem::Problem;
use crate::store::QueueDepth;
use crate::store::departed::Departed;

/// Everything at a glance.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Status {
    /// The version of Headstay.
    version: &'static str,
    /// The name of this installation on the objects that it applies (`server.instance`).
    instance: InstanceName,
    /// Milliseconds since the process started.
    uptime_ms: u64,
    /// Whether `server.suspend` is set: nothing is written to any cluster.
    suspended: bool,
    configuration: ConfigurationStatus,
    store: StoreStatus,
    queue: QueueDepth,
    /// What stays on clusters of applications that left the configuration, for as long as their history
    /// is kept. Nothing of it is written or deleted any more.
    departed: Vec<Departed>,
    /// All applications, by name.
    applications: Vec<ApplicationSummary>,
}

/// Whether the configuration file is what is worked by.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ConfigurationStatus {
    /// Whether the file as it is now is in force; else the last good one is.
    in_force: bool,
    /// Which configuration since the process started is in force: the first is 1, and each that the file
    /// changed to is one more.
    generation: u64,
    /// Why the file is refused; null: it is not.
    error: Option<String>,
}

/// Whether the store takes what has to be durable.
#[derive(Serialize, JsonSchema)]
struct StoreStatus {
    /// Whether it can be written to. While it cannot, no delivery is taken and no sync begins.
    writable: bool,
    /// Why it cannot be written to; null: it can.
    error: Option<String>,
}

/// `GET /api/v1/status`
pub(in crate::http) async fn status(State(app): State<App>) -> Result<Json<Status>, Problem> {
    let context = &app.context;
    let config = context.config.load();
    let queue = context.store.queue_depth().await?;
    let unwritable = context.store.check_writable().await.err();
    let known = all(&app, &config).await?;
    let mut departed = context.store.departed().await?;
    departed.retain(|left| !config.applications.contains_key(&left.application));
    let uptime = context.store.now().duration_since(app.started_at);
    let refusal = context.config.refusal();
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        instance: config.server.instance.clone(),
        uptime_ms: u64::try_from(uptime.as_millis()).unwrap_or_default(),
        suspended: config.server.suspend,
        configuration: ConfigurationStatus {
            in_force: refusal.is_none(),
            generation: context.config.generation(),
            error: refusal.map(|error| error.to_string()),
        },
        store: StoreStatus {
            writable: unwritable.is_none(),
            error: unwritable.map(|error| chain(&error)),
        },
        queue,
        departed,
        applications: known.iter().map(|known| ApplicationSummary::of(&config, known)).collect(),
    }))
}
