//! Kinds around the workloads: storage, network, scaling, and the API itself.

use serde_json::Value;

use crate::domain::health::conditions::{find, find_in};
use crate::domain::health::expectation::Expectation;
use crate::domain::health::workloads::unobserved;
use crate::domain::health::{Health, field};

/// kstatus, but Lost is Degraded (Argo CD), and a claim that waits for its first consumer is healthy:
/// else an application whose Pods come in a later wave, or are scaled to zero, would wait for ever.
pub(super) fn volume_claim(claim: &Value, expectation: Expectation) -> Health {
    let class = field::text(claim, "/spec/storageClassName");
    match field::text(claim, "/status/phase") {
        Some("Bound") => Health::healthy(),
        Some("Lost") => Health::degraded("lost: the volume that it was bound to is gone"),
        Some("Pending") if expectation != Expectation::Binding && waits_for_consumer(claim) => {
            Health::healthy()
        }
        // The API server fills in the default class, where there is one.
        Some("Pending") if class.is_none() => Health::progressing(
            "not bound: it has no storage class, so only a volume made by hand fits",
        ),
        Some(phase) => Health::progressing(format!("not bound: {phase}")),
        None => Health::progressing("not bound"),
    }
}

/// Own. The binding mode is a field of the storage class. Where that could be read, the
/// [`Expectation`] has it. Where not, the traces of the volume controller tell: it writes the name of
/// the provisioner on a claim as soon as it asks for a volume, which with `WaitForFirstConsumer` is
/// when the scheduler has written the node of the first consumer. A claim with a class and neither
/// annotation is not asked for yet; one that names its volume waits for that.
fn waits_for_consumer(claim: &Value) -> bool {
    const TRACES: [&str; 3] = [
        "/metadata/annotations/volume.kubernetes.io~1selected-node",
        "/metadata/annotations/volume.kubernetes.io~1storage-provisioner",
        "/metadata/annotations/volume.beta.kubernetes.io~1storage-provisioner",
    ];
    field::text(claim, "/spec/storageClassName").is_some()
        && field::text(claim, "/spec/volumeName").is_none()
        && TRACES.iter().all(|trace| field::text(claim, trace).is_none())
}

/// Own: a volume that could not be reclaimed is Degraded; waiting for a claim is not a fault.
pub(super) fn volume(volume: &Value) -> Health {
    match field::text(volume, "/status/phase") {
        Some("Failed") => {
            let message = field::text(volume, "/status/message").unwrap_or("no reason given");
            Health::degraded(format!("failed: {message}"))
        }
        Some("Available" | "Bound" | "Released") => Health::healthy(),
        phase => Health::progressing(format!("not available: {}", phase.unwrap_or("no phase yet"))),
    }
}

/// Argo CD: a `LoadBalancer` needs an address (kstatus is content with the cluster's own); every
/// other type works once it exists.
pub(super) fn service(service: &Value) -> Health {
    let balanced = field::text(service, "/spec/type") == Some("LoadBalancer");
    if balanced && field::list(service, "/status/loadBalancer/ingress").is_empty() {
        return Health::progressing("no address from the load balancer yet");
    }
    Health::healthy()
}

/// Own: one that is going away is no place to be.
pub(super) fn namespace(namespace: &Value) -> Health {
    match field::text(namespace, "/status/phase") {
        Some("Terminating") => Health::progressing("being deleted"),
        _ => Health::healthy(),
    }
}

