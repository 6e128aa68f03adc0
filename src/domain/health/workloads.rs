//! Kinds that run Pods: whether the number, the version and the state of their Pods is as wanted.

use serde_json::Value;

use crate::domain::health::conditions::{self, Condition, find};
use crate::domain::health::{Health, field};

/// A paused Deployment is Suspended, one beyond its progress deadline Degraded (both Argo CD;
/// kstatus has the latter, too); the order of the counts is kstatus'. Pods that a quota or a webhook
/// refuses (`ReplicaFailure`) are Progressing, with the reason: the deadline judges.
pub(super) fn deployment(deployment: &Value) -> Health {
    if let Some(health) = unobserved(deployment) {
        return health;
    }
    if field::flag(deployment, "/spec/paused") {
        return Health::suspended("paused");
    }
    let deadline =
        find(deployment, "Progressing").filter(|c| c.reason == "ProgressDeadlineExceeded");
    if let Some(condition) = deadline {
        return Health::degraded(condition.to_string());
    }
    let wanted = replicas(deployment);
    let present = field::count(deployment, "/status/replicas");
    let updated = field::count(deployment, "/status/updatedReplicas");
    let available = field::count(deployment, "/status/availableReplicas");
    if updated < wanted {
        let refused = find(deployment, "ReplicaFailure").filter(Condition::is_true);
        let refused = refused.map(|c| format!(", Pods are refused: {c}")).unwrap_or_default();
        Health::progressing(format!("{updated} of {wanted} replicas updated{refused}"))
    } else if present > updated {
        Health::progressing(format!("old replicas still there: {}", present - updated))
    } else if updated > wanted {
        Health::progressing(format!("surplus replicas still there: {}", updated - wanted))
    } else if available < updated {
        Health::progressing(format!("{available} of {updated} replicas available"))
    } else {
        Health::healthy()
    }
}

/// kstatus, but for two things: with `OnDelete`, which Pods are of which version is the operator's
/// affair, but they must be ready (Argo CD); with a partition only the Pods from it on must be of
/// the new version (both).
pub(super) fn stateful_set(set: &Value) -> Health {
    if let Some(health) = unobserved(set) {
        return health;
    }
    let wanted = replicas(set);
    let present = field::count(set, "/status/replicas");
    let ready = field::count(set, "/status/readyReplicas");
    let updated = field::count(set, "/status/updatedReplicas");
    if ready < wanted {
        return Health::progressing(format!("{ready} of {wanted} replicas ready"));
    }
    if present > wanted {
        return Health::progressing(format!("surplus replicas still there: {}", present - wanted));
    }
    if field::count(set, "/spec/minReadySeconds") > 0 {
        let available = field::count(set, "/status/availableReplicas");
        if available < wanted {
            return Health::progressing(format!("{available} of {wanted} replicas available"));
        }
    }
    if field::text(set, "/spec/updateStrategy/type") == Some("OnDelete") {
        return Health::healthy();
    }
    let partition = field::count(set, "/spec/updateStrategy/rollingUpdate/partition").max(0);
    let to_update = wanted.saturating_sub(partition).max(0);
    if updated < to_update {
        return Health::progressing(format!("{updated} of {to_update} replicas updated"));
    }
    let current = field::text(set, "/status/currentRevision");
    if partition == 0 && current != field::text(set, "/status/updateRevision") {
        return Health::progressing("the new revision is not yet the current one");
    }
    Health::healthy()
}

/// kstatus; with `OnDelete`, the version of the Pods is the operator's affair (Argo CD).
pub(super) fn daemon_set(set: &Value) -> Health {
    if let Some(health) = unobserved(set) {
        return health;
    }
    let Some(wanted) = field::int(set, "/status/desiredNumberScheduled") else {
        return Health::progressing("nodes not yet counted by its controller");
    };
    let on_delete = field::text(set, "/spec/updateStrategy/type") == Some("OnDelete");
    let counts = [
        ("scheduled", "/status/currentNumberScheduled"),
        ("updated", "/status/updatedNumberScheduled"),
        ("available", "/status/numberAvailable"),
    ];
    for (verb, pointer) in counts {
        let count = field::count(set, pointer);
        if count < wanted && !(on_delete && verb == "updated") {
            return Health::progressing(format!("{count} of {wanted} Pods {verb}"));
        }
    }
    Health::healthy()
}

