//! How much memory all that is read of Git may take at once, however many applications that is for.
//! Most need little of it, and several are read at a time. Which need more shows while they are read:
//! they are read anew, one at a time, so that those of one tenant hold up nobody who needs little.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::account::{Account, Bound, Limits, Waiter};
use crate::source::Source;

/// Most jobs at a time that take [little](Limits::small).
const SMALL_MAX: usize = 8;
/// The same of those that take all that one may.
const LARGE_MAX: usize = 1;

/// The turns in which the repositories are read.
pub(super) struct Turns {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        let of = |number| Arc::new(Semaphore::new(number));
        Self { small: of(SMALL_MAX), large: of(LARGE_MAX) }
    }
}

impl Turns {
    /// Has a job done that charges what it takes to the account that it is given. If it is refused
    /// memory on the first, it is done again on a larger one.
    pub(super) async fn run<T, E, F>(&self, job: impl Fn(Arc<Account>) -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let small = Waiter::in_turn(Limits::small(), Box::new(turn(&self.small).await));
        let done = job(small.account().clone()).await;
        if small.account().reached() != Some(Bound::Memory) {
            return done;
        }
        drop((done, small));
        let large = Waiter::in_turn(Limits::default(), Box::new(turn(&self.large).await));
        job(large.account().clone()).await
    }
}

impl Source {
    /// Has a job done that reads of a repository: what it takes is charged to the account that it is
    /// given. It may be done twice.
    pub async fn account<T, E, F>(&self, job: impl Fn(Arc<Account>) -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        self.inner.turns.run(job).await
    }
}

/// Waits for a turn; those who wait have theirs in the order in which they came.
async fn turn(of: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    // It is never closed.
    of.clone().acquire_owned().await.ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Barrier;

    use super::*;
    use crate::domain::account::Refusal;

    /// Takes so much.
    fn take(account: &Account, bytes: usize) -> Result<usize, Refusal> {
        account.charge(Bound::Memory, bytes).map(|()| bytes)
    }

    #[tokio::test]
    async fn what_needs_little_waits_for_nothing_large() {
        let turns = Turns::default();
        let large = Limits::default().memory;
        let barrier = Barrier::new(2);
        // One that is large is under way for as long as those that are small are.
        let first = turns.run(async |account| {
            let taken = take(&account, large)?;
            barrier.wait().await;
            Ok::<_, Refusal>(taken)
        });
        let small = async {
            for _ in 0..100 {
                assert_eq!(turns.run(async |account| take(&account, 1)).await, Ok(1));
            }
            barrier.wait().await;
        };
        assert_eq!(tokio::join!(first, small).0, Ok(large));
    }

    #[tokio::test]
    async fn all_at_once_take_no_more_than_the_turns_have() {
        let (turns, now, most) = (Turns::default(), AtomicUsize::new(0), AtomicUsize::new(0));
        let (now, most) = (&now, &most);
        let job = |account: Arc<Account>, bytes: usize| async move {
            take(&account, bytes)?;
            most.fetch_max(now.fetch_add(bytes, Ordering::SeqCst) + bytes, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(bytes, Ordering::SeqCst);
            Ok::<_, Refusal>(())
        };
        let sizes = [Limits::small().memory, Limits::default().memory].repeat(20);
        let turns = &turns;
        let jobs = sizes.into_iter().map(|bytes| turns.run(move |account| job(account, bytes)));
        let jobs = futures::future::join_all(jobs).await;
        assert!(jobs.iter().all(Result::is_ok));
        let sum = SMALL_MAX * Limits::small().memory + LARGE_MAX * Limits::default().memory;
        assert_eq!(most.load(Ordering::SeqCst), sum);
    }
}
