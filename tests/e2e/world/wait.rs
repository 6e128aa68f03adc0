//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// How long anything may take that is not measured: generous, because a machine can be busy.
pub const DEADLINE: Duration = Duration::from_mins(3);

/// Shortest and longest time between two looks: a tenth of the time waited so far, so that what takes
/// long is not slowed down by being looked at.
const POLL: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(100)];

/// Looks until there is something, and returns it; fails with what was last seen otherwise.
#[track_caller]
pub fn wait_for<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if start.elapsed() > within => {
                panic!("waited {within:?} in vain for {what}; last seen: {seen}")
            }
            Err(_) => std::thread::sleep((start.elapsed() / 10).clamp(POLL[0], POLL[1])),
        }
    }
}

/// Looks until it holds.
#[track_caller]
pub fn wait_until(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    wait_for(what, within, || if holds() { Ok(()) } else { Err("it does not hold".to_owned()) });
}