/// kstatus, but Pods that are refused are Degraded (Argo CD): no deadline will judge it.
pub(super) fn replica_set(set: &Value) -> Health {
    if let Some(health) = unobserved(set) {
        return health;
    }
    if let Some(refused) = find(set, "ReplicaFailure").filter(Condition::is_true) {
        return Health::degraded(format!("Pods are refused: {refused}"));
    }
    let wanted = replicas(set);
    let present = field::count(set, "/status/replicas");
    let available = field::count(set, "/status/availableReplicas");
    if available < wanted {
        Health::progressing(format!("{available} of {wanted} replicas available"))
    } else if present > wanted {
        Health::progressing(format!("surplus replicas still there: {}", present - wanted))
    } else {
        Health::healthy()
    }
}

/// Argo CD: healthy when complete, so that what comes after can build on it (for kstatus a Job that
/// has started is current). One that is suspended before its end is Suspended (both).
pub(super) fn job(job: &Value) -> Health {
    if let Some(failed) = find(job, "Failed").filter(Condition::is_true) {
        return Health::failed(format!("failed: {failed}"));
    }
    if find(job, "Complete").is_some_and(|complete| complete.is_true()) {
        return Health::healthy();
    }
    if field::flag(job, "/spec/suspend") {
        return Health::suspended("suspended");
    }
    if field::text(job, "/status/startTime").is_none() {
        return Health::progressing("not yet started");
    }
    let succeeded = field::count(job, "/status/succeeded");
    let active = field::count(job, "/status/active");
    let failed = field::count(job, "/status/failed");
    // A work queue (parallelism without completions) ends when its Pods say so.
    let wanted = field::int(job, "/spec/completions").map(|n| format!(" of {n}"));
    Health::progressing(format!(
        "{succeeded}{} Pods succeeded, {active} active, {failed} failed",
        wanted.unwrap_or_default()
    ))
}

/// Own: suspended is Suspended; what its Jobs do is not the health of the schedule (kstatus).
pub(super) fn cron_job(cron_job: &Value) -> Health {
    if field::flag(cron_job, "/spec/suspend") {
        Health::suspended("suspended")
    } else {
        Health::healthy()
    }
}

/// The API server fills in 1; zero is wanted as any other number is.
fn replicas(workload: &Value) -> i64 {
    field::int(workload, "/spec/replicas").unwrap_or(1)
}

