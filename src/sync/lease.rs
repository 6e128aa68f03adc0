//! The right to write to a cluster: a claim that a heartbeat renews, and that no write may outlast.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::cluster::call::CALL_TIMEOUT;
use crate::config::live::Live;
use crate::domain::stop::Stop;
use crate::store::{Claim, ClaimKey, Store};
use crate::sync::context::Context;

/// How long a claim holds without a heartbeat. It must exceed [`WRITE_MAX`] and a few heartbeats, or no
/// write would ever be allowed.
pub const LEASE: Duration = Duration::from_mins(3);
/// Longest time from the permission to write until the write has happened or never will: an attempt,
/// and what lies between the permission and the API server.
const WRITE_MAX: Duration = CALL_TIMEOUT.saturating_add(Duration::from_secs(5));
/// How often the claim is renewed.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The claim of a running sync.
pub struct Lease {
    store: Store,
    key: ClaimKey,
    until_ms: AtomicI64,
    cancelled: AtomicBool,
    release: CancellationToken,
    config: Arc<Live>,
}

impl Lease {
    /// The lease of a fresh claim; `release` asks the sync to stop between two objects.
    pub fn new(context: &Context, claim: &Claim, release: CancellationToken) -> Self {
        Self {
            store: context.store.clone(),
            config: Arc::clone(&context.config),
            key: claim.key,
            until_ms: AtomicI64::new(claim.lease_until.as_millisecond()),
            cancelled: AtomicBool::new(false),
            release,
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
        if self.release.is_cancelled() || self.config.load().server.suspend {
            return Err(Stop::Released);
        }
        let ends = Timestamp::from_millisecond(self.until_ms.load(Ordering::Acquire))
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let left = ends.duration_since(self.store.now());
        if left > jiff::SignedDuration::try_from(WRITE_MAX).unwrap_or(jiff::SignedDuration::MAX) {
            Ok(())
        } else {
            Err(Stop::LeaseLost)
        }
    }

    /// Renews the claim until dropped or lost, and learns of a cancellation.
    pub async fn keep(&self) {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            match self.store.renew(self.key, LEASE).await {
                Ok(Some(until)) => {
                    self.until_ms.store(until.as_millisecond(), Ordering::Release);
                }
                Ok(None) => {
                    self.until_ms.store(0, Ordering::Release);
                    return;
                }
                // The claim runs out by itself if the store stays away.
                Err(error) => tracing::warn!(%error, "could not renew the claim of a sync"),
            }
            if let Ok(true) = self.store.cancel_requested(self.key).await {
                self.cancelled.store(true, Ordering::Relaxed);
            }
        }
    }
}
