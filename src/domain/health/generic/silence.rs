//! Whether an object has yet to say what it is expected to say.

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::health::conditions::Condition;
use crate::domain::health::expectation::{Expectation, PATIENCE};
use crate::domain::health::generic::{entries, states};
use crate::domain::health::prospect::Prospect;
use crate::domain::health::{Health, field};

/// The verdict on an object whose status says nothing of what it is expected to say; none: it says it,
/// or nothing is expected.
pub(super) fn silence(
    object: &Value,
    conditions: &[Condition<'_>],
    expectation: Expectation,
) -> Option<Health> {
    let said = match expectation {
        Expectation::Nothing | Expectation::Binding => return None,
        Expectation::Readiness if !conditions.is_empty() => {
            conditions.iter().any(|one| one.of_type.eq_ignore_ascii_case("ready"))
                || states::is_there(object)
        }
        Expectation::Status | Expectation::Readiness => {
            !conditions.is_empty() || states::is_there(object) || entries(object).next().is_some()
        }
    };
    let text = match expectation {
        Expectation::Readiness if !conditions.is_empty() => "its controller has not said Ready yet",
        _ => "its controller has not written a status yet",
    };
    let created = field::text(object, "/metadata/creationTimestamp").and_then(|at| at.parse().ok());
    let created: Timestamp = created.unwrap_or(Timestamp::UNIX_EPOCH);
    let until = created.saturating_add(PATIENCE).unwrap_or(Timestamp::MAX);
    (!said).then(|| Health { prospect: Prospect::Until(until), ..Health::progressing(text) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::health::HealthStatus::{Healthy, Progressing};
    use crate::domain::health::assess;

    #[test]
    fn who_does_not_say_what_was_promised_is_waited_for_and_given_up() {
        use Expectation::{Nothing, Readiness, Status};
        let synced = json!({"conditions": [{"type": "Synced", "status": "True"}]});
        let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        for (status, expectation, verdict) in [
            (Value::Null, Nothing, Healthy),
            (Value::Null, Status, Progressing),
            (json!({}), Readiness, Progressing),
            (json!({"conditions": []}), Status, Progressing),
            (json!({"observedGeneration": 1}), Status, Progressing),
            (synced.clone(), Status, Healthy),
            (synced, Readiness, Progressing),
            (ready, Readiness, Healthy),
            (json!({"phase": "Blue"}), Readiness, Healthy),
        ] {
            let object = json!({"apiVersion": "example.org/v1", "kind": "Widget",
                "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1},
                "status": status});
            let health = assess(&object, Some(1), expectation);
            assert_eq!(health.status, verdict, "{object} {expectation:?}");
            let at = |time: &str| health.clone().at(time.parse().unwrap());
            assert_eq!(at("2026-01-01T00:00:59Z").status, verdict);
            let late = at("2026-01-01T00:01:00Z");
            assert_eq!(late.status, Healthy, "nothing hangs");
            assert_eq!(late.reason.is_some(), verdict == Progressing, "{late:?}");
        }
    }
}
