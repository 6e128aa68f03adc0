//! An object as the API server stores it: with its defaults, without what its type does not have.

use serde_json::Value;

use crate::sandbox::merge::defaults;
use crate::sandbox::merge::types::{Type, Types};

/// Fills in the defaults of an object and drops the fields that its type does not have.
pub fn complete(types: &Types, object: &mut Value) {
    match types.of(object) {
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
            fields.retain(|name, _| of.field(name).is_some());
            for (name, field) in &of.fields {
                // A null that has a default is as good as missing.
                if let Some(default) = &field.default
                    && fields.get(name).is_none_or(Value::is_null)
                {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in fields {
                of.field(name).into_iter().for_each(|holds| fill(holds, value));
            }
        }
        (Type::List(list), Value::Array(items)) => {
            for item in items {
                fill(&list.items, item);
            }
        }
        _ => {}
    }
}
