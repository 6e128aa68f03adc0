//! The type of every field: what a list's items are known by, what is replaced as a whole, and what
//! becomes of a field that is empty.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

/// The built-in kinds; its head says how it is to be read.
const TABLE: &str = include_str!("builtin.txt");

static BUILTIN: LazyLock<Builtin> = LazyLock::new(|| Builtin::read(TABLE));

/// What a field may hold.
#[derive(Debug, Clone)]
pub(in crate::sandbox) enum Type {
    Scalar(Scalar),
    /// Anything; objects in it are merged.
    Any,
    /// Anything, replaced as a whole.
    Opaque,
    List(Arc<List>),
    /// A struct of the table.
    Builtin(usize),
    /// A struct of a `CustomResourceDefinition`, or any map.
    Own(Arc<Struct>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Scalar {
    Text,
    Number,
    Boolean,
    /// `500m` or `1Gi`, as a text or a number.
    Quantity,
    Any,
}

#[derive(Debug)]
pub(in crate::sandbox) struct List {
    pub(in crate::sandbox) items: Type,
    pub(in crate::sandbox) identity: Identity,
}

/// What tells the items of a list apart.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum Identity {
    /// Nothing: the list is replaced as a whole.
    Atomic,
    /// Their value.
    Value,
    /// These of their fields.
    Keys(Vec<String>),
}

/// Fields by name: those of a struct, or any (a map), or both.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Struct {
    /// As `apps.v1.DeploymentSpec`; empty for what is not of the table.
    pub(in crate::sandbox) name: String,
    pub(in crate::sandbox) fields: BTreeMap<String, Field>,
    /// The type of all other fields, if there may be others.
    pub(in crate::sandbox) others: Option<Type>,
    /// Whether it is replaced as a whole.
    pub(in crate::sandbox) atomic: bool,
}

#[derive(Debug)]
pub(in crate::sandbox) struct Field {
    pub(in crate::sandbox) holds: Type,
    pub(in crate::sandbox) when_empty: WhenEmpty,
    /// What a missing field counts as: in the key of an item, and in a `CustomResourceDefinition` what
    /// is filled in.
    pub(in crate::sandbox) default: Option<Value>,
}

/// What the API server answers for a field that is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum WhenEmpty {
    /// Empty is not the same as missing.
    Kept,
    LeftOut,
    /// Written, even when it is missing.
    Written,
}

impl Struct {
    /// A map of any names.
    pub(super) fn map(values: Type, atomic: bool) -> Self {
        Self { others: Some(values), atomic, ..Self::default() }
    }

    /// The type of a field; none when there may be no such field.
    pub(in crate::sandbox) fn field(&self, name: &str) -> Option<&Type> {
        self.fields.get(name).map(|field| &field.holds).or(self.others.as_ref())
    }
}

impl Field {
    /// What the field counts as in the key of an item that leaves it out.
    pub(super) fn counts_as(&self) -> Option<Value> {
        let written = self.when_empty == WhenEmpty::Written;
        let zero = || written.then(|| self.holds.zero()).filter(|zero| !zero.is_null());
        self.default.clone().or_else(zero)
    }
}

/// The kind of an object, in one of its versions.
#[derive(Debug, Clone)]
pub(in crate::sandbox) struct Kind {
    pub(in crate::sandbox) holds: Type,
    pub(in crate::sandbox) builtin: bool,
    /// Whether `status` is a subresource, and so nothing for who writes the object.
    pub(in crate::sandbox) has_status: bool,
}

/// The types of all kinds that are served. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Types {
    /// By `apiVersion` and `kind`.
    pub(super) defined: Arc<HashMap<(String, String), Kind>>,
}

impl Types {
    /// The built-in kinds.
    pub fn builtin() -> Self {
        Self::default()
    }

    /// The kind that an object says it is of; none when nothing of that is known.
    pub(in crate::sandbox) fn of(&self, object: &Value) -> Option<Kind> {
        self.kind(object["apiVersion"].as_str()?, object["kind"].as_str()?)
    }

    /// A kind in one of its versions.
    pub(in crate::sandbox) fn kind(&self, api_version: &str, kind: &str) -> Option<Kind> {
        let key = (api_version.to_owned(), kind.to_owned());
        self.defined.get(&key).or_else(|| BUILTIN.kinds.get(&key)).cloned()
    }
}

impl Type {
    /// The struct, if it is one.
    pub(in crate::sandbox) fn as_struct(&self) -> Option<&Struct> {
        match self {
            Self::Builtin(index) => BUILTIN.structs.get(*index),
            Self::Own(own) => Some(own),
            _ => None,
        }
    }

    /// `metadata` of every object.
    pub(in crate::sandbox) fn metadata() -> Self {
        Self::named("meta.v1.ObjectMeta").unwrap_or(Self::Any)
    }

    /// A struct of the table.
    pub(in crate::sandbox) fn named(name: &str) -> Option<Self> {
        BUILTIN.names.get(name).map(|index| Self::Builtin(*index))
    }

    /// What a missing value of this type counts as.
    pub(in crate::sandbox) fn zero(&self) -> Value {
        match self {
            Self::Scalar(Scalar::Text) => json!(""),
            Self::Scalar(Scalar::Number) => json!(0),
            Self::Scalar(Scalar::Boolean) => json!(false),
            Self::Builtin(_) => json!({}),
            _ => Value::Null,
        }
    }
}

