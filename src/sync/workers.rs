//! The workers: how many syncs are at work at once. Waiting for a host takes none: a sync takes its
//! worker when Git and the cluster have answered, so that hosts that hang hold up only those who need
//! them. A cluster that is slow only then holds its [share](crate::domain::shares) at most.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::domain::name::ClusterName;
use crate::domain::shares;

/// The workers of the process.
pub struct Workers {
    number: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How many clusters there are, as of who came last.
    clusters: usize,
    /// What each cluster has, if it has any.
    held: HashMap<ClusterName, usize>,
    /// In the order in which they came.
    waiting: Vec<Waiting>,
}

struct Waiting {
    cluster: ClusterName,
    turn: oneshot::Sender<()>,
}

/// A worker that is taken, until it is dropped.
pub(super) struct Worker<'a> {
    workers: &'a Workers,
    cluster: ClusterName,
}

impl Workers {
    /// So many (`server.limits.workers`).
    pub fn new(number: usize) -> Self {
        Self { number: number.max(1), state: Mutex::default() }
    }

    /// Waits for a worker for a sync on a cluster, of so many clusters that there are.
    pub(super) async fn take(&self, cluster: &ClusterName, clusters: usize) -> Worker<'_> {
        let (turn, taken) = oneshot::channel();
        {
            let mut state = self.lock();
            state.clusters = clusters;
            state.waiting.push(Waiting { cluster: cluster.clone(), turn });
            state.hand_out(self.number);
        }
        // Whoever gives up is passed over by the next hand-out, or gives back what came meanwhile.
        let mut place = Place { workers: self, cluster: cluster.clone(), taken };
        // The sender is not dropped before it was used.
        let _ = (&mut place.taken).await;
        place.into_worker()
    }

    /// The clusters for which so many syncs wait that who is claimed now would only wait, too: better
    /// in the queue, where wishes can still join it.
    pub(super) fn crowded(&self) -> Vec<ClusterName> {
        let state = self.lock();
        let mut waiting = HashMap::<_, usize>::new();
        for one in state.waiting.iter().filter(|one| !one.turn.is_closed()) {
            *waiting.entry(&one.cluster).or_default() += 1;
        }
        let crowded = waiting.into_iter().filter(|(_, count)| *count >= self.number);
        crowded.map(|(cluster, _)| cluster.clone()).collect()
    }

    fn give_back(&self, cluster: &ClusterName) {
        let mut state = self.lock();
        if let Some(held) = state.held.get_mut(cluster) {
            *held -= 1;
            if *held == 0 {
                state.held.remove(cluster);
            }
        }
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
            let waiting = self.waiting.iter().map(|one| &one.cluster);
            let Some(next) = shares::next(number, self.clusters, &self.held, waiting) else {
                return;
            };
            let Waiting { cluster, turn } = self.waiting.remove(next);
            if turn.send(()).is_ok() {
                *self.held.entry(cluster).or_default() += 1;
            }
        }
    }
}

/// A place among those who wait.
struct Place<'a> {
    workers: &'a Workers,
    cluster: ClusterName,
    taken: oneshot::Receiver<()>,
}

impl<'a> Place<'a> {
    fn into_worker(mut self) -> Worker<'a> {
        // What was taken is the worker's now.
        self.taken.close();
        Worker { workers: self.workers, cluster: self.cluster.clone() }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.taken.close();
        // It came when nobody waited for it any more.
        if self.taken.try_recv().is_ok() {
            self.workers.give_back(&self.cluster);
        }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.workers.give_back(&self.cluster);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn who_waits_for_a_worker_is_counted_until_it_has_one_or_gives_up() {
        let workers = Workers::new(1);
        let main: ClusterName = "main".parse().unwrap();
        let first = workers.take(&main, 1).now_or_never().expect("a free worker");
        assert!(workers.crowded().is_empty());
        let mut second = Box::pin(workers.take(&main, 1));
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(workers.crowded(), std::slice::from_ref(&main));
        drop(first);
        assert!(second.now_or_never().is_some() && workers.crowded().is_empty());

        let held = workers.take(&main, 1).now_or_never().expect("a free worker");
        let mut gives_up = Box::pin(workers.take(&main, 1));
        assert!(gives_up.as_mut().now_or_never().is_none());
        drop(gives_up);
        assert!(workers.crowded().is_empty());
        drop(held);
    }

    #[test]
    fn who_gives_up_when_its_turn_has_come_gives_the_worker_back() {
        let workers = Workers::new(1);
        let main: ClusterName = "main".parse().unwrap();
        let first = workers.take(&main, 1).now_or_never().expect("a free worker");
        let mut gives_up = Box::pin(workers.take(&main, 1));
        assert!(gives_up.as_mut().now_or_never().is_none());
        drop(first);
        drop(gives_up);
        assert!(workers.take(&main, 1).now_or_never().is_some(), "it is free");
        assert!(workers.lock().held.is_empty(), "and nothing is remembered");
    }

    #[test]
    fn a_cluster_that_keeps_what_it_has_leaves_one_to_its_neighbour() {
        let workers = Workers::new(2);
        let (slow, quick): (ClusterName, ClusterName) =
            ("slow".parse().unwrap(), "quick".parse().unwrap());
        let _held = workers.take(&slow, 2).now_or_never().expect("a free worker");
        let mut more: Vec<_> = (0..2).map(|_| Box::pin(workers.take(&slow, 2))).collect();
        assert!(more.iter_mut().all(|one| one.as_mut().now_or_never().is_none()));
        assert_eq!(
            workers.crowded(),
            std::slice::from_ref(&slow),
            "its further syncs stay in the queue"
        );
        assert!(workers.take(&quick, 2).now_or_never().is_some());
    }
}
