//! Limits on what fails verification. What is verified is never refused by them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::name::ReceiverName;

/// The span over which failures are counted.
const WINDOW: Duration = Duration::from_mins(1);

/// Failed verifications per receiver in the current minute. Only configured receivers are counted,
/// so that it stays small.
#[derive(Default)]
pub(super) struct Forgeries {
    windows: Mutex<HashMap<ReceiverName, (Instant, u32)>>,
}

/// How to treat one more failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Treatment {
    /// It is beyond the limit.
    pub limited: bool,
    /// It is the sample of its minute, to be journalled and logged.
    pub sampled: bool,
}

impl Forgeries {
    /// Counts a failure of a receiver.
    pub(super) fn count(&self, receiver: &ReceiverName, limit: u32, now: Instant) -> Treatment {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.entry(receiver.clone()).or_insert((now, 0));
        if now.duration_since(window.0) >= WINDOW {
            *window = (now, 0);
        }
        window.1 = window.1.saturating_add(1);
        Treatment { limited: window.1 > limit, sampled: window.1 == 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_limited_and_sampled_by_the_minute() {
        let forgeries = Forgeries::default();
        let name: ReceiverName = "github".parse().unwrap();
        let begin = Instant::now();
        let count = |after| forgeries.count(&name, 2, begin + Duration::from_secs(after));
        assert_eq!(count(0), Treatment { limited: false, sampled: true });
        assert_eq!(count(1), Treatment { limited: false, sampled: false });
        assert_eq!(count(59), Treatment { limited: true, sampled: false });
        assert_eq!(count(61), Treatment { limited: false, sampled: true });
    }
}
