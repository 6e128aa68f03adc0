//! Named points at which the test build of the binary dies as if the power went: before and after
//! each durable step and each write to a cluster.
//!
//! `HEADSTAY_FAILPOINT=write:before` kills the process at the first pass of that point,
//! `write:before=3` at the third. Without the cargo feature `failpoints` nothing of it is compiled.

/// Passes a point; with the feature on, the process may end here without any clean-up.
#[cfg(not(feature = "failpoints"))]
pub fn failpoint(_name: &str) {}

/// Passes a point; the process may end here without any clean-up.
#[cfg(feature = "failpoints")]
pub fn failpoint(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static PLAN: OnceLock<Option<(String, AtomicU32)>> = OnceLock::new();
    let plan = PLAN.get_or_init(|| {
        let text = std::env::var("HEADSTAY_FAILPOINT").ok()?;
        let (name, passes) = match text.split_once('=') {
            Some((name, passes)) => (name.to_owned(), passes.parse().unwrap_or(1)),
            None => (text, 1),
        };
        Some((name, AtomicU32::new(passes)))
    });
    if let Some((planned, passes)) = plan
        && planned == name
        && passes.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}
