//! The workers: how many syncs are at work at once. Waiting for a host takes none: a sync takes its
//! worker when Git and the cluster have answered, so that hosts that hang hold up only those who need
//! them. A cluster that is slow only then, or a repository that takes long to render, holds its
//! [share](crate::domain::shares) at most.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::config::{Application, Config};
use crate::domain::name::{ApplicationName, ClusterName, RepositoryName};
use crate::domain::shares::{self, Held};

/// The workers of the process.
pub struct Workers {
    number: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    clusters: Held<ClusterName>,
    repositories: Held<RepositoryName>,
    /// In the order in which they came.
    waiting: Vec<Waiting>,
}

/// For whom a worker works.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Client {
    cluster: ClusterName,
    repository: RepositoryName,
}

impl Client {
    fn of(application: &Application) -> Self {
        let Application { cluster, repository, .. } = application;
        Self { cluster: cluster.clone(), repository: repository.clone() }
    }
}

struct Waiting {
    client: Client,
    turn: oneshot::Sender<()>,
}

/// A worker that is taken, until it is dropped.
pub(super) struct Worker<'a> {
    workers: &'a Workers,
    client: Client,
}

impl Workers {
    /// So many (`server.limits.workers`).
    pub fn new(number: usize) -> Self {
        Self { number: number.max(1), state: Mutex::default() }
    }

    /// Waits for a worker for a sync of an application of this configuration.
    pub(super) async fn take(&self, application: &Application, config: &Config) -> Worker<'_> {
        let client = Client::of(application);
        self.take_for(client, config.clusters_in_use(), config.repositories_in_use()).await
    }

    /// The same, of so many clusters and repositories that there are.
    async fn take_for(&self, client: Client, clusters: usize, repositories: usize) -> Worker<'_> {
        let (turn, taken) = oneshot::channel();
        {
            let mut state = self.lock();
            state.clusters.among(clusters);
            state.repositories.among(repositories);
            state.waiting.push(Waiting { client: client.clone(), turn });
            state.hand_out(self.number);
        }
        // Whoever gives up is passed over by the next hand-out, or gives back what came meanwhile.
        let mut place = Place { workers: self, client, taken };
        // The sender is not dropped before it was used.
        let _ = (&mut place.taken).await;
        place.into_worker()
    }

    /// The applications of which so many syncs wait, with those of the same repository and cluster, that
    /// who is claimed now would only wait, too: better in the queue, where requests can still join it.
    pub(super) fn crowded(&self, config: &Config) -> Vec<ApplicationName> {
        let crowded = self.crowded_clients();
        if crowded.is_empty() {
            return Vec::new();
        }
        let all = config.applications.values();
        let crowded = all.filter(|application| crowded.contains(&Client::of(application)));
        crowded.map(|application| application.name.clone()).collect()
    }

    fn crowded_clients(&self) -> HashSet<Client> {
        let state = self.lock();
        let mut waiting = HashMap::<_, usize>::new();
        for one in state.waiting.iter().filter(|one| !one.turn.is_closed()) {
            *waiting.entry(&one.client).or_default() += 1;
        }
        let crowded = waiting.into_iter().filter(|(_, count)| *count >= self.number);
        crowded.map(|(client, _)| client.clone()).collect()
    }

    fn give_back(&self, client: &Client) {
        let mut state = self.lock();
        state.clusters.give_back(&client.cluster);
        state.repositories.give_back(&client.repository);
        state.hand_out(self.number);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives what is free to who may have it.
    fn hand_out(&mut self, number: usize) {
        self.waiting.retain(|one| !one.turn.is_closed());
        loop {
            let Self { clusters, repositories, waiting } = self;
            let clients = waiting.iter().map(|one| (&one.client.cluster, &one.client.repository));
            let Some(next) = shares::next(number, clusters, repositories, clients) else {
                return;
            };
            let Waiting { client, turn } = waiting.remove(next);
            if turn.send(()).is_ok() {
                clusters.take(&client.cluster);
                repositories.take(&client.repository);
            }
        }
    }
}

/// A place among those who wait.
struct Place<'a> {
    workers: &'a Workers,
    client: Client,
    taken: oneshot::Receiver<()>,
}

impl<'a> Place<'a> {
    fn into_worker(mut self) -> Worker<'a> {
        // What was taken is the worker's now.
        self.taken.close();
        Worker { workers: self.workers, client: self.client.clone() }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.taken.close();
        // It came when nobody waited for it any more.
        if self.taken.try_recv().is_ok() {
            self.workers.give_back(&self.client);
        }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.workers.give_back(&self.client);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn client(cluster: &str, repository: &str) -> Client {
        Client { cluster: cluster.parse().unwrap(), repository: repository.parse().unwrap() }
    }

    /// Waits for a worker for the one application that there is.
    async fn take(workers: &Workers) -> Worker<'_> {
        workers.take_for(client("main", "fleet"), 1, 1).await
    }

    #[test]
    fn who_waits_for_a_worker_is_counted_until_it_has_one_or_gives_up() {
        let workers = Workers::new(1);
        let first = take(&workers).now_or_never().expect("a free worker");
        assert!(workers.crowded_clients().is_empty());
        let mut second = Box::pin(take(&workers));
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(workers.crowded_clients(), [client("main", "fleet")].into());
        drop(first);
        assert!(second.now_or_never().is_some() && workers.crowded_clients().is_empty());

        let held = take(&workers).now_or_never().expect("a free worker");
        let mut gives_up = Box::pin(take(&workers));
        assert!(gives_up.as_mut().now_or_never().is_none());
        drop(gives_up);
        assert!(workers.crowded_clients().is_empty());
        drop(held);
    }

    #[test]
    fn who_gives_up_when_its_turn_has_come_gives_the_worker_back() {
        let workers = Workers::new(1);
        let first = take(&workers).now_or_never().expect("a free worker");
        let mut gives_up = Box::pin(take(&workers));
        assert!(gives_up.as_mut().now_or_never().is_none());
        drop(first);
        drop(gives_up);
        assert!(take(&workers).now_or_never().is_some(), "it is free");
        assert!(workers.lock().clusters.is_empty(), "and nothing is remembered");
    }

    #[test]
    fn who_keeps_what_it_has_leaves_one_to_its_neighbour() {
        for (slow, quick, clusters, repositories) in [
            (("slow", "fleet"), ("quick", "fleet"), 2, 1),
            (("main", "slow"), ("main", "quick"), 1, 2),
        ] {
            let workers = Workers::new(2);
            let take = |(cluster, repository)| {
                let client = client(cluster, repository);
                Box::pin(workers.take_for(client, clusters, repositories))
            };
            let _held = take(slow).now_or_never().expect("a free worker");
            let mut more: Vec<_> = (0..2).map(|_| take(slow)).collect();
            assert!(more.iter_mut().all(|one| one.as_mut().now_or_never().is_none()));
            let further = workers.crowded_clients();
            assert_eq!(further, [client(slow.0, slow.1)].into(), "these stay in the queue");
            assert!(take(quick).now_or_never().is_some());
        }
    }
}
