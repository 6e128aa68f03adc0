//! What controllers make Pods of, and how they count them.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::sandbox::world::{is_leaving, uid_of};
use crate::sandbox::write::set;

/// The label that tells of which template a Pod is.
pub(super) const TEMPLATE_HASH: &str = "pod-template-hash";
pub(super) const REVISION_HASH: &str = "controller-revision-hash";
/// Characters of a hash in a name.
const HASH_LENGTH: usize = 10;

/// Whether a condition of a Pod is true.
pub(super) fn is_ready(pod: &Value) -> bool {
    crate::sandbox::kinds::is_true(pod, "Ready")
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

/// An object made after a template, with a name of its own or one that is generated.
pub(super) fn from_template(
    owner: &Value,
    template: &Value,
    name: Option<String>,
    labels: &[(&str, &str)],
) -> Value {
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
    if let Some(name) = name {
        metadata["name"] = json!(name);
    } else {
        let owner = owner["metadata"]["name"].as_str().unwrap_or_default();
        metadata["generateName"] = json!(format!("{owner}-"));
    }
    json!({"metadata": metadata, "spec": template["spec"]})
}

/// The reference to a controller.
pub(super) fn owned_by(owner: &Value) -> Value {
    json!({"apiVersion": owner["apiVersion"], "kind": owner["kind"], "uid": uid_of(owner),
           "name": owner["metadata"]["name"], "controller": true, "blockOwnerDeletion": true})
}

/// Counts for a status, in which the API leaves out those that are zero.
pub(super) fn counts(counts: &[(&str, usize)]) -> Map<String, Value> {
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    counts.map(|(name, count)| ((*name).to_owned(), json!(count))).collect()
}

/// A short name for a template: the same for the same, whatever the order of its keys.
pub(super) fn hash(template: &Value) -> String {
    let mut hasher = Sha256::new();
    feed(&mut hasher, template);
    let mut name = String::new();
    for byte in hasher.finalize() {
        // Writing to a text cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name.truncate(HASH_LENGTH);
    name
}

fn feed(hasher: &mut Sha256, value: &Value) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            hasher.update([b'{']);
            for (key, value) in entries {
                hasher.update(key.as_bytes());
                feed(hasher, value);
            }
            hasher.update([b'}']);
        }
        Value::Array(items) => {
            hasher.update([b'[']);
            for item in items {
                feed(hasher, item);
            }
            hasher.update([b']']);
        }
        scalar => hasher.update(scalar.to_string().as_bytes()),
    }
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
