//! The types of a `CustomResourceDefinition`.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::sandbox::merge::types::{
    Field, Identity, Kind, List, Scalar, Struct, Type, Types, WhenEmpty,
};
use crate::sandbox::object::{fields, items, text};

const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";

/// A definition that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema of version {version} {problem}: {at}")]
pub struct Invalid {
    /// The version of the definition.
    pub version: String,
    /// Where in the schema, as `.properties.spec`.
    pub at: String,
    /// What is wrong there.
    pub problem: String,
}

impl Types {
    /// These and the kind of a `CustomResourceDefinition`, in each of its versions. It takes the place
    /// of an older definition of the kind.
    ///
    /// # Errors
    /// A schema that cannot be read.
    pub fn with_definition(&self, definition: &Value) -> Result<Self, Invalid> {
        let spec = &definition["spec"];
        let text = |value: &Value| text(value).to_owned();
        let (group, kind) = (text(&spec["group"]), text(&spec["names"]["kind"]));
        let mut defined = HashMap::clone(&self.defined);
        defined.retain(|(version, name), _| {
            *name != kind || version.split('/').next() != Some(group.as_str())
        });
        for version in items(&spec["versions"]) {
            let name = text(&version["name"]);
            let holds = match &version["schema"]["openAPIV3Schema"] {
                Value::Null => Type::Any,
                schema => {
                    let of_version = |invalid| Invalid { version: name.clone(), ..invalid };
                    let mut root = object(schema, false, "").map_err(of_version)?;
                    embed(&mut root);
                    Type::Own(Arc::new(root))
                }
            };
            let has_status = version["subresources"].get("status").is_some();
            let key = (format!("{group}/{name}"), kind.clone());
            defined.insert(key, Kind { holds, builtin: false, has_status });
        }
        Ok(Self { defined: Arc::new(defined) })
    }
}

/// `preserve`: whether the schema around this one lets unknown fields be; what is below it does too.
fn read(schema: &Value, preserve: bool, at: &str) -> Result<Type, Invalid> {
    let preserve = preserve || schema[PRESERVE] == true;
    match schema["type"].as_str() {
        Some("object") => map_or_struct(schema, preserve, at),
        Some("array") => list(schema, preserve, at),
        Some("string") => Ok(Type::Scalar(match schema["format"].as_str() {
            None | Some("byte") => Scalar::Text,
            Some(_) => Scalar::Any,
        })),
        Some("integer" | "number") => Ok(Type::Scalar(Scalar::Number)),
        Some("boolean") => Ok(Type::Scalar(Scalar::Boolean)),
        Some(other) => Err(invalid(at, &format!("has the unknown type {other}"))),
        None if schema["x-kubernetes-int-or-string"] == true => Ok(Type::Scalar(Scalar::Any)),
        None if schema["properties"].is_object() => map_or_struct(schema, preserve, at),
        None => Ok(Type::Any),
    }
}

fn map_or_struct(schema: &Value, preserve: bool, at: &str) -> Result<Type, Invalid> {
    let atomic = is_atomic(schema, at)?;
    let values = match &schema["additionalProperties"] {
        Value::Bool(true) => Some(Type::Any),
        values @ Value::Object(_) => {
            Some(read(values, preserve, &format!("{at}.additionalProperties"))?)
        }
        _ => None,
    };
    if let Some(values) = values {
        return Ok(Type::Own(Arc::new(Struct::map(values, atomic))));
    }
    let mut object = object(schema, preserve, at)?;
    object.atomic = atomic;
    if schema["x-kubernetes-embedded-resource"] == true {
        embed(&mut object);
    }
    Ok(Type::Own(Arc::new(object)))
}

fn object(schema: &Value, preserve: bool, at: &str) -> Result<Struct, Invalid> {
    let preserve = preserve || schema[PRESERVE] == true;
    let mut object = Struct::default();
    for (name, schema) in fields(&schema["properties"]) {
        let holds = read(schema, preserve, &format!("{at}.properties.{name}"))?;
        let default = schema.get("default").cloned();
        let field = Field { holds, when_empty: WhenEmpty::Kept, default };
        object.fields.insert(name.clone(), field);
    }
    object.others = preserve.then_some(Type::Any);
    Ok(object)
}

fn list(schema: &Value, preserve: bool, at: &str) -> Result<Type, Invalid> {
    let identity = match schema["x-kubernetes-list-type"].as_str() {
        None | Some("atomic") => Identity::Atomic,
        Some("set") => Identity::Value,
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array();
            let keys = keys.ok_or_else(|| invalid(at, "has no list-map-keys"))?;
            let keys = keys.iter().filter_map(Value::as_str);
            Identity::Keys(keys.map(str::to_owned).collect())
        }
        Some(other) => {
            return Err(invalid(at, &format!("has the unknown list type {other}")));
        }
    };
    let items = read(&schema["items"], preserve, &format!("{at}.items"))?;
    Ok(Type::List(Arc::new(List { items, identity })))
}

fn is_atomic(schema: &Value, at: &str) -> Result<bool, Invalid> {
    match schema["x-kubernetes-map-type"].as_str() {
        None | Some("granular") => Ok(false),
        Some("atomic") => Ok(true),
        Some(other) => Err(invalid(at, &format!("has the unknown map type {other}"))),
    }
}

fn invalid(at: &str, problem: &str) -> Invalid {
    Invalid { version: String::new(), at: at.to_owned(), problem: problem.to_owned() }
}

/// What every object has, whatever its schema says.
fn embed(object: &mut Struct) {
    let text = || Type::Scalar(Scalar::Text);
    for (name, holds) in [("apiVersion", text()), ("kind", text()), ("metadata", Type::metadata())]
    {
        let field = Field { holds, when_empty: WhenEmpty::Kept, default: None };
        object.fields.insert(name.to_owned(), field);
    }
}
