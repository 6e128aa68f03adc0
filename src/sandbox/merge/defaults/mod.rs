//! What the API server makes of an object of a built-in kind, so that objects read like real ones:
//! it fills in defaults, leaves out what is empty, and writes numbers with units in one way.

mod quantity;
mod rules;

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::sandbox::merge::types::{Scalar, Struct, Type, Types, WhenEmpty};

/// Its head says how it is to be read.
const TABLE: &str = include_str!("table.txt");

static DEFAULTS: LazyLock<HashMap<&str, Vec<Default>>> = LazyLock::new(|| {
    let mut defaults: HashMap<&str, Vec<Default>> = HashMap::new();
    for (name, default) in TABLE.lines().filter_map(Default::read) {
        defaults.entry(name).or_default().push(default);
    }
    defaults
});

/// A line of the table.
#[derive(Debug)]
struct Default {
    field: &'static str,
    value: Value,
    /// The field and the text that it must have.
    condition: Option<(&'static str, &'static str)>,
}

impl Default {
    fn read(line: &'static str) -> Option<(&'static str, Self)> {
        let (name, rest) = line.split_once(' ').filter(|(name, _)| *name != "#")?;
        let (field, rest) = rest.split_once(' ')?;
        let (value, condition) = match rest.rsplit_once(" if ") {
            Some((value, condition)) => (value, condition.split_once('=')),
            None => (rest, None),
        };
        Some((name, Self { field, value: serde_json::from_str(value).ok()?, condition }))
    }
}

/// Fills in what the manifest leaves out and the API server decides by rule. Objects of a kind that
/// is not built in stay as they are. Doing it twice changes nothing more.
pub(super) fn fill_defaults(object: &mut Value) {
    if let Some(holds) = type_of(object) {
        walk(&holds, object, true);
    }
}

/// As the API server writes the object, without defaults: fields that its type does not have, nulls
/// and most of what is empty are left out; some fields are written though they are missing.
pub(super) fn normalize(object: &mut Value) {
    if let Some(holds) = type_of(object) {
        walk(&holds, object, false);
    }
}

/// [`normalize`] for a part of an object.
pub(super) fn normalize_as(holds: &Type, value: &mut Value) {
    walk(holds, value, false);
}

fn type_of(object: &Value) -> Option<Type> {
    Types::builtin().of(object).map(|kind| kind.holds)
}

fn walk(holds: &Type, value: &mut Value, fill: bool) {
    match (holds, value) {
        (Type::Scalar(Scalar::Quantity), value) => quantity::canonicalize(value),
        (Type::List(list), Value::Array(items)) => {
            for item in items {
                walk(&list.items, item, fill);
            }
        }
        (_, Value::Object(fields)) => {
            if let Some(of) = holds.as_struct() {
                walk_struct(of, fields, fill);
            }
        }
        _ => {}
    }
}

fn walk_struct(of: &Struct, fields: &mut Map<String, Value>, fill: bool) {
    fields.retain(|name, value| match of.fields.get(name) {
        Some(field) => {
            let left_out = field.when_empty == WhenEmpty::LeftOut && is_empty(value);
            !left_out && !value.is_null()
        }
        None => of.others.is_some(),
    });
    if let Some(values) = &of.others {
        for value in fields.values_mut() {
            if value.is_null() {
                *value = values.zero();
            }
            walk(values, value, fill);
        }
    }
    if fill {
        for default in DEFAULTS.get(of.name.as_str()).into_iter().flatten() {
            let applies = default.condition.is_none_or(|(field, text)| {
                fields.get(field).and_then(Value::as_str).unwrap_or_default() == text
            });
            if applies {
                fill_in(fields, default.field, &default.value);
            }
        }
        for (name, field) in &of.fields {
            if let Some(default) = &field.default {
                fill_in(fields, name, default);
            }
        }
        rules::apply(&of.name, fields);
    }
    for (name, field) in &of.fields {
        // An empty list does not survive the store.
        if field.when_empty == WhenEmpty::Written && fields.get(name).is_none_or(is_empty) {
            fields.insert(name.clone(), field.holds.zero());
        }
        if let Some(value) = fields.get_mut(name) {
            walk(&field.holds, value, fill);
        }
    }
}

/// An empty text counts as missing: in most structs it cannot be told apart.
fn fill_in(fields: &mut Map<String, Value>, name: &str, value: &Value) {
    if fields.get(name).is_none_or(|value| value == "") {
        fields.insert(name.to_owned(), value.clone());
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_of_a_field() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        for line in lines {
            let (name, default) = Default::read(line).expect(line);
            let of = Type::named(name).expect(line);
            assert!(of.as_struct().unwrap().fields.contains_key(default.field), "{line}");
        }
    }
}
