//! The order of an apply and of a prune: what others stand on comes first and goes last.
//!
//! All of a stage is asked about before any of it is written. So what the API server looks up when it
//! judges an object has to be of an earlier stage, or the two would wait for each other for ever:
//!
//! | object | is refused without, or made otherwise | because of |
//! |---|---|---|
//! | a custom resource | its `CustomResourceDefinition` | its path |
//! | anything in a namespace | its `Namespace` | its path; also Pod security, by its labels |
//! | `RoleBinding`, `ClusterRoleBinding` | the role that it names | the check of who may grant what |
//! | `Pod` | its `ServiceAccount`, `PriorityClass`, `RuntimeClass` | admission |
//! | `Pod`, `PersistentVolumeClaim` | `LimitRange` | admission fills in defaults that a quota asks for |
//! | `PersistentVolumeClaim`, `Ingress` | the default `StorageClass`, `IngressClass` | admission fills it in |
//! | anything counted | a `ResourceQuota` that was raised for it | admission |
//! | `Service` with an address | the `ServiceCIDR` of it | allocation |
//! | a token `Secret` | its `ServiceAccount` | a controller deletes it otherwise |
//! | the binding of an admission policy | the policy | the check of who may read its parameters |

use crate::domain::manifest::Desired;
use crate::domain::object::ObjectKey;

/// What is applied together. The order of the variants is the order of the apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// What makes other objects possible at all: kinds and namespaces.
    Definitions,
    /// What the API server looks up when it judges others: accounts, roles, limits, and `StorageClass`,
    /// `PriorityClass` and the like.
    Grounds,
    /// The rest.
    Objects,
    /// What stands in the way of other requests, and blocks them while its back end is not up.
    Admission,
    /// What puts an admission policy into force.
    AdmissionBindings,
}

const ADMISSION: &str = "admissionregistration.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";

/// The stages of an apply, in order, without the empty ones. Inside a stage the order is kept.
pub fn stages(desired: Vec<Desired>) -> Vec<Vec<Desired>> {
    group(desired, |desired| stage(&desired.key))
}

/// The stages of a prune: those of the apply backwards.
pub fn prune_order(keys: Vec<ObjectKey>) -> Vec<Vec<ObjectKey>> {
    group(keys, |key| std::cmp::Reverse(stage(key)))
}

/// Whether other objects of a commit may need this one to be usable before they can be applied.
pub fn is_foundation(key: &ObjectKey) -> bool {
    key.is("", "Namespace") || key.is("apiextensions.k8s.io", "CustomResourceDefinition")
}

fn stage(key: &ObjectKey) -> Stage {
    match (key.group.as_str(), key.kind.as_str()) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") | ("", "Namespace") => {
            Stage::Definitions
        }
        ("", "ServiceAccount" | "LimitRange" | "ResourceQuota")
        | (RBAC, "Role" | "ClusterRole")
        | ("networking.k8s.io", "ServiceCIDR") => Stage::Grounds,
        (ADMISSION, kind) if kind.ends_with("Binding") => Stage::AdmissionBindings,
        (ADMISSION, _) | ("apiregistration.k8s.io", "APIService") => Stage::Admission,
        (_, kind) if kind.ends_with("Class") => Stage::Grounds,
        _ => Stage::Objects,
    }
}

fn group<T, K: Ord>(mut items: Vec<T>, stage: impl Fn(&T) -> K) -> Vec<Vec<T>> {
    // The sort is stable.
    items.sort_by_key(&stage);
    let mut groups: Vec<Vec<T>> = Vec::new();
    for item in items {
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|last| stage(last) == stage(&item)) => {
                group.push(item);
            }
            _ => groups.push(vec![item]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(group: &str, kind: &str) -> ObjectKey {
        ObjectKey {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: None,
            name: "x".to_owned(),
        }
    }

    #[test]
    fn what_others_stand_on_is_pruned_last() {
        let keys = vec![
            key("", "Namespace"),
            key("apps", "Deployment"),
            key(ADMISSION, "ValidatingWebhookConfiguration"),
            key("storage.k8s.io", "StorageClass"),
            key("", "ConfigMap"),
            key("apiextensions.k8s.io", "CustomResourceDefinition"),
            key("apiregistration.k8s.io", "APIService"),
        ];
        let kinds: Vec<Vec<String>> = prune_order(keys)
            .into_iter()
            .map(|group| group.into_iter().map(|key| key.kind).collect())
            .collect();
        assert_eq!(
            kinds,
            [
                vec!["ValidatingWebhookConfiguration", "APIService"],
                vec!["Deployment", "ConfigMap"],
                vec!["StorageClass"],
                vec!["Namespace", "CustomResourceDefinition"],
            ]
        );
    }

    #[test]
    fn what_the_api_server_looks_up_is_there_before_it_is_asked() {
        for (first, then) in [
            (key("apiextensions.k8s.io", "CustomResourceDefinition"), key("ex.org", "Gear")),
            (key("", "Namespace"), key("", "ServiceAccount")),
            (key(RBAC, "Role"), key(RBAC, "RoleBinding")),
            (key(RBAC, "ClusterRole"), key(RBAC, "RoleBinding")),
            (key(RBAC, "ClusterRole"), key(RBAC, "ClusterRoleBinding")),
            (key("", "ServiceAccount"), key("", "Pod")),
            (key("", "ServiceAccount"), key("", "Secret")),
            (key("scheduling.k8s.io", "PriorityClass"), key("", "Pod")),
            (key("node.k8s.io", "RuntimeClass"), key("", "Pod")),
            (key("", "LimitRange"), key("", "Pod")),
            (key("", "LimitRange"), key("", "PersistentVolumeClaim")),
            (key("", "ResourceQuota"), key("", "ConfigMap")),
            (key("storage.k8s.io", "StorageClass"), key("", "PersistentVolumeClaim")),
            (key("networking.k8s.io", "IngressClass"), key("networking.k8s.io", "Ingress")),
            (key("networking.k8s.io", "ServiceCIDR"), key("", "Service")),
            (
                key(ADMISSION, "ValidatingAdmissionPolicy"),
                key(ADMISSION, "ValidatingAdmissionPolicyBinding"),
            ),
            (key("", "ConfigMap"), key(ADMISSION, "MutatingAdmissionPolicyBinding")),
            (key("apps", "Deployment"), key(ADMISSION, "ValidatingWebhookConfiguration")),
        ] {
            assert!(stage(&first) < stage(&then), "{first} before {then}");
        }
    }
}
