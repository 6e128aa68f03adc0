//! When to try again: exponential backoff with jitter.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How an application's failed syncs are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Attempts after the first; then the timer goes on trying.
    pub limit: u32,
    /// The first delay.
    pub initial: Duration,
    /// The longest delay.
    pub max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { limit: 10, initial: Duration::from_secs(1), max: Duration::from_mins(3) }
    }
}

impl RetryPolicy {
    /// How long to wait after failed attempt number `attempt` (from 1), or none when the limit is
    /// reached. `jitter` in 0..=1 takes up to half of the delay away, so that many applications
    /// that failed together do not come back together.
    pub fn delay(&self, attempt: u32, jitter: f64) -> Option<Duration> {
        if attempt > self.limit {
            return None;
        }
        let doubled = self.initial.saturating_mul(1 << attempt.saturating_sub(1).min(20));
        Some(doubled.min(self.max).mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_the_cap_and_end_at_the_limit() {
        let policy =
            RetryPolicy { limit: 4, initial: Duration::from_secs(1), max: Duration::from_secs(5) };
        let delays: Vec<_> = (1..=5).map(|n| policy.delay(n, 0.0).map(|d| d.as_secs())).collect();
        assert_eq!(delays, [Some(1), Some(2), Some(4), Some(5), None]);
    }

    #[test]
    fn jitter_takes_at_most_half() {
        assert_eq!(RetryPolicy::default().delay(1, 1.0), Some(Duration::from_millis(500)));
    }
}
