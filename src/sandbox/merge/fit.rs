//! Whether a value fits its type, in the words of the API server.

use serde_json::{Map, Value};

use crate::sandbox::merge::shape::Shape;
use crate::sandbox::merge::types::{Scalar, Type, Types};

/// The fields of an object of a kind that its type does not have, as the API server names them in warnings and
/// strict errors: `unknown field "spec.replicaz"`.
pub fn validate(types: &Types, api_version: &str, kind: &str, object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(kind) = types.kind(api_version, kind) {
        find_unknown(&kind.holds, object, "", &mut found);
    }
    found
}

fn find_unknown(holds: &Type, value: &Value, at: &str, found: &mut Vec<String>) {
    match (Shape::of(holds, Some(value)), value) {
        (Shape::Map(of), Value::Object(fields)) => {
            let dot = if at.is_empty() { "" } else { "." };
            for (name, value) in fields {
                let path = format!("{at}{dot}{name}");
                match of.field(name) {
                    Some(holds) => find_unknown(holds, value, &path, found),
                    None => found.push(format!("unknown field {path:?}")),
                }
            }
        }
        (Shape::List(list), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                find_unknown(&list.items, item, &format!("{at}[{index}]"), found);
            }
        }
        _ => {}
    }
}

/// Where a value does not fit its type: wrong types, unknown fields, items that cannot be told
/// apart. None when it fits.
pub(super) fn misfit(holds: &Type, value: &Value) -> Option<String> {
    let mut found = Vec::new();
    find_misfits(holds, value, "", &mut found);
    match &found[..] {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("errors:\n  {}", many.join("\n  "))),
    }
}

fn find_misfits(holds: &Type, value: &Value, at: &str, found: &mut Vec<String>) {
    match (Shape::of(holds, Some(value)), value) {
        (_, Value::Null) => {}
        (Shape::Scalar(scalar), value) => {
            found.extend(scalar_misfit(scalar, value).map(|problem| misfit_at(at, &problem)));
        }
        (Shape::List(list), Value::Array(items)) if list.is_atomic() => {
            for (index, item) in items.iter().enumerate() {
                find_misfits(&list.items, item, &format!("{at}[{index}]"), found);
            }
        }
        (Shape::List(list), Value::Array(items)) => {
            let mut seen = Vec::new();
            for (index, item) in items.iter().enumerate() {
                let element = match list.element(item) {
                    Ok(element) => element,
                    // Without it nothing can be said of what is below.
                    Err(problem) => {
                        return found.push(misfit_at(at, &format!("element {index}: {problem}")));
                    }
                };
                if seen.contains(&element) {
                    found.push(misfit_at(at, &format!("duplicate entries for key {element}")));
                }
                find_misfits(&list.items, item, &format!("{at}{element}"), found);
                seen.push(element);
            }
        }
        (Shape::Map(map), Value::Object(fields)) => {
            for (name, value) in fields {
                let path = format!("{at}.{name}");
                let Some(holds) = map.field(name) else {
                    // The API server looks no further in this map.
                    return found.push(misfit_at(&path, "field not declared in schema"));
                };
                find_misfits(holds, value, &path, found);
            }
        }
        (Shape::List(_), _) => found.push(misfit_at(at, &expected("list", value))),
        (Shape::Map(_), _) => found.push(misfit_at(at, &expected("map", value))),
    }
}

fn misfit_at(path: &str, problem: &str) -> String {
    let colon = if path.is_empty() { "" } else { ": " };
    format!("{path}{colon}{problem}")
}

fn expected(what: &str, value: &Value) -> String {
    format!("expected {what}, got &{{{}}}", go(value))
}

fn scalar_misfit(scalar: Scalar, value: &Value) -> Option<String> {
    let (fits, problem) = match scalar {
        Scalar::Number => {
            let problem = format!("expected numeric (int or float), got {}", go_type(value));
            (value.is_number(), problem)
        }
        Scalar::Text => {
            let got = format!("&value.valueUnstructured{{Value:{}}}", go_syntax(value));
            (value.is_string(), format!("expected string, got {got}"))
        }
        Scalar::Boolean => (value.is_boolean(), expected("boolean", value)),
        Scalar::Any | Scalar::Quantity => {
            (!value.is_array() && !value.is_object(), expected("any scalar", value))
        }
    };
    (!fits).then_some(problem)
}

/// The name of the type that Go has for a value.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value as Go prints it, with `%v`.
fn go(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(go).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            format!(
                "map[{}]",
                sorted(fields, |name, value| format!("{name}:{}", go(value))).join(" ")
            )
        }
        _ => value.to_string(),
    }
}

/// A value in Go's syntax, as `%#v` prints it.
fn go_syntax(value: &Value) -> String {
    let (name, parts) = match value {
        Value::Null => return "interface {}(nil)".to_owned(),
        Value::Array(items) => (go_type(value), items.iter().map(go_syntax).collect()),
        Value::Object(fields) => {
            let part = |name: &str, value: &Value| format!("{name:?}:{}", go_syntax(value));
            (go_type(value), sorted(fields, part))
        }
        _ => return value.to_string(),
    };
    format!("{name}{{{}}}", parts.join(", "))
}

fn sorted(fields: &Map<String, Value>, part: impl Fn(&str, &Value) -> String) -> Vec<String> {
    let mut parts: Vec<String> = fields.iter().map(|(name, value)| part(name, value)).collect();
    parts.sort();
    parts
}
