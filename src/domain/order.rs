//! The order of an apply and of a prune: what others stand on comes first and goes last.

use crate::domain::manifest::Desired;
use crate::domain::object::ObjectKey;

/// What is applied together. The order of the variants is the order of the apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// What makes other objects possible at all: kinds, namespaces, and roles, which can only be
    /// bound once they exist.
    Definitions,
    /// `StorageClass`, `IngressClass`, `PriorityClass` and the like, which others name.
    Classes,
    /// The rest.
    Objects,
    /// What stands in the way of other requests, and blocks them while its back end is not up.
    Admission,
}

const ADMISSION: &str = "admissionregistration.k8s.io";

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
        ("apiextensions.k8s.io", "CustomResourceDefinition")
        | ("", "Namespace")
        | ("rbac.authorization.k8s.io", "ClusterRole") => Stage::Definitions,
        (ADMISSION, _) | ("apiregistration.k8s.io", "APIService") => Stage::Admission,
        (_, kind) if kind.ends_with("Class") => Stage::Classes,
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
}