/// Whether this is the name of a struct, and not the type of a field that is called `type`.
fn is_name(text: &str) -> bool {
    text.contains('.') && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// The table, read.
#[derive(Debug, Default)]
struct Builtin {
    kinds: HashMap<(String, String), Kind>,
    structs: Vec<Struct>,
    names: HashMap<String, usize>,
}

impl Builtin {
    fn read(table: &str) -> Self {
        let titles = table.lines().filter_map(|line| line.split_once(' '));
        let names: HashMap<String, usize> = titles
            .filter(|(word, name)| matches!(*word, "type" | "type!") && is_name(name))
            .enumerate()
            .map(|(index, (_, name))| (name.to_owned(), index))
            .collect();
        let mut read = Self { names, ..Self::default() };
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["kind", api_version, kind, name] => read.kind(api_version, kind, name),
                [word @ ("type" | "type!"), name] if is_name(name) => {
                    let (name, atomic) = (name.to_owned(), word == "type!");
                    read.structs.push(Struct { name, atomic, ..Struct::default() });
                }
                [name, text] => {
                    let field = read.field(text);
                    if let Some(last) = read.structs.last_mut() {
                        last.fields.insert(name.to_owned(), field);
                    }
                }
                _ => {}
            }
        }
        for kind in read.kinds.values_mut() {
            let Type::Builtin(index) = kind.holds else { continue };
            kind.has_status =
                read.structs.get(index).is_some_and(|of| of.fields.contains_key("status"));
        }
        read
    }

    fn kind(&mut self, api_version: &str, kind: &str, name: &str) {
        let Some(index) = self.names.get(name) else { return };
        let key = (api_version.to_owned(), kind.to_owned());
        let holds = Type::Builtin(*index);
        self.kinds.insert(key, Kind { holds, builtin: true, has_status: false });
    }

    fn field(&self, text: &str) -> Field {
        // `[=s]` is a set.
        let (text, default) = match text.rsplit_once('=') {
            Some((text, default)) if !text.ends_with('[') => (text, Some(json!(default))),
            _ => (text, None),
        };
        let (text, when_empty) = match (text.strip_suffix('~'), text.strip_suffix('+')) {
            (Some(text), _) => (text, WhenEmpty::LeftOut),
            (_, Some(text)) => (text, WhenEmpty::Written),
            _ => (text, WhenEmpty::Kept),
        };
        Field { holds: self.parse(text), when_empty, default }
    }

    fn parse(&self, text: &str) -> Type {
        let inside = |open, close| text.strip_prefix(open).and_then(|t| t.strip_suffix(close));
        if let Some(name) = text.strip_prefix('@') {
            return self.names.get(name).map_or(Type::Any, |index| Type::Builtin(*index));
        }
        if let Some(inside) = inside('{', '}') {
            let (values, atomic) =
                inside.strip_prefix('!').map_or((inside, false), |rest| (rest, true));
            return Type::Own(Arc::new(Struct::map(self.parse(values), atomic)));
        }
        if let Some(inside) = inside('[', ']') {
            let (items, identity) = match (inside.strip_prefix('='), inside.split_once(':')) {
                (Some(items), _) => (items, Identity::Value),
                (_, Some((keys, items))) => {
                    (items, Identity::Keys(keys.split(',').map(str::to_owned).collect()))
                }
                _ => (inside, Identity::Atomic),
            };
            return Type::List(Arc::new(List { items: self.parse(items), identity }));
        }
        match text {
            "s" => Type::Scalar(Scalar::Text),
            "n" => Type::Scalar(Scalar::Number),
            "b" => Type::Scalar(Scalar::Boolean),
            "q" => Type::Scalar(Scalar::Quantity),
            "u" => Type::Scalar(Scalar::Any),
            "a" => Type::Opaque,
            _ => Type::Any,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let builtin = &*BUILTIN;
        assert_eq!(builtin.structs.len(), builtin.names.len());
        assert!(builtin.kinds.len() > 50, "{}", builtin.kinds.len());
        for (name, index) in &builtin.names {
            assert_eq!(builtin.structs[*index].name, *name);
            assert!(!builtin.structs[*index].fields.is_empty(), "{name}");
        }
        let named = TABLE.split('@').skip(1).map(|rest| {
            rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-').next().unwrap()
        });
        let unknown: Vec<&str> =
            named.filter(|name| *name != "name" && !builtin.names.contains_key(*name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn fields_are_what_they_are_in_kubernetes() {
        let kind = Types::builtin().kind("apps/v1", "Deployment").unwrap();
        assert!(kind.has_status && kind.builtin);
        let ports = BUILTIN.names["core.v1.Container"];
        let ports = &BUILTIN.structs[ports].fields["ports"];
        let Type::List(list) = &ports.holds else { panic!("{ports:?}") };
        let Identity::Keys(keys) = &list.identity else { panic!("{list:?}") };
        assert_eq!(keys, &["containerPort", "protocol"]);
        let port = list.items.as_struct().unwrap();
        assert_eq!(port.fields["protocol"].default, Some(json!("TCP")));
        assert_eq!(port.fields["hostPort"].when_empty, WhenEmpty::LeftOut);
    }
}
