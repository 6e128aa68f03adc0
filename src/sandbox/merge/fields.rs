//! Sets of fields: what `fieldsV1` of an entry in `managedFields` holds.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

/// One step of a path. The order is that of the API server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Element {
    /// `f:name`: a field, or a key of a map.
    Field(String),
    /// `k:{"name":"web"}`: the item of a list that has these fields.
    Key(Vec<(String, Scalar)>),
    /// `v:"text"`: the item of a set.
    Value(Scalar),
    /// `i:3`: an item by its place.
    Index(i64),
}

/// A value that can tell items apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scalar {
    Whole(i64),
    /// Any other number, as JSON.
    Number(String),
    Text(String),
    Boolean(bool),
    Null,
}

impl Scalar {
    /// None for lists and objects.
    pub(super) fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Boolean(*value),
            Value::String(text) => Self::Text(text.clone()),
            Value::Number(number) => {
                number.as_i64().map_or_else(|| Self::Number(number.to_string()), Self::Whole)
            }
            Value::Array(_) | Value::Object(_) => return None,
        })
    }

    fn json(&self) -> String {
        match self {
            Self::Text(text) => html_safe(&Value::from(text.as_str()).to_string()),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => write!(f, "{number}"),
            Self::Number(number) => f.write_str(number),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Null => f.write_str("null"),
        }
    }
}

/// As Go's JSON encoder writes texts.
fn html_safe(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

impl Element {
    fn from_key(key: &str) -> Option<Self> {
        let (sort, text) = key.split_once(':')?;
        Some(match sort {
            "f" => Self::Field(text.to_owned()),
            "v" => Self::Value(Scalar::of(&serde_json::from_str(text).ok()?)?),
            "i" => Self::Index(text.parse().ok()?),
            "k" => {
                let fields: Map<String, Value> = serde_json::from_str(text).ok()?;
                let fields = fields.into_iter();
                let fields = fields.map(|(name, value)| Some((name, Scalar::of(&value)?)));
                let mut fields: Vec<(String, Scalar)> = fields.collect::<Option<_>>()?;
                fields.sort();
                Self::Key(fields)
            }
            _ => return None,
        })
    }

    fn key(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Value(value) => format!("v:{}", value.json()),
            Self::Index(index) => format!("i:{index}"),
            Self::Key(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), value.json()))
                    .collect();
                format!("k:{{{}}}", fields.join(","))
            }
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Key(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
                write!(f, "[{}]", fields.join(","))
            }
        }
    }
}

/// A set of fields. That a field is in it says nothing of what is below the field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Set(BTreeMap<Element, Node>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Node {
    /// Whether the field itself is in the set.
    own: bool,
    below: Set,
}

static NOTHING: Node = Node { own: false, below: Set(BTreeMap::new()) };

impl Node {
    fn is_empty(&self) -> bool {
        !self.own && self.below.is_empty()
    }
}

impl Set {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The root itself is in no set.
    pub(super) fn insert(&mut self, path: &[Element]) {
        let Some((first, rest)) = path.split_first() else { return };
        let node = self.0.entry(first.clone()).or_default();
        if rest.is_empty() {
            node.own = true;
        } else {
            node.below.insert(rest);
        }
    }

    pub(super) fn has(&self, element: &Element) -> bool {
        self.0.get(element).is_some_and(|node| node.own)
    }

    /// What is below an element; none when nothing is.
    pub(super) fn below(&self, element: &Element) -> Option<&Self> {
        self.0.get(element).map(|node| &node.below).filter(|below| !below.is_empty())
    }

    pub(super) fn union(mut self, other: &Self) -> Self {
        for (element, theirs) in &other.0 {
            let node = self.0.entry(element.clone()).or_default();
            node.own |= theirs.own;
            node.below = std::mem::take(&mut node.below).union(&theirs.below);
        }
        self
    }

    /// What is here and not there. A field there takes nothing away that is below it.
    pub(super) fn difference(&self, other: &Self) -> Self {
        self.with(other, |mine, theirs| Node {
            own: mine.own && !theirs.own,
            below: mine.below.difference(&theirs.below),
        })
    }

    /// What is here, and neither there nor below what is there.
    pub(super) fn without(&self, other: &Self) -> Self {
        self.with(other, |mine, theirs| {
            let below =
                if theirs.own { Self::default() } else { mine.below.without(&theirs.below) };
            Node { own: mine.own && !theirs.own, below }
        })
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        self.with(other, |mine, theirs| Node {
            own: mine.own && theirs.own,
            below: mine.below.intersection(&theirs.below),
        })
    }

