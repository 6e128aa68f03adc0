//! The queue: the row in the store is the truth, a tokio channel only wakes the workers.

use tokio::sync::watch;

use crate::domain::delivery::Delivery;
use crate::domain::sync::SyncRequest;
use crate::store::error::StoreError;
use crate::store::{Enqueued, NewDelivery, Store};

/// Takes wishes for syncs and wakes workers. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    store: Store,
    work: watch::Sender<u64>,
    waiting: watch::Sender<u64>,
}

impl Queue {
    /// A queue over a store.
    pub fn new(store: Store) -> Self {
        Self { store, work: watch::Sender::new(0), waiting: watch::Sender::new(0) }
    }

    /// Journals a delivery with the wishes that follow from it; both are durable when this returns.
    pub async fn accept(
        &self,
        delivery: NewDelivery,
        requests: Vec<SyncRequest>,
    ) -> Result<Delivery, StoreError> {
        let wakes = !requests.is_empty();
        let delivery = self.store.accept(delivery, requests).await?;
        if wakes {
            self.ring();
        }
        Ok(delivery)
    }

    /// Adds a wish; it joins a queued sync that serves it as well.
    pub async fn enqueue(&self, request: SyncRequest) -> Result<Enqueued, StoreError> {
        let enqueued = self.store.enqueue(request).await?;
        self.ring();
        Ok(enqueued)
    }

    /// Adds many wishes, which share transactions.
    pub async fn enqueue_all(&self, requests: Vec<SyncRequest>) -> Result<(), StoreError> {
        if requests.is_empty() {
            return Ok(());
        }
        let all = requests.into_iter().map(|request| self.store.enqueue(request));
        futures::future::try_join_all(all).await?;
        self.ring();
        Ok(())
    }

    /// Wakes the workers: a row may have become claimable.
    pub fn ring(&self) {
        ring(&self.work);
    }

    /// Listens to the bell. Listen before looking for work, or a ring in between is missed.
    pub fn listen(&self) -> watch::Receiver<u64> {
        self.work.subscribe()
    }

    /// Wakes the observer: a sync may have begun to wait for health.
    pub fn ring_waiting(&self) {
        ring(&self.waiting);
    }

    /// Listens for syncs that begin to wait.
    pub fn listen_waiting(&self) -> watch::Receiver<u64> {
        self.waiting.subscribe()
    }
}

fn ring(bell: &watch::Sender<u64>) {
    bell.send_modify(|rung| *rung = rung.wrapping_add(1));
}
