//! Whether API servers answer: each is asked by one small call every few seconds, whatever is watched
//! on it, and at once when a watch breaks.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::cluster::registry::Clusters;
use crate::config::{self, Config};
use crate::domain::error::chain;
use crate::domain::name::ClusterName;
use crate::watch::{News, Watches};

/// Time between two questions while they are answered.
const PERIOD: Duration = Duration::from_secs(4);
/// The same after one that was not.
const SILENT_PERIOD: Duration = Duration::from_secs(1);
/// Longest time for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Questions in a row without an answer before a cluster is called silent: one may be lost. With what
/// is above, that is known 11 s after the last answer.
const MISSED: u32 = 2;

/// A cluster does not serve us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// When it was first asked in vain.
    pub since: Timestamp,
    /// What came instead of an answer.
    pub reason: String,
}

/// What the questions to a cluster have come to.
#[derive(Debug, Default)]
struct Pulse {
    missed: u32,
    silence: Option<Silence>,
}

impl Pulse {
    /// Goes on from what is known: only an answer ends a silence, no other way of asking does.
    fn going_on(silence: Option<&Silence>) -> Self {
        let missed = silence.map_or(0, |_| MISSED);
        Self { missed, silence: silence.cloned() }
    }

    /// Takes in what came of a question that was asked then.
    fn take(&mut self, asked_at: Timestamp, answer: Result<(), String>) {
        match answer {
            Ok(()) => *self = Self::default(),
            Err(reason) => {
                let since = self.silence.as_ref().map_or(asked_at, |silence| silence.since);
                self.silence = Some(Silence { since, reason });
                self.missed = self.missed.saturating_add(1);
            }
        }
    }

    /// The silence, once it is one.
    fn silence(&self) -> Option<&Silence> {
        self.silence.as_ref().filter(|_| self.missed >= MISSED)
    }
}

/// Whether a cluster serves us, as its watches hear of it.
#[derive(Default)]
pub(super) struct Reach {
    silence: watch::Sender<Option<Arc<Silence>>>,
    hurry: Notify,
}

impl Reach {
    /// The silence, while there is one.
    pub(super) fn silence(&self) -> Option<Arc<Silence>> {
        self.silence.borrow().clone()
    }

    /// Something has broken: the cluster is to be asked now.
    pub(super) fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Waits until the cluster is silent.
    pub(super) async fn falls_silent(&self) {
        // The sender is ours.
        let _ = self.silence.subscribe().wait_for(Option::is_some).await;
    }

    /// Waits until the cluster is not silent.
    pub(super) async fn answers(&self) {
        let _ = self.silence.subscribe().wait_for(Option::is_none).await;
    }

    /// Says how it is now; whether that is news.
    fn set(&self, silence: Option<&Silence>) -> bool {
        let mut news = false;
        self.silence.send_if_modified(|known| {
            news = known.is_some() != silence.is_some();
            let changed = known.as_deref() != silence;
            if changed {
                *known = silence.cloned().map(Arc::new);
            }
            changed
        });
        news
    }
}

/// Asks the clusters on which applications are kept.
pub struct Heartbeats {
    clusters: Clusters,
    watches: Watches,
    running: HashMap<ClusterName, Heartbeat>,
}

struct Heartbeat {
    config: config::Cluster,
    /// Ends it when dropped.
    _stop: DropGuard,
}

impl Heartbeats {
    /// Asks nobody yet.
    pub fn new(clusters: Clusters, watches: Watches) -> Self {
        Self { clusters, watches, running: HashMap::new() }
    }

    /// From now on asks the clusters that this configuration keeps applications on, and no others.
    pub fn follow(&mut self, config: &Config) {
        let used = |name: &ClusterName| config.applications.values().any(|a| a.cluster == *name);
        let wanted = |name: &ClusterName| config.clusters.get(name).filter(|_| used(name));
        self.running.retain(|name, own| wanted(name).is_some_and(|now| **now == own.config));
        self.watches.0.lock().reaches.retain(|name, reach| {
            let wanted = wanted(name).is_some();
            if !wanted {
                reach.set(None);
            }
            // A watch that is about to end may still hold it, and the cluster may come back.
            wanted || Arc::strong_count(reach) > 1
        });
        for (name, cluster) in &config.clusters {
            if used(name) && !self.running.contains_key(name) {
                let stop = CancellationToken::new();
                let beat = beat(self.clusters.clone(), (**cluster).clone(), self.watches.clone());
                tokio::spawn(stop.clone().run_until_cancelled_owned(beat));
                let config = (**cluster).clone();
                let running = Heartbeat { config, _stop: stop.drop_guard() };
                self.running.insert(name.clone(), running);
            }
        }
    }
}

