//! What objects of every kind have, and how JSON is looked into where nothing is sure of its shape.

use serde_json::{Map, Value, json};

/// The text that a value is; empty when it is none.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The items of a list; none when it is no list.
pub(super) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The fields of an object; none when it is no object.
pub(super) fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// Sets a field, and makes the objects on the way to it; what is there and no object has to give way.
pub(super) fn set(object: &mut Value, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *object = value;
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    set(&mut object[first], rest, value);
}

/// The name of an object; empty when it has none.
pub(super) fn name_of(object: &Value) -> &str {
    text(&object["metadata"]["name"])
}

/// The namespace of an object; empty when it has none.
pub(super) fn namespace_of(object: &Value) -> &str {
    text(&object["metadata"]["namespace"])
}

/// The id of an object; empty when it has none.
pub(super) fn uid_of(object: &Value) -> &str {
    text(&object["metadata"]["uid"])
}

/// Whether an object is marked to be deleted.
pub(super) fn is_leaving(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Whether a condition of an object is true.
pub(super) fn is_true(object: &Value, condition: &str) -> bool {
    let conditions = items(&object["status"]["conditions"]);
    conditions.iter().any(|one| one["type"] == condition && one["status"] == "True")
}
