//! What stands in the way of an apply on the live object: fields that Git does not name, so that the
//! apply leaves them, although the API server does not take them beside what Git does name.
//!
//! They are made ours, after which the apply itself removes them: a field of ours that Git does not
//! name goes. Only what is in the way of a refused apply is taken, or what somebody made of an item
//! of ours.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::domain::fields::{self, unite};

/// A set of fields as `managedFields` writes it (`FieldsV1`).
type Fields = Map<String, Value>;

/// A reason to make fields ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// A field was refused. It may be one that the API server once filled in, and that nobody owns:
    /// `rollingUpdate` under a strategy that is to be `Recreate`, or what it stands beside.
    Refused(Vec<String>),
    /// A value of a list that has keys is there twice: somebody changed the key of an item of ours,
    /// which is another item now.
    Twice(Vec<String>),
    /// An item of ours is gone, and somebody else has another one in its list: so was its key changed,
    /// too, but nothing was refused.
    Rekeyed,
}

impl Obstacle {
    /// What a field, as the API server names it in a refusal, and the reason mean; positions in lists
    /// say nothing, for they are those of an object that never was.
    pub fn of_refusal(field: &str, reason: &str) -> Self {
        let path = steps(field);
        if reason == "FieldValueDuplicate" { Self::Twice(path) } else { Self::Refused(path) }
    }
}

/// The JSON patch that clears the way for what is `wanted`, or none when nothing is in it that may be
/// taken. It conflicts (409) when the object has changed since.
pub fn clear(live: &Value, wanted: &Value, obstacles: &[Obstacle]) -> Option<Value> {
    Claims::of(live, wanted, obstacles).patch(live)
}

/// The JSON merge patch that comes to what an apply would after the way was cleared, near enough to
/// ask whether it would be taken: lists are those of Git alone.
pub fn cleared(live: &Value, wanted: &Value, obstacles: &[Obstacle]) -> Value {
    let claims = Claims::of(live, wanted, obstacles);
    let mut patch = wanted.clone();
    drop_fields(&mut patch, &claims.of_persons);
    drop_fields(&mut patch, &claims.of_all);
    patch
}

/// Says `null` for each field of a set that is not named.
fn drop_fields(patch: &mut Value, set: &Fields) {
    let Some(patch) = patch.as_object_mut() else { return };
    for (key, below) in set {
        let Some(name) = key.strip_prefix("f:") else { continue };
        match (patch.get_mut(name), below.as_object()) {
            (Some(named), Some(below)) => drop_fields(named, below),
            (Some(_), None) => {}
            (None, _) => {
                patch.insert(name.to_owned(), Value::Null);
            }
        }
    }
}

/// What is to become ours.
#[derive(Default)]
struct Claims {
    /// What persons may hold now, or nobody.
    of_persons: Fields,
    /// What anybody may hold who did not apply it.
    of_all: Fields,
}

impl Claims {
    fn of(live: &Value, wanted: &Value, obstacles: &[Obstacle]) -> Self {
        let mut claims = Self::default();
        for obstacle in obstacles {
            match obstacle {
                Obstacle::Refused(path) => {
                    unite(&mut claims.of_persons, &refused(live, wanted, path));
                }
                Obstacle::Twice(path) => {
                    let update =
                        |entry: &Value| !fields::is_ours(entry) && entry["operation"] == "Update";
                    for theirs in sets(live, update) {
                        unite(&mut claims.of_all, &foreign(theirs, live, wanted, Some(path)));
                    }
                }
                Obstacle::Rekeyed => {
                    for theirs in sets(live, fields::is_person) {
                        unite(&mut claims.of_persons, &foreign(theirs, live, wanted, None));
                    }
                }
            }
        }
        claims
    }

    fn patch(&self, live: &Value) -> Option<Value> {
        let ours = fields::our_entry(live).map_or(none(), set_of);
        let mut after = ours.clone();
        unite(&mut after, &self.of_persons);
        unite(&mut after, &self.of_all);
        if after == *ours {
            return None;
        }
        let before = live["metadata"]["managedFields"].as_array()?.iter();
        let mut entries: Vec<Value> = before
            .filter(|entry| !fields::is_ours(entry))
            .filter_map(|entry| {
                let mut entry = entry.clone();
                let (person, update) = (fields::is_person(&entry), entry["operation"] == "Update");
                let set = entry["fieldsV1"].as_object_mut()?;
                if person {
                    subtract(set, &self.of_persons);
                }
                if person || update {
                    subtract(set, &self.of_all);
                }
                (!set.is_empty()).then_some(entry)
            })
            .collect();
        entries.push(fields::entry_of_ours(live, after));
        Some(json!([
            {"op": "replace", "path": "/metadata/resourceVersion",
             "value": live["metadata"]["resourceVersion"]},
            {"op": "add", "path": "/metadata/managedFields", "value": entries},
        ]))
    }
}

