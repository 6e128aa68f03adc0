//! Patches by which clients change objects: JSON patch, merge patch and strategic merge patch.
//! Server-side apply is none of them: it is in `merge`.

use serde_json::{Map, Value};

use crate::sandbox::kinds::Kind;
use crate::sandbox::merge::Types;
use crate::sandbox::merge::types::{Identity, Type};
use crate::sandbox::refusal::{Granted, Refused};

pub(super) const APPLY: &str = "application/apply-patch+yaml";
const JSON: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// The object that a patch makes of a live one.
pub(super) fn patched(
    types: &Types,
    kind: &Kind,
    live: &Value,
    content_type: &str,
    body: &[u8],
) -> Granted<Value> {
    let mut object = live.clone();
    match content_type {
        JSON => {
            let patch: json_patch::Patch = decode(body)?;
            json_patch::patch(&mut object, &patch).map_err(|_| Refused::unfit())?;
        }
        MERGE => json_patch::merge(&mut object, &decode(body)?),
        STRATEGIC if !kind.custom => {
            let patch: Value = decode(body)?;
            match (object.as_object_mut(), patch) {
                (Some(object), Value::Object(patch)) => {
                    let kind = types.kind(&kind.api_version, &kind.kind);
                    merge_map(kind.as_ref().map(|kind| &kind.holds), object, patch);
                }
                _ => return Err(Refused::unfit()),
            }
        }
        _ => {
            let strategic = if kind.custom { String::new() } else { format!("{STRATEGIC}, ") };
            return Err(Refused::unsupported_media(&format!(
                "{JSON}, {MERGE}, {strategic}{APPLY}"
            )));
        }
    }
    Ok(object)
}

fn decode<T: serde::de::DeserializeOwned>(body: &[u8]) -> Granted<T> {
    serde_json::from_slice(body)
        .map_err(|error| Refused::bad_request(format!("error decoding patch: {error}")))
}

/// `holds`: the type of the object, as far as it is known.
fn merge_map(holds: Option<&Type>, object: &mut Map<String, Value>, mut patch: Map<String, Value>) {
    let type_of = |field: &str| holds?.as_struct()?.field(field);
    match patch.shift_remove("$patch") {
        Some(Value::String(how)) if how == "replace" => {
            *object = patch;
            return;
        }
        Some(Value::String(how)) if how == "delete" => {
            object.clear();
            return;
        }
        _ => {}
    }
    if let Some(Value::Array(kept)) = patch.shift_remove("$retainKeys") {
        object.retain(|key, _| kept.iter().any(|one| one == key));
    }
    let (directives, fields): (Vec<_>, Vec<_>) =
        patch.into_iter().partition(|(key, _)| key.starts_with('$'));
    for (key, removed) in &directives {
        if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/")
            && let (Some(Value::Array(items)), Value::Array(removed)) =
                (object.get_mut(list), removed)
        {
            items.retain(|item| !removed.contains(item));
        }
    }
    for (key, value) in fields {
        let holds = type_of(&key);
        merge_field(holds, object, key, value);
    }
    for (key, order) in &directives {
        if let Some(list) = key.strip_prefix("$setElementOrder/")
            && let (Some(Value::Array(items)), Value::Array(order)) = (object.get_mut(list), order)
        {
            sort(items, order, keyed(type_of(list)).map(|(key, _)| key));
        }
    }
}

fn merge_field(holds: Option<&Type>, object: &mut Map<String, Value>, key: String, value: Value) {
    match value {
        Value::Null => drop(object.shift_remove(&key)),
        Value::Object(patch) => {
            let inner = object.entry(key).or_insert(Value::Null);
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            if let Some(inner) = inner.as_object_mut() {
                merge_map(holds, inner, patch);
            }
        }
        Value::Array(patch) => {
            let grows = key == "finalizers";
            let items = object.entry(key).or_insert_with(|| Value::Array(Vec::new()));
            match (items, keyed(holds)) {
                (Value::Array(items), Some((key, holds))) => merge_list(key, holds, items, patch),
                (Value::Array(items), None) if grows => {
                    let new = patch.into_iter().filter(|item| !items.contains(item));
                    let new: Vec<Value> = new.collect();
                    items.extend(new);
                }
                (items, _) => *items = Value::Array(patch),
            }
        }
        value => drop(object.insert(key, value)),
    }
}

