//! What the status says in a word, beside its conditions: `status.phase`, `status.state` and the
//! like.

use serde_json::{Map, Value};

use crate::domain::health::field;
use crate::domain::health::generic::words::Words;

/// Fields that have the word, and objects of these names have it once more inside.
const NAMES: [&str; 4] = ["phase", "state", "status", "health"];
/// With these before, a name speaks of another time, or of something that the object did.
const OF_ANOTHER_TIME: &[&str] =
    &["desired", "expected", "last", "old", "operation", "previous", "target"];

/// What was said in a word.
pub(super) struct State<'a> {
    /// What it means.
    pub(super) meaning: Meaning,
    /// The field, as `status` has it.
    field: String,
    /// The word.
    word: &'a str,
}

/// `phase is Failed`
impl std::fmt::Display for State<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is {}", self.field, self.word)
    }
}

/// The worst that a status says of itself in a word that is understood. Fields that are named just so
/// go before those whose names end so (`printableStatus`, `jobStatus.state`).
pub(super) fn read(object: &Value) -> Option<State<'_>> {
    if let Some(word) = field::text(object, "/status") {
        return state("status".to_owned(), word);
    }
    let status = object.get("status")?.as_object()?;
    let own = worst(status, &|name| NAMES.contains(&name));
    let own = own.map(|state| past_its_start(status, state));
    own.or_else(|| worst(status, &is_named_alike))
}

fn worst<'a>(status: &'a Map<String, Value>, named: &'a dyn Fn(&str) -> bool) -> Option<State<'a>> {
    let said = words(status, named).filter_map(|(field, word)| state(field, word));
    said.max_by_key(|state| state.meaning)
}

/// Whether a status has such a word at all, understood or not.
pub(super) fn is_there(object: &Value) -> bool {
    match object.get("status") {
        Some(Value::String(word)) => !word.is_empty(),
        Some(Value::Object(status)) => words(status, &is_named_alike).next().is_some(),
        _ => false,
    }
}

/// Whether a field of this name has such a word.
pub(in crate::domain::health) fn is_named_alike(name: &str) -> bool {
    let words = Words::of(name);
    words.end_with(&NAMES) && !words.begin_with(OF_ANOTHER_TIME)
}

/// The fields of these names, and those inside of objects of these names.
fn words<'a>(
    status: &'a Map<String, Value>,
    named: &'a dyn Fn(&str) -> bool,
) -> impl Iterator<Item = (String, &'a str)> {
    let named = status.iter().filter(|(name, _)| named(name));
    named.flat_map(|(name, value)| {
        let inner = NAMES.iter().filter_map(move |inner| {
            Some((format!("{name}.{inner}"), value.get(inner)?.as_str()?))
        });
        value.as_str().map(|word| (name.clone(), word)).into_iter().chain(inner)
    })
}

fn state(field: String, word: &str) -> Option<State<'_>> {
    Some(State { meaning: meaning(word)?, field, word })
}

/// What runs to its end and says when it started is on its way while it runs: a workflow, an analysis.
/// What runs on says so in other ways.
fn past_its_start<'a>(status: &Map<String, Value>, state: State<'a>) -> State<'a> {
    const STARTS: [&str; 3] = ["startedAt", "startTime", "startTimestamp"];
    let started = STARTS.iter().any(|name| status.get(*name).is_some_and(Value::is_string));
    let runs = started && Words::of(state.word).are(&["running"]);
    State { meaning: if runs { Meaning::Underway } else { state.meaning }, ..state }
}

/// What a word or a sentence in `status.phase`, `status.state` or the like says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meaning {
    /// It works, or has come to its end well.
    Good,
    /// It is switched off.
    Off,
    /// It is on its way.
    Underway,
    /// It does not work.
    Bad,
}

/// Words of what works. They need no pattern, for they change nothing; but what says so is believed
/// before what says less.
const GOOD: &[&str] = &[
    "active",
    "available",
    "bound",
    "complete",
    "completed",
    "deployed",
    "done",
    "finished",
    "green",
    "healthy",
    "ok",
    "online",
    "operational",
    "ready",
    "running",
    "stable",
    "succeed",
    "succeeded",
    "success",
    "successful",
    "synced",
    "up",
    "valid",
];

/// Words of what is switched off.
const STATES_OFF: &[&str] =
    &["disabled", "halted", "hibernated", "hibernating", "paused", "stopped", "suspended"];