    fn with(&self, other: &Self, decide: impl Fn(&Node, &Node) -> Node) -> Self {
        let nodes = self.0.iter().map(|(element, mine)| {
            let theirs = other.0.get(element).unwrap_or(&NOTHING);
            (element.clone(), decide(mine, theirs))
        });
        Self(nodes.filter(|(_, node)| !node.is_empty()).collect())
    }

    /// With what `decide` makes of each element: whether it is in the set, and what is below it.
    pub(super) fn map(&self, decide: impl Fn(&Element, bool, &Self) -> (bool, Self)) -> Self {
        let nodes = self.0.iter().map(|(element, node)| {
            let (own, below) = decide(element, node.own, &node.below);
            (element.clone(), Node { own, below })
        });
        Self(nodes.collect())
    }

    /// All paths as text, in the order of the API server: of each level first what has nothing more
    /// to tell, then what is below.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect("", &mut paths);
        paths
    }

    fn collect(&self, prefix: &str, paths: &mut Vec<String>) {
        let own = self.0.iter().filter(|(_, node)| node.own);
        paths.extend(own.map(|(element, _)| format!("{prefix}{element}")));
        for (element, node) in &self.0 {
            node.below.collect(&format!("{prefix}{element}"), paths);
        }
    }

    /// `fieldsV1`. None when it is none.
    pub(super) fn from_json(fields: &Value) -> Option<Self> {
        let mut set = Self::default();
        for (key, below) in fields.as_object()?.iter().filter(|(key, _)| *key != ".") {
            let below_object = below.as_object()?;
            let own = below_object.is_empty() || below_object.contains_key(".");
            let node = Node { own, below: Self::from_json(below)? };
            set.0.insert(Element::from_key(key)?, node);
        }
        Some(set)
    }

    pub(super) fn to_json(&self) -> Value {
        let mut fields = Map::new();
        for (element, node) in &self.0 {
            let mut below = Map::new();
            if node.own && !node.below.is_empty() {
                below.insert(".".to_owned(), Value::Object(Map::new()));
            }
            if let Value::Object(rest) = node.below.to_json() {
                below.extend(rest);
            }
            fields.insert(element.key(), Value::Object(below));
        }
        Value::Object(fields)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(fields: &Value) -> Set {
        Set::from_json(fields).unwrap()
    }

    #[test]
    fn a_set_reads_as_it_writes() {
        let fields = json!({
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}, "f:finalizers": {"v:\"a\"": {}}},
            "f:spec": {"f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}}}},
            "i:3": {},
        });
        assert_eq!(set(&fields).to_json(), fields);
        assert_eq!(
            set(&fields).paths(),
            [
                "[3]",
                ".metadata.labels",
                ".metadata.finalizers[=\"a\"]",
                ".metadata.labels.app",
                ".spec.ports[containerPort=80,protocol=\"TCP\"]",
                ".spec.ports[containerPort=80,protocol=\"TCP\"].name",
            ]
        );
        for broken in [json!({"x:a": {}}), json!({"f:a": 1}), json!({"k:[]": {}}), json!([])] {
            assert_eq!(Set::from_json(&broken), None, "{broken}");
        }
    }

    #[test]
    fn sets_are_added_and_taken_away() {
        let a = set(&json!({"f:a": {".": {}, "f:b": {}, "f:c": {}}, "f:d": {}}));
        let b = set(&json!({"f:a": {"f:b": {}}, "f:e": {}}));
        let parent = set(&json!({"f:a": {}}));
        assert_eq!(
            a.clone().union(&b),
            set(&json!({"f:a": {".": {}, "f:b": {}, "f:c": {}}, "f:d": {}, "f:e": {}}))
        );
        assert_eq!(a.difference(&b), set(&json!({"f:a": {".": {}, "f:c": {}}, "f:d": {}})));
        assert_eq!(a.intersection(&b), set(&json!({"f:a": {"f:b": {}}})));
        assert_eq!(a.difference(&parent), set(&json!({"f:a": {"f:b": {}, "f:c": {}}, "f:d": {}})));
        assert_eq!(a.without(&parent), set(&json!({"f:d": {}})));
    }
}
