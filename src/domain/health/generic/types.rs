//! What the type of a condition says, and so what its status means.

use crate::domain::health::generic::words::Words;

/// What the type of a condition says, and so what its status means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Polarity {
    /// It sums up all that must be: `Ready`, or `Available` where there is no `Ready`.
    Main,
    /// True is bad: `InvalidSpec`, `UpgradeFailed`.
    Failure,
    /// True is bad, or not good yet, as its reason says: `NotReady`, `Degraded`.
    Lack,
    /// True says that something is under way: `Progressing`.
    Underway,
    /// True says that it is switched off: `Paused`.
    Off,
    /// False is a verdict on what was asked for, and stays until that is changed: `Accepted`.
    Verdict,
    /// False is not yet: `Synced`, `Programmed`, `DatabaseReady`.
    Summary,
    /// It is known to those who defined it: `Active`, `Warning`, `MemoryPressure`.
    Unknown,
    /// It speaks of something else than whether the object works: `Upgradeable`, `LastBackupFailed`.
    Aside,
}

/// Conditions that sum up, the better one first.
pub(super) const MAIN: &[&str] = &["ready", "available"];

/// Conditions that are bad when true, by the last word of their type …
const FAILURES: &[&str] = &[
    "conflict",
    "conflicted",
    "crashed",
    "error",
    "errored",
    "errors",
    "failed",
    "failing",
    "failure",
    "failures",
    "invalid",
    "irreconcilable",
    "misconfigured",
    "rejected",
    "stalled",
    "terminal",
    "unreachable",
    "unsupported",
];

/// … or by the first one.
const FAILURES_FIRST: &[&str] = &["error", "failed", "invalid"];

/// Conditions that deny a summary. Some controllers say so of what they only begin to install.
const LACKS: &[&str] = &[
    "degraded",
    "not available",
    "not healthy",
    "not ready",
    "unavailable",
    "unhealthy",
    "unready",
];

/// Conditions that are false while all is well: what may be done to it is not how it is.
const ASIDE: &[&str] = &["upgradable", "upgradeable"];

/// Conditions of what is switched off on purpose.
const OFF: &[&str] =
    &["hibernated", "paused", "reconcile paused", "reconciliation paused", "stopped", "suspended"];

/// Conditions by which a controller accepts or refuses what was asked for (Gateway API and those who
/// follow it), and the one of what runs once and ends (Tekton, Knative).
const VERDICTS: &[&str] =
    &["accepted", "admitted", "resolved refs", "succeeded", "valid", "validated"];

/// Conditions that sum up, or a part of what must be, by the last word of their type. `Active`,
/// `Running`, `Enabled` and `Scheduled` are not among them: False is their normal state in many kinds.
const SUMMARIES: &[&str] = &[
    "applied",
    "available",
    "bound",
    "complete",
    "completed",
    "configured",
    "connected",
    "created",
    "deployed",
    "established",
    "healthy",
    "initialized",
    "installed",
    "programmed",
    "provided",
    "provisioned",
    "ready",
    "reconciled",
    "success",
    "successful",
    "synced",
    "synchronized",
    "up to date",
];

/// What the type of a condition says.
pub(super) fn polarity(of_type: &str) -> Polarity {
    let words = Words::of_type(of_type);
    if words.begin_with(&["last"]) || words.end_with(ASIDE) {
        Polarity::Aside
    } else if words.are(MAIN) {
        Polarity::Main
    } else if words.are(OFF) {
        Polarity::Off
    } else if words.end_with(LACKS) {
        Polarity::Lack
    } else if words.end_with(FAILURES) || words.begin_with(FAILURES_FIRST) {
        Polarity::Failure
    } else if words.are_gerund() || words.end_with(&["in progress"]) {
        Polarity::Underway
    } else if words.end_with(VERDICTS) {
        Polarity::Verdict
    } else if words.end_with(SUMMARIES) {
        Polarity::Summary
    } else {
        Polarity::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_a_condition_says_what_true_means() {
        use Polarity::{Aside, Failure, Lack, Main, Off, Summary, Underway, Unknown, Verdict};
        for (of_type, expected) in [
            ("Ready", Main),
            ("available", Main),
            ("Degraded", Lack),
            ("InvalidSpec", Failure),
            ("UpgradeFailed", Failure),
            ("ACK.Terminal", Failure),
            ("NoErrors", Unknown),
            ("LastBackupFailed", Aside),
            ("Upgradeable", Aside),
            ("NotReady", Lack),
            ("Progressing", Underway),
            ("StartupPolicyInProgress", Underway),
            ("Running", Unknown),
            ("Paused", Off),
            ("ReconciliationPaused", Off),
            ("ResolvedRefs", Verdict),
            ("Succeeded", Verdict),
            ("DatabaseReady", Summary),
            ("ACK.ResourceSynced", Summary),
            ("Active", Unknown),
            ("MemoryPressure", Unknown),
        ] {
            assert_eq!(polarity(of_type), expected, "{of_type}");
        }
    }
}
