//! Refusals are counted by the minute: what fails verification is limited, and of all that is refused
//! one of a minute is told. What is verified is never refused by that.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The span over which failures are counted.
const WINDOW: Duration = Duration::from_mins(1);

/// Refusals in the current minute by what they were for, of which there are few: configured
/// receivers, say.
pub(super) struct Refusals<K> {
    windows: Mutex<HashMap<K, (Instant, u32)>>,
}

impl<K> Default for Refusals<K> {
    fn default() -> Self {
        Self { windows: Mutex::default() }
    }
}

/// How to treat one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Treatment {
    /// It is beyond the limit.
    pub limited: bool,
    /// It is the sample of its minute, to be journalled and logged.
    pub sampled: bool,
}

impl<K: Clone + Eq + Hash> Refusals<K> {
    /// Counts one more.
    pub(super) fn count(&self, of: &K, limit: u32, now: Instant) -> Treatment {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        // So what left the configuration goes as well.
        windows.retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
        let window = windows.entry(of.clone()).or_insert((now, 0));
        window.1 = window.1.saturating_add(1);
        Treatment { limited: window.1 > limit, sampled: window.1 == 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_limited_and_sampled_by_the_minute() {
        let refusals = Refusals::default();
        let begin = Instant::now();
        let count = |after| refusals.count(&"github", 2, begin + Duration::from_secs(after));
        assert_eq!(count(0), Treatment { limited: false, sampled: true });
        assert_eq!(count(1), Treatment { limited: false, sampled: false });
        assert_eq!(count(59), Treatment { limited: true, sampled: false });
        assert_eq!(count(61), Treatment { limited: false, sampled: true });
        refusals.count(&"gitlab", 2, begin + Duration::from_secs(200));
        assert_eq!(refusals.windows.lock().unwrap().len(), 1, "the minute of the other is over");
    }
}
