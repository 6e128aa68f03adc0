//! Create, update, patch and apply: from what a client sent to what is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::sandbox::kinds::Kind;
use crate::sandbox::merge::{self, Writer};
use crate::sandbox::object::{fields, is_leaving, items, name_of, text};
use crate::sandbox::refusal::{Granted, Problem, Refused};
use crate::sandbox::rules;
use crate::sandbox::state::State;
use crate::sandbox::storage::Key;

/// What a client may say in `metadata` and the server knows better.
const SERVERS_METADATA: [&str; 7] = [
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
    "selfLink",
];

/// A write, whatever it does.
#[derive(Clone, Copy)]
pub(super) struct Write<'a> {
    pub(super) kind: &'a Kind,
    /// Empty for objects of the cluster.
    pub(super) namespace: &'a str,
    pub(super) by: Writer<'a>,
    pub(super) dry_run: bool,
}

impl Write<'_> {
    fn key(&self, name: &str) -> Key {
        Key::new(&self.kind.resource, self.namespace, name)
    }
}

/// Now, as objects tell it.
pub(super) fn now() -> String {
    jiff::Timestamp::now().strftime("%FT%TZ").to_string()
}

/// An object in the version that is asked for: versions differ in nothing else.
pub(super) fn in_version(object: &Arc<Value>, kind: &Kind) -> Arc<Value> {
    if object["apiVersion"] == *kind.api_version {
        return Arc::clone(object);
    }
    let mut object = Value::clone(object);
    object["apiVersion"] = json!(kind.api_version);
    Arc::new(object)
}

impl State {
    /// The live object, or 404.
    pub(super) fn live(&self, kind: &Kind, namespace: &str, name: &str) -> Granted<Arc<Value>> {
        let key = Key::new(&kind.resource, namespace, name);
        let found = self.store.get(&key).ok_or_else(|| Refused::not_found(kind, name))?;
        Ok(in_version(found, kind))
    }

    /// Makes an object.
    pub(super) fn create(&mut self, write: &Write<'_>, mut object: Value) -> Granted<Arc<Value>> {
        identify(write, &mut object, None)?;
        let generate = text(&object["metadata"]["generateName"]);
        if name_of(&object).is_empty() && !generate.is_empty() {
            object["metadata"]["name"] = json!(format!("{generate}{}", rules::suffix()));
        }
        self.check_namespace(write, name_of(&object))?;
        begin(write, &mut object);
        let object = merge::update(&self.types, None, object, &write.by);
        self.store_new(write, object)
    }

    /// Changes an object that is there.
    pub(super) fn update(
        &mut self,
        write: &Write<'_>,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Granted<Arc<Value>> {
        let live = self.live(write.kind, write.namespace, name)?;
        let mut after = Value::clone(&live);
        change(&mut after);
        identify(write, &mut after, Some(name))?;
        expect(write.kind, &live, &after)?;
        carry(&live, &mut after);
        let after = merge::update(&self.types, Some(&live), after, &write.by);
        self.store_changed(write, &live, after)
    }