/// Words of what is under way or not there yet, beside those that begin or end with a word in -ing.
/// `Unknown` and `Missing` are said before somebody has looked.
const STATES_UNDERWAY: &[&str] = &[
    "in progress",
    "incomplete",
    "init",
    "initial",
    "missing",
    "new",
    "not ready",
    "not started",
    "out of sync",
    "partially",
    "pending",
    "queued",
    "requested",
    "submitted",
    "unavailable",
    "unbound",
    "uninitialized",
    "unknown",
    "unready",
    "unsynced",
];

/// Words of what does not work, when they are all that is said: `ScaledDown` is no fault.
const STATES_BAD_ALONE: &[&str] = &["down", "red"];

/// Words of what does not work, anywhere in it: `CreateFailed`, `PartiallyFailed`, `HEALTH_ERR`.
const STATES_BAD: &[&str] = &[
    "aborted",
    "broken",
    "canceled",
    "cancelled",
    "cannot",
    "crashed",
    "crashing",
    "critical",
    "degraded",
    "denied",
    "err",
    "error",
    "errored",
    "failed",
    "failing",
    "failure",
    "fatal",
    "faulted",
    "invalid",
    "killed",
    "lost",
    "rejected",
    "stalled",
    "timed out",
    "timeout",
    "unable",
    "unhealthy",
    "unrecoverable",
    "unreachable",
];

/// What a state says; none when it is not understood, as most are that speak of something else.
pub(super) fn meaning(state: &str) -> Option<Meaning> {
    let words = Words::of(state);
    if words.are(GOOD) {
        Some(Meaning::Good)
    } else if words.are(STATES_OFF) {
        Some(Meaning::Off)
    } else if words.have(STATES_BAD) || words.are(STATES_BAD_ALONE) {
        Some(Meaning::Bad)
    } else if words.are(STATES_UNDERWAY)
        || words.have(&["in progress", "partially", "pending", "waiting"])
        || words.begin_or_end_with_gerund()
        // What waits for its first consumer waits for nobody of ours.
        || words.begin_with(&["wait for"]) && !words.have(&["first consumer"])
    {
        Some(Meaning::Underway)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn states_are_understood_in_any_spelling_or_not_at_all() {
        use Meaning::{Bad, Good, Off, Underway};
        for (state, expected) in [
            ("Ready", Some(Good)),
            ("RUNNING", Some(Good)),
            ("Paused", Some(Off)),
            ("UPDATE_IN_PROGRESS", Some(Underway)),
            ("Setting up the primary", Some(Underway)),
            ("ApplyingChanges", Some(Underway)),
            ("OutOfSync", Some(Underway)),
            ("PartiallyFailed", Some(Bad)),
            ("CREATE_FAILED", Some(Bad)),
            ("NotFailed", None),
            ("Cluster in healthy state", None),
            ("WaitForServeDeploymentReady", Some(Underway)),
            ("WaitForFirstConsumer", None),
            ("attached", None),
            ("yellow", None),
            ("", None),
        ] {
            assert_eq!(meaning(state), expected, "{state}");
        }
    }

    #[test]
    fn the_worst_word_of_the_fields_that_are_named_so_counts() {
        use Meaning::{Bad, Good, Off, Underway};
        for (status, expected) in [
            (json!({"phase": "Ready", "health": "red"}), Some((Bad, "health is red"))),
            (json!({"phase": "Failed", "jobStatus": "Running"}), Some((Bad, "phase is Failed"))),
            (json!({"phase": "blue", "jobStatus": "FAILED"}), Some((Bad, "jobStatus is FAILED"))),
            (json!({"printableStatus": "Stopped"}), Some((Off, "printableStatus is Stopped"))),
            (
                json!({"health": {"status": "Progressing"}, "operationState": {"phase": "Failed"}}),
                Some((Underway, "health.status is Progressing")),
            ),
            (json!({"lastBackupStatus": "Failed"}), None),
            (json!({"phase": 3, "state": {"phase": 4}}), None),
            (json!("Error"), Some((Bad, "status is Error"))),
            (json!({"phase": "Running"}), Some((Good, "phase is Running"))),
            (
                json!({"phase": "Running", "startedAt": "2026-01-01T00:00:00Z"}),
                Some((Underway, "phase is Running")),
            ),
        ] {
            let object = json!({"status": status});
            let found = read(&object).map(|state| (state.meaning, state.to_string()));
            let expected = expected.map(|(meaning, text)| (meaning, text.to_owned()));
            assert_eq!(found, expected, "{object}");
        }
    }
}