/// Argo CD, by the status of the conditions instead of a list of reasons: one that can't scale, or
/// has no metrics to scale by, is Degraded. `ScalingDisabled` is what a target scaled to zero gives:
/// no fault (own). In `autoscaling/v1` the conditions are JSON in an annotation.
pub(super) fn autoscaler(autoscaler: &Value) -> Health {
    const V1: &str = "/metadata/annotations/autoscaling.alpha.kubernetes.io~1conditions";
    let annotated: Option<Value> =
        field::text(autoscaler, V1).and_then(|json| serde_json::from_str(json).ok());
    let conditions = match &annotated {
        Some(list) => field::list(list, ""),
        None => field::list(autoscaler, "/status/conditions"),
    };
    let able = find_in(conditions, "AbleToScale");
    if let Some(unable) = able.as_ref().filter(|c| c.is_false()) {
        return Health::degraded(format!("not able to scale: {unable}"));
    }
    let inactive = find_in(conditions, "ScalingActive")
        .filter(|c| c.is_false() && c.reason != "ScalingDisabled");
    match inactive {
        Some(inactive) => Health::degraded(format!("scaling is not active: {inactive}")),
        None if able.is_none() => Health::progressing("not yet seen by its controller"),
        None => Health::healthy(),
    }
}

/// kstatus: a budget works once its controller has seen it. How many Pods are up is the health of
/// their workload; while one is down the budget does what it is for. Own: a controller that cannot
/// count the Pods is Degraded.
pub(super) fn disruption_budget(budget: &Value) -> Health {
    if let Some(health) = unobserved(budget) {
        return health;
    }
    match find(budget, "DisruptionAllowed").filter(|c| c.reason == "SyncFailed") {
        Some(condition) => Health::degraded(condition.to_string()),
        None => Health::healthy(),
    }
}

/// kstatus: names that are taken are Degraded, and so is what can't be established; both conditions
/// must hold. Which generation they speak of does not matter: what is established stays so, and a new
/// schema counts from the write on.
pub(super) fn definition(definition: &Value) -> Health {
    let names = find(definition, "NamesAccepted");
    let established = find(definition, "Established");
    match (names, established) {
        (Some(names), _) if names.is_false() => {
            Health::degraded(format!("names not accepted: {names}"))
        }
        (_, Some(c)) if c.is_false() && c.reason != "Installing" => {
            Health::degraded(format!("not established: {c}"))
        }
        (Some(names), Some(established)) if names.is_true() && established.is_true() => {
            Health::healthy()
        }
        _ => Health::progressing("not yet established"),
    }
}

