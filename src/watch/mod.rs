//! The room of watches: what clusters show of the objects that carry our label, kept small, and told
//! to who listens.
//!
//! One watch per cluster, kind and (all, or where rights are narrow one) namespace, started when
//! somebody [needs](Watches::ensure) it and shared by all applications. Its task reduces each object
//! to an [`Observation`](observations::Observation) at once. Who [listens](Watches::listen) is told
//! which objects of which applications there is news of, not what the news are: news of one object
//! that come together are one, so nothing that waits for a listener grows beyond what is watched.
//!
//! Whether an API server answers at all is asked by one small call in some seconds
//! ([`Heartbeats`](heartbeat::Heartbeats)), however much is watched on it. What was seen before a
//! silence is believed no longer: after it each watch begins with a new list.

pub mod heartbeat;
mod news;
pub mod observations;
pub mod places;
mod relay;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio_util::sync::{CancellationToken, DropGuard};

use crate::domain::name::ClusterName;
use crate::domain::object::{ObjectKey, Resource};
use crate::watch::heartbeat::{Reach, Silence};
use crate::watch::news::Outbox;
use crate::watch::observations::{Found, Observations};
use crate::watch::places::{ClusterId, Place};
use crate::watch::relay::Seen;

pub use crate::watch::news::{Listener, News, Touched};

/// What one watch covers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The cluster.
    pub cluster: ClusterId,
    /// The kind.
    pub resource: Resource,
    /// None: all namespaces.
    pub namespace: Option<String>,
}

/// All watches that run. Clones share them.
#[derive(Clone, Default)]
pub struct Watches(Arc<Shared>);

#[derive(Default)]
struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    /// How many watches were started so far.
    started: u64,
    running: HashMap<Scope, Watch>,
    /// Kinds that may be watched in single namespaces only.
    narrow: HashSet<(ClusterId, Resource)>,
    observations: Observations,
    /// The clusters whose hearts are listened to.
    reaches: HashMap<ClusterName, Arc<Reach>>,
    listeners: Vec<Weak<Outbox>>,
}

struct Watch {
    /// Tells it from an earlier one of its scope, which may still have something to say.
    number: u64,
    /// Ends the watch when dropped.
    _stop: DropGuard,
    /// Whether somebody needed it since the last [`Watches::retire`].
    needed: bool,
}

impl Watches {
    /// Hears of what is seen from now on.
    pub fn listen(&self) -> Listener {
        let (listener, outbox) = Listener::new();
        self.0.lock().listeners.push(outbox);
        listener
    }

    /// The scope in which an object of this kind and namespace is watched; starts the watch if it
    /// does not run yet.
    pub fn ensure(&self, place: &Place, resource: &Resource, namespace: Option<&str>) -> Scope {
        let mut state = self.0.lock();
        let narrow = state.narrow.contains(&(place.id.clone(), resource.clone()));
        let scope = Scope {
            cluster: place.id.clone(),
            resource: resource.clone(),
            namespace: namespace.filter(|_| narrow).map(str::to_owned),
        };
        if let Some(watch) = state.running.get_mut(&scope) {
            watch.needed = true;
        } else {
            let sink = self.sink(&mut state, &scope);
            state.start(&scope, relay::watch(place.cluster.clone(), scope.clone(), sink));
        }
        scope
    }

    /// What is known of an object of a scope.
    pub fn find(&self, scope: &Scope, object: &ObjectKey) -> Found {
        self.0.lock().observations.find(scope, object)
    }

    /// Since when a cluster does not serve us, and why; none: it does, or was not asked yet.
    pub fn silence(&self, cluster: &ClusterName) -> Option<Arc<Silence>> {
        self.0.lock().reaches.get(cluster)?.silence()
    }

    /// The clusters that were asked, and whether each serves us.
    pub fn reachable(&self) -> Vec<(ClusterName, bool)> {
        let state = self.0.lock();
        let reaches = state.reaches.iter();
        reaches.map(|(name, reach)| (name.clone(), reach.silence().is_none())).collect()
    }

