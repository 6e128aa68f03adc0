//! Why an object is not healthy, from all that the cluster says of it.

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::health::pods::{Trouble, trouble};
use crate::domain::health::{Health, HealthStatus, field, one_line};

/// Joins what an object says itself, what keeps the first bad one of its Pods from coming up (and how
/// many there are), and the last warning among the events, in one line of at most three times
/// the longest reason: `1 of 3 replicas updated; 2 of 3 Pods: container web: ErrImagePull: …;
/// FailedMount: …`.
///
/// The events of a Deployment's Pods are not among its own: pass those of its Pods (or of its
/// `ReplicaSet`, when there are none) along. Empty for what is healthy; only its own reason for what
/// is suspended.
pub fn explain(health: &Health, pods: &[Value], events: &[Value]) -> String {
    let own = health.reason.as_deref().map(one_line);
    match health.status {
        HealthStatus::Healthy => return String::new(),
        HealthStatus::Suspended => return own.unwrap_or_default(),
        _ => {}
    }
    let pods = bad_pods(pods);
    let event = last_warning(events)
        // Pod and event mostly tell the same story: `Back-off pulling image …`.
        .filter(|(_, message)| pods.as_ref().is_none_or(|pods| !pods.contains(message.as_str())))
        .map(|(reason, message)| one_line(&format!("{reason}: {message}")));
    let parts: Vec<String> = [own, pods, event].into_iter().flatten().collect();
    parts.join("; ")
}

/// `2 of 3 Pods: container web: …`; a failure goes before what may pass.
fn bad_pods(pods: &[Value]) -> Option<String> {
    let troubles: Vec<Trouble> = pods.iter().filter_map(trouble).collect();
    let first = troubles.iter().find(|t| t.is_failure).or_else(|| troubles.first())?;
    Some(one_line(&format!("{} of {} Pods: {}", troubles.len(), pods.len(), first.text)))
}

/// Reason and message of the youngest event of type Warning, of either API (`v1`,
/// `events.k8s.io/v1`).
fn last_warning(events: &[Value]) -> Option<(&str, String)> {
    let warnings = events.iter().filter(|event| field::text(event, "/type") == Some("Warning"));
    let last = warnings.max_by_key(|event| seen_at(event))?;
    let message = ["/message", "/note"].iter().find_map(|at| field::text(last, at));
    let reason = field::text(last, "/reason").unwrap_or("Warning");
    Some((reason, one_line(message.unwrap_or("no message"))))
}

/// When an event was last seen; which field says so depends on the API and on who wrote it.
fn seen_at(event: &Value) -> Option<Timestamp> {
    const TIMES: [&str; 5] = [
        "/series/lastObservedTime",
        "/lastTimestamp",
        "/deprecatedLastTimestamp",
        "/eventTime",
        "/metadata/creationTimestamp",
    ];
    TIMES.iter().find_map(|time| field::text(event, time)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(reason: &str) -> Value {
        json!({"status": {"phase": "Pending", "containerStatuses": [{"name": "web",
            "state": {"waiting": {"reason": reason, "message": "no such image"}}}]}})
    }

    fn event(of_type: &str, at: &str, reason: &str, message: &str) -> Value {
        json!({"type": of_type, "lastTimestamp": at, "reason": reason, "message": message})
    }

    #[test]
    fn object_pods_and_the_last_warning_together_say_why() {
        let health = Health::progressing("1 of 3 replicas updated");
        let pods = [pod("ContainerCreating"), pod("ErrImagePull"), pod("ErrImagePull")];
        let events = [
            event("Warning", "2026-01-01T00:00:09Z", "FailedMount", "no volume"),
            event("Warning", "2026-01-01T00:00:01Z", "Old", "gone"),
            event("Normal", "2026-01-01T00:01:00Z", "Pulled", "fine"),
        ];
        assert_eq!(
            explain(&health, &pods, &events),
            "1 of 3 replicas updated; 2 of 3 Pods: container web: ErrImagePull: no such image; \
             FailedMount: no volume"
        );
        let same = [event("Warning", "2026-01-01T00:00:09Z", "Failed", "no such image")];
        assert_eq!(
            explain(&health, &pods, &same),
            "1 of 3 replicas updated; 2 of 3 Pods: container web: ErrImagePull: no such image"
        );
        assert_eq!(explain(&health, &[], &[]), "1 of 3 replicas updated");
    }

    #[test]
    fn events_of_both_apis_are_read() {
        let new = json!({"type": "Warning", "eventTime": "2026-01-01T00:00:00.5Z",
            "reason": "Failed", "note": "later"});
        let old = event("Warning", "2026-01-01T00:00:00Z", "Failed", "earlier");
        let health = Health::degraded("x");
        assert_eq!(explain(&health, &[], &[new, old]), "x; Failed: later");
    }

    #[test]
    fn what_is_healthy_or_suspended_is_not_looked_into() {
        assert_eq!(explain(&Health::healthy(), &[pod("ErrImagePull")], &[]), "");
        assert_eq!(explain(&Health::suspended("paused"), &[pod("ErrImagePull")], &[]), "paused");
    }
}
