//! Conditions, and the rule for kinds that have no rule of their own.

use serde_json::Value;

use crate::domain::health::{Health, field};

/// One entry of `status.conditions`.
pub(super) struct Condition<'a> {
    /// `True`, `False` or `Unknown`.
    pub(super) status: &'a str,
    /// One word, or empty.
    pub(super) reason: &'a str,
    /// A sentence, or empty.
    pub(super) message: &'a str,
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
    let found = conditions.iter().find(|c| field::text(c, "/type") == Some(of_type))?;
    let text = |pointer| field::text(found, pointer).unwrap_or_default();
    Some(Condition {
        status: text("/status"),
        reason: text("/reason"),
        message: text("/message"),
        observed: field::int(found, "/observedGeneration"),
    })
}

/// `status.observedGeneration`. Some custom kinds (Argo Rollouts) keep the number as a text.
pub(super) fn observed_generation(object: &Value) -> Option<i64> {
    let observed = object.pointer("/status/observedGeneration")?;
    observed.as_i64().or_else(|| observed.as_str()?.parse().ok())
}

/// The rule for kinds without one: `Stalled`, then `Reconciling` (kstatus), then `Ready`, or
/// `Available` where there is no `Ready` (Argo CD's custom rules, mostly); an object without any of
/// them is healthy once it exists (kstatus). `Ready: False` is Progressing, because most controllers
/// say so on the way; those that know better set `Stalled`.
///
/// Where the status as a whole names no generation, a condition that does is held to it (own).
pub(super) fn generic(object: &Value, want: Option<i64>) -> Health {
    let want = want.filter(|_| observed_generation(object).is_none());
    let current = |of_type| find(object, of_type).filter(|found| !found.is_outdated(want));
    if let Some(stalled) = current("Stalled").filter(Condition::is_true) {
        return Health::degraded(format!("stalled: {stalled}"));
    }
    if let Some(reconciling) = current("Reconciling").filter(Condition::is_true) {
        return Health::progressing(format!("reconciling: {reconciling}"));
    }
    for of_type in ["Ready", "Available"] {
        let Some(found) = find(object, of_type) else { continue };
        return if found.is_outdated(want) {
            Health::progressing(format!("condition {of_type} is of an earlier generation"))
        } else if found.is_true() {
            Health::healthy()
        } else {
            Health::progressing(format!("{of_type} is {}: {found}", found.status))
        };
    }
    Health::healthy()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::health::HealthStatus::{Degraded, Healthy, Progressing};
    use crate::domain::health::tests::{check, condition};

    #[test]
    fn other_kinds_are_read_by_their_conditions() {
        let status = |conditions: Value| json!({"conditions": conditions});
        let ready = |ready: &str| condition("Ready", ready, "Probing");
        let old = json!({"type": "Ready", "status": "True", "observedGeneration": 2});
        check(
            "example.org/v1",
            "Widget",
            vec![
                (json!({}), Value::Null, Healthy, ""),
                (json!({}), status(json!([])), Healthy, ""),
                (json!({}), status(json!([ready("True")])), Healthy, ""),
                (
                    json!({}),
                    status(json!([ready("False")])),
                    Progressing,
                    "Ready is False: Probing: why",
                ),
                (
                    json!({}),
                    status(json!([ready("Unknown")])),
                    Progressing,
                    "Ready is Unknown: Probing: why",
                ),
                (
                    json!({}),
                    status(json!([ready("True"), condition("Reconciling", "True", "")])),
                    Progressing,
                    "reconciling: why",
                ),
                (
                    json!({}),
                    status(json!([
                        condition("Reconciling", "True", ""),
                        condition("Stalled", "True", "X")
                    ])),
                    Degraded,
                    "stalled: X: why",
                ),
                (json!({}), status(json!([condition("Stalled", "False", "")])), Healthy, ""),
                (json!({}), status(json!([condition("Available", "True", "")])), Healthy, ""),
                (
                    json!({}),
                    status(json!([condition("Available", "False", "")])),
                    Progressing,
                    "Available is False: why",
                ),
                (
                    json!({}),
                    status(json!([old.clone()])),
                    Progressing,
                    "condition Ready is of an earlier generation",
                ),
                (json!({}), json!({"observedGeneration": 3, "conditions": [old]}), Healthy, ""),
                (
                    json!({}),
                    json!({"observedGeneration": "2"}),
                    Progressing,
                    "observed generation 2, want 3",
                ),
                (json!({}), json!({"observedGeneration": {}, "conditions": "odd"}), Healthy, ""),
            ],
        );
    }
}
