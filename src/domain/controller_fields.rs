//! Fields that a controller of Kubernetes writes, or `kubectl`: in Git they are there because somebody
//! exported a live object. Sent, they would be written back and forth for ever, so they are left out.

use serde_json::{Map, Value};

use crate::domain::object::Resource;

/// An annotation, on which group and kind (`*`: on any), and whose it is.
const ANNOTATIONS: [(&str, &str, &str, &str); 19] = [
    ("*", "*", "kubectl.kubernetes.io/last-applied-configuration", "kubectl"),
    ("*", "*", "control-plane.alpha.kubernetes.io/leader", "leader election"),
    ("apps", "Deployment", "deployment.kubernetes.io/revision", "the deployment controller"),
    ("apps", "ReplicaSet", "deployment.kubernetes.io/revision", "the deployment controller"),
    (
        "apps",
        "ReplicaSet",
        "deployment.kubernetes.io/revision-history",
        "the deployment controller",
    ),
    (
        "apps",
        "ReplicaSet",
        "deployment.kubernetes.io/desired-replicas",
        "the deployment controller",
    ),
    ("apps", "ReplicaSet", "deployment.kubernetes.io/max-replicas", "the deployment controller"),
    ("apps", "DaemonSet", "deprecated.daemonset.template.generation", "the API server"),
    (
        "autoscaling",
        "HorizontalPodAutoscaler",
        "autoscaling.alpha.kubernetes.io/conditions",
        "the autoscaler",
    ),
    (
        "autoscaling",
        "HorizontalPodAutoscaler",
        "autoscaling.alpha.kubernetes.io/current-metrics",
        "the autoscaler",
    ),
    ("batch", "Job", "batch.kubernetes.io/job-tracking", "the job controller"),
    (
        "",
        "Endpoints",
        "endpoints.kubernetes.io/last-change-trigger-time",
        "the endpoints controller",
    ),
    ("", "PersistentVolume", "pv.kubernetes.io/bound-by-controller", "the volume controller"),
    ("", "PersistentVolumeClaim", "pv.kubernetes.io/bound-by-controller", "the volume controller"),
    ("", "PersistentVolumeClaim", "pv.kubernetes.io/bind-completed", "the volume controller"),
    (
        "",
        "PersistentVolumeClaim",
        "volume.kubernetes.io/storage-provisioner",
        "the volume controller",
    ),
    (
        "",
        "PersistentVolumeClaim",
        "volume.beta.kubernetes.io/storage-provisioner",
        "the volume controller",
    ),
    ("", "PersistentVolumeClaim", "volume.kubernetes.io/selected-node", "the scheduler"),
    ("", "Pod", "kubernetes.io/limit-ranger", "the API server"),
];

/// Takes out of an object what is not Git's to say, and tells each such field and whose it is.
pub(super) fn leave_out(object: &mut Map<String, Value>, resource: &Resource) -> Vec<String> {
    let mut told = Vec::new();
    let of_kind =
        |group: &str, kind: &str| kind == "*" || (group == resource.group && kind == resource.kind);
    let annotations =
        object.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"));
    if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
        for (group, kind, name, whose) in ANNOTATIONS {
            if of_kind(group, kind) && annotations.shift_remove(name).is_some() {
                told.push(warning(&format!("the annotation `{name}`"), whose));
            }
        }
    }
    let aggregated = object.get("aggregationRule").is_some_and(|rule| !rule.is_null());
    if of_kind("rbac.authorization.k8s.io", "ClusterRole") && aggregated {
        let rules = object.shift_remove("rules");
        // An empty list is how a form is filled in, and asks for nothing.
        if rules.is_some_and(|rules| rules.as_array().is_none_or(|rules| !rules.is_empty())) {
            told.push(warning("`rules` of an aggregated role", "the role aggregation controller"));
        }
    }
    told
}

fn warning(field: &str, whose: &str) -> String {
    format!("{field} is not sent: {whose} writes it; remove it from Git")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn left_out(group: &str, kind: &str, mut object: Value) -> (Value, usize) {
        let resource = Resource {
            group: group.into(),
            version: "v1".into(),
            kind: kind.into(),
            plural: String::new(),
            namespaced: true,
        };
        let told = leave_out(object.as_object_mut().unwrap(), &resource).len();
        (object, told)
    }

    #[test]
    fn what_a_controller_writes_is_not_sent_and_told() {
        let annotated = |names: &[&str]| {
            let names: Map<String, Value> =
                names.iter().map(|name| ((*name).to_owned(), json!("1"))).collect();
            json!({"metadata": {"annotations": names}})
        };
        let revision = "deployment.kubernetes.io/revision";
        let exported = annotated(&[revision, "team"]);
        assert_eq!(left_out("apps", "Deployment", exported.clone()), (annotated(&["team"]), 1));
        assert_eq!(left_out("", "ConfigMap", exported.clone()), (exported, 0));
        let applied = annotated(&["kubectl.kubernetes.io/last-applied-configuration"]);
        assert_eq!(left_out("ex.org", "Gear", applied), (annotated(&[]), 1));
    }

    #[test]
    fn the_rules_of_an_aggregated_role_are_those_of_its_controller() {
        let role = |aggregated: Value, rules: Value| json!({"metadata": {}, "aggregationRule": aggregated, "rules": rules});
        let (group, aggregation) =
            ("rbac.authorization.k8s.io", json!({"clusterRoleSelectors": []}));
        let without = json!({"metadata": {}, "aggregationRule": aggregation});
        for (rules, told) in [(json!([]), 0), (json!([{"verbs": ["get"]}]), 1)] {
            let left = left_out(group, "ClusterRole", role(aggregation.clone(), rules));
            assert_eq!(left, (without.clone(), told));
        }
        let plain = role(Value::Null, json!([]));
        assert_eq!(left_out(group, "ClusterRole", plain.clone()), (plain, 0));
    }
}