/// What may be in the way at a refused path: at the path itself, or else beside it.
fn refused(live: &Value, wanted: &Value, path: &[String]) -> Fields {
    let keeps = |entry: &Value| !fields::is_ours(entry) && !fields::is_person(entry);
    let site = Site { all: sets(live, |_| true), live, wanted, kept: sets(live, keeps) };
    match (site.leftovers(path, true), path.split_last()) {
        (found, Some((_, parent))) if found.is_empty() => site.leftovers(parent, false),
        (found, _) => found,
    }
}

/// A place in an object, on all sides.
#[derive(Clone)]
struct Site<'a> {
    /// What anybody has here, us included: it has the keys of list items.
    all: Vec<&'a Fields>,
    live: &'a Value,
    wanted: &'a Value,
    /// What others have here, and keep.
    kept: Vec<&'a Fields>,
}

impl<'a> Site<'a> {
    /// The fields that are live, that Git does not name and that nobody keeps: that of a path with all
    /// that is in it (`exactly`), or those right below it.
    fn leftovers(&self, path: &[String], exactly: bool) -> Fields {
        if let Some(items) = self.live.as_array() {
            let keys = self.all.iter().flat_map(|all| all.keys());
            let keys: BTreeSet<_> = keys.filter(|key| key.starts_with("k:")).collect();
            let of_item = |key: &String| {
                let item = self.item(key, items)?;
                let found = match (item.wanted.is_null(), item.kept.is_empty()) {
                    // A part of it that is ours alone nobody could apply any more.
                    (true, true) => whole(item.live),
                    (true, false) => Fields::new(),
                    (false, _) => item.leftovers(path, exactly),
                };
                Some((key.clone(), found))
            };
            return nested(keys.into_iter().filter_map(of_item));
        }
        match path {
            [] => self.unnamed(&|_| true, exactly),
            [last] if exactly => self.unnamed(&|name| name == last, true),
            [first, rest @ ..] => {
                let below = self.field(first).leftovers(rest, exactly);
                nested([(format!("f:{first}"), below)])
            }
        }
    }

    fn unnamed(&self, of_interest: &dyn Fn(&str) -> bool, deep: bool) -> Fields {
        let names = self.live.as_object().into_iter().flat_map(Map::keys);
        let found = names.filter(|name| of_interest(name)).map(|name| {
            let (key, site) = (format!("f:{name}"), self.field(name));
            let claimed = match self.wanted.get(name) {
                // What Git names may have something in it that it does not.
                Some(_) if deep && site.live.is_object() => site.unnamed(&|_| true, true),
                Some(_) => Fields::new(),
                None if self.kept.iter().any(|kept| kept.contains_key(&key)) => Fields::new(),
                None => whole(site.live),
            };
            (key, claimed)
        });
        nested(found)
    }

    fn field(&self, name: &str) -> Self {
        let key = format!("f:{name}");
        Self { live: &self.live[name], wanted: &self.wanted[name], ..self.below(&key) }
    }

    fn item(&self, key: &str, items: &'a [Value]) -> Option<Self> {
        let names = serde_json::from_str(key.strip_prefix("k:")?).ok()?;
        let live = items.iter().find(|item| has_key(item, &names))?;
        let wanted = self.wanted.as_array().into_iter().flatten();
        let wanted = wanted.clone().find(|item| has_key(item, &names)).unwrap_or(&Value::Null);
        Some(Self { live, wanted, ..self.below(key) })
    }

