//! What a value is by its type, and which fields it has.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::sandbox::merge::fields::{Element, Scalar as Key, Set};
use crate::sandbox::merge::types::{Field, Identity, List, Scalar, Struct, Type};
use crate::sandbox::object::{fields, items};

static ANY: Struct = anything(Type::Any, false);
static OPAQUE: Struct = anything(Type::Opaque, true);
static OPAQUE_LIST: List = List { items: Type::Opaque, identity: Identity::Atomic };

const fn anything(holds: Type, atomic: bool) -> Struct {
    Struct { name: String::new(), fields: BTreeMap::new(), others: Some(holds), atomic }
}

/// A type where the value decided what it left open.
#[derive(Clone, Copy)]
pub(super) enum Shape<'a> {
    Scalar(Scalar),
    List(&'a List),
    Map(&'a Struct),
}

impl<'a> Shape<'a> {
    pub(super) fn of(holds: &'a Type, value: Option<&Value>) -> Self {
        match (holds, value) {
            (Type::Scalar(scalar), _) => Self::Scalar(*scalar),
            (Type::List(list), _) => Self::List(list),
            (Type::Builtin(_) | Type::Own(_), _) => Self::Map(holds.as_struct().unwrap_or(&ANY)),
            (Type::Any, None | Some(Value::Null | Value::Object(_))) => Self::Map(&ANY),
            (Type::Opaque, None | Some(Value::Null | Value::Object(_))) => Self::Map(&OPAQUE),
            (_, Some(Value::Array(_))) => Self::List(&OPAQUE_LIST),
            _ => Self::Scalar(Scalar::Any),
        }
    }

    pub(super) fn is_like(&self, other: &Shape<'_>) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Whether it is replaced as a whole.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Scalar(_) => true,
            Self::List(list) => list.is_atomic(),
            Self::Map(map) => map.atomic,
        }
    }

    /// The type of what an element leads to, if there may be such a thing.
    pub(super) fn child(self, element: &Element) -> Option<&'a Type> {
        match (self, element) {
            (Self::Map(map), Element::Field(name)) => map.field(name),
            (Self::List(list), Element::Key(_) | Element::Value(_)) => Some(&list.items),
            _ => None,
        }
    }
}

impl List {
    pub(super) fn is_atomic(&self) -> bool {
        self.identity == Identity::Atomic
    }

    /// What tells an item apart from the others of its list.
    pub(super) fn element(&self, item: &Value) -> Result<Element, String> {
        let problem = match (&self.identity, item) {
            (Identity::Keys(keys), Value::Object(item)) => return self.element_by_keys(keys, item),
            (Identity::Atomic, _) => "invalid indexing of non-associative list",
            (Identity::Keys(_), Value::Null) => {
                "associative list with keys may not have a null element"
            }
            (Identity::Keys(_), _) => "associative list with keys may not have non-map elements",
            (Identity::Value, Value::Object(_)) => {
                "associative list without keys has an element that's a map type"
            }
            (Identity::Value, Value::Array(_)) => {
                "not supported: associative list with lists as elements"
            }
            (Identity::Value, Value::Null) => {
                "associative list without keys has an element that's an explicit null"
            }
            (Identity::Value, _) => return Ok(Element::Value(Key::of(item).unwrap_or(Key::Null))),
        };
        Err(problem.to_owned())
    }

    /// The items, each with what tells it apart; without those that nothing does.
    pub(super) fn elements<'a>(&self, items: &'a [Value]) -> Vec<(Element, &'a Value)> {
        items.iter().filter_map(|item| Some((self.element(item).ok()?, item))).collect()
    }

    fn element_by_keys(
        &self,
        keys: &[String],
        item: &Map<String, Value>,
    ) -> Result<Element, String> {
        let fields = self.items.as_struct().map(|of| &of.fields);
        let mut found = Vec::new();
        for key in keys {
            let field = fields.and_then(|fields| fields.get(key));
            let default = field.and_then(Field::counts_as);
            let value = item.get(key).or(default.as_ref());
            found.extend(value.and_then(Key::of).map(|value| (key.clone(), value)));
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

/// The fields that a value has, as an apply of it owns them.
pub(super) fn fields_of(holds: &Type, value: &Value) -> Set {
    let mut set = Set::default();
    collect_fields(holds, value, &mut Vec::new(), &mut set);
    set
}

fn collect_fields(holds: &Type, value: &Value, path: &mut Vec<Element>, set: &mut Set) {
    match Shape::of(holds, Some(value)) {
        shape if shape.is_whole() => set.insert(path),
        Shape::Scalar(_) => {}
        Shape::List(list) => {
            let items = list.elements(items(value));
            for (element, item) in &items {
                let times = items.iter().filter(|(other, _)| other == element).count();
                path.push(element.clone());
                // Of items that cannot be told apart only that they are there is known.
                if times == 1 {
                    collect_fields(&list.items, item, path, set);
                }
                set.insert(path);
                path.pop();
            }
        }
        Shape::Map(map) => {
            for (name, value) in fields(value) {
                let Some(holds) = map.field(name) else { continue };
                path.push(Element::Field(name.clone()));
                collect_fields(holds, value, path, set);
                let empty = value.as_object().is_some_and(Map::is_empty);
                if value.is_null() || empty || !map.fields.contains_key(name) {
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
    set.map(|element, own, below| match Shape::of(holds, None).child(element) {
        None | Some(Type::Any | Type::Opaque | Type::Scalar(_)) => (own, below.clone()),
        Some(_) if below.is_empty() => (own, below.clone()),
        Some(child) if Shape::of(child, None).is_whole() => (true, Set::default()),
        Some(child) => (own, with_whole_fields(child, below)),
    })
}

/// With every field of a struct that something in the set is below of. A map is no such field.
pub(super) fn with_named_fields(holds: &Type, set: &Set) -> Set {
    set.map(|element, own, below| {
        let shape = Shape::of(holds, None);
        let named = match (element, shape) {
            (Element::Field(name), Shape::Map(map)) => map.fields.contains_key(name),
            _ => false,
        };
        let own = own || (named && !below.is_empty());
        let below = shape
            .child(element)
            .map_or_else(|| below.clone(), |holds| with_named_fields(holds, below));
        (own, below)
    })
}
