//! The subresource `scale`: how many replicas an object has, whatever its kind.

use serde_json::{Value, json};

use crate::sandbox::kinds::Kind;
use crate::sandbox::object::set;
use crate::sandbox::refusal::Refused;
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
) -> Result<Value, Refused> {
    let replicas = scale["spec"]["replicas"].as_u64().unwrap_or_default();
    let after = state.update(write, name, |live| {
        let mut after = live.clone();
        let version = &scale["metadata"]["resourceVersion"];
        if version.as_str().is_some_and(|version| !version.is_empty()) {
            after["metadata"]["resourceVersion"] = version.clone();
        }
        let path = write.kind.scale.as_ref().map_or("", |paths| &paths.replicas);
        let path: Vec<&str> = path.split('/').skip(1).collect();
        set(&mut after, &path, json!(replicas));
        Ok(after)
    })?;
    Ok(of(write.kind, &after))
}
