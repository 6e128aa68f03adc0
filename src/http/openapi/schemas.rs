//! The schemas of the document, from the types that are read and shown.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Collects the schemas that the operations speak of.
pub(in crate::http) struct Schemas {
    /// Of what is sent: keys with a default are always there.
    shown: SchemaGenerator,
    /// Of what is read: keys with a default may be left out.
    asked: SchemaGenerator,
}

impl Default for Schemas {
    fn default() -> Self {
        let mut settings = SchemaSettings::draft2020_12();
        settings.meta_schema = None;
        settings.definitions_path = "/components/schemas".into();
        Self {
            shown: settings.clone().for_serialize().into_generator(),
            asked: settings.for_deserialize().into_generator(),
        }
    }
}

impl Schemas {
    /// A reference to the schema of a type that is sent.
    pub(super) fn shown<T: JsonSchema>(&mut self) -> Value {
        self.shown.subschema_for::<T>().to_value()
    }

    /// A reference to the schema of a type that is read.
    pub(super) fn asked<T: JsonSchema>(&mut self) -> Value {
        self.asked.subschema_for::<T>().to_value()
    }

    /// The parameters of a query that is read as this type, one for each field.
    pub(super) fn parameters<T: JsonSchema>(&mut self) -> Vec<Value> {
        let mut schema = T::json_schema(&mut self.asked);
        tidy(&mut schema);
        let Some(Value::Object(fields)) = schema.remove("properties") else { return Vec::new() };
        let parameter = |(name, mut schema): (String, Value)| {
            forbid_null(&mut schema);
            let description =
                schema.as_object_mut().and_then(|one| one.shift_remove("description"));
            let description = description.unwrap_or_default();
            json!({"name": name, "in": "query", "description": description, "schema": schema})
        };
        fields.into_iter().map(parameter).collect()
    }

    /// All schemas that were referred to, by name.
    pub(super) fn into_components(mut self) -> Map<String, Value> {
        let mut all = self.shown.take_definitions(false);
        for schema in all.values_mut() {
            forbid_null_where_left_out(schema);
        }
        for (name, schema) in self.asked.take_definitions(false) {
            all.entry(name).or_insert(schema);
        }
        for schema in all.values_mut() {
            if let Ok(schema) = schema.try_into() {
                tidy(schema);
            }
        }
        all.sort_keys();
        all
    }
}

/// Makes a schema, and all within it, good to read and to generate code from.
fn tidy(schema: &mut Schema) {
    RecursiveTransform(join_lines as fn(&mut Schema)).transform(schema);
    RecursiveTransform(gather_words as fn(&mut Schema)).transform(schema);
}

/// An enumeration of words that each have a description becomes one `enum`, with the words in its
/// description: generators make a type of each branch of a `oneOf`.
fn gather_words(schema: &mut Schema) {
    let Some(Value::Array(branches)) = schema.get("oneOf") else { return };
    let words: Option<Vec<_>> =
        branches.iter().map(|branch| branch.get("const").cloned()).collect();
    let Some(words) = words else { return };
    let about = |branch: &Value| {
        let text = |key| branch[key].as_str().unwrap_or_default();
        format!("- `{}`: {}", text("const"), text("description"))
    };
    let list: Vec<_> = branches.iter().map(about).collect();
    let head = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = format!("{head}\n\n{}", list.join("\n"));
    schema.remove("oneOf");
    schema.insert("description".into(), description.trim_start().into());
    schema.insert("type".into(), "string".into());
    schema.insert("enum".into(), words.into());
}

/// The comments that descriptions are made of are broken into lines for the source; an empty line
/// parts paragraphs.
fn join_lines(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        let paragraphs = description.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
        *description = paragraphs.collect::<Vec<_>>().join("\n\n");
    }
}

/// What is sent and not always there is left out when there is none.
fn forbid_null_where_left_out(schema: &mut Value) {
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let fields = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (name, field) in fields.into_iter().flatten() {
        if !required.contains(&Value::from(name.as_str())) {
            forbid_null(field);
        }
    }
}

/// What may be left out and is never null: a parameter, for one.
fn forbid_null(schema: &mut Value) {
    let null = json!("null");
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| *kind != null);
        if let [kind] = types.as_slice() {
            schema["type"] = kind.clone();
        }
    }
    let branches = schema.get("anyOf").and_then(Value::as_array);
    let other = branches.and_then(|all| all.iter().find(|one| one["type"] != null)).cloned();
    if let (Some(Value::Object(other)), Some(schema)) = (other, schema.as_object_mut()) {
        schema.shift_remove("anyOf");
        schema.extend(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::table;

    #[test]
    fn what_is_read_and_sent_under_one_name_is_one_type() {
        let mut schemas = Schemas::default();
        for section in table::sections() {
            for operation in section.operations {
                operation.describe(section.tag, &mut schemas);
            }
        }
        let sent = schemas.shown.definitions();
        let mut both = 0;
        for (name, schema) in schemas.asked.definitions() {
            if let Some(other) = sent.get(name) {
                assert_eq!(other, schema, "{name}");
                both += 1;
            }
        }
        assert!(both > 3, "{both} types are read as they are sent");
    }

    #[test]
    fn words_become_one_enumeration_and_lines_are_joined() {
        let mut schema = schemars::json_schema!({"description": "Where\nit stands.", "oneOf": [
            {"type": "string", "const": "Here", "description": "It is\nhere."},
            {"type": "string", "const": "There", "description": "It is not."}]});
        tidy(&mut schema);
        let description = "Where it stands.\n\n- `Here`: It is here.\n- `There`: It is not.";
        let tidied =
            json!({"description": description, "type": "string", "enum": ["Here", "There"]});
        assert_eq!(schema.to_value(), tidied);
    }

    #[test]
    fn what_is_left_out_is_never_null() {
        let either = json!({"type": ["string", "null"]});
        let mut object = json!({"properties": {"a": either, "b": either}, "required": ["a"]});
        forbid_null_where_left_out(&mut object);
        assert_eq!(object["properties"], json!({"a": either, "b": {"type": "string"}}));
    }

    #[test]
    fn a_parameter_is_never_null() {
        for (schema, parameter) in [
            (json!({"type": ["string", "null"]}), json!({"type": "string"})),
            (json!({"anyOf": [{"$ref": "#/x"}, {"type": "null"}]}), json!({"$ref": "#/x"})),
            (json!({"type": "integer"}), json!({"type": "integer"})),
        ] {
            let mut told = schema.clone();
            forbid_null(&mut told);
            assert_eq!(told, parameter, "{schema}");
        }
    }
}
