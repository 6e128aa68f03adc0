//! What a status says without a condition and without a word: errors, flags, and counts.

use serde_json::Value;

use crate::domain::health::{Health, field};

/// Fields that have an error as a text, or as an object with a message, while there is one.
const ERRORS: [&str; 5] =
    ["failureMessage", "errorMessage", "error", "failureReason", "errorReason"];
/// Fields that have a list of them.
const ERROR_LISTS: [&str; 2] = ["errors", "validationErrors"];
/// Flags that are true when it works.
const FLAGS: [&str; 5] = ["ready", "healthy", "available", "readyToUse", "valid"];
/// Counts of what must be there, and those that must be as high, as far as they are told.
const COUNTS: [(&str, &[&str]); 4] = [
    ("/spec/replicas", &["readyReplicas", "availableReplicas"]),
    ("/spec/instances", &["readyInstances"]),
    ("/spec/members", &["readyMembers"]),
    (
        "/status/desiredNumberScheduled",
        &["currentNumberScheduled", "numberReady", "numberAvailable"],
    ),
];
/// Counts of what must not be there.
const NOT_THERE: [&str; 2] = ["unavailableReplicas", "numberUnavailable"];

/// What they say; none: nothing.
pub(super) fn read(object: &Value) -> Option<Health> {
    let status = object.get("status")?;
    let flag = |name: &&str| status.get(name).and_then(Value::as_bool);
    let flags: Vec<(&str, bool)> =
        FLAGS.iter().filter_map(|name| Some((*name, flag(name)?))).collect();
    // What was once in the way may still be told when it works.
    if !flags.is_empty() && flags.iter().all(|(_, good)| *good) {
        return Some(Health::healthy());
    }
    if let Some(error) = error(status) {
        return Some(Health::degraded(error));
    }
    if let Some((name, _)) = flags.iter().find(|(_, good)| !good) {
        return Some(Health::progressing(format!("status.{name} is false")));
    }
    if let Some(name) = NOT_THERE.iter().find(|name| count(status, name) > Some(0)) {
        return Some(Health::progressing(format!("status.{name} is not zero")));
    }
    COUNTS.iter().find_map(|(wanted, counts)| {
        let wanted = field::int(object, wanted)?;
        let (name, count) = counts
            .iter()
            .filter_map(|name| Some((name, count(status, name)?)))
            .find(|(_, count)| *count < wanted)?;
        Some(Health::progressing(format!("{name}: {count} of {wanted}")))
    })
}

fn count(status: &Value, name: &str) -> Option<i64> {
    status.get(name)?.as_i64()
}

fn error(status: &Value) -> Option<String> {
    let one = |name: &&str| {
        let error = status.get(name)?;
        let text = error.as_str().or_else(|| error.get("message")?.as_str())?;
        (!text.is_empty()).then(|| format!("{name}: {text}"))
    };
    let many = |name: &&str| {
        let first = field::list(status, &format!("/{name}")).first()?;
        let text = first.as_str().or_else(|| first.get("message")?.as_str());
        Some(format!("{name}: {}", text.unwrap_or("no message")))
    };
    ERRORS.iter().find_map(one).or_else(|| ERROR_LISTS.iter().find_map(many))
}
