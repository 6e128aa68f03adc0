//! The JSON Schema of the configuration, made from the types of `raw.rs`.

use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::Value;

use crate::config::raw::Configuration;

/// The JSON Schema of the configuration file, as it is kept in `config/schema.json`.
pub fn json_schema() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(keep_scalar_defaults as fn(&mut Schema)))
        .with_transform(RecursiveTransform(unwrap_description as fn(&mut Schema)));
    SchemaGenerator::new(settings).into_root_schema_for::<Configuration>().to_value()
}

/// The default of a mapping repeats the defaults of its keys; those are said there.
fn keep_scalar_defaults(schema: &mut Schema) {
    if schema.get("default").is_some_and(|default| default.is_object() || default.is_null()) {
        schema.remove("default");
    }
}

/// The comments that descriptions are made of are broken into lines for the source.
fn unwrap_description(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
}
