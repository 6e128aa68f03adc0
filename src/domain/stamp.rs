//! Puts our marks on one object, takes out what is the API server's, and hashes what remains.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::domain::controller_fields;
use crate::domain::directives;
use crate::domain::installation::Installation;
use crate::domain::manifest::{Desired, Manifest, ManifestError};
use crate::domain::name::ApplicationName;
use crate::domain::object::{
    APPLICATION_LABEL, INSTALLATION_ANNOTATION, INSTANCE_ANNOTATION, ObjectKey, Resource,
};

/// Fields of `metadata` that are the API server's to write.
const SERVER_FIELDS: [&str; 8] = [
    "managedFields",
    "resourceVersion",
    "uid",
    "creationTimestamp",
    // An object that is applied with these is on its way out from the start.
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
];

/// Whose marks an object gets.
pub(super) struct Owner<'a> {
    pub(super) application: &'a ApplicationName,
    pub(super) installation: &'a Installation,
}

/// Makes of a manifest of a known kind what is sent.
pub(super) fn stamp(
    manifest: Manifest,
    resource: Resource,
    default_namespace: Option<&str>,
    owner: &Owner<'_>,
) -> Result<Desired, ManifestError> {
    let name = manifest.name().to_owned();
    let Manifest { origin, mut value } = manifest;
    let refusal =
        |field: String, expected| ManifestError::Field { origin: origin.clone(), field, expected };
    let Some(object) = value.as_object_mut() else {
        return Err(refusal("the object".to_owned(), "a mapping"));
    };
    object.shift_remove("status");
    let warnings = controller_fields::leave_out(object, &resource);
    if resource.group.is_empty() && resource.kind == "Secret" {
        encode_string_data(object).map_err(|(field, expected)| refusal(field, expected))?;
    }
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return Err(refusal("metadata".to_owned(), "a mapping"));
    };
    for field in SERVER_FIELDS {
        metadata.shift_remove(field);
    }
    let namespace = if resource.namespaced {
        let own = metadata.get("namespace").and_then(Value::as_str).filter(|own| !own.is_empty());
        let Some(namespace) = own.or(default_namespace).map(str::to_owned) else {
            return Err(ManifestError::NoNamespace { origin, kind: resource.kind, name });
        };
        metadata.insert("namespace".to_owned(), namespace.clone().into());
        Some(namespace)
    } else {
        metadata.shift_remove("namespace");
        None
    };
    mark(metadata, owner).map_err(|field| refusal(field.to_owned(), "a mapping of texts"))?;
    let group = resource.group.clone();
    let key = ObjectKey { group, kind: resource.kind.clone(), namespace, name };
    if let Err(directive) = directives::read(&value) {
        return Err(ManifestError::Directive { origin, object: Box::new(key), directive });
    }
    let hash = hash(&value);
    // Not in the hash: an object that was applied before there were ids is as it was applied.
    value["metadata"]["annotations"][INSTALLATION_ANNOTATION] =
        owner.installation.id.to_string().into();
    Ok(Desired { key, resource, origin, value, hash, warnings })
}

fn mark(metadata: &mut Map<String, Value>, owner: &Owner<'_>) -> Result<(), &'static str> {
    let labels = mapping(metadata, "labels").ok_or("metadata.labels")?;
    labels.insert(APPLICATION_LABEL.to_owned(), owner.application.as_str().into());
    let annotations = mapping(metadata, "annotations").ok_or("metadata.annotations")?;
    annotations.insert(INSTANCE_ANNOTATION.to_owned(), owner.installation.instance.clone().into());
    annotations.shift_remove(INSTALLATION_ANNOTATION);
    Ok(())
}

/// The mapping behind a key, made where there is none (or null).
fn mapping<'a>(
    parent: &'a mut Map<String, Value>,
    key: &str,
) -> Option<&'a mut Map<String, Value>> {
    let value = parent.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

