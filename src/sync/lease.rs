//! The right to write to a cluster: a claim that a heartbeat renews, and that no write may outlast.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::cluster::call::CALL_TIMEOUT;
use crate::config::live::Live;
use crate::domain::name::SyncId;
use crate::domain::stop::Stop;
use crate::store::{Claim, ClaimKey, Held, Store};
use crate::sync::context::Context;

/// How long a claim holds without a heartbeat. It must exceed `WRITE_MAX` and a few heartbeats, or no
/// write would ever be allowed.
pub const LEASE: Duration = Duration::from_mins(3);
/// Longest time from the permission to write until the write has happened or never will: an attempt,
/// and what lies between the permission and the API server.
const WRITE_MAX: Duration = CALL_TIMEOUT.saturating_add(Duration::from_secs(5));
/// How often the claims are renewed.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The claim of a running sync.
pub struct Lease {
    store: Store,
    key: ClaimKey,
    until_ms: AtomicI64,
    cancelled: AtomicBool,
    /// Ends with the claim, with a cancellation, and when the process is to end.
    stop: CancellationToken,
    config: Arc<Live>,
}

impl Lease {
    /// The lease of a fresh claim; `stop` asks the sync to stop between two writes.
    pub fn new(context: &Context, claim: &Claim, stop: CancellationToken) -> Self {
        Self {
            store: context.store.clone(),
            config: Arc::clone(&context.config),
            key: claim.key,
            until_ms: AtomicI64::new(claim.lease_until.as_millisecond()),
            cancelled: AtomicBool::new(false),
            stop,
        }
    }

    /// The claim's key.
    pub fn key(&self) -> ClaimKey {
        self.key
    }

    /// The gate of every write to a cluster (see [`Cluster::writer`](crate::cluster::Cluster::writer)):
    /// whether it may be sent, that is, whether the claim outlasts the longest time that it can take.
    pub fn may_write(&self) -> Result<(), Stop> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Stop::Cancelled);
        }
        let ends = Timestamp::from_millisecond(self.until_ms.load(Ordering::Acquire))
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let left = ends.duration_since(self.store.now());
        if left <= jiff::SignedDuration::try_from(WRITE_MAX).unwrap_or(jiff::SignedDuration::MAX) {
            return Err(Stop::LeaseLost);
        }
        if self.stop.is_cancelled() || self.config.load().server.suspend {
            return Err(Stop::Released);
        }
        Ok(())
    }

    /// Waits for something that writes nothing, and no longer when the sync is to stop.
    pub(super) async fn unless_stopped<T>(&self, wait: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(self.may_write().err().unwrap_or(Stop::Released)),
            done = wait => Ok(done),
        }
    }

    /// Learns from a heartbeat: how long the claim holds now, or (none) that it is lost.
    fn learn(&self, held: Option<Held>) {
        let until_ms = held.map_or(0, |held| held.lease_until.as_millisecond());
        self.until_ms.store(until_ms, Ordering::Release);
        let cancelled = held.is_some_and(|held| held.cancel_requested);
        self.cancelled.store(cancelled, Ordering::Relaxed);
        if cancelled || held.is_none() {
            self.stop.cancel();
        }
    }
}

/// The leases of all syncs that run, which share their heartbeats: however many they are, they cost
/// the store one transaction.
#[derive(Default)]
pub struct Leases(Mutex<HashMap<ClaimKey, Weak<Lease>>>);

impl Leases {
    /// Stops a sync that runs here, without waiting for a heartbeat to tell it.
    pub fn cancel(&self, sync: SyncId) {
        for lease in self.held().into_iter().filter(|lease| lease.key.sync == sync) {
            lease.cancelled.store(true, Ordering::Relaxed);
            lease.stop.cancel();
        }
    }

    /// Renews a lease from now on, until it is dropped.
    pub(super) fn hold(&self, lease: &Arc<Lease>) {
        let mut leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        leases.insert(lease.key, Arc::downgrade(lease));
    }

    /// Renews without end, and learns of claims that are lost and syncs that are to be cancelled.
    pub(super) async fn keep(&self, store: &Store) -> Infallible {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            let leases = self.held();
            let keys: Vec<_> = leases.iter().map(|lease| lease.key).collect();
            if keys.is_empty() {
                continue;
            }
            match store.renew(&keys, LEASE).await {
                Ok(held) => {
                    for lease in leases {
                        lease.learn(held.get(&lease.key).copied());
                    }
                }
                // The claims run out by themselves if the store stays away.
                Err(error) => tracing::warn!(%error, "could not renew the claims of syncs"),
            }
        }
    }

    fn held(&self) -> Vec<Arc<Lease>> {
        let mut leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        leases.retain(|_, lease| lease.strong_count() > 0);
        leases.values().filter_map(Weak::upgrade).collect()
    }
}
