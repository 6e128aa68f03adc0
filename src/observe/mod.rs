//! The observer: watches what applications own, judges their health, and ends the syncs that wait
//! for it. It holds no slot of any application and writes to no cluster.
//!
//! One task owns all state. Watches (one per cluster, kind and, where rights are narrow, namespace)
//! send what they see over one bounded channel; the task marks the applications that are touched,
//! and judges each of them once per moment.

mod explain;
mod judge;
mod sightings;
mod watches;

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::domain::name::ApplicationName;
use crate::observe::explain::Explanations;
use crate::observe::sightings::Sightings;
use crate::observe::watches::Watches;
use crate::sync::context::Context;

/// Many events of one roll-out are judged together.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// How often every application is judged although nothing was seen: new inventories need watches.
const ROUND: Duration = Duration::from_secs(30);
/// How often waiting syncs are judged although nothing was seen: deadlines pass in silence, and
/// what they wait for is explained anew.
const WAITING_ROUND: Duration = Duration::from_secs(1);
/// Events that may wait for the task. Watches stop reading when it is full.
const EVENTS: usize = 1024;

/// Observes until `shutdown`.
pub async fn observe(context: Context, shutdown: CancellationToken) {
    let (sender, mut events) = mpsc::channel(EVENTS);
    let mut observer = Observer {
        watches: Watches::new(sender),
        sightings: Sightings::default(),
        explanations: Explanations::default(),
        context,
    };
    let mut bell = observer.context.queue.listen_waiting();
    let mut touched = observer.everything();
    let mut judge_at = Instant::now();
    let mut round = interval(ROUND);
    let mut waiting_round = interval(WAITING_ROUND);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    waiting_round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            Some(event) = events.recv() => {
                let first = touched.is_empty();
                touched.extend(observer.see(event));
                if first {
                    judge_at = Instant::now() + DEBOUNCE;
                }
            }
            () = tokio::time::sleep_until(judge_at), if !touched.is_empty() => {
                for name in std::mem::take(&mut touched) {
                    observer.judge(&name).await;
                }
            }
            _ = bell.changed() => {
                touched.extend(observer.waiting().await);
                judge_at = Instant::now();
            }
            _ = waiting_round.tick() => {
                touched.extend(observer.waiting().await);
                judge_at = Instant::now();
            }
            _ = round.tick() => {
                observer.retire();
                touched.extend(observer.everything());
            }
        }
    }
}

struct Observer {
    context: Context,
    watches: Watches,
    sightings: Sightings,
    explanations: Explanations,
}

impl Observer {
    fn everything(&self) -> BTreeSet<ApplicationName> {
        self.context.config.load().applications.keys().cloned().collect()
    }

    async fn waiting(&self) -> Vec<ApplicationName> {
        match self.context.store.waiting().await {
            Ok(syncs) => syncs.into_iter().map(|sync| sync.application).collect(),
            Err(error) => {
                tracing::warn!(%error, "the store does not say what waits for health");
                Vec::new()
            }
        }
    }

    /// Takes in an event; returns the applications that it touches.
    fn see(&mut self, event: watches::Event) -> BTreeSet<ApplicationName> {
        if !self.watches.covers(&event.scope) {
            // It was under way when its watch ended.
            return BTreeSet::new();
        }
        if let watches::Seen::Forbidden = event.seen {
            self.watches.narrow(&event.scope);
            return self.everything();
        }
        self.sightings.take(event)
    }

    /// Ends what no inventory needed for a whole round: applications and clusters come and go.
    fn retire(&mut self) {
        self.watches.retire();
        self.sightings.retain(|scope| self.watches.covers(scope));
    }

    async fn judge(&mut self, name: &ApplicationName) {
        let waiting = match self.context.store.waiting().await {
            Ok(syncs) => syncs.into_iter().find(|sync| sync.application == *name),
            Err(_) => return,
        };
        if let Err(error) = judge::judge(self, name, waiting).await {
            tracing::warn!(
                application = %name, error = %crate::sync::error::chain(&error),
                "could not judge the health of an application"
            );
        }
    }
}
