//! Whether an object is switched off on purpose.

use serde_json::Value;

use crate::domain::health::conditions::Condition;
use crate::domain::health::generic::types::{Polarity, polarity};
use crate::domain::health::generic::words::Words;
use crate::domain::health::{Health, field};

/// Fields of the spec that switch an object off when they are true: each of them is in the API of
/// several projects, and in none with another meaning.
const SWITCHES: [&str; 8] = [
    "suspend",
    "suspended",
    "paused",
    "pause",
    "stopped",
    "strategy/paused",
    "updateStrategy/paused",
    "updateStrategy/rollingUpdate/paused",
];
/// Annotations that do so, by what follows the domain of their project. Some have no value.
const ANNOTATIONS: [&str; 5] =
    ["pause", "pause-reconciliation", "paused", "reconcile-paused", "suspended"];
/// What the reason of `Ready: False` ends with where nobody looks after the object.
const REASONS: &[&str] = &["hibernated", "paused", "suspended"];

/// Switched off by its spec or an annotation, or as its controller says: `Paused: True`,
/// `Ready: False` for a reason like `ReconcilePaused`.
pub(super) fn suspended(object: &Value, conditions: &[Condition<'_>]) -> Option<Health> {
    let switch = SWITCHES.iter().find(|switch| field::flag(object, &format!("/spec/{switch}")));
    if let Some(switch) = switch {
        return Some(Health::suspended(format!("spec.{} is true", switch.replace('/', "."))));
    }
    if let Some(annotation) = annotation(object) {
        return Some(Health::suspended(format!("annotation {annotation}")));
    }
    let off = |condition: &&Condition<'_>| match polarity(condition.of_type) {
        Polarity::Off => condition.is_true(),
        Polarity::Main | Polarity::Summary => {
            condition.is_false() && Words::of(condition.reason).end_with(REASONS)
        }
        _ => false,
    };
    conditions.iter().find(off).map(|condition| Health::suspended(condition.tell()))
}

fn annotation(object: &Value) -> Option<&str> {
    let annotations = object.pointer("/metadata/annotations")?.as_object()?;
    let switches = |(key, value): &(&String, &Value)| {
        let name = key.rsplit_once('/').map(|(_, name)| name);
        name.is_some_and(|name| ANNOTATIONS.contains(&name))
            && matches!(value.as_str(), Some("" | "true"))
    };
    annotations.iter().find(switches).map(|(key, _)| key.as_str())
}