/// A Secret's `stringData` becomes `data`, as the API server would do. Sent as it is, it would hide
/// drift in `data`, and keys that Git drops would stay (kubernetes#108008).
fn encode_string_data(secret: &mut Map<String, Value>) -> Result<(), (String, &'static str)> {
    let texts = match secret.shift_remove("stringData") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(texts)) => texts,
        Some(_) => return Err(("stringData".to_owned(), "a mapping of texts")),
    };
    let data = mapping(secret, "data").ok_or(("data".to_owned(), "a mapping of texts"))?;
    for (key, text) in texts {
        let Value::String(text) = text else {
            return Err((format!("stringData.{key}"), "a text; quote it"));
        };
        data.insert(key, BASE64.encode(text).into());
    }
    Ok(())
}

/// SHA-256 (hex) of the JSON with sorted keys.
fn hash(value: &Value) -> String {
    let mut sorted = value.clone();
    sorted.sort_all_objects();
    hex::encode(Sha256::digest(sorted.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::manifest::Origin;

    const ID: &str = "01a209e4-db44-70d0-b91b-6f65201e4671";

    fn owner() -> (ApplicationName, Installation) {
        let (id, instance) = (ID.parse().unwrap(), "main".into());
        ("shop".parse().unwrap(), Installation { id, instance, former: Vec::new() })
    }

    fn stamped(value: Value, namespaced: bool) -> Result<Desired, ManifestError> {
        let kind = value["kind"].as_str().unwrap_or_default().to_owned();
        let resource = Resource {
            group: String::new(),
            version: "v1".to_owned(),
            plural: format!("{}s", kind.to_lowercase()),
            kind,
            namespaced,
        };
        let origin = Origin { file: "a.yaml".into(), line: 3 };
        let (application, installation) = owner();
        let owner = Owner { application: &application, installation: &installation };
        stamp(Manifest { origin, value }, resource, Some("shop"), &owner)
    }

    #[test]
    fn our_marks_go_on_and_the_servers_fields_go_out() {
        let value = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": "a",
                "namespace": "stray",
                "uid": "1",
                "resourceVersion": "2",
                "creationTimestamp": null,
                "deletionTimestamp": "2026-01-01T00:00:00Z",
                "deletionGracePeriodSeconds": 30,
                "generation": 1,
                "selfLink": "/",
                "managedFields": [],
                "labels": null,
            },
            "status": {"phase": "Active"},
        });
        let desired = stamped(value, false).unwrap();
        assert_eq!(
            desired.value,
            json!({
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": "a",
                    "labels": {"headstay.dev/application": "shop"},
                    "annotations": {
                        "headstay.dev/instance": "main",
                        "headstay.dev/installation": ID,
                    },
                },
            })
        );
        assert_eq!(desired.key.to_string(), "Namespace a");
    }

    #[test]
    fn string_data_wins_over_data_and_no_error_shows_a_value() {
        let secret = |texts: Value| {
            json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "s"},
                "data": {"a": "eA==", "b": "eQ=="},
                "stringData": texts,
            })
        };
        let desired = stamped(secret(json!({"b": "new", "c": ""})), true).unwrap();
        assert_eq!(desired.value["data"], json!({"a": "eA==", "b": "bmV3", "c": ""}));
        assert_eq!(desired.value.get("stringData"), None);
        assert_eq!(desired.key.namespace.as_deref(), Some("shop"));
        let error = stamped(secret(json!({"b": 123_456})), true).unwrap_err();
        assert_eq!(error.to_string(), "a.yaml:3: `stringData.b` must be a text; quote it");
    }

    #[test]
    fn the_hash_is_blind_to_the_order_of_keys_only() {
        let of = |text: &str| {
            stamped(serde_json::from_str(text).unwrap(), true).map(|desired| desired.hash).unwrap()
        };
        let one = of(r#"{"kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"1","y":"2"}}"#);
        let same = of(r#"{"data":{"y":"2","x":"1"},"metadata":{"name":"a"},"kind":"ConfigMap"}"#);
        let other = of(r#"{"kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"2","y":"1"}}"#);
        assert_eq!(one, same);
        assert_ne!(one, other);
        assert_eq!(one.len(), 64);
    }
}