fn merge_list(merge_key: &str, holds: &Type, items: &mut Vec<Value>, patch: Vec<Value>) {
    if patch.iter().any(|item| item["$patch"] == "replace") {
        *items = patch.into_iter().filter(|item| item.get("$patch").is_none()).collect();
        return;
    }
    for item in patch {
        let at = items.iter().position(|one| one[merge_key] == item[merge_key]);
        match (at, item) {
            (Some(at), item) if item["$patch"] == "delete" => drop(items.remove(at)),
            (None, item) if item["$patch"] == "delete" => {}
            (Some(at), Value::Object(item)) => {
                if let Some(one) = items[at].as_object_mut() {
                    merge_map(Some(holds), one, item);
                }
            }
            (None, Value::Object(item)) => {
                let mut one = Map::new();
                merge_map(Some(holds), &mut one, item);
                items.push(Value::Object(one));
            }
            (_, item) => items.push(item),
        }
    }
}

/// By what the items of a list are known in a strategic merge, and their type. It is the first of the
/// keys by which server-side apply knows them; a list without is replaced as a whole.
fn keyed(holds: Option<&Type>) -> Option<(&str, &Type)> {
    match holds {
        Some(Type::List(list)) => match &list.identity {
            Identity::Keys(keys) => Some((keys.first()?, &list.items)),
            Identity::Value | Identity::Atomic => None,
        },
        _ => None,
    }
}

/// Brings items into an order; what the order does not name comes last.
fn sort(items: &mut [Value], order: &[Value], merge_key: Option<&str>) {
    items.sort_by_key(|item| {
        let same = |one: &Value| merge_key.map_or(one == item, |key| one[key] == item[key]);
        order.iter().position(same).unwrap_or(order.len())
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sandbox::kinds::Kinds;

    fn deployment() -> Value {
        json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
               "template": {"spec": {"containers": [
                   {"name": "web", "image": "web:1", "ports": [{"containerPort": 80, "name": "http"}],
                    "args": ["a", "b"]},
                   {"name": "log", "image": "log:1"}]}}}})
    }

    fn after(content_type: &str, patch: &Value) -> Result<Value, u16> {
        let kinds = Kinds::built_in();
        let kind = kinds.find("apps", "v1", "deployments").unwrap();
        patched(&Types::builtin(), kind, &deployment(), content_type, patch.to_string().as_bytes())
            .map_err(|refused| refused.code)
    }

    #[test]
    fn strategic_patches_go_into_lists_by_their_keys() {
        let patch = json!({"spec": {
            "strategy": {"$retainKeys": ["type"], "type": "Recreate"},
            "template": {"spec": {
                "$setElementOrder/containers": [{"name": "new"}, {"name": "web"}],
                "containers": [
                    {"name": "web", "image": "web:2", "args": ["c"],
                     "ports": [{"containerPort": 81}, {"containerPort": 80, "name": null}]},
                    {"name": "log", "$patch": "delete"},
                    {"name": "new", "image": "new:1"}]}}}});
        let containers = json!([
            {"name": "new", "image": "new:1"},
            {"name": "web", "image": "web:2", "ports": [{"containerPort": 80}, {"containerPort": 81}],
             "args": ["c"]}]);
        let after = after(STRATEGIC, &patch).unwrap();
        assert_eq!(after["spec"]["template"]["spec"]["containers"], containers);
        assert_eq!(after["spec"]["strategy"], json!({"type": "Recreate"}));
    }

    #[test]
    fn a_list_whose_items_have_no_key_is_replaced() {
        let kinds = Kinds::built_in();
        let kind = kinds.find("", "v1", "serviceaccounts").unwrap();
        let account = json!({"secrets": [{"name": "a"}], "imagePullSecrets": [{"name": "a"}]});
        let patch = json!({"secrets": [{"name": "b"}], "imagePullSecrets": [{"name": "b"}]});
        let body = patch.to_string();
        let after = patched(&Types::builtin(), kind, &account, STRATEGIC, body.as_bytes()).unwrap();
        assert_eq!(after["secrets"], json!([{"name": "a"}, {"name": "b"}]));
        assert_eq!(after["imagePullSecrets"], json!([{"name": "b"}]));
    }

    #[test]
    fn a_patch_that_does_not_fit_is_refused_with_the_code_of_the_api_server() {
        let test = json!([{"op": "test", "path": "/spec/replicas", "value": 7}]);
        assert_eq!(after(JSON, &test), Err(422));
        assert_eq!(after(JSON, &json!({"a": 1})), Err(400));
        assert_eq!(after("application/json", &json!({})), Err(415));
    }
}