/// Asks one cluster, again and again.
async fn beat(clusters: Clusters, config: config::Cluster, watches: Watches) {
    let reach = Arc::clone(watches.0.lock().reaches.entry(config.name.clone()).or_default());
    let mut pulse = Pulse::going_on(reach.silence().as_deref());
    loop {
        let asked_at = Timestamp::now();
        // The next question may fare better than one that a fault of ours ended.
        let asked = AssertUnwindSafe(ask(&clusters, &config).boxed()).catch_unwind().await;
        let answer = asked.unwrap_or_else(|_| Err("the question to it broke off".to_owned()));
        pulse.take(asked_at, answer);
        if reach.set(pulse.silence()) {
            tell(&config.name, pulse.silence());
            let clusters = [config.name.clone()].into();
            watches.0.lock().tell(&News { clusters, ..News::default() });
        }
        let pause = if pulse.missed == 0 { PERIOD } else { SILENT_PERIOD };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = reach.hurry.notified(), if pulse.missed == 0 => {}
        }
    }
}

async fn ask(clusters: &Clusters, config: &config::Cluster) -> Result<(), String> {
    let connected = match timeout(PATIENCE, clusters.connection(config)).await {
        Ok(connected) => connected.map_err(|error| chain(&error)),
        // A credential plugin may hang; what it comes to serves the next question.
        Err(_) => Err(format!("no connection is set up within {} s", PATIENCE.as_secs())),
    };
    // What is there serves until there is another one.
    let connection = connected.or_else(|error| clusters.known(config).ok_or(error))?;
    connection.cluster.heartbeat(PATIENCE).await.map_err(|error| chain(&error))
}

fn tell(cluster: &ClusterName, silence: Option<&Silence>) {
    if let Some(Silence { since, reason }) = silence {
        tracing::warn!(%cluster, %since, reason, "a cluster does not answer: what is on it is not known");
    } else {
        tracing::info!(%cluster, "a cluster answers again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn one_question_may_be_lost_and_a_silence_counts_from_the_first() {
        let mut pulse = Pulse::default();
        let lost = || Err("no answer".to_owned());
        // When it is asked, what comes, and since when it is then silent.
        for (second, answer, since) in [
            (0, Ok(()), None),
            (4, lost(), None),
            (5, Ok(()), None),
            (9, lost(), None),
            (13, lost(), Some(9)),
            (17, Err("refused".to_owned()), Some(9)),
            (21, Ok(()), None),
            (25, lost(), None),
        ] {
            pulse.take(at(second), answer);
            let silence = pulse.silence();
            assert_eq!(silence.map(|silence| silence.since), since.map(at), "at {second}");
            if second == 17 {
                assert_eq!(silence.unwrap().reason, "refused", "the newest is told");
            }
        }
    }

    #[test]
    fn a_silence_lasts_until_there_is_an_answer_whoever_asks() {
        let reach = Reach::default();
        let silence = Silence { since: at(9), reason: "no answer".to_owned() };
        assert!(reach.set(Some(&silence)));
        // Its configuration has changed.
        let mut pulse = Pulse::going_on(reach.silence().as_deref());
        pulse.take(at(20), Err("refused".to_owned()));
        assert!(!reach.set(pulse.silence()), "no news");
        let now = reach.silence().unwrap();
        assert_eq!((now.since, now.reason.as_str()), (at(9), "refused"));
        pulse.take(at(21), Ok(()));
        assert!(reach.set(pulse.silence()));

        let mut pulse = Pulse::going_on(reach.silence().as_deref());
        pulse.take(at(30), Err("no answer".to_owned()));
        assert!(!reach.set(pulse.silence()), "one may be lost");
    }

    #[tokio::test]
    async fn only_the_beginning_and_the_end_of_a_silence_are_news() {
        let reach = Reach::default();
        let silence = |reason: &str| Silence { since: at(1), reason: reason.to_owned() };
        assert!(!reach.set(None));
        assert!(reach.set(Some(&silence("no answer"))));
        assert!(!reach.set(Some(&silence("refused"))));
        assert_eq!(reach.silence().unwrap().reason, "refused");
        reach.falls_silent().await;
        assert!(reach.set(None));
        reach.answers().await;
    }
}
