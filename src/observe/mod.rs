//! The observer: judges the health of what applications own by what the watches show, and ends the
//! syncs that wait for it. It keeps no sync from being claimed and writes to no cluster.
//!
//! One task owns all state. It is told which applications there is news of, and judges each of them
//! once per moment.

mod explain;
mod judge;
mod waits;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::domain::error::chain;
use crate::domain::name::ApplicationName;
use crate::domain::sync::Sync;
use crate::observe::explain::Explanations;
use crate::sync::context::Context;
use crate::watch::Listener;
use crate::watch::heartbeat::Heartbeats;
use crate::watch::places::Places;

/// Many events of one roll-out are judged together.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// Events are left alone for so many times as long as the last judging took, but not beyond the next
/// [`WAITING_ROUND`]. A judgement reads the whole inventory: without this rest, the events of a large
/// sync would keep a core busy with it.
const REST: u32 = 20;
/// How often every application is judged although nothing was seen: new inventories need watches.
const ROUND: Duration = Duration::from_secs(30);
/// How often waiting syncs are judged although nothing was seen: deadlines pass in silence, and
/// what they wait for is explained anew.
const WAITING_ROUND: Duration = Duration::from_secs(1);

/// Observes until `shutdown`.
pub async fn observe(context: Context, shutdown: CancellationToken) {
    let mut observer = Observer {
        listener: context.watches.listen(),
        heartbeats: Heartbeats::new(context.clusters.clone(), context.watches.clone()),
        places: Places::new(context.clusters.clone()),
        explanations: Explanations::default(),
        waiting: BTreeMap::new(),
        context,
    };
    let mut bell = observer.context.store.waits_bell().listen();
    let mut touched = observer.everything();
    let mut judge_at = Instant::now();
    let mut rested_at = judge_at;
    let mut round = interval(ROUND);
    let mut waiting_round = interval(WAITING_ROUND);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    waiting_round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = observer.listener.heard() => {
                let first = touched.is_empty();
                touched.extend(observer.hear());
                if first {
                    judge_at = rested_at.max(Instant::now() + DEBOUNCE);
                }
            }
            Some(answer) = observer.explanations.answer() => {
                touched.extend(observer.explanations.take(answer));
            }
            () = tokio::time::sleep_until(judge_at), if !touched.is_empty() => {
                let begun = Instant::now();
                for name in std::mem::take(&mut touched) {
                    observer.judge(&name).await;
                }
                rested_at = Instant::now() + begun.elapsed() * REST;
            }
            _ = bell.changed() => {
                touched.extend(observer.look().await);
                judge_at = Instant::now();
            }
            _ = waiting_round.tick() => {
                touched.extend(observer.look().await);
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
    places: Places,
    listener: Listener,
    heartbeats: Heartbeats,
    explanations: Explanations,
    /// The syncs that wait, as of the last look: each write asks again whether they do.
    waiting: BTreeMap<ApplicationName, Sync>,
}

impl Observer {
    fn everything(&self) -> BTreeSet<ApplicationName> {
        self.context.config.load().applications.keys().cloned().collect()
    }

    /// Looks which syncs wait, ends those whose time is over, and returns the applications of the
    /// others.
    async fn look(&mut self) -> Vec<ApplicationName> {
        self.heartbeats.follow(&self.context.config.load());
        let work =
            async { waits::end_overdue(&self.context, self.context.store.waiting().await?).await };
        match work.await {
            Ok(syncs) => {
                self.waiting =
                    syncs.into_iter().map(|sync| (sync.application.clone(), sync)).collect();
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the store does not say what waits for health");
            }
        }
        self.waiting.keys().cloned().collect()
    }

    /// Takes in news; returns the applications that they touch.
    fn hear(&mut self) -> BTreeSet<ApplicationName> {
        let news = self.listener.take();
        for (cluster, resource) in &news.refused {
            // Perhaps it is served in another version now.
            self.places.forget(cluster, resource);
        }
        for cluster in &news.clusters {
            self.places.try_again(cluster);
        }
        if news.everything {
            return self.everything();
        }
        let config = self.context.config.load();
        let on = config.applications.values().filter(|one| news.clusters.contains(&one.cluster));
        on.map(|one| one.name.clone()).chain(news.applications.into_keys()).collect()
    }

    /// Ends what no inventory needed for a whole round: applications and clusters come and go.
    fn retire(&mut self) {
        let watches = &self.context.watches;
        watches.retire();
        self.places.begin_round(|cluster, resource| watches.follows(cluster, resource));
    }

    async fn judge(&mut self, name: &ApplicationName) {
        if let Err(error) = judge::judge(self, name).await {
            tracing::warn!(
                application = %name, error = %chain(&error),
                "could not judge the health of an application"
            );
        }
    }
}
