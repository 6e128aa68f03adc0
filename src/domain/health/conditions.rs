//! Conditions, as nearly every controller writes them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::health::field;

/// Conditions of one list that are read, its last ones: who keeps a history in it adds at the end.
const READ_MAX: usize = 64;

/// One entry of `status.conditions`.
pub(super) struct Condition<'a> {
    /// What it speaks of.
    pub(super) of_type: &'a str,
    /// `True`, `False` or `Unknown`.
    pub(super) status: &'a str,
    /// One word, or empty.
    pub(super) reason: &'a str,
    /// A sentence, or empty.
    pub(super) message: &'a str,
    /// How bad it is that it is not true, where its controller says so: `Error`, `Warning`, `Info`.
    pub(super) severity: &'a str,
    /// When its status became what it is.
    since: Option<Timestamp>,
    /// The generation that it speaks of, where the controller says so.
    observed: Option<i64>,
}

impl Condition<'_> {
    /// Whether its status is `True`.
    pub(super) fn is_true(&self) -> bool {
        self.status == "True"
    }

    /// Whether its status is `False`.
    pub(super) fn is_false(&self) -> bool {
        self.status == "False"
    }

    /// Whether it was written for an earlier generation than the one we want to hear of.
    pub(super) fn is_outdated(&self, want: Option<i64>) -> bool {
        self.observed.is_some_and(|observed| Some(observed) < want)
    }

    /// `Ready is False: ReadinessFailed: no back end answers`
    pub(super) fn tell(&self) -> String {
        format!("{} is {}: {self}", self.of_type, self.status)
    }
}

/// `ReadinessFailed: no back end answers`, or as much of it as there is.
impl std::fmt::Display for Condition<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.reason, self.message) {
            ("", "") => f.write_str("no reason given"),
            (reason, "") => f.write_str(reason),
            ("", message) => f.write_str(message),
            (reason, message) => write!(f, "{reason}: {message}"),
        }
    }
}

/// The condition of a type.
pub(super) fn find<'a>(object: &'a Value, of_type: &str) -> Option<Condition<'a>> {
    find_in(field::list(object, "/status/conditions"), of_type)
}

/// The condition of a type in a list that is kept elsewhere than in the status.
pub(super) fn find_in<'a>(conditions: &'a [Value], of_type: &str) -> Option<Condition<'a>> {
    conditions.iter().find(|c| field::text(c, "/type") == Some(of_type)).and_then(condition)
}

/// All conditions of an object.
pub(super) fn all(object: &Value) -> Vec<Condition<'_>> {
    read(field::list(object, "/status/conditions"))
}

/// The conditions of a list, as far as they can be read. A list that has a type twice is a history, of
/// which the last entry is what holds now.
pub(super) fn read(conditions: &[Value]) -> Vec<Condition<'_>> {
    let first = conditions.len().saturating_sub(READ_MAX);
    let mut read: Vec<_> = conditions[first..].iter().filter_map(condition).collect();
    let types: BTreeSet<&str> = read.iter().map(|one| one.of_type).collect();
    if types.len() < read.len() {
        let last = read.iter().enumerate().max_by_key(|(nth, one)| (one.since, *nth));
        let last = last.map_or(0, |(nth, _)| nth);
        read = vec![read.swap_remove(last)];
    }
    read
}

fn condition(value: &Value) -> Option<Condition<'_>> {
    let text = |pointer| field::text(value, pointer).unwrap_or_default();
    Some(Condition {
        of_type: field::text(value, "/type")?,
        status: text("/status"),
        reason: text("/reason"),
        message: text("/message"),
        severity: text("/severity"),
        since: field::text(value, "/lastTransitionTime").and_then(|time| time.parse().ok()),
        observed: field::int(value, "/observedGeneration"),
    })
}

/// `status.observedGeneration`. Some custom kinds (Argo Rollouts) keep the number as a text.
pub(super) fn observed_generation(object: &Value) -> Option<i64> {
    let observed = object.pointer("/status/observedGeneration")?;
    observed.as_i64().or_else(|| observed.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_history_only_the_last_entry_holds() {
        let of = |of_type: &str, second: u8| {
            json!({"type": of_type, "status": "True",
                   "lastTransitionTime": format!("2026-01-01T00:00:0{second}Z")})
        };
        let types = |conditions: &[Value]| {
            let read = read(conditions);
            read.iter().map(|one| one.of_type.to_owned()).collect::<Vec<_>>()
        };
        let each_once = [of("Ready", 1), json!({"status": "True"}), of("Synced", 2)];
        assert_eq!(types(&each_once), ["Ready", "Synced"]);
        let history = [of("ready", 3), of("error", 2), of("ready", 1)];
        assert_eq!(types(&history), ["ready"]);
        let untimed = ["ready", "error", "ready", "error"].map(|of_type| json!({"type": of_type}));
        assert_eq!(types(&untimed), ["error"]);
        let long: Vec<_> = (0..100).map(|_| of("ready", 1)).chain([of("error", 9)]).collect();
        assert_eq!(types(&long), ["error"]);
    }
}
