//! What is remembered of a live object: enough to tell whether it is ours and whether it drifted.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::fields;
use crate::domain::object::{APPLICATION_LABEL, INSTANCE_ANNOTATION, ObjectKey, Resource};

/// The metadata of a live object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveMeta {
    /// The object.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// `metadata.generation`, of kinds that have one.
    pub generation: Option<i64>,
    /// Whether it is being deleted.
    pub deletion: bool,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`, without what `kubectl apply` keeps there.
    pub annotations: BTreeMap<String, String>,
    /// [`fields::entry_hash`]; none when it has no Apply entry of ours.
    pub entry_hash: Option<String>,
}

impl LiveMeta {
    /// Reads the metadata of an object of this kind; none when it is no object.
    pub fn of(resource: &Resource, live: &Value) -> Option<Self> {
        let metadata = live.get("metadata")?;
        let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
        let mut annotations = texts(&metadata["annotations"]);
        annotations.remove(fields::LAST_APPLIED_ANNOTATION);
        Some(Self {
            key: ObjectKey {
                group: resource.group.clone(),
                kind: resource.kind.clone(),
                namespace: text("namespace").filter(|namespace| !namespace.is_empty()),
                name: text("name")?,
            },
            uid: text("uid").unwrap_or_default(),
            resource_version: text("resourceVersion").unwrap_or_default(),
            generation: metadata["generation"].as_i64(),
            deletion: metadata["deletionTimestamp"].is_string(),
            labels: texts(&metadata["labels"]),
            annotations,
            entry_hash: fields::entry_hash(live),
        })
    }

    /// As [`fields::owned_by_us`].
    pub fn owned_by_us(&self, application: Option<&str>, instance: &str) -> bool {
        let label = self.labels.get(APPLICATION_LABEL);
        label.is_some_and(|label| application.is_none_or(|application| application == label))
            && self.annotations.get(INSTANCE_ANNOTATION).is_some_and(|name| name == instance)
            && self.entry_hash.is_some()
    }
}

fn texts(map: &Value) -> BTreeMap<String, String> {
    let pairs = map.as_object().into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_is_read_and_tells_who_owns_it() {
        let resource = Resource {
            group: "apps".into(),
            version: "v1".into(),
            kind: "Deployment".into(),
            plural: "deployments".into(),
            namespaced: true,
        };
        let live = json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "9",
            "generation": 3, "deletionTimestamp": "2026-01-01T00:00:00Z",
            "labels": {APPLICATION_LABEL: "shop"},
            "annotations": {INSTANCE_ANNOTATION: "headstay", fields::LAST_APPLIED_ANNOTATION: "{}"},
            "managedFields": [{"manager": "headstay", "operation": "Apply", "fieldsV1": {"f:spec": {}}}]}});
        let meta = LiveMeta::of(&resource, &live).unwrap();
        assert_eq!(meta.key.to_string(), "Deployment.apps shop/web");
        assert_eq!((meta.generation, meta.deletion, meta.annotations.len()), (Some(3), true, 1));
        assert!(meta.owned_by_us(Some("shop"), "headstay"));
        assert!(!meta.owned_by_us(Some("shop"), "staging"));
        assert_eq!(LiveMeta::of(&resource, &json!({"metadata": {}})), None);
    }
}