    /// Whether objects of this kind are watched anywhere.
    pub fn follows(&self, cluster: &ClusterId, resource: &Resource) -> bool {
        self.0.lock().follows(cluster, resource)
    }

    /// Ends the watches that nobody needed since the last call, and forgets what they saw.
    pub fn retire(&self) {
        let mut state = self.0.lock();
        let State { running, narrow, observations, listeners, .. } = &mut *state;
        running.retain(|_, watch| std::mem::take(&mut watch.needed));
        narrow.retain(|(cluster, resource)| follows(running, cluster, resource));
        observations.retain(|scope| running.contains_key(scope));
        listeners.retain(|listener| listener.strong_count() > 0);
    }

    /// Where the next watch of a scope puts what it sees.
    fn sink(&self, state: &mut State, scope: &Scope) -> Sink {
        state.started += 1;
        let reach = Arc::clone(state.reaches.entry(scope.cluster.name.clone()).or_default());
        let (shared, scope) = (Arc::downgrade(&self.0), scope.clone());
        Sink { shared, scope, number: state.started, reach }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Runs the watch whose sink was made last.
    fn start(&mut self, scope: &Scope, task: impl Future<Output = ()> + Send + 'static) {
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(task));
        let watch = Watch { number: self.started, _stop: stop.drop_guard(), needed: true };
        self.running.insert(scope.clone(), watch);
    }

    fn follows(&self, cluster: &ClusterId, resource: &Resource) -> bool {
        follows(&self.running, cluster, resource)
    }

    /// Takes in what a watch saw, and tells who listens.
    fn take(&mut self, scope: &Scope, seen: Seen) {
        let mut news = News::default();
        match seen {
            Seen::Forbidden => {
                // From now on this kind is watched namespace by namespace.
                self.running.remove(scope);
                self.narrow.insert((scope.cluster.clone(), scope.resource.clone()));
                // Whose objects these are was never seen.
                news.everything = true;
            }
            Seen::Refused(reason) => {
                if !self.observations.knows_refusal(scope, &reason) {
                    news.refused.insert((scope.cluster.clone(), scope.resource.clone()));
                    news.everything = true;
                }
                self.observations.refuse(scope, reason);
            }
            Seen::Lost => self.observations.lose(scope),
            Seen::Restarted => self.observations.restart(scope),
            Seen::Listed(key, observation) => self.observations.list(scope, key, observation),
            Seen::Complete => {
                for application in self.observations.complete(scope) {
                    news.touch_all(application);
                }
            }
            Seen::Applied(key, observation) => {
                let now = observation.application.clone();
                let before = self.observations.put(scope, key.clone(), observation);
                // A label may have come to name another one.
                for application in now.into_iter().chain(before) {
                    news.touch(application, key.clone());
                }
            }
            Seen::Deleted(key, cut_short) => {
                if let Some(application) = self.observations.remove(scope, &key, cut_short) {
                    news.touch(application, key);
                }
            }
        }
        self.tell(&news);
    }

    fn tell(&self, news: &News) {
        if news.is_empty() {
            return;
        }
        for listener in self.listeners.iter().filter_map(Weak::upgrade) {
            listener.add(news);
        }
    }
}

fn follows(running: &HashMap<Scope, Watch>, cluster: &ClusterId, resource: &Resource) -> bool {
    running.keys().any(|scope| scope.cluster == *cluster && scope.resource == *resource)
}

/// Where a watch puts what it sees.
struct Sink {
    shared: Weak<Shared>,
    scope: Scope,
    number: u64,
    reach: Arc<Reach>,
}

impl Sink {
    /// None: the watch is not wanted any more.
    fn put(&self, seen: Seen) -> Option<()> {
        let shared = self.shared.upgrade()?;
        let mut state = shared.lock();
        let wanted = state.running.get(&self.scope).is_some_and(|own| own.number == self.number);
        wanted.then(|| state.take(&self.scope, seen))
    }
}

#[cfg(test)]
mod tests;