    fn below(&self, key: &str) -> Self {
        let below =
            |sets: &[&'a Fields]| sets.iter().filter_map(|set| set.get(key)?.as_object()).collect();
        Self { all: below(&self.all), kept: below(&self.kept), ..self.clone() }
    }
}

/// The items of somebody else in lists that Git names, which Git does not name; in lists along a path,
/// or (none) in those of which an item that Git names is not live.
fn foreign(theirs: &Fields, live: &Value, wanted: &Value, path: Option<&[String]>) -> Fields {
    let below = |(key, child): (&String, &Value)| {
        let child = child.as_object()?;
        if let Some(name) = key.strip_prefix("f:") {
            let rest = match path {
                Some([first, rest @ ..]) if first == name => Some(rest),
                Some(_) => return None,
                None => None,
            };
            let wanted = wanted.get(name)?;
            return Some((key.clone(), foreign(child, &live[name], wanted, rest)));
        }
        let names: Fields = serde_json::from_str(key.strip_prefix("k:")?).ok()?;
        let all = wanted.as_array()?;
        if let Some(item) = all.iter().find(|item| has_key(item, &names)) {
            let live = live.as_array()?.iter().find(|item| has_key(item, &names))?;
            return Some((key.clone(), foreign(child, live, item, path)));
        }
        let is_live = |item: &Value| {
            let key = names.keys().filter_map(|name| {
                Some((name.clone(), item.get(name).cloned().or_else(|| filled_in(name))?))
            });
            let key: Fields = key.collect();
            live.as_array().is_some_and(|items| items.iter().any(|live| has_key(live, &key)))
        };
        let in_the_way = path.is_some() || !all.iter().all(is_live);
        in_the_way.then(|| (key.clone(), child.clone()))
    };
    nested(theirs.iter().filter_map(below))
}

/// Whether a list item has this key. What it leaves out of it is a default: of the keys of Kubernetes' own
/// kinds only the protocol has one.
fn has_key(item: &Value, key: &Fields) -> bool {
    let fits = |(name, value): (&String, &Value)| {
        let own = item.get(name).cloned().or_else(|| filled_in(name));
        own.is_none_or(|own| own == *value)
    };
    item.is_object() && key.iter().all(fits)
}

/// What the API server fills in where an item leaves a part of its key out.
fn filled_in(name: &str) -> Option<Value> {
    (name == "protocol").then(|| json!("TCP"))
}

/// All of a value.
fn whole(value: &Value) -> Fields {
    let own = [(".".to_owned(), json!({}))];
    let below = value.as_object().into_iter().flatten();
    let below = below.map(|(name, value)| {
        let inner = if value.is_object() { Value::Object(whole(value)) } else { json!({}) };
        (format!("f:{name}"), inner)
    });
    own.into_iter().chain(below).collect()
}

/// Those that hold anything.
fn nested(all: impl IntoIterator<Item = (String, Fields)>) -> Fields {
    let some = all.into_iter().filter(|(_, fields)| !fields.is_empty());
    some.map(|(key, fields)| (key, Value::Object(fields))).collect()
}

/// The fields of these managers.
fn sets(live: &Value, of: impl Fn(&Value) -> bool) -> Vec<&Fields> {
    let entries = live["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries.filter(|entry| of(entry)).map(set_of).collect()
}

fn set_of(entry: &Value) -> &Fields {
    entry["fieldsV1"].as_object().unwrap_or(none())
}

fn none() -> &'static Fields {
    static NONE: std::sync::LazyLock<Fields> = std::sync::LazyLock::new(Fields::new);
    &NONE
}

/// Takes fields out of a set, and what is empty without them.
fn subtract(set: &mut Fields, taken: &Fields) {
    for (key, below) in taken {
        let all = below.as_object().is_none_or(Map::is_empty);
        let Some(child) = set.get_mut(key).and_then(Value::as_object_mut) else { continue };
        if !all {
            subtract(child, below.as_object().unwrap_or(none()));
        }
        if all || child.is_empty() {
            set.remove(key);
        }
    }
}

/// `spec.ports[1].name` in steps, without the position; `data[a.b]` has a key in its brackets.
fn steps(field: &str) -> Vec<String> {
    let mut steps = Vec::new();
    let mut rest = field;
    while !rest.is_empty() {
        let bracketed = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let step = if let Some((key, after)) = bracketed {
            rest = after;
            key
        } else {
            let end = rest[1..].find(['.', '[']).map_or(rest.len(), |end| end + 1);
            let step = &rest[..end];
            rest = &rest[end..];
            step.trim_start_matches('.')
        };
        if !step.is_empty() && !step.bytes().all(|byte| byte.is_ascii_digit()) {
            steps.push(step.to_owned());
        }
    }
    steps
}

#[cfg(test)]
mod tests;
