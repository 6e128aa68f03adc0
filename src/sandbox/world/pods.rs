//! What controllers make Pods of, and how they count them.

use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::sandbox::object::{is_leaving, is_true, name_of, set, uid_of};
use crate::sandbox::world::Hand;

/// The label that tells of which template a Pod is.
pub(super) const TEMPLATE_HASH: &str = "pod-template-hash";
pub(super) const REVISION_HASH: &str = "controller-revision-hash";
/// Characters of a hash in a name.
const HASH_LENGTH: usize = 10;

/// Whether a condition of a Pod is true.
pub(super) fn is_ready(pod: &Value) -> bool {
    is_true(pod, "Ready")
}

/// Whether a Pod has ended.
pub(super) fn has_ended(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// Pods that count for their controller: those that are neither leaving nor at their end.
pub(super) fn active(pods: &[Arc<Value>]) -> Vec<&Arc<Value>> {
    pods.iter().filter(|pod| !is_leaving(pod) && !has_ended(pod)).collect()
}

/// How many of them are ready.
pub(super) fn ready(pods: &[&Arc<Value>]) -> usize {
    pods.iter().filter(|pod| is_ready(pod)).count()
}

/// Makes Pods until there are as many as wanted, and deletes those that are too many. Those that do
/// not run go first.
pub(super) fn bring(
    hand: &mut Hand<'_>,
    owner: &Value,
    pods: &[&Arc<Value>],
    wanted: usize,
    labels: &[(&str, &str)],
) {
    for _ in pods.len()..wanted {
        hand.create("pods", from_template(owner, None, labels));
    }
    let mut surplus = pods.to_vec();
    surplus.sort_by_key(|pod| is_ready(pod));
    for pod in surplus.iter().take(pods.len().saturating_sub(wanted)) {
        hand.delete("pods", pod);
    }
}

/// What an owner makes after its template, with this name or one that is generated.
pub(super) fn from_template(owner: &Value, name: Option<&str>, labels: &[(&str, &str)]) -> Value {
    let template = &owner["spec"]["template"];
    let mut metadata = json!({
        "namespace": owner["metadata"]["namespace"],
        "labels": template["metadata"].get("labels").cloned().unwrap_or_else(|| json!({})),
        "ownerReferences": [owned_by(owner)],
    });
    if let Some(annotations) = template["metadata"].get("annotations") {
        metadata["annotations"] = annotations.clone();
    }
    for (key, value) in labels {
        set(&mut metadata, &["labels", key], json!(value));
    }
    match name {
        Some(name) => metadata["name"] = json!(name),
        None => metadata["generateName"] = json!(format!("{}-", name_of(owner))),
    }
    json!({"metadata": metadata, "spec": template["spec"]})
}

/// The reference to a controller.
fn owned_by(owner: &Value) -> Value {
    json!({"apiVersion": owner["apiVersion"], "kind": owner["kind"], "uid": uid_of(owner),
           "name": owner["metadata"]["name"], "controller": true, "blockOwnerDeletion": true})
}

/// A short name for a template: the same for the same, whatever the order of its keys.
pub(super) fn hash(template: &Value) -> String {
    let mut template = template.clone();
    template.sort_all_objects();
    let mut name = hex::encode(Sha256::digest(template.to_string()));
    name.truncate(HASH_LENGTH);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_makes_no_other_template() {
        let one = json!({"a": 1, "b": [{"c": "x", "d": null}]});
        let same = json!({"b": [{"d": null, "c": "x"}], "a": 1});
        let other = json!({"a": 1, "b": [{"c": "y", "d": null}]});
        assert_eq!(hash(&one), hash(&same));
        assert_ne!(hash(&one), hash(&other));
    }
}
