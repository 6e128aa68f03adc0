//! Slots of work. Waiting for a host takes none: a sync takes its slot when Git and the cluster have
//! answered, so that hosts that hang hold up only those who need them.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

/// The slots of the process.
pub struct Slots {
    number: usize,
    free: Semaphore,
    waiting: AtomicUsize,
}

/// A slot that is taken, until it is dropped.
pub(super) struct Slot<'a> {
    _permit: Option<SemaphorePermit<'a>>,
}

impl Slots {
    /// So many (`server.limits.workers`).
    pub fn new(number: usize) -> Self {
        let number = number.clamp(1, Semaphore::MAX_PERMITS);
        Self { number, free: Semaphore::new(number), waiting: AtomicUsize::new(0) }
    }

    /// Waits for a slot; who came first gets it first.
    pub(super) async fn take(&self) -> Slot<'_> {
        let _waiting = Waiting::begin(&self.waiting);
        // The semaphore is never closed.
        Slot { _permit: self.free.acquire().await.ok() }
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
    fn who_waits_for_a_slot_is_counted_until_it_has_one_or_gives_up() {
        let slots = Slots::new(1);
        let first = slots.take().now_or_never().expect("a free slot");
        assert!(!slots.is_crowded());
        let mut second = Box::pin(slots.take());
        assert!(second.as_mut().now_or_never().is_none() && slots.is_crowded());
        drop(first);
        assert!(second.now_or_never().is_some() && !slots.is_crowded());

        let held = slots.take().now_or_never().expect("a free slot");
        let mut gives_up = Box::pin(slots.take());
        assert!(gives_up.as_mut().now_or_never().is_none() && slots.is_crowded());
        drop(gives_up);
        assert!(!slots.is_crowded());
        drop(held);
    }
}
