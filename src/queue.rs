//! The queue: the row in the store is the truth; a bell, which rings with the events of the store, only
//! wakes the workers.

use tokio::sync::watch;

use crate::domain::delivery::Delivery;
use crate::domain::sync::SyncRequest;
use crate::store::error::StoreError;
use crate::store::{Enqueued, NewDelivery, Store};

/// Takes wishes for syncs and wakes workers. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    store: Store,
}

impl Queue {
    /// A queue over a store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Journals a delivery with the wishes that follow from it; both are durable when this returns.
    pub async fn accept(
        &self,
        delivery: NewDelivery,
        requests: Vec<SyncRequest>,
    ) -> Result<Delivery, StoreError> {
        self.store.accept(delivery, requests).await
    }

    /// Adds a wish; it joins a queued sync that serves it as well.
    pub async fn enqueue(&self, request: SyncRequest) -> Result<Enqueued, StoreError> {
        self.store.enqueue(request).await
    }

    /// Adds many wishes, which share transactions.
    pub async fn enqueue_all(&self, requests: Vec<SyncRequest>) -> Result<(), StoreError> {
        let all = requests.into_iter().map(|request| self.store.enqueue(request));
        futures::future::try_join_all(all).await.map(drop)
    }

    /// Wakes the workers for what no event of the store tells: a row may be claimable that was not.
    pub fn ring(&self) {
        self.store.work_bell().ring();
    }

    /// Listens to the bell. Listen before looking for work, or a ring in between is missed.
    pub fn listen(&self) -> watch::Receiver<u64> {
        self.store.work_bell().listen()
    }

    /// Wakes the observer.
    pub fn ring_waiting(&self) {
        self.store.waits_bell().ring();
    }

    /// Listens for syncs that begin to wait.
    pub fn listen_waiting(&self) -> watch::Receiver<u64> {
        self.store.waits_bell().listen()
    }
}
