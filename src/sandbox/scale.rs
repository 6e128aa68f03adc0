//! The subresource `scale`: how many replicas an object has, whatever its kind.

use serde_json::{Value, json};

use crate::sandbox::kinds::Kind;
use crate::sandbox::object::{set, text};
use crate::sandbox::refusal::Granted;
use crate::sandbox::select::as_text;
use crate::sandbox::state::State;
use crate::sandbox::write::Write;

/// The scale of an object.
pub(super) fn of(kind: &Kind, object: &Value) -> Value {
    let metadata = &object["metadata"];
    let mut scale = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {}, "spec": {}, "status": {"replicas": 0},
    });
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = metadata.get(field) {
            scale["metadata"][field] = value.clone();
        }
    }
    let Some(paths) = &kind.scale else { return scale };
    if let Some(replicas) = object.pointer(&paths.replicas) {
        scale["spec"]["replicas"] = replicas.clone();
    }
    if let Some(replicas) = object.pointer(&paths.status_replicas) {
        scale["status"]["replicas"] = replicas.clone();
    }
    let selector = paths.selector.as_deref().and_then(|path| object.pointer(path));
    match selector {
        Some(Value::String(text)) => scale["status"]["selector"] = json!(text),
        Some(selector) => scale["status"]["selector"] = json!(as_text(selector)),
        None => {}
    }
    scale
}

/// Writes a scale back.
pub(super) fn replace(
    state: &mut State,
    write: &Write<'_>,
    name: &str,
    scale: &Value,
) -> Granted<Value> {
    let replicas = scale["spec"]["replicas"].as_u64().unwrap_or_default();
    let path = write.kind.scale.as_ref().map_or("", |paths| &paths.replicas);
    let path: Vec<&str> = path.split('/').skip(1).collect();
    let version = text(&scale["metadata"]["resourceVersion"]);
    let after = state.update(write, name, |object| {
        if !version.is_empty() {
            object["metadata"]["resourceVersion"] = json!(version);
        }
        set(object, &path, json!(replicas));
    })?;
    Ok(of(write.kind, &after))
}