/// Argo CD: not available is Progressing, because the Pods behind it may be on their way.
pub(super) fn api_service(service: &Value) -> Health {
    match find(service, "Available") {
        Some(available) if available.is_true() => Health::healthy(),
        Some(available) => Health::progressing(format!("not available: {available}")),
        None => Health::progressing("not yet seen by the API server's aggregator"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::health::HealthStatus::{Degraded, Healthy, Progressing};
    use crate::domain::health::assess;
    use crate::domain::health::tests::{check, condition};

    #[test]
    fn a_claim_that_waits_for_its_first_consumer_is_healthy() {
        let claim = |annotations: Value, phase: &str| {
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                   "metadata": {"annotations": annotations},
                   "spec": {"storageClassName": "local"}, "status": {"phase": phase}})
        };
        let asked = json!({"volume.kubernetes.io/storage-provisioner": "example.org/disk"});
        let consumed = json!({"volume.kubernetes.io/selected-node": "n1"});
        let mut without_class = claim(json!({}), "Pending");
        without_class["spec"] = json!({});
        for (claim, verdict) in [
            (claim(json!({}), "Bound"), Healthy),
            (claim(json!({}), "Pending"), Healthy),
            (claim(asked, "Pending"), Progressing),
            (claim(consumed, "Pending"), Progressing),
            (without_class, Progressing),
            (claim(json!({}), "Lost"), Degraded),
        ] {
            assert_eq!(assess(&claim, None, Expectation::Nothing).status, verdict, "{claim}");
        }
        let at_once = assess(&claim(json!({}), "Pending"), None, Expectation::Binding);
        assert_eq!(at_once, Health::progressing("not bound: Pending"));
    }

    #[test]
    fn network_and_namespaces() {
        let address = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
        let balanced = || json!({"type": "LoadBalancer"});
        check(
            "v1",
            "Service",
            vec![
                (json!({"type": "ClusterIP"}), json!({}), Healthy, ""),
                (balanced(), address, Healthy, ""),
                (
                    balanced(),
                    json!({"loadBalancer": {}}),
                    Progressing,
                    "no address from the load balancer yet",
                ),
            ],
        );
        check("networking.k8s.io/v1", "Ingress", vec![(json!({}), json!({}), Healthy, "")]);
        check(
            "v1",
            "Namespace",
            vec![
                (json!({}), json!({"phase": "Active"}), Healthy, ""),
                (json!({}), json!({"phase": "Terminating"}), Progressing, "being deleted"),
            ],
        );
        check(
            "v1",
            "PersistentVolume",
            vec![
                (json!({}), json!({"phase": "Available"}), Healthy, ""),
                (
                    json!({}),
                    json!({"phase": "Failed", "message": "disk"}),
                    Degraded,
                    "failed: disk",
                ),
            ],
        );
    }

    #[test]
    fn extensions_of_the_api_are_healthy_when_served() {
        let definition = |names: &str, established: &str, reason: &str| {
            json!({"conditions": [condition("NamesAccepted", names, "ListKindConflict"),
                                  condition("Established", established, reason)]})
        };
        check(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            vec![
                (json!({}), definition("True", "True", "InitialNamesAccepted"), Healthy, ""),
                (
                    json!({}),
                    definition("True", "False", "Installing"),
                    Progressing,
                    "not yet established",
                ),
                (json!({}), definition("True", "False", "X"), Degraded, "not established: X: why"),
                (
                    json!({}),
                    definition("False", "True", ""),
                    Degraded,
                    "names not accepted: ListKindConflict: why",
                ),
                (json!({}), json!({}), Progressing, "not yet established"),
            ],
        );
        let service = |status: &str| json!({"conditions": [condition("Available", status, "MissingEndpoints")]});
        check(
            "apiregistration.k8s.io/v1",
            "APIService",
            vec![
                (json!({}), service("True"), Healthy, ""),
                (json!({}), service("False"), Progressing, "not available: MissingEndpoints: why"),
                (json!({}), json!({}), Progressing, "not yet seen by the API server's aggregator"),
            ],
        );
    }

    #[test]
    fn an_autoscaler_needs_its_target_and_its_metrics() {
        let status = |able: &str, active: &str, reason: &str| {
            json!({"conditions": [condition("AbleToScale", able, "FailedGetScale"),
                                  condition("ScalingActive", active, reason)]})
        };
        check(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            vec![
                (json!({}), status("True", "True", "ValidMetricFound"), Healthy, ""),
                (json!({}), status("True", "False", "ScalingDisabled"), Healthy, ""),
                (
                    json!({}),
                    status("False", "True", ""),
                    Degraded,
                    "not able to scale: FailedGetScale: why",
                ),
                (
                    json!({}),
                    status("True", "False", "FailedGetResourceMetric"),
                    Degraded,
                    "scaling is not active: FailedGetResourceMetric: why",
                ),
                (json!({}), json!({}), Progressing, "not yet seen by its controller"),
            ],
        );
        let conditions = status("True", "True", "ValidMetricFound")["conditions"].to_string();
        let v1 = json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler",
            "metadata": {"annotations": {"autoscaling.alpha.kubernetes.io/conditions": conditions}}});
        assert_eq!(assess(&v1, None, Expectation::Nothing), Health::healthy());
    }

    #[test]
    fn a_disruption_budget_works_however_many_pods_are_up() {
        let status = |healthy: i64| {
            json!({"observedGeneration": 3, "currentHealthy": healthy, "desiredHealthy": 2,
                   "expectedPods": 3,
                   "conditions": [condition("DisruptionAllowed", "False", "InsufficientPods")]})
        };
        let uncounted = json!({"observedGeneration": 3,
            "conditions": [condition("DisruptionAllowed", "False", "SyncFailed")]});
        check(
            "policy/v1",
            "PodDisruptionBudget",
            vec![
                (json!({}), status(2), Healthy, ""),
                (json!({}), status(0), Healthy, ""),
                (json!({}), uncounted, Degraded, "SyncFailed: why"),
                (json!({}), json!({}), Progressing, "not yet seen by its controller"),
            ],
        );
    }
}
