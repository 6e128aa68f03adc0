//! What holds for every kind, and what the tables of rules in the rooms below share.

use serde_json::{Value, json};

use super::HealthStatus::{Degraded, Healthy, Progressing, Suspended};
use super::*;

/// What the tables of this file ask: nothing is expected.
fn assess(object: &Value, applied_generation: Option<i64>) -> Health {
    super::assess(object, applied_generation, Expectation::Nothing)
}

/// An object at generation 3, with a spec and a status.
#[expect(clippy::needless_pass_by_value, reason = "keeps the tables free of `&`")]
fn object(api_version: &str, kind: &str, spec: Value, status: Value) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": "x", "generation": 3}, "spec": spec, "status": status,
    })
}

pub(super) fn condition(of_type: &str, status: &str, reason: &str) -> Value {
    json!({"type": of_type, "status": status, "reason": reason, "message": "why"})
}

/// One line of a rule's table: spec, status, the verdict and its reason (empty when healthy).
pub(super) type Case = (Value, Value, HealthStatus, &'static str);

pub(super) fn check(api_version: &str, kind: &str, cases: Vec<Case>) {
    for (spec, status, verdict, reason) in cases {
        let health = assess(&object(api_version, kind, spec.clone(), status.clone()), Some(3));
        let context = format!("{kind} {spec} {status}");
        assert_eq!(health.status, verdict, "{context}: {health:?}");
        assert_eq!(health.reason.unwrap_or_default(), reason, "{context}");
    }
}

/// An object of each kind with a rule, healthy at generation 3.
fn healthy_objects() -> Vec<Value> {
    let seen = json!({"observedGeneration": 3});
    let established = json!({"conditions": [condition("NamesAccepted", "True", ""),
        condition("Established", "True", "")]});
    let able = json!({"conditions": [condition("AbleToScale", "True", "")]});
    let is = |of_type: &str| json!({"conditions": [condition(of_type, "True", "")]});
    let none = || json!({"replicas": 0});
    vec![
        object("apps/v1", "Deployment", none(), seen.clone()),
        object("apps/v1", "StatefulSet", none(), seen.clone()),
        object("apps/v1", "ReplicaSet", none(), seen.clone()),
        object("v1", "ReplicationController", none(), seen.clone()),
        object(
            "apps/v1",
            "DaemonSet",
            json!({}),
            json!({"observedGeneration": 3, "desiredNumberScheduled": 0}),
        ),
        object("policy/v1", "PodDisruptionBudget", json!({}), seen),
        object("batch/v1", "Job", json!({}), is("Complete")),
        object("batch/v1", "CronJob", json!({}), json!({})),
        object("v1", "Pod", json!({}), json!({"phase": "Succeeded"})),
        object("v1", "PersistentVolumeClaim", json!({}), json!({"phase": "Bound"})),
        object("v1", "PersistentVolume", json!({}), json!({"phase": "Bound"})),
        object("v1", "Service", json!({}), json!({})),
        object("v1", "Namespace", json!({}), json!({"phase": "Active"})),
        object("autoscaling/v2", "HorizontalPodAutoscaler", json!({}), able),
        object("apiextensions.k8s.io/v1", "CustomResourceDefinition", json!({}), established),
        object("apiregistration.k8s.io/v1", "APIService", json!({}), is("Available")),
        object("example.org/v1", "Widget", json!({}), is("Ready")),
    ]
}

#[test]
fn nothing_is_healthy_by_what_was_true_before_our_apply() {
    for mut object in healthy_objects() {
        let kind = object["kind"].clone();
        assert_eq!(assess(&object, Some(3)), Health::healthy(), "{kind}");
        let early = assess(&object, Some(4));
        assert_eq!(early, Health::progressing("read at generation 3, want 4"), "{kind}");

        // The object is the one we applied; its controller has not seen it yet.
        object["metadata"]["generation"] = json!(4);
        object["status"]["observedGeneration"] = json!(3);
        for applied in [None, Some(4)] {
            let unseen = assess(&object, applied);
            assert_eq!(unseen, Health::progressing("observed generation 3, want 4"), "{kind}");
        }
    }
}

#[test]
fn what_is_being_deleted_is_progressing() {
    for mut object in healthy_objects() {
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(assess(&object, Some(3)), Health::progressing("being deleted"));
        object["metadata"]["finalizers"] = json!(["example.org/a", "example.org/b"]);
        let held = "being deleted, held by finalizers example.org/a, example.org/b";
        assert_eq!(assess(&object, Some(3)), Health::progressing(held));
    }
}

#[test]
fn a_malformed_object_never_panics() {
    for object in [json!(null), json!([]), json!({"kind": 1, "metadata": [], "status": "x"})] {
        assert_eq!(assess(&object, Some(1)).status, Healthy);
    }
    let odd = object(
        "apps/v1",
        "Deployment",
        json!("x"),
        json!({"observedGeneration": 3, "conditions": [1]}),
    );
    assert_eq!(assess(&odd, Some(3)).status, Progressing);
}

#[test]
fn reasons_are_one_line_of_bounded_length() {
    let reason = Health::degraded(format!("a\n  b{}", "ü".repeat(5000))).reason.unwrap();
    assert!(reason.starts_with("a bü") && reason.ends_with('…'), "{reason}");
    assert_eq!(reason.chars().count(), LONGEST_REASON + 1);
}

#[test]
fn the_worst_of_many_counts() {
    assert_eq!(worst([]), Healthy);
    assert_eq!(worst([Suspended, Healthy]), Suspended);
    assert_eq!(worst([Healthy, Degraded, HealthStatus::Missing, Progressing]), Degraded);
}

#[test]
fn only_kinds_whose_health_moves_are_watched() {
    let watched = |group: &str, kind: &str| {
        is_watched(&GroupKind { group: group.to_owned(), kind: kind.to_owned() })
    };
    for (group, kind) in [
        ("", "ConfigMap"),
        ("", "Secret"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("networking.k8s.io", "Ingress"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ] {
        assert!(!watched(group, kind), "{kind}");
    }
    for (group, kind) in [("apps", "Deployment"), ("", "Service"), ("example.org", "ConfigMap")] {
        assert!(watched(group, kind), "{kind}");
    }
}

#[test]
fn only_what_ran_once_and_failed_has_failed_for_good() {
    let failed = json!({"conditions": [condition("Failed", "True", "BackoffLimitExceeded")]});
    let late = json!({"observedGeneration": 3,
        "conditions": [condition("Progressing", "False", "ProgressDeadlineExceeded")]});
    let looping = json!({"phase": "Running", "containerStatuses": [{"name": "web",
        "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]});
    let stalled = json!({"conditions": [condition("Stalled", "True", "InvalidPath")]});
    for (api_version, kind, status, prospect) in [
        ("batch/v1", "Job", failed, Prospect::Final),
        ("v1", "Pod", json!({"phase": "Failed"}), Prospect::Final),
        ("v1", "Pod", looping, Prospect::Open),
        ("apps/v1", "Deployment", late, Prospect::Open),
        ("v1", "PersistentVolumeClaim", json!({"phase": "Lost"}), Prospect::Open),
        ("example.org/v1", "Widget", stalled, Prospect::Open),
    ] {
        let health = assess(&object(api_version, kind, json!({}), status), Some(3));
        assert_eq!((health.status, health.prospect), (Degraded, prospect), "{kind} {health:?}");
    }
}

#[test]
fn nothing_is_pruned_under_what_is_only_paused() {
    use HealthStatus::{Missing, Unknown};
    let deployment = ("apps", "Deployment");
    for ((group, kind), status, allowed) in [
        (deployment, Healthy, true),
        (deployment, Suspended, false),
        (("example.org", "Job"), Suspended, false),
        (("batch", "Job"), Suspended, true),
        (("batch", "CronJob"), Suspended, true),
        (("batch", "CronJob"), Progressing, false),
        (deployment, Degraded, false),
        (deployment, Missing, false),
        (deployment, Unknown, false),
    ] {
        let (group, kind) = (group.to_owned(), kind.to_owned());
        let key = ObjectKey { group, kind, namespace: None, name: "x".to_owned() };
        assert_eq!(allows_prune(&key, status), allowed, "{key} {status:?}");
    }
}

#[test]
fn a_job_has_work_left_until_it_has_ended_whatever_happens_to_it_then() {
    let key = |group: &str, kind: &str| ObjectKey {
        group: group.to_owned(),
        kind: kind.to_owned(),
        namespace: None,
        name: "x".to_owned(),
    };
    let job = |of_type: &str| {
        let status = json!({"conditions": [condition(of_type, "True", "")]});
        let mut job = object("batch/v1", "Job", json!({}), status);
        job["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        job
    };
    let batch = key("batch", "Job");
    for (key, of_type, left) in [
        (&batch, "Complete", false),
        (&batch, "Failed", false),
        (&batch, "SuccessCriteriaMet", true),
        (&key("example.org", "Job"), "Suspended", false),
    ] {
        assert_eq!(had_work_left(key, &job(of_type)), left, "{key} {of_type}");
    }
}