    /// Applies a patch on the server's side; says whether it made the object.
    pub(super) fn apply(
        &mut self,
        write: &Write<'_>,
        name: &str,
        mut patch: Value,
        force: bool,
    ) -> Granted<(Arc<Value>, bool)> {
        check_type(write.kind, &patch)?;
        identify(write, &mut patch, Some(name))?;
        let merged = |live: Option<&Value>| {
            let merged = merge::apply(&self.types, live, &patch, &write.by, force);
            merged.map_err(|refusal| Refused::of_merge(&refusal))
        };
        let Ok(live) = self.live(write.kind, write.namespace, name) else {
            if write.by.subresource.is_some() {
                return Err(Refused::not_found(write.kind, name));
            }
            if let Some(uid) = patch["metadata"]["uid"].as_str() {
                let because = format!(
                    "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                );
                return Err(Refused::conflict(write.kind, name, &because));
            }
            self.check_namespace(write, name)?;
            let mut object = merged(None)?;
            begin(write, &mut object);
            return Ok((self.store_new(write, object)?, true));
        };
        expect(write.kind, &live, &patch)?;
        let mut after = merged(Some(&live))?;
        carry(&live, &mut after);
        Ok((self.store_changed(write, &live, after)?, false))
    }

    fn check_namespace(&self, write: &Write<'_>, name: &str) -> Granted<()> {
        if !write.kind.namespaced {
            return Ok(());
        }
        let namespace = self.store.get(&Key::new("namespaces", "", write.namespace));
        let namespace = namespace.ok_or_else(|| Refused::no_namespace(write.namespace))?;
        if is_leaving(namespace) {
            return Err(Refused::terminating(write.kind, name, write.namespace));
        }
        Ok(())
    }

    fn store_new(&mut self, write: &Write<'_>, mut object: Value) -> Granted<Arc<Value>> {
        rules::complete(self, write.kind, &mut object);
        let name = name_of(&object).to_owned();
        rules::check(write.kind, &self.types, None, &object)?;
        let key = write.key(&name);
        if self.store.get(&key).is_some() {
            return Err(Refused::exists(write.kind, &name));
        }
        if write.dry_run {
            return Ok(Arc::new(object));
        }
        Ok(self.put(key, object))
    }

    fn store_changed(
        &mut self,
        write: &Write<'_>,
        live: &Arc<Value>,
        mut after: Value,
    ) -> Granted<Arc<Value>> {
        rules::retain(live, &mut after);
        if write.kind.generation && desired(write.kind, live) != desired(write.kind, &after) {
            let generation = live["metadata"]["generation"].as_u64().unwrap_or_default();
            after["metadata"]["generation"] = json!(generation + 1);
        }
        rules::check(write.kind, &self.types, Some(live), &after)?;
        if after == **live {
            return Ok(Arc::clone(live));
        }
        if write.dry_run {
            return Ok(Arc::new(after));
        }
        let key = write.key(name_of(live));
        if is_released(&after) {
            self.remove(&key);
            return Ok(Arc::new(after));
        }
        Ok(self.put(key, after))
    }
}

/// Whether nothing holds back the deletion of an object any more. A namespace is held by its content.
pub(super) fn is_released(object: &Value) -> bool {
    let held =
        object["kind"] == "Namespace" || !items(&object["metadata"]["finalizers"]).is_empty();
    is_leaving(object) && !held
}

/// Completes what says which object it is, and refuses what contradicts the request.
fn identify(write: &Write<'_>, object: &mut Value, name: Option<&str>) -> Granted<()> {
    let Write { kind, namespace, .. } = write;
    if !object.is_object() {
        return Err(Refused::bad_request("the object provided is unrecognized: it is no object"));
    }
    for (field, expected) in [("apiVersion", &kind.api_version), ("kind", &kind.kind)] {
        match object[field].as_str() {
            None | Some("") => object[field] = json!(expected),
            Some(found) if found == expected => {}
            Some(_) => {
                return Err(Refused::bad_request(format!(
                    "{} in version \"{}\" cannot be handled as a {}",
                    text(&object["kind"]),
                    text(&object["apiVersion"]),
                    kind.kind,
                )));
            }
        }
    }
    for part in ["metadata", "spec", "status"] {
        if object.get(part).is_some_and(|part| !part.is_object() && !part.is_null()) {
            let problem = format!("{} cannot be read: {part} is no object", kind.kind);
            return Err(Refused::bad_request(problem));
        }
    }
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let metadata = &mut object["metadata"];
    match (text(&metadata["namespace"]), kind.namespaced) {
        ("", true) => metadata["namespace"] = json!(namespace),
        (_, false) => drop(metadata.as_object_mut().and_then(|map| map.shift_remove("namespace"))),
        (given, true) if given != *namespace => {
            return Err(Refused::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        _ => {}
    }
    match (text(&metadata["name"]), name) {
        ("", Some(name)) => metadata["name"] = json!(name),
        (given, Some(name)) if given != name => {
            return Err(Refused::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({name})"
            )));
        }
        _ => {}
    }
    Ok(())
}

/// Refuses a patch to be applied that is of another kind, or of another version of it.
fn check_type(kind: &Kind, patch: &Value) -> Granted<()> {
    let (version, name) = (text(&patch["apiVersion"]), text(&patch["kind"]));
    let same = |given: &str, expected: &str| given.is_empty() || given == expected;
    if same(name, &kind.kind) && same(version, &kind.api_version) {
        return Ok(());
    }
    Err(Refused::of_merge(&merge::Refusal::invalid_type(patch)))
}

/// What a new object has from the server.
fn begin(write: &Write<'_>, object: &mut Value) {
    let metadata = &mut object["metadata"];
    for field in SERVERS_METADATA {
        remove(metadata, field);
    }
    metadata["uid"] = json!(rules::uid());
    if write.kind.generation {
        metadata["generation"] = json!(1);
    }
    metadata["creationTimestamp"] = json!(write.by.time);
}

/// Refuses a write that was meant for another object, or for another state of it.
fn expect(kind: &Kind, live: &Value, wanted: &Value) -> Granted<()> {
    let (is, want) = (&live["metadata"], &wanted["metadata"]);
    let given = |field: &str| want[field].as_str().filter(|text| !text.is_empty());
    if let Some(uid) = given("uid").filter(|uid| is["uid"] != **uid) {
        let because = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            text(&is["uid"])
        );
        return Err(Refused::conflict(kind, name_of(live), &because));
    }
    match given("resourceVersion") {
        Some(version) if version != "0" && is["resourceVersion"] != *version => {
            Err(Refused::modified(kind, name_of(live)))
        }
        _ => Ok(()),
    }
}

/// A custom resource can only be replaced in a version that one has seen.
pub(super) fn expect_version(kind: &Kind, object: &Value) -> Granted<()> {
    if kind.custom && object["metadata"]["resourceVersion"].as_str().is_none_or(str::is_empty) {
        let (field, message) = ("metadata.resourceVersion", "must be specified for an update");
        let problem = Problem::invalid(field, &json!(0), message);
        return Err(Refused::invalid(kind, name_of(object), &[problem]));
    }
    Ok(())
}

/// Puts back what no client can change.
fn carry(live: &Value, after: &mut Value) {
    for field in SERVERS_METADATA {
        match live["metadata"].get(field) {
            Some(value) => after["metadata"][field] = value.clone(),
            None => remove(&mut after["metadata"], field),
        }
    }
}

/// The fields that count for `generation`.
fn desired<'a>(kind: &Kind, object: &'a Value) -> BTreeMap<&'a str, &'a Value> {
    let others = ["apiVersion", "kind", "metadata"];
    let fields = fields(object).filter(|(name, _)| {
        !others.contains(&name.as_str()) && (*name != "status" || (kind.custom && !kind.status))
    });
    fields.map(|(name, value)| (name.as_str(), value)).collect()
}

fn remove(object: &mut Value, field: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove(field);
    }
}
