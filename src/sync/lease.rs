//! The right to write to a cluster: a claim that a heartbeat renews, and that no write may outlast.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::cluster::call::CALL_TIMEOUT;
use crate::config::live::Live;
use crate::store::{Claim, ClaimKey, Store};
use crate::sync::context::Context;

/// How long a claim holds without a heartbeat. It must exceed the longest write and a few heartbeats,
/// or no write would ever be allowed.
pub const LEASE: Duration = Duration::from_mins(3);
/// Longest time of one write with all its attempts: the last one begins within 30 s of the first.
const WRITE_MAX: Duration = CALL_TIMEOUT.saturating_mul(2);
/// How often the claim is renewed.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Why a sync must not write any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// Another worker may have the application by now.
    #[error("the claim on the application was lost")]
    LeaseLost,
    /// A person cancelled the sync.
    #[error("the sync was cancelled")]
    Cancelled,
    /// The process ends, or writes were switched off.
    #[error("the sync was released: headstay is shutting down or suspended")]
    Released,
}

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

    /// To be asked before each write: whether it may be begun, that is, whether the claim outlasts
    /// the longest time that the write can take.
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
