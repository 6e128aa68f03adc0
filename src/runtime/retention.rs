//! What is beyond its retention goes.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::domain::error::chain;
use crate::http::probes;
use crate::store::Retention;
use crate::store::error::StoreError;
use crate::sync::context::Context;

/// How often history that is beyond its retention, and mirrors that are of no use, are looked for.
const RETENTION_PERIOD: Duration = Duration::from_mins(10);

/// Lets history and mirrors go, now and then, until it is to stop.
pub(super) async fn expire(context: Context, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(RETENTION_PERIOD);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        expire_once(&context).await;
    }
}

/// Each step by itself: on a full disk the first one fails, and the others make room.
async fn expire_once(context: &Context) {
    let config = context.config.load();
    if let Err(error) = expire_history(context, &config).await {
        tracing::warn!(error = %chain(&error), "could not remove old history");
    }
    let configured = config.repositories.keys().cloned().collect();
    context.clusters.retain(&config);
    probes::keep(&context.metrics, &config);
    context.fights.retain(|application, cluster| {
        config.applications.get(application).is_some_and(|ours| ours.cluster == *cluster)
    });
    context.source.remove_unconfigured(&configured, context.store.now()).await;
    if let Err(error) = retain_commits(context, &config).await {
        tracing::warn!(error = %chain(&error), "could not let go of the commits of old history");
    }
}

async fn expire_history(context: &Context, config: &Config) -> Result<(), StoreError> {
    let retention = config.server.retention;
    let age = jiff::SignedDuration::try_from(retention.age).unwrap_or(jiff::SignedDuration::MAX);
    let older_than = context.store.now().saturating_sub(age).unwrap_or(jiff::Timestamp::MIN);
    let expired = context
        .store
        .expire(Retention { syncs_per_application: retention.syncs_per_application, older_than })
        .await?;
    if expired.syncs + expired.deliveries + expired.left_behind > 0 {
        tracing::info!(
            syncs = expired.syncs,
            deliveries = expired.deliveries,
            left_behind = expired.left_behind,
            "old history removed"
        );
    }
    Ok(())
}

/// Every mirror keeps what any history names: an application may have followed another repository
/// before, or have left the configuration for a while.
async fn retain_commits(context: &Context, config: &Config) -> Result<(), StoreError> {
    let commits = context.store.commits().await?;
    for repository in config.repositories.values() {
        if let Err(error) = context.source.retain(repository, &commits).await {
            tracing::debug!(%error, repository = %repository.name, "no commits to let go");
        }
    }
    Ok(())
}
