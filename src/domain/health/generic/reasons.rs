//! What the reason of a condition says: one word, mostly. What is not in these tables is not guessed at.

use crate::domain::health::generic::words::Words;

/// What a controller says in the reason of a condition when something went wrong, as opposed to not
/// having happened yet. What only is not there yet is left out on purpose, whatever it is called:
/// `DoesNotExist` and `Unavailable` are the first thing that many say of what they are about to make,
/// and capacity that is `Insufficient` may come.
const FAILING: &[&str] = &[
    // It was tried.
    "abort",
    "aborted",
    "back off",
    "backoff",
    "crash",
    "crashed",
    "err",
    "error",
    "errored",
    "errors",
    "fail",
    "failed",
    "failing",
    "fails",
    "failure",
    "failures",
    "fatal",
    "panic",
    "panicked",
    "stalled",
    "terminal",
    "unsuccessful",
    // It took too long, or there is no more of it.
    "deadline",
    "exceeded",
    "exhausted",
    "expired",
    "timed out",
    "timeout",
    // Somebody said no.
    "denied",
    "disallowed",
    "forbidden",
    "not allowed",
    "not authorized",
    "not permitted",
    "refused",
    "rejected",
    "unauthenticated",
    "unauthorized",
    "violated",
    "violation",
    // What was asked for makes no sense, or not here.
    "bad",
    "conflict",
    "conflicting",
    "conflicts",
    "duplicate",
    "duplicated",
    "illegal",
    "incompatible",
    "invalid",
    "malformed",
    "misconfiguration",
    "misconfigured",
    "mismatch",
    "not supported",
    "not valid",
    "unprocessable",
    "unsupported",
    // What it needs is not there: mostly a name that nobody has.
    "missing",
    "no such",
    "not found",
    "unresolved",
    // It cannot go on.
    "broken",
    "cannot",
    "cant",
    "corrupt",
    "corrupted",
    "could not",
    "couldnt",
    "degraded",
    "lost",
    "unable",
    "unhealthy",
    "unreachable",
];

/// What a reason says while something is under way, beside words that end in -ing.
const WAITING: &[&str] = &[
    "awaiting",
    "in progress",
    "not yet",
    "pending",
    "queued",
    "running",
    "scheduled",
    "started",
    "unknown",
    "wait",
    "waiting",
];

/// What a reason says when something has come to its end well.
const DONE: &[&str] = &[
    "as expected",
    "available",
    "complete",
    "completed",
    "done",
    "finished",
    "ready",
    "succeeded",
];

/// Whether a reason says that something went wrong, or a message where there is no reason.
/// `WaitingForFailedNode` does not.
pub(super) fn is_failing(reason: &str) -> bool {
    let reason = Words::of(reason);
    reason.have(FAILING) && !reason.begin_with(&["awaiting", "pending", "wait", "waiting"])
}

/// Whether a reason says that something is under way.
pub(super) fn is_waiting(reason: &str) -> bool {
    let words = Words::of(reason);
    !is_failing(reason) && (words.have(WAITING) || words.have_gerund())
}

/// Whether a reason says that something has come to its end well.
pub(super) fn is_done(reason: &str) -> bool {
    Words::of(reason).have(DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_tell_what_failed_from_what_is_not_yet() {
        for failing in [
            "ReconcileError",
            "SecretNotFound",
            "ErrImagePull",
            "RefNotPermitted",
            "ProgressDeadlineExceeded",
            "TimedOut",
            "access_denied",
            "CouldntGetTask",
            "PodsFailing",
        ] {
            assert!(is_failing(failing), "{failing}");
        }
        for other in [
            "",
            "Creating",
            "DoesNotExist",
            "MinimumReplicasUnavailable",
            "NoErrors",
            "WaitingForFailedNode",
            "AddressNotAssigned",
            "Terrorism",
        ] {
            assert!(!is_failing(other), "{other}");
        }
        for (reason, waits) in
            [("Pending", true), ("Provisioning", true), ("NotAllowedByListeners", false)]
        {
            assert_eq!(is_waiting(reason), waits, "{reason}");
        }
    }
}
