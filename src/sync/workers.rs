//! The workers: how many syncs are at work at once. Waiting for a host takes none: a sync takes its
//! worker when Git and the cluster have answered, so that hosts that hang hold up only those who need
//! them.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

/// The workers of the process.
pub struct Workers {
    number: usize,
    free: Semaphore,
    waiting: AtomicUsize,
}

/// A worker that is taken, until it is dropped.
pub(super) struct Worker<'a> {
    _permit: Option<SemaphorePermit<'a>>,
}

impl Workers {
    /// So many (`server.limits.workers`).
    pub fn new(number: usize) -> Self {
        let number = number.clamp(1, Semaphore::MAX_PERMITS);
        Self { number, free: Semaphore::new(number), waiting: AtomicUsize::new(0) }
    }

    /// Waits for a worker; who came first gets it first.
    pub(super) async fn take(&self) -> Worker<'_> {
        let _waiting = Waiting::begin(&self.waiting);
        // The semaphore is never closed.
        Worker { _permit: self.free.acquire().await.ok() }
    }

    /// Whether so many wait that who is claimed now would only wait, too: better in the queue, where
    /// wishes can still join it.
    pub(super) fn is_crowded(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= self.number
    }
}

/// Counts who waits, also when the wait is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn who_waits_for_a_worker_is_counted_until_it_has_one_or_gives_up() {
        let workers = Workers::new(1);
        let first = workers.take().now_or_never().expect("a free worker");
        assert!(!workers.is_crowded());
        let mut second = Box::pin(workers.take());
        assert!(second.as_mut().now_or_never().is_none() && workers.is_crowded());
        drop(first);
        assert!(second.now_or_never().is_some() && !workers.is_crowded());

        let held = workers.take().now_or_never().expect("a free worker");
        let mut gives_up = Box::pin(workers.take());
        assert!(gives_up.as_mut().now_or_never().is_none() && workers.is_crowded());
        drop(gives_up);
        assert!(!workers.is_crowded());
        drop(held);
    }
}
