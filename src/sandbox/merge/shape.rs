//! What a value is by its type, and what can be said of one value alone: whether it fits, and which
//! fields it has.

use std::fmt;

use serde_json::Value;

use crate::sandbox::merge::fields::{Element, Scalar as Key, Set};
use crate::sandbox::merge::types::{Field, Identity, Scalar, Struct, Type};

static ATOMIC: Identity = Identity::Atomic;
static OPAQUE: Type = Type::Opaque;

/// A type where the value decided what it left open.
#[derive(Clone, Copy)]
pub(super) enum Shape<'a> {
    Scalar(Scalar),
    List(ListShape<'a>),
    Map(MapShape<'a>),
}

#[derive(Clone, Copy)]
pub(super) struct ListShape<'a> {
    pub(super) items: &'a Type,
    identity: &'a Identity,
}

#[derive(Clone, Copy)]
pub(super) struct MapShape<'a> {
    fields: Option<&'a Struct>,
    values: Option<&'a Type>,
    pub(super) atomic: bool,
}

impl<'a> Shape<'a> {
    pub(super) fn of(holds: &'a Type, value: Option<&Value>) -> Self {
        match holds {
            Type::Scalar(scalar) => Self::Scalar(*scalar),
            Type::List(list) => {
                Self::List(ListShape { items: &list.items, identity: &list.identity })
            }
            Type::Map(map) => {
                Self::Map(MapShape { fields: None, values: Some(&map.values), atomic: map.atomic })
            }
            Type::Builtin(_) | Type::Own(_) => {
                let fields = holds.as_struct();
                Self::Map(MapShape {
                    fields,
                    values: fields.and_then(|fields| fields.others.as_ref()),
                    atomic: fields.is_some_and(|fields| fields.atomic),
                })
            }
            Type::Any | Type::Opaque => match value {
                None | Some(Value::Null | Value::Object(_)) => Self::Map(MapShape {
                    fields: None,
                    values: Some(holds),
                    atomic: matches!(holds, Type::Opaque),
                }),
                Some(Value::Array(_)) => {
                    Self::List(ListShape { items: &OPAQUE, identity: &ATOMIC })
                }
                Some(_) => Self::Scalar(Scalar::Any),
            },
        }
    }

    pub(super) fn is_like(&self, other: &Shape<'_>) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl<'a> MapShape<'a> {
    /// Whether the type names the field, rather than allowing any.
    pub(super) fn names(&self, field: &str) -> bool {
        self.fields.is_some_and(|fields| fields.fields.contains_key(field))
    }

    /// The type of a field; none when there may be no such field.
    pub(super) fn field(&self, name: &str) -> Option<&'a Type> {
        let named = self.fields.and_then(|fields| fields.fields.get(name));
        named.map(|field| &field.holds).or(self.values)
    }
}

impl ListShape<'_> {
    pub(super) fn is_atomic(&self) -> bool {
        matches!(self.identity, Identity::Atomic)
    }

    /// What tells an item apart from the others of its list.
    pub(super) fn element(&self, item: &Value) -> Result<Element, String> {
        match self.identity {
            Identity::Atomic => Err("invalid indexing of non-associative list".to_owned()),
            Identity::Keys(keys) => self.element_by_keys(keys, item),
            Identity::Value => match item {
                Value::Object(_) => {
                    Err("associative list without keys has an element that's a map type".to_owned())
                }
                Value::Array(_) => {
                    Err("not supported: associative list with lists as elements".to_owned())
                }
                Value::Null => {
                    Err("associative list without keys has an element that's an explicit null"
                        .to_owned())
                }
                _ => Ok(Element::Value(Key::of(item).unwrap_or(Key::Null))),
            },
        }
    }

    fn element_by_keys(&self, keys: &[String], item: &Value) -> Result<Element, String> {
        if item.is_null() {
            return Err("associative list with keys may not have a null element".to_owned());
        }
        let Some(item) = item.as_object() else {
            return Err("associative list with keys may not have non-map elements".to_owned());
        };
        let fields = self.items.as_struct().map(|of| &of.fields);
        let mut found = Vec::new();
        for key in keys {
            let field = fields.and_then(|fields| fields.get(key));
            let default = field.and_then(Field::counts_as);
            let value = item.get(key).or(default.as_ref());
            if let Some(value) = value.and_then(Key::of) {
                found.push((key.clone(), value));
            }
        }
        if found.is_empty() {
            let keys: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
            return Err(format!(
                "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
                keys.join(" ")
            ));
        }
        found.sort();
        Ok(Element::Key(found))
    }
}

