//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// How long anything may take that is not measured: generous, because a machine can be busy.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Time between two looks.
const POLL: Duration = Duration::from_millis(25);

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
            Err(_) => std::thread::sleep(POLL),
        }
    }
}

/// Looks until it holds.
#[track_caller]
pub fn wait_until(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    wait_for(what, within, || if holds() { Ok(()) } else { Err("it does not hold".to_owned()) });
}
