//! Why a sync failed, what decides that, and so what may try it again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::sync::phase::Phase;

/// What decides a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FailureCause {
    /// The bytes of the commit, and nothing else: wherever and whenever it is tried, it ends so.
    Commit,
    /// Something outside of it: the cluster, a host, rights, a quota, another application, a kind that
    /// is not there yet.
    Environment,
    /// What a person asked for: it does not exist.
    Person,
}

/// What may try a failed sync again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The same sync, after a growing pause.
    Retry,
    /// A check of the timer, or at the start, that finds the same commit and the same settings.
    Check,
    /// A push of another commit, or a change of the settings.
    Commit,
    /// A person who asks for a sync.
    Request,
}

impl FailureCause {
    /// Whether a failure with this cause may be tried again so. This is the only place that says it.
    pub fn admits(self, attempt: Attempt) -> bool {
        match (self, attempt) {
            (_, Attempt::Commit | Attempt::Request) | (Self::Environment, _) => true,
            (Self::Commit, Attempt::Retry | Attempt::Check) => false,
            // What a check does is not what that person asked for.
            (Self::Person, attempt) => attempt == Attempt::Check,
        }
    }

    /// The cause of failures that come together: the commit only if it decides each of them.
    pub fn of_all(causes: impl IntoIterator<Item = Self>) -> Self {
        let mut causes = causes.into_iter();
        let first = causes.next().unwrap_or(Self::Environment);
        if causes.all(|cause| cause == first) { first } else { Self::Environment }
    }
}

/// Whether a failed sync is tried again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FailureClass {
    /// Only a new commit or a request tries again.
    Permanent,
    /// It can pass: tried again with backoff, then by the timer.
    Transient,
}

/// Why a sync failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The phase that failed.
    pub phase: Phase,
    /// Whether it is tried again by itself.
    pub class: FailureClass,
    /// What decides it, and so what is waited for; null: it is from an earlier version, which told
    /// the class alone.
    #[serde(default)]
    cause: Option<FailureCause>,
    /// What failed, where and what to do, in one line.
    pub message: String,
    /// Every single error behind it, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// Most single errors that a failure tells: a repository can have as many as it has objects.
pub const DETAILS_MAX: usize = 100;
/// From so many bytes of them on no further one is told: each failed sync of the history has its own.
pub const DETAILS_BYTES_MAX: usize = 16 << 10;
/// Longest single error, in bytes: what it quotes of a repository can be of any length.
const DETAIL_BYTES_MAX: usize = 2000;
/// The same of the message, which has the first of them in it.
const MESSAGE_BYTES_MAX: usize = 2 * DETAIL_BYTES_MAX;

impl Failure {
    /// A failure with its cause. Lines that are too long are cut.
    pub fn new(phase: Phase, cause: FailureCause, message: String, details: Vec<String>) -> Self {
        let retried = cause.admits(Attempt::Retry);
        let class = if retried { FailureClass::Transient } else { FailureClass::Permanent };
        let details = details.into_iter().map(detail).collect();
        let message = cut(message, MESSAGE_BYTES_MAX);
        Self { phase, class, cause: Some(cause), message, details }
    }

    /// What decides it.
    pub fn cause(&self) -> FailureCause {
        self.cause.unwrap_or(match self.class {
            FailureClass::Permanent => FailureCause::Commit,
            FailureClass::Transient => FailureCause::Environment,
        })
    }
}

/// A single error, no longer than a failure tells it.
pub fn detail(line: String) -> String {
    cut(line, DETAIL_BYTES_MAX)
}

fn cut(mut line: String, bytes: usize) -> String {
    if line.len() > bytes {
        line.truncate(line.floor_char_boundary(bytes));
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn each_cause_says_what_is_waited_for() {
        use Attempt::{Check, Commit, Request, Retry};
        for (cause, admitted) in [
            (FailureCause::Commit, [false, false, true, true]),
            (FailureCause::Environment, [true, true, true, true]),
            (FailureCause::Person, [false, true, true, true]),
        ] {
            let admits = [Retry, Check, Commit, Request].map(|attempt| cause.admits(attempt));
            assert_eq!(admits, admitted, "{cause:?}");
        }
    }

    #[test]
    fn the_commit_is_to_blame_only_where_it_decides_everything() {
        use FailureCause::{Commit, Environment};
        assert_eq!(FailureCause::of_all([Commit, Commit]), Commit);
        assert_eq!(FailureCause::of_all([Commit, Environment]), Environment);
    }

    #[test]
    fn failures_of_an_earlier_version_are_read_and_those_of_this_one_are_read_by_it() {
        let before = json!({"phase": "diff", "class": "permanent", "message": "no such field"});
        let read: Failure = from_value(before).unwrap();
        assert_eq!(read.cause(), FailureCause::Commit);
        for (cause, class) in [
            (FailureCause::Commit, "permanent"),
            (FailureCause::Environment, "transient"),
            (FailureCause::Person, "permanent"),
        ] {
            let new = Failure::new(Phase::Apply, cause, String::new(), Vec::new());
            assert_eq!(json!(new)["class"], class);
            assert_eq!(from_value::<Failure>(json!(new)).unwrap(), new);
        }
    }
}