/// A value that does not fit its type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    path: String,
    problem: String,
}

/// In the words of the API server.
pub(super) struct Misfits(pub(super) Vec<Misfit>);

impl fmt::Display for Misfits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |misfit: &Misfit| match misfit.path.as_str() {
            "" => misfit.problem.clone(),
            path => format!("{path}: {}", misfit.problem),
        };
        match &self.0[..] {
            [misfit] => f.write_str(&one(misfit)),
            misfits => {
                f.write_str("errors:")?;
                misfits.iter().try_for_each(|misfit| write!(f, "\n  {}", one(misfit)))
            }
        }
    }
}

/// Where a value does not fit its type: wrong types, unknown fields, items that cannot be told apart.
pub(super) fn misfits(holds: &Type, value: &Value) -> Vec<Misfit> {
    let mut found = Vec::new();
    find_misfits(holds, value, "", &mut found);
    found
}

fn find_misfits(holds: &Type, value: &Value, at: &str, found: &mut Vec<Misfit>) {
    let mut misfit = |path: String, problem: String| found.push(Misfit { path, problem });
    if value.is_null() {
        return;
    }
    match Shape::of(holds, Some(value)) {
        Shape::Scalar(scalar) => {
            if let Some(problem) = scalar_misfit(scalar, value) {
                misfit(at.to_owned(), problem);
            }
        }
        Shape::List(list) => {
            let Some(items) = value.as_array() else {
                return misfit(at.to_owned(), format!("expected list, got &{{{}}}", go(value)));
            };
            let mut seen = Vec::new();
            for (index, item) in items.iter().enumerate() {
                if list.is_atomic() {
                    find_misfits(list.items, item, &format!("{at}[{index}]"), found);
                    continue;
                }
                let element = list.element(item);
                let element = match element {
                    Ok(element) => element,
                    // Without it nothing can be said of what is below.
                    Err(problem) => {
                        let problem = format!("element {index}: {problem}");
                        found.push(Misfit { path: at.to_owned(), problem });
                        return;
                    }
                };
                if seen.contains(&element) {
                    let problem = format!("duplicate entries for key {element}");
                    found.push(Misfit { path: at.to_owned(), problem });
                }
                find_misfits(list.items, item, &format!("{at}{element}"), found);
                seen.push(element);
            }
        }
        Shape::Map(map) => {
            let Some(fields) = value.as_object() else {
                return misfit(at.to_owned(), format!("expected map, got &{{{}}}", go(value)));
            };
            for (name, value) in fields {
                let path = format!("{at}.{name}");
                let Some(holds) = map.field(name) else {
                    let problem = "field not declared in schema".to_owned();
                    found.push(Misfit { path, problem });
                    // The API server looks no further in this map.
                    break;
                };
                find_misfits(holds, value, &path, found);
            }
        }
    }
}

