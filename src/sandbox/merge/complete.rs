//! An object as the API server stores it: with its defaults, without what its type does not have.

use serde_json::Value;

use crate::sandbox::defaults;
use crate::sandbox::merge::types::{Type, Types};

/// Fills in the defaults of an object and drops the fields that its type does not have.
pub fn complete(types: &Types, object: &mut Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    match types.kind(&api_version, &kind) {
        Some(kind) if kind.builtin => defaults::fill_defaults(object),
        Some(kind) => {
            fill(&kind.holds, object);
            if let Some(metadata) = object.get_mut("metadata") {
                defaults::normalize_as(&Type::metadata(), metadata);
            }
        }
        None => {}
    }
}

/// What the schema of a `CustomResourceDefinition` says.
fn fill(holds: &Type, value: &mut Value) {
    match (holds, value) {
        (Type::Own(of), Value::Object(fields)) => {
            if of.others.is_none() {
                fields.retain(|name, _| of.fields.contains_key(name));
            }
            for (name, field) in &of.fields {
                // A null that has a default is as good as missing.
                if let Some(default) = &field.default
                    && fields.get(name).is_none_or(Value::is_null)
                {
                    fields.insert(name.clone(), default.clone());
                }
                if let Some(value) = fields.get_mut(name) {
                    fill(&field.holds, value);
                }
            }
        }
        (Type::List(list), Value::Array(items)) => {
            for item in items {
                fill(&list.items, item);
            }
        }
        (Type::Map(map), Value::Object(fields)) => {
            fields.values_mut().for_each(|value| fill(&map.values, value));
        }
        _ => {}
    }
}

/// The fields of an object that its type does not have, as the API server names them in warnings and
/// strict errors: `unknown field "spec.replicaz"`.
pub fn validate(types: &Types, object: &Value) -> Vec<String> {
    let (api_version, kind) = (object["apiVersion"].as_str(), object["kind"].as_str());
    let kind = types.kind(api_version.unwrap_or_default(), kind.unwrap_or_default());
    let mut found = Vec::new();
    if let Some(kind) = kind {
        find_unknown(&kind.holds, object, "", &mut found);
    }
    found
}

fn find_unknown(holds: &Type, value: &Value, at: &str, found: &mut Vec<String>) {
    match (holds, value) {
        (Type::Builtin(_) | Type::Own(_), Value::Object(fields)) => {
            let Some(of) = holds.as_struct() else { return };
            for (name, value) in fields {
                let dot = if at.is_empty() { "" } else { "." };
                let path = format!("{at}{dot}{name}");
                match of.fields.get(name) {
                    Some(field) => find_unknown(&field.holds, value, &path, found),
                    None if of.others.is_none() => found.push(format!("unknown field {path:?}")),
                    None => {}
                }
            }
        }
        (Type::List(list), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                find_unknown(&list.items, item, &format!("{at}[{index}]"), found);
            }
        }
        (Type::Map(map), Value::Object(fields)) => {
            for (name, value) in fields {
                find_unknown(&map.values, value, &format!("{at}.{name}"), found);
            }
        }
        _ => {}
    }
}