/// These controllers always say which generation they have seen, so silence means not any
/// (kstatus does so for `DaemonSet` only).
pub(super) fn unobserved(object: &Value) -> Option<Health> {
    let silent = conditions::observed_generation(object).is_none();
    silent.then(|| Health::progressing("not yet seen by its controller"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::domain::health::HealthStatus::{Degraded, Healthy, Progressing, Suspended};
    use crate::domain::health::tests::{check, condition};

    #[test]
    fn a_deployment_is_healthy_when_its_rollout_is_complete() {
        let status = |replicas: i64, updated: i64, available: i64| {
            json!({"observedGeneration": 3, "replicas": replicas, "updatedReplicas": updated,
                   "availableReplicas": available, "readyReplicas": available})
        };
        let late = json!({"observedGeneration": 3, "replicas": 4, "updatedReplicas": 1,
            "conditions": [condition("Progressing", "False", "ProgressDeadlineExceeded")]});
        let refused = json!({"observedGeneration": 3,
            "conditions": [condition("ReplicaFailure", "True", "FailedCreate")]});
        let three = || json!({"replicas": 3});
        check(
            "apps/v1",
            "Deployment",
            vec![
                (three(), status(3, 3, 3), Healthy, ""),
                (json!({}), status(1, 1, 1), Healthy, ""),
                (json!({"replicas": 0}), status(0, 0, 0), Healthy, ""),
                (three(), status(4, 2, 3), Progressing, "2 of 3 replicas updated"),
                (three(), status(4, 3, 3), Progressing, "old replicas still there: 1"),
                (three(), status(5, 5, 5), Progressing, "surplus replicas still there: 2"),
                (three(), status(3, 3, 1), Progressing, "1 of 3 replicas available"),
                (three(), late, Degraded, "ProgressDeadlineExceeded: why"),
                (
                    three(),
                    refused,
                    Progressing,
                    "0 of 3 replicas updated, Pods are refused: FailedCreate: why",
                ),
                (json!({"replicas": 3, "paused": true}), status(3, 1, 3), Suspended, "paused"),
                (three(), json!({}), Progressing, "not yet seen by its controller"),
            ],
        );
    }

    #[test]
    fn a_stateful_set_respects_partition_and_on_delete() {
        let status = |ready: i64, updated: i64, current: &str| {
            json!({"observedGeneration": 3, "replicas": 3, "readyReplicas": ready,
                   "updatedReplicas": updated, "currentRevision": current, "updateRevision": "b"})
        };
        let three = || json!({"replicas": 3});
        let partition = |partition: i64| {
            json!({"replicas": 3, "updateStrategy": {"type": "RollingUpdate",
                   "rollingUpdate": {"partition": partition}}})
        };
        let on_delete = || json!({"replicas": 3, "updateStrategy": {"type": "OnDelete"}});
        check(
            "apps/v1",
            "StatefulSet",
            vec![
                (three(), status(3, 3, "b"), Healthy, ""),
                (three(), status(2, 3, "b"), Progressing, "2 of 3 replicas ready"),
                (three(), status(3, 1, "a"), Progressing, "1 of 3 replicas updated"),
                (
                    three(),
                    status(3, 3, "a"),
                    Progressing,
                    "the new revision is not yet the current one",
                ),
                (
                    json!({"replicas": 2}),
                    status(3, 3, "b"),
                    Progressing,
                    "surplus replicas still there: 1",
                ),
                (
                    json!({"replicas": 3, "minReadySeconds": 9}),
                    status(3, 3, "b"),
                    Progressing,
                    "0 of 3 replicas available",
                ),
                (partition(2), status(3, 1, "a"), Healthy, ""),
                (partition(2), status(3, 0, "a"), Progressing, "0 of 1 replicas updated"),
                (partition(9), status(3, 0, "a"), Healthy, ""),
                (on_delete(), status(3, 0, "a"), Healthy, ""),
                (on_delete(), status(0, 0, "a"), Progressing, "0 of 3 replicas ready"),
            ],
        );
    }

    #[test]
    fn sets_of_pods_are_healthy_when_all_are_available() {
        let nodes = |current: i64, updated: i64, available: i64| {
            json!({"observedGeneration": 3, "desiredNumberScheduled": 5, "numberAvailable": available,
                   "currentNumberScheduled": current, "updatedNumberScheduled": updated})
        };
        check(
            "apps/v1",
            "DaemonSet",
            vec![
                (json!({}), nodes(5, 5, 5), Healthy, ""),
                (json!({}), nodes(4, 4, 4), Progressing, "4 of 5 Pods scheduled"),
                (json!({}), nodes(5, 2, 5), Progressing, "2 of 5 Pods updated"),
                (json!({}), nodes(5, 5, 1), Progressing, "1 of 5 Pods available"),
                (json!({"updateStrategy": {"type": "OnDelete"}}), nodes(5, 0, 5), Healthy, ""),
                (json!({}), json!({}), Progressing, "not yet seen by its controller"),
            ],
        );
        let refused = json!({"observedGeneration": 3,
            "conditions": [condition("ReplicaFailure", "True", "FailedCreate")]});
        let one = json!({"observedGeneration": 3, "replicas": 1, "availableReplicas": 1});
        check(
            "apps/v1",
            "ReplicaSet",
            vec![
                (json!({"replicas": 1}), one.clone(), Healthy, ""),
                (json!({"replicas": 2}), one.clone(), Progressing, "1 of 2 replicas available"),
                (json!({"replicas": 0}), one, Progressing, "surplus replicas still there: 1"),
                (json!({"replicas": 1}), refused, Degraded, "Pods are refused: FailedCreate: why"),
            ],
        );
    }

    #[test]
    fn a_job_is_healthy_when_complete() {
        let ended = |of_type, reason| json!({"startTime": "2026-01-01T00:00:00Z", "conditions": [condition(of_type, "True", reason)]});
        let running =
            json!({"startTime": "2026-01-01T00:00:00Z", "succeeded": 1, "active": 2, "failed": 1});
        check(
            "batch/v1",
            "Job",
            vec![
                (json!({}), ended("Complete", ""), Healthy, ""),
                (json!({"suspend": true}), ended("Complete", ""), Healthy, ""),
                (
                    json!({}),
                    ended("Failed", "BackoffLimitExceeded"),
                    Degraded,
                    "failed: BackoffLimitExceeded: why",
                ),
                (json!({"suspend": true}), json!({}), Suspended, "suspended"),
                (json!({}), json!({}), Progressing, "not yet started"),
                (
                    json!({"completions": 3}),
                    running,
                    Progressing,
                    "1 of 3 Pods succeeded, 2 active, 1 failed",
                ),
            ],
        );
        check(
            "batch/v1",
            "CronJob",
            vec![
                (json!({"suspend": false}), json!({}), Healthy, ""),
                (json!({"suspend": true}), json!({}), Suspended, "suspended"),
            ],
        );
    }
}
