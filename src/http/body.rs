//! Bodies of webhooks: read whole, because a signature covers them whole, and within bounds that
//! hold for all of them together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::problem::Problem;

/// Longest time from the headers to the last byte. Git hosts give up after ten seconds themselves.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// The budget is counted in pieces of this many bytes.
const PIECE: u64 = 1024;
/// Bodies up to this size draw on a share of their own, so that a few senders of huge bodies
/// cannot keep ordinary pushes out.
const SMALL: u64 = 1 << 20;

/// The bytes that all bodies together may take in memory.
#[derive(Clone)]
pub(super) struct Budget {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// A body and its part of the budget, which is given back when this is dropped.
pub(super) struct Held {
    /// The bytes.
    pub bytes: Vec<u8>,
    permits: Vec<OwnedSemaphorePermit>,
}

impl Budget {
    /// A budget of this many bytes, one half of it for bodies up to 1 MiB.
    pub(super) fn new(bytes: u64) -> Self {
        let pieces = usize::try_from(bytes / PIECE / 2).unwrap_or(usize::MAX >> 4).max(1);
        let share = || Arc::new(Semaphore::new(pieces.min(Semaphore::MAX_PERMITS)));
        Self { small: share(), large: share() }
    }

    /// Reads a body of at most `limit` bytes.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        limit: u64,
    ) -> Result<Held, Problem> {
        let announced = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large(limit));
        }
        match tokio::time::timeout(READ_TIMEOUT, self.collect(body, limit)).await {
            Ok(read) => read,
            Err(_) => Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body did not arrive within {} s", READ_TIMEOUT.as_secs()),
            )),
        }
    }

    async fn collect(&self, body: Body, limit: u64) -> Result<Held, Problem> {
        let mut held = Held { bytes: Vec::new(), permits: Vec::new() };
        let mut paid: u64 = 0;
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk =
                chunk.map_err(|_| Problem::bad_request("the body broke off before its end"))?;
            let length = (held.bytes.len() + chunk.len()) as u64;
            if length > limit {
                return Err(too_large(limit));
            }
            if length > paid {
                let pieces = (length - paid).div_ceil(PIECE);
                held.permits.push(self.pay(pieces, length)?);
                paid += pieces * PIECE;
            }
            held.bytes.extend_from_slice(&chunk);
        }
        Ok(held)
    }

    fn pay(&self, pieces: u64, length: u64) -> Result<OwnedSemaphorePermit, Problem> {
        let share = if length <= SMALL { &self.small } else { &self.large };
        let pieces = u32::try_from(pieces).unwrap_or(u32::MAX);
        Arc::clone(share).try_acquire_many_owned(pieces).map_err(|_| {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many bytes of webhooks are in memory; try again",
            )
        })
    }
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

    async fn status(budget: &Budget, size: usize, limit: u64) -> Result<usize, StatusCode> {
        let read = budget.read(&HeaderMap::new(), Body::from(vec![0; size]), limit).await;
        read.map(|held| held.bytes.len()).map_err(|problem| problem.status())
    }

    #[tokio::test]
    async fn a_body_is_bounded_by_itself_and_with_all_others() {
        let budget = Budget::new(16 * PIECE);
        assert_eq!(status(&budget, 4096, 4096).await, Ok(4096));
        assert_eq!(status(&budget, 4097, 4096).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
        let all = budget.read(&HeaderMap::new(), Body::from(vec![0; 8 * 1024]), 1 << 20).await;
        assert!(all.is_ok());
        assert_eq!(status(&budget, 1, 4096).await, Err(StatusCode::SERVICE_UNAVAILABLE));
        drop(all);
        assert_eq!(status(&budget, 1, 4096).await, Ok(1), "what is dropped is given back");
    }
}
