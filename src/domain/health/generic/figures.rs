//! What a status says without a condition and without a word: errors, flags, and counts.

use serde_json::Value;

use crate::domain::health::generic::NESTED_MAX;
use crate::domain::health::{Health, field};

/// Fields that have an error as a text, or as an object with a message, while there is one.
const ERRORS: [&str; 5] =
    ["failureMessage", "errorMessage", "error", "failureReason", "errorReason"];
/// Fields that have a list of them.
const ERROR_LISTS: [&str; 3] = ["errors", "problems", "validationErrors"];
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
    let short = COUNTS.iter().find_map(|(wanted, counts)| {
        let wanted = field::int(object, wanted)?;
        short(status, wanted, counts)
    });
    let short = short.or_else(|| not_updated(object, status));
    short.or_else(|| sets(status).find_map(short_set))
}

/// A count that is lower than what is wanted.
fn short(status: &Value, wanted: i64, counts: &[&str]) -> Option<Health> {
    let counts = counts.iter().filter_map(|name| Some((name, count(status, name)?)));
    let (name, count) = counts.into_iter().find(|(_, count)| *count < wanted)?;
    Some(Health::progressing(format!("{name}: {count} of {wanted}")))
}

/// Pods of an old version, where nobody has asked for them to stay.
fn not_updated(object: &Value, status: &Value) -> Option<Health> {
    const STRATEGIES: [&str; 2] = ["/spec/updateStrategy", "/spec/strategy"];
    let keeps_old = |at: &str| {
        let strategy = object.pointer(at)?;
        let is_by_hand = field::text(strategy, "/type") == Some("OnDelete");
        let partition = strategy.get("partition").or(strategy.pointer("/rollingUpdate/partition"));
        (is_by_hand || partition.is_some()).then_some(())
    };
    if STRATEGIES.iter().any(|at| keeps_old(at).is_some()) {
        return None;
    }
    short(status, field::int(object, "/spec/replicas")?, &["updatedReplicas"])
}

/// The entries of lists of the status.
fn sets(status: &Value) -> impl Iterator<Item = &Value> {
    let lists = status.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_array());
    lists.flat_map(|list| list.iter().take(NESTED_MAX))
}

/// One of several sets of Pods that an object runs.
fn short_set(set: &Value) -> Option<Health> {
    short(set, set.get("replicas")?.as_i64()?, &["readyReplicas"])
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
