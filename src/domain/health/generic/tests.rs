//! Each layer of the rule, and which goes before which.

use serde_json::{Value, json};

use crate::domain::health::HealthStatus::{self, Degraded, Healthy, Progressing, Suspended};
use crate::domain::health::expectation::Expectation;
use crate::domain::health::tests::{check, condition};
use crate::domain::health::{Health, assess};

/// Judges objects by their status alone.
fn judge(cases: Vec<(Value, HealthStatus, &'static str)>) {
    let cases = cases.into_iter().map(|(status, verdict, why)| (json!({}), status, verdict, why));
    check("example.org/v1", "Widget", cases.collect());
}

#[expect(clippy::needless_pass_by_value, reason = "keeps the tables free of `&`")]
fn says(conditions: Value) -> Value {
    json!({"conditions": conditions})
}

#[test]
fn ready_is_the_last_word_and_available_stands_in_for_it() {
    let ready = |ready: &str| condition("Ready", ready, "Probing");
    judge(vec![
        (Value::Null, Healthy, ""),
        (says(json!([])), Healthy, ""),
        (says(json!([ready("True")])), Healthy, ""),
        (says(json!([ready("False")])), Progressing, "Ready is False: Probing: why"),
        (says(json!([ready("Unknown")])), Progressing, "Ready is Unknown: Probing: why"),
        (says(json!([condition("Ready", "False", "")])), Progressing, "Ready is False: why"),
        (
            says(json!([condition("Ready", "False", "ReconcileError")])),
            Degraded,
            "Ready is False: ReconcileError: why",
        ),
        (
            says(json!([{"type": "Ready", "status": "False", "severity": "Error", "reason": "X"}])),
            Degraded,
            "Ready is False: X",
        ),
        (
            says(json!([{"type": "Ready", "status": "False", "severity": "Info",
                         "reason": "NotFound"}])),
            Progressing,
            "Ready is False: NotFound",
        ),
        (says(json!([condition("Available", "True", "")])), Healthy, ""),
        (
            says(json!([condition("Available", "False", "")])),
            Progressing,
            "Available is False: why",
        ),
        (says(json!([ready("True"), condition("DnsReady", "False", "NotFound")])), Healthy, ""),
        (
            says(json!([ready("False"), condition("DnsReady", "False", "ZoneNotFound")])),
            Degraded,
            "DnsReady is False: ZoneNotFound: why",
        ),
        (
            says(json!([ready("True"), condition("Synced", "False", "ReconcileError")])),
            Degraded,
            "Synced is False: ReconcileError: why",
        ),
    ]);
}

#[test]
fn the_conditions_of_kstatus_go_before_ready() {
    let ready = condition("Ready", "True", "");
    judge(vec![
        (
            says(json!([ready, condition("Reconciling", "True", "")])),
            Progressing,
            "Reconciling is True: why",
        ),
        (
            says(json!([condition("Reconciling", "True", ""), condition("Stalled", "True", "X")])),
            Degraded,
            "Stalled is True: X: why",
        ),
        (says(json!([condition("Stalled", "False", "")])), Healthy, ""),
    ]);
}

#[test]
fn a_failure_that_is_true_counts_beside_ready() {
    let ready = || condition("Ready", "True", "");
    judge(vec![
        (
            says(json!([ready(), condition("UpgradeFailed", "True", "X")])),
            Degraded,
            "UpgradeFailed is True: X: why",
        ),
        (says(json!([ready(), condition("UpgradeFailed", "False", "X")])), Healthy, ""),
        (
            says(json!([condition("Degraded", "True", "DeploymentInProgress")])),
            Progressing,
            "Degraded is True: DeploymentInProgress: why",
        ),
        (says(json!([condition("InvalidSpec", "True", "")])), Degraded, "InvalidSpec is True: why"),
        (
            says(json!([condition("NotReady", "True", "Creating")])),
            Progressing,
            "NotReady is True: Creating: why",
        ),
        (says(json!([condition("NotReady", "True", "X")])), Degraded, "NotReady is True: X: why"),
    ]);
}

#[test]
fn without_a_summary_each_part_counts() {
    judge(vec![
        (says(json!([condition("Synced", "True", "")])), Healthy, ""),
        (says(json!([condition("Synced", "False", "")])), Progressing, "Synced is False: why"),
        (
            says(json!([condition("Programmed", "Unknown", "Pending")])),
            Progressing,
            "Programmed is Unknown: Pending: why",
        ),
        (
            says(json!([condition("Accepted", "False", "NoMatchingParent")])),
            Degraded,
            "Accepted is False: NoMatchingParent: why",
        ),
        (
            says(json!([condition("Accepted", "False", "Pending")])),
            Progressing,
            "Accepted is False: Pending: why",
        ),
        (
            says(json!([condition("Succeeded", "False", "Cancelled")])),
            Degraded,
            "Succeeded is False: Cancelled: why",
        ),
        (
            says(json!([condition("Created", "False", ""), condition("Succeeded", "True", "")])),
            Healthy,
            "",
        ),
        (says(json!([condition("Active", "False", "Idle")])), Healthy, ""),
        (
            says(json!([
                condition("Available", "True", ""),
                condition("Upgradeable", "False", "IncompatibleOperators")
            ])),
            Healthy,
            "",
        ),
        (
            says(json!([{"type": "Synced", "status": "False", "message": "failed to decrypt"}])),
            Degraded,
            "Synced is False: failed to decrypt",
        ),
        (
            says(json!([
                condition("Available", "True", ""),
                condition("Progressing", "True", "ReplicaSetUpdated")
            ])),
            Progressing,
            "Progressing is True: ReplicaSetUpdated: why",
        ),
        (
            says(json!([
                condition("Available", "True", ""),
                condition("Progressing", "True", "NewReplicaSetAvailable")
            ])),
            Healthy,
            "",
        ),
    ]);
}

#[test]
fn a_condition_is_held_to_its_own_generation() {
    let old = |of_type: &str, status: &str| json!({"type": of_type, "status": status, "reason": "Error", "observedGeneration": 2});
    let of_entry = json!({"parents": [{"conditions": [old("Accepted", "True")]}]});
    judge(vec![
        (
            says(json!([old("Ready", "True")])),
            Progressing,
            "condition Ready is of an earlier generation",
        ),
        (
            says(json!([old("Accepted", "False")])),
            Progressing,
            "condition Accepted is of an earlier generation",
        ),
        (says(json!([old("Failed", "True"), condition("Ready", "True", "")])), Healthy, ""),
        (of_entry, Progressing, "condition Accepted is of an earlier generation"),
        (json!({"observedGeneration": 3, "conditions": [old("Ready", "True")]}), Healthy, ""),
        (json!({"observedGeneration": "2"}), Progressing, "observed generation 2, want 3"),
        (json!({"observedGeneration": {}, "conditions": "odd"}), Healthy, ""),
    ]);
}

#[test]
fn the_worst_parent_or_listener_counts() {
    let accepted = || condition("Accepted", "True", "");
    let refused = || condition("ResolvedRefs", "False", "BackendNotFound");
    let route = |conditions: Value| json!({"parents": [{"conditions": [accepted()]}, {"conditions": conditions}]});
    judge(vec![
        (route(json!([accepted()])), Healthy, ""),
        (
            route(json!([accepted(), refused()])),
            Degraded,
            "ResolvedRefs is False: BackendNotFound: why",
        ),
        (
            route(json!([condition("Accepted", "Unknown", "")])),
            Progressing,
            "Accepted is Unknown: why",
        ),
        (
            json!({"conditions": [accepted()], "listeners": [{"conditions": [refused()]}]}),
            Degraded,
            "ResolvedRefs is False: BackendNotFound: why",
        ),
        (
            json!({"conditions": [condition("Ready", "True", "")],
                   "components": [{"conditions": [refused()]}]}),
            Healthy,
            "",
        ),
        (json!({"parents": [1, {"conditions": 2}]}), Healthy, ""),
    ]);
}

#[test]
fn words_and_figures_count_where_no_condition_says_ready() {
    let available = || condition("Available", "True", "");
    judge(vec![
        (json!({"phase": "Failed", "message": "no disk"}), Degraded, "phase is Failed: no disk"),
        (json!({"phase": "Creating"}), Progressing, "phase is Creating"),
        (json!({"phase": "Blue"}), Healthy, ""),
        (json!({"phase": "Degraded", "conditions": [available()]}), Degraded, "phase is Degraded"),
        (json!({"phase": "Paused", "conditions": [available()]}), Suspended, "phase is Paused"),
        (json!({"state": "Failed", "conditions": [condition("Ready", "True", "")]}), Healthy, ""),
        (
            json!({"phase": "Failed", "conditions": [condition("Ready", "False", "")]}),
            Degraded,
            "phase is Failed",
        ),
        (json!({"failureMessage": "no quota"}), Degraded, "failureMessage: no quota"),
        (json!({"error": {"message": "no quota"}}), Degraded, "error: no quota"),
        (json!({"readyToUse": true, "error": {"message": "once"}}), Healthy, ""),
        (json!({"phase": "Completed", "errorMessage": "once"}), Healthy, ""),
        (json!({"validationErrors": ["no bucket"]}), Degraded, "validationErrors: no bucket"),
        (json!({"ready": false}), Progressing, "status.ready is false"),
    ]);
    let three = || json!({"replicas": 3});
    check(
        "example.org/v1",
        "Widget",
        vec![
            (three(), json!({"readyReplicas": 1}), Progressing, "readyReplicas: 1 of 3"),
            (three(), json!({"phase": "Running", "readyReplicas": 3}), Healthy, ""),
            (
                three(),
                json!({"readyReplicas": 3, "availableReplicas": 2}),
                Progressing,
                "availableReplicas: 2 of 3",
            ),
            (
                three(),
                json!({"unavailableReplicas": 1}),
                Progressing,
                "status.unavailableReplicas is not zero",
            ),
            (three(), json!({"updatedReplicas": 1}), Progressing, "updatedReplicas: 1 of 3"),
            (
                json!({"replicas": 3, "updateStrategy": {"partition": 2}}),
                json!({"updatedReplicas": 1}),
                Healthy,
                "",
            ),
            (
                json!({}),
                json!({"instances": [{"replicas": 2, "readyReplicas": 1}]}),
                Progressing,
                "readyReplicas: 1 of 2",
            ),
            (three(), json!({"replicas": 3}), Healthy, ""),
        ],
    );
}

#[test]
fn what_is_switched_off_is_suspended_whatever_its_status_says() {
    let failed = || says(json!([condition("Ready", "False", "Failed")]));
    check(
        "example.org/v1",
        "Widget",
        vec![
            (json!({"suspend": true}), failed(), Suspended, "spec.suspend is true"),
            (json!({"paused": true}), json!({}), Suspended, "spec.paused is true"),
            (json!({"pause": {"duration": "5m"}}), json!({}), Healthy, ""),
            (
                json!({}),
                says(json!([condition("Paused", "True", "")])),
                Suspended,
                "Paused is True: why",
            ),
            (json!({}), says(json!([condition("Paused", "False", "")])), Healthy, ""),
            (
                json!({}),
                says(json!([condition("Synced", "False", "ReconcilePaused")])),
                Suspended,
                "Synced is False: ReconcilePaused: why",
            ),
        ],
    );
    for (key, value, suspended) in [
        ("example.org/paused", "true", true),
        ("example.org/paused", "", true),
        ("example.org/paused", "false", false),
        ("example.org/paused-replicas", "true", false),
        ("paused", "true", false),
    ] {
        let object = json!({"apiVersion": "example.org/v1", "kind": "Widget",
            "metadata": {"annotations": {key: value}}});
        let health = assess(&object, None, Expectation::Nothing);
        assert_eq!(health.status == Suspended, suspended, "{key}={value}: {health:?}");
    }
}

#[test]
fn what_nobody_can_read_is_healthy_as_soon_as_it_is_there() {
    for status in [json!("odd"), json!(1), json!({"conditions": [1, {"type": 2}]}), json!([[]])] {
        let object = json!({"apiVersion": "example.org/v1", "kind": "Widget", "status": status});
        assert_eq!(assess(&object, None, Expectation::Nothing), Health::healthy(), "{object}");
    }
}
