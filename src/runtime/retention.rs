//! What is beyond its retention goes.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

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
        if let Err(error) = expire_once(&context).await {
            tracing::warn!(%error, "could not remove old history");
        }
    }
}

async fn expire_once(context: &Context) -> Result<(), StoreError> {
    let config = context.config.load();
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
    let configured = config.repositories.keys().cloned().collect();
    context.source.remove_unconfigured(&configured, context.store.now()).await;
    for repository in config.repositories.values() {
        let followers: Vec<_> = config
            .applications
            .values()
            .filter(|application| application.repository == repository.name)
            .map(|application| application.name.clone())
            .collect();
        let commits = context.store.commits(&followers).await?;
        if let Err(error) = context.source.retain(repository, &commits).await {
            tracing::debug!(%error, repository = %repository.name, "no commits to let go");
        }
    }
    Ok(())
}
