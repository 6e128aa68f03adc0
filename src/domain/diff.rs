//! What an apply would change (or did): a live object against what is wanted, field by field.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::domain::fields::{LAST_APPLIED_ANNOTATION, escape};

/// Changes that are told of one object; beyond them a list is no longer read.
pub const MAX_CHANGES: usize = 200;

/// Fields of `metadata` that the API server keeps.
const SERVER_METADATA: [&str; 6] =
    ["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"];

/// One field that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldChange {
    /// JSON pointer; of list items: the index in what is wanted, or in the live list if it goes.
    pub path: String,
    /// The live value; null: it is new. Values of a Secret are masked.
    pub from: Option<Value>,
    /// The wanted value; null: it goes. Values of a Secret are masked.
    pub to: Option<Value>,
}

/// The first [`MAX_CHANGES`] fields in which two objects differ, apart from `status` and what the
/// API server keeps in `metadata`. A field that only one side has is one change with all that is
/// below it. List items whose maps all have a `name` of their own are matched by it, others by
/// position. `wanted` is the answer of a dry run, so that defaults are no differences.
pub fn changes(live: Option<&Value>, wanted: &Value) -> Vec<FieldChange> {
    let nothing = Map::new();
    let live = live.and_then(Value::as_object).unwrap_or(&nothing);
    let wanted = wanted.as_object().unwrap_or(&nothing);
    let secret = [live, wanted].iter().any(|object| is_secret(object));
    let mut found = Found { changes: Vec::new(), secret };
    compare_maps(&mut found, "", &shown(live), &shown(wanted));
    found.changes
}

struct Found {
    changes: Vec<FieldChange>,
    secret: bool,
}

impl Found {
    fn is_full(&self) -> bool {
        self.changes.len() >= MAX_CHANGES
    }

    fn push(&mut self, path: &str, from: Option<&Value>, to: Option<&Value>) {
        if self.is_full() {
            return;
        }
        let shown = |value: &Value| if self.secret { masked(path, value) } else { value.clone() };
        let (from, to) = (from.map(shown), to.map(shown));
        self.changes.push(FieldChange { path: path.to_owned(), from, to });
    }
}

fn is_secret(object: &Map<String, Value>) -> bool {
    let text = |key| object.get(key).and_then(Value::as_str);
    text("kind") == Some("Secret") && text("apiVersion") == Some("v1")
}

/// The object without what is not compared.
fn shown(object: &Map<String, Value>) -> Map<String, Value> {
    let mut object: Map<_, _> = object
        .iter()
        .filter(|(key, _)| *key != "status")
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.retain(|key, _| !SERVER_METADATA.contains(&key.as_str()));
    }
    object
}

fn compare(found: &mut Found, path: &str, from: &Value, to: &Value) {
    if found.is_full() || from == to {
        return;
    }
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => compare_maps(found, path, from, to),
        (Value::Array(from), Value::Array(to)) => match (by_name(from), by_name(to)) {
            (Some(from_names), Some(to_names)) => {
                compare_named(found, path, (from, &from_names), (to, &to_names));
            }
            _ => compare_positions(found, path, from, to),
        },
        _ => found.push(path, Some(from), Some(to)),
    }
}

fn compare_maps(found: &mut Found, path: &str, from: &Map<String, Value>, to: &Map<String, Value>) {
    for (key, value) in from {
        let path = format!("{path}/{}", escape(key));
        match to.get(key) {
            Some(other) => compare(found, &path, value, other),
            None => found.push(&path, Some(value), None),
        }
    }
    for (key, value) in to.iter().filter(|(key, _)| !from.contains_key(*key)) {
        found.push(&format!("{path}/{}", escape(key)), None, Some(value));
    }
}

/// The position of each item by its name; none unless every item is a map with a name of its own.
fn by_name(items: &[Value]) -> Option<HashMap<&str, usize>> {
    let mut names = HashMap::with_capacity(items.len());
    for (position, item) in items.iter().enumerate() {
        if names.insert(item.get("name")?.as_str()?, position).is_some() {
            return None;
        }
    }
    Some(names)
}

type Named<'a> = (&'a [Value], &'a HashMap<&'a str, usize>);

fn compare_named(found: &mut Found, path: &str, from: Named<'_>, to: Named<'_>) {
    for (position, item) in to.0.iter().enumerate() {
        let path = format!("{path}/{position}");
        match item["name"].as_str().and_then(|name| from.1.get(name)) {
            Some(other) => compare(found, &path, &from.0[*other], item),
            None => found.push(&path, None, Some(item)),
        }
    }
    for (position, item) in from.0.iter().enumerate() {
        if !item["name"].as_str().is_some_and(|name| to.1.contains_key(name)) {
            found.push(&format!("{path}/{position}"), Some(item), None);
        }
    }
    // The same items in another order are a difference, too: environment variables and init
    // containers are read in order.
    let common = |named: Named<'_>, other: Named<'_>| -> Vec<Value> {
        let names = named.0.iter().filter_map(|item| item["name"].as_str());
        names.filter(|name| other.1.contains_key(name)).map(Value::from).collect()
    };
    let (before, after) = (common(from, to), common(to, from));
    if before != after {
        found.push(path, Some(&Value::Array(before)), Some(&Value::Array(after)));
    }
}

fn compare_positions(found: &mut Found, path: &str, from: &[Value], to: &[Value]) {
    for position in 0..from.len().max(to.len()) {
        let path = format!("{path}/{position}");
        match (from.get(position), to.get(position)) {
            (Some(from), Some(to)) => compare(found, &path, from, to),
            (from, to) => found.push(&path, from, to),
        }
    }
}

