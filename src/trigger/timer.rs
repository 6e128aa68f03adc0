//! The timer: the fallback for webhooks and watches that were missed.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::config::live::Live;
use crate::domain::name::ApplicationName;
use crate::domain::sync::{SyncOptions, SyncRequest, Trigger};
use crate::store::Store;
use crate::store::error::StoreError;

/// How often due checks are looked for: the finest interval that makes sense.
const TICK: Duration = Duration::from_millis(250);
/// How much earlier than its interval a check may come, so that checks spread; never later, or what
/// is promised within one interval would not be.
const JITTER: f64 = 0.2;

/// Asks for a check of each application once per interval, until `shutdown`.
pub async fn run(config: Arc<Live>, store: Store, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.cancelled() => return,
        }
        match ask(&config.load(), &store).await {
            Err(error) if !failing => {
                tracing::warn!(%error, "the timer cannot ask for checks; it goes on trying");
                failing = true;
            }
            Ok(()) if failing => {
                tracing::info!("the timer asks for checks again");
                failing = false;
            }
            _ => {}
        }
    }
}

async fn ask(config: &Config, store: &Store) -> Result<(), StoreError> {
    let mut due = store.due_checks(store.now()).await?;
    due.retain(|name| config.applications.contains_key(name));
    if due.is_empty() {
        return Ok(());
    }
    schedule(config, store, &due).await?;
    store.enqueue_all(due.into_iter().map(|name| check(name, Trigger::Timer)).collect()).await
}

/// Begins the interval of these applications anew; those that are not configured have none.
pub async fn schedule<'a>(
    config: &Config,
    store: &Store,
    names: impl IntoIterator<Item = &'a ApplicationName>,
) -> Result<(), StoreError> {
    let now = store.now();
    let configured = names.into_iter().filter_map(|name| config.applications.get(name));
    let checks: Vec<_> = configured
        .map(|application| {
            let at = next(now, application.sync.interval, fastrand::f64());
            (application.name.clone(), at)
        })
        .collect();
    store.schedule_checks(&checks).await
}

/// A request for a look around.
pub fn check(application: ApplicationName, trigger: Trigger) -> SyncRequest {
    SyncRequest { application, trigger, actor: None, options: SyncOptions::default() }
}

/// When the next check is due; `chance` in 0..1 spreads it.
fn next(now: Timestamp, interval: Duration, chance: f64) -> Timestamp {
    let spread = interval.mul_f64(1.0 - JITTER * chance.clamp(0.0, 1.0));
    let spread = SignedDuration::try_from(spread).unwrap_or(SignedDuration::MAX);
    now.saturating_add(spread).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_spread_within_their_interval() {
        let at = |chance| next(Timestamp::UNIX_EPOCH, Duration::from_mins(10), chance).as_second();
        assert_eq!([at(0.0), at(0.5), at(1.0)], [600, 540, 480]);
    }
}
