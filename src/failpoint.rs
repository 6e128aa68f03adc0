//! Named points at which a debug build dies as if the power went: before and after each durable
//! step and each write to a cluster. The stories in `tests/e2e/kill.rs` die at every one of them.
//!
//! `HEADSTAY_FAILPOINT=write:before` kills the process at the first pass of that point,
//! `write:before=3` at the third.
//!
//! The points exist in builds with debug assertions, which is what `cargo test` runs, and in no
//! other. A cargo feature would need a second build of everything for the stories, and could be
//! switched on for a release by mistake; a release build has no debug assertions, so that there
//! neither the variable nor any code of this remains.

/// Passes a point.
#[cfg(not(debug_assertions))]
#[inline(always)]
#[expect(clippy::inline_always, reason = "a call to nothing is to cost nothing")]
pub fn failpoint(_name: &str) {}

/// Passes a point; the process may end here without any clean-up.
#[cfg(debug_assertions)]
pub fn failpoint(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static PLAN: OnceLock<Option<(String, AtomicU32)>> = OnceLock::new();
    let plan = PLAN.get_or_init(|| {
        let text = std::env::var("HEADSTAY_FAILPOINT").ok()?;
        let (name, pass) = match text.split_once('=') {
            Some((name, pass)) => (name.to_owned(), pass.parse().ok()?),
            None => (text, 1),
        };
        Some((name, AtomicU32::new(pass)))
    });
    if let Some((planned, left)) = plan
        && planned == name
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}
