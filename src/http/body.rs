//! Bodies of webhooks: read whole, because a signature covers them whole, and within bounds that
//! hold for all of them together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::http::problem::Problem;

/// What a body may take in memory, as a multiple of its length: itself, and once more while it is
/// read (a form is decoded).
const COST: u64 = 2;
/// Longest time from the headers to the last byte. Git hosts give up after ten seconds themselves.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// The budget is counted in pieces of this many bytes.
const PIECE: u64 = 1024;
/// The shares of the budget, each an equal part: bodies up to this size draw on it, larger ones on
/// the last. So senders of large bodies, verified or not, keep no ordinary push out.
const SHARES: [u64; 3] = [64 << 10, 1 << 20, u64::MAX];

/// The bytes that all bodies together may take in memory.
#[derive(Clone)]
pub(super) struct Budget {
    shares: [Arc<Semaphore>; SHARES.len()],
    /// Pieces of one share.
    pieces: u32,
}

/// A body and its part of the budget, which is given back when this is dropped.
pub(super) struct Held {
    /// The bytes.
    pub bytes: Vec<u8>,
    _paid: OwnedSemaphorePermit,
}

impl Budget {
    /// A budget of this many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let pieces = u32::try_from(bytes / PIECE / SHARES.len() as u64).unwrap_or(u32::MAX).max(1);
        Self { shares: SHARES.map(|_| Arc::new(Semaphore::new(pieces as usize))), pieces }
    }

    /// Reads a body of at most `limit` bytes, once there is room for it.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        limit: u64,
    ) -> Result<Held, Problem> {
        self.read_by(Instant::now() + READ_TIMEOUT, headers, body, limit).await
    }

    async fn read_by(
        &self,
        deadline: Instant,
        headers: &HeaderMap,
        body: Body,
        limit: u64,
    ) -> Result<Held, Problem> {
        // One that does not say how large it is may be as large as any.
        let announced = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse::<u64>().ok())
            .unwrap_or(limit);
        if announced > limit {
            return Err(too_large(limit));
        }
        let paid = timeout_at(deadline, self.pay(announced)).await.map_err(|_| {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many bytes of webhooks are in memory; try again",
            )
        })??;
        let bytes = timeout_at(deadline, collect(body, announced)).await.map_err(|_| {
            Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body did not arrive within {} s", READ_TIMEOUT.as_secs()),
            )
        })??;
        Ok(Held { bytes, _paid: paid })
    }

    /// Waits for room for the whole body, so that bodies do not wait for each other with half of
    /// it. One that is larger than its share takes all of that.
    async fn pay(&self, length: u64) -> Result<OwnedSemaphorePermit, Problem> {
        let share = SHARES.iter().position(|most| length <= *most).unwrap_or(SHARES.len() - 1);
        let pieces = (length * COST).div_ceil(PIECE);
        let pieces = u32::try_from(pieces).unwrap_or(u32::MAX).min(self.pieces);
        Arc::clone(&self.shares[share]).acquire_many_owned(pieces).await.map_err(|_| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no more webhooks are taken")
        })
    }
}

async fn collect(body: Body, limit: u64) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::bad_request("the body broke off before its end"))?;
        if (bytes.len() + chunk.len()) as u64 > limit {
            return Err(too_large(limit));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn too_large(limit: u64) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the body is larger than {limit} bytes (server.limits.bodyBytes)"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(bytes: usize) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_LENGTH, bytes.into())])
    }

    #[tokio::test]
    async fn a_body_has_a_limit_whether_it_says_its_size_or_not() {
        let budget = Budget::new(1 << 20);
        for (headers, size, expected) in [
            (length(4096), 4096, Ok(4096)),
            (length(4097), 4097, Err(StatusCode::PAYLOAD_TOO_LARGE)),
            (HeaderMap::new(), 4096, Ok(4096)),
            (HeaderMap::new(), 4097, Err(StatusCode::PAYLOAD_TOO_LARGE)),
        ] {
            let read = budget.read(&headers, Body::from(vec![0; size]), 4096).await;
            let read = read.map(|held| held.bytes.len()).map_err(|problem| problem.status());
            assert_eq!(read, expected, "{headers:?}");
        }
    }

    #[tokio::test]
    async fn bodies_wait_for_room_within_their_share() {
        let budget = Budget::new(SHARES.len() as u64 * COST * (2 << 20));
        let read = async |size: usize, seconds| {
            let deadline = Instant::now() + Duration::from_secs(seconds);
            let body = Body::from(vec![0; size]);
            let read = budget.read_by(deadline, &length(size), body, 25 << 20).await;
            read.map_err(|problem| problem.status())
        };
        let first = read(1 << 20, 0).await.unwrap();
        let second = read(1 << 20, 0).await.unwrap();
        let full = Some(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(read(1 << 20, 0).await.err(), full);
        assert!(read(64 << 10, 0).await.is_ok(), "small ones have a share of their own");
        assert!(read(25 << 20, 0).await.is_ok(), "one beyond its share takes all of that");

        let (third, ()) = tokio::join!(read(1 << 20, 3600), async { drop(first) });
        assert!(third.is_ok(), "who waits gets what is given back");
        drop((second, third));
    }
}