fn scalar_misfit(scalar: Scalar, value: &Value) -> Option<String> {
    let fits = match scalar {
        Scalar::Number => value.is_number(),
        Scalar::Text => value.is_string(),
        Scalar::Boolean => value.is_boolean(),
        Scalar::Any | Scalar::Quantity => !value.is_array() && !value.is_object(),
    };
    let problem = match scalar {
        Scalar::Number => format!("expected numeric (int or float), got {}", go_type(value)),
        Scalar::Text => {
            format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(value))
        }
        Scalar::Boolean => format!("expected boolean, got &{{{}}}", go(value)),
        Scalar::Any | Scalar::Quantity => format!("expected any scalar, got &{{{}}}", go(value)),
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
            let mut fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}:{}", go(value))).collect();
            fields.sort();
            format!("map[{}]", fields.join(" "))
        }
        _ => value.to_string(),
    }
}

/// A value in Go's syntax, as `%#v` prints it.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(go_syntax).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(fields) => {
            let mut fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name:?}:{}", go_syntax(value)))
                .collect();
            fields.sort();
            format!("map[string]interface {{}}{{{}}}", fields.join(", "))
        }
        _ => value.to_string(),
    }
}

/// The fields that a value has, as an apply of it owns them.
pub(super) fn fields_of(holds: &Type, value: &Value) -> Set {
    let mut set = Set::default();
    collect_fields(holds, value, &mut Vec::new(), &mut set);
    set
}

fn collect_fields(holds: &Type, value: &Value, path: &mut Vec<Element>, set: &mut Set) {
    match Shape::of(holds, Some(value)) {
        Shape::Scalar(_) => set.insert(path),
        Shape::List(list) => {
            if list.is_atomic() {
                return set.insert(path);
            }
            let items = value.as_array().into_iter().flatten();
            let items: Vec<(Element, &Value)> =
                items.filter_map(|item| Some((list.element(item).ok()?, item))).collect();
            for (element, item) in &items {
                let times = items.iter().filter(|(other, _)| other == element).count();
                path.push(element.clone());
                // Of items that cannot be told apart only that they are there is known.
                if times == 1 {
                    collect_fields(list.items, item, path, set);
                }
                set.insert(path);
                path.pop();
            }
        }
        Shape::Map(map) => {
            if map.atomic {
                return set.insert(path);
            }
            for (name, value) in value.as_object().into_iter().flatten() {
                let Some(holds) = map.field(name) else { continue };
                path.push(Element::Field(name.clone()));
                collect_fields(holds, value, path, set);
                let empty = value.as_object().is_some_and(serde_json::Map::is_empty);
                if value.is_null() || empty || !map.names(name) {
                    set.insert(path);
                }
                path.pop();
            }
        }
    }
}

/// With fields that are replaced as a whole by now in the place of what was owned below them: a
/// definition may have changed since. Nothing is known of the other way round.
pub(super) fn with_whole_fields(holds: &Type, set: &Set) -> Set {
    set.map(|element, own, below| {
        let child = match (element, Shape::of(holds, None)) {
            (Element::Field(name), Shape::Map(map)) => map.field(name),
            (_, Shape::List(list)) => Some(list.items),
            _ => None,
        };
        match child {
            Some(child) if !below.is_empty() && !matches!(child, Type::Any | Type::Opaque) => {
                let whole = match Shape::of(child, None) {
                    Shape::List(list) => list.is_atomic(),
                    Shape::Map(map) => map.atomic,
                    Shape::Scalar(_) => false,
                };
                if whole { (true, Set::default()) } else { (own, with_whole_fields(child, below)) }
            }
            _ => (own, below.clone()),
        }
    })
}

/// With every field of a struct that something in the set is below of. A map is no such field.
pub(super) fn with_named_fields(holds: &Type, set: &Set) -> Set {
    set.map(|element, own, below| {
        let shape = Shape::of(holds, None);
        let (named, holds) = match (element, shape) {
            (Element::Field(name), Shape::Map(map)) => (map.names(name), map.field(name)),
            (Element::Key(_) | Element::Value(_), Shape::List(list)) => (false, Some(list.items)),
            _ => (false, None),
        };
        let own = own || (named && !below.is_empty());
        (own, holds.map_or_else(|| below.clone(), |holds| with_named_fields(holds, below)))
    })
}