/// A value of a Secret as it may be shown: what is secret in it is replaced by its length.
fn masked(path: &str, value: &Value) -> Value {
    let is_data = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
    if is_data("/data") {
        return mask(value, decoded_length);
    }
    let last_applied = format!("/metadata/annotations/{}", escape(LAST_APPLIED_ANNOTATION));
    if is_data("/stringData") || path == last_applied {
        return mask(value, str::len);
    }
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), masked(&format!("{path}/{}", escape(key)), value)))
            .collect(),
        // `data` itself is a map, or whatever was put there is as secret as its values would be.
        _ if path == "/data" || path == "/stringData" => mask(value, str::len),
        _ => value.clone(),
    }
}

fn mask(value: &Value, length: impl Fn(&str) -> usize) -> Value {
    match value.as_str() {
        Some(text) => Value::String(format!("(secret, {} bytes)", length(text))),
        None => Value::from("(secret)"),
    }
}

/// Bytes behind a base64 text.
fn decoded_length(base64: &str) -> usize {
    base64.trim_end_matches('=').len() * 3 / 4
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(live: &Value, wanted: &Value) -> Vec<String> {
        changes(Some(live), wanted).into_iter().map(|change| change.path).collect()
    }

    #[test]
    fn what_the_server_keeps_is_no_difference() {
        let live = json!({"metadata": {"name": "a", "uid": "1", "resourceVersion": "1", "generation": 1,
            "creationTimestamp": "x", "selfLink": "y", "managedFields": [1]}, "status": {"a": 1}});
        assert_eq!(paths(&live, &json!({"metadata": {"name": "a"}})), [""; 0]);
    }

    #[test]
    fn each_field_is_told_with_both_values() {
        let live = json!({"spec": {"replicas": 1, "gone": true, "same": [1]}});
        let wanted = json!({"spec": {"replicas": 2, "same": [1], "a/b": {"c": 1}}});
        let change = |path: &str, from: Option<Value>, to: Option<Value>| FieldChange {
            path: path.to_owned(),
            from,
            to,
        };
        assert_eq!(
            changes(Some(&live), &wanted),
            [
                change("/spec/replicas", Some(json!(1)), Some(json!(2))),
                change("/spec/gone", Some(json!(true)), None),
                change("/spec/a~1b", None, Some(json!({"c": 1}))),
            ]
        );
    }

    #[test]
    fn a_new_object_is_all_of_its_parts() {
        let wanted =
            json!({"kind": "ConfigMap", "metadata": {"name": "a", "uid": "1"}, "data": {"a": "b"}});
        let found = changes(None, &wanted);
        assert_eq!(
            found.iter().map(|c| c.path.as_str()).collect::<Vec<_>>(),
            ["/kind", "/metadata", "/data"]
        );
        assert_eq!(found[1].to, Some(json!({"name": "a"})));
    }

    #[test]
    fn items_with_names_are_matched_by_name_and_others_by_position() {
        let cases = [
            // A container is put before another one.
            (
                json!([{"name": "a", "image": "1"}]),
                json!([{"name": "b", "image": "1"}, {"name": "a", "image": "2"}]),
                vec!["/items/0", "/items/1/image"],
            ),
            (json!([{"name": "a"}, {"name": "b"}]), json!([{"name": "b"}]), vec!["/items/0"]),
            (
                json!([{"name": "a"}, {"name": "b"}]),
                json!([{"name": "b"}, {"name": "a"}]),
                vec!["/items"],
            ),
            (
                json!([{"port": 1}, {"port": 2}]),
                json!([{"port": 1}, {"port": 3}]),
                vec!["/items/1/port"],
            ),
            (json!([{"name": "a"}, {"name": "a"}]), json!([{"name": "a"}]), vec!["/items/1"]),
            (json!([1, 2]), json!([1]), vec!["/items/1"]),
        ];
        for (live, wanted, expected) in cases {
            assert_eq!(
                paths(&json!({"items": live}), &json!({"items": wanted})),
                expected,
                "{wanted}"
            );
        }
    }

    #[test]
    fn values_of_a_secret_never_show() {
        let secret = |password: &str| {
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"annotations": {
                LAST_APPLIED_ANNOTATION: password, "note": "public"}},
                "data": {"password": password}, "stringData": {"clear": password}})
        };
        let found = changes(Some(&secret("c2VjcmV0MQ==")), &secret("c2VjcmV0Mg=="));
        let all: Vec<_> = found.iter().map(|c| (c.path.as_str(), c.to.clone().unwrap())).collect();
        assert_eq!(
            all,
            [
                (
                    "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
                    json!("(secret, 12 bytes)")
                ),
                ("/data/password", json!("(secret, 7 bytes)")),
                ("/stringData/clear", json!("(secret, 12 bytes)")),
            ]
        );
        let created = format!("{:?}", changes(None, &secret("c2VjcmV0MQ==")));
        assert!(created.contains("public") && !created.contains("c2VjcmV0"), "{created}");
        let mut odd = secret("c2VjcmV0MQ==");
        odd["data"] = json!("c2VjcmV0Mg==");
        let odd = format!("{:?}", changes(Some(&secret("c2VjcmV0MQ==")), &odd));
        assert!(!odd.contains("c2VjcmV0"), "{odd}");
    }

    #[test]
    fn the_number_of_changes_is_bounded() {
        let many: Map<String, Value> = (0..1000).map(|n| (n.to_string(), json!(n))).collect();
        assert_eq!(changes(None, &Value::Object(many)).len(), MAX_CHANGES);
    }
}
