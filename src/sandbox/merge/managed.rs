//! `metadata.managedFields`: who owns which fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::sandbox::merge::Writer;
use crate::sandbox::merge::fields::Set;
use crate::sandbox::object::{items, text};

/// As many entries of updates an object may have; beyond, the oldest become one.
const MOST_UPDATERS: usize = 10;
/// The manager of what was merged for that reason.
const ANCIENT: &str = "ancient-changes";
/// The manager of what was there when an object first met an apply.
pub(super) const BEFORE_FIRST_APPLY: &str = "before-first-apply";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

/// Whose entry it is. An apply has one, whatever the version; an update one for each version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    manager: String,
    operation: Operation,
    api_version: Option<String>,
    subresource: String,
}

impl Owner {
    pub(super) fn new(writer: &Writer<'_>, operation: Operation) -> Self {
        let manager = if writer.manager.is_empty() { "unknown" } else { writer.manager };
        Self::of(manager, operation, writer.api_version, writer.subresource.unwrap_or_default())
    }

    fn of(manager: &str, operation: Operation, api_version: &str, subresource: &str) -> Self {
        Self {
            manager: manager.to_owned(),
            operation,
            api_version: (operation == Operation::Update).then(|| api_version.to_owned()),
            subresource: subresource.to_owned(),
        }
    }

    /// The message of a conflict with this owner. The time is no part of it: the API server does
    /// not know it at that point.
    pub(super) fn conflict(&self) -> String {
        let part = match self.subresource.as_str() {
            "" => String::new(),
            name => format!(" with subresource {name:?}"),
        };
        let version = self.api_version.as_ref();
        let version = version.map_or_else(String::new, |version| format!(" using {version}"));
        format!("conflict with {:?}{part}{version}", self.manager)
    }
}

/// What somebody owns.
#[derive(Debug, Clone)]
pub(super) struct Owned {
    pub(super) api_version: String,
    pub(super) fields: Set,
    /// RFC 3339; none when a write gave fields without a change.
    pub(super) time: Option<String>,
}

/// The entries of an object.
#[derive(Debug, Clone, Default)]
pub(super) struct Managed(pub(super) BTreeMap<Owner, Owned>);

impl Managed {
    /// The entries of an object. An entry that cannot be read makes all of them unreadable.
    pub(super) fn read(object: &Value) -> Result<Self, String> {
        let mut managed = BTreeMap::new();
        let entries = items(&object["metadata"]["managedFields"]).iter();
        for (index, entry) in entries.enumerate() {
            let part = |name: &str| text(&entry[name]);
            let operation = match part("operation") {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return Err("operation must be `Apply` or `Update`".to_owned()),
            };
            let api_version = part("apiVersion");
            if api_version.is_empty() {
                return Err("apiVersion must not be empty".to_owned());
            }
            let problem = match part("fieldsType") {
                "FieldsV1" => None,
                "" => Some("missing fieldsType".to_owned()),
                other => Some(format!("invalid fieldsType {other:?}")),
            };
            if let Some(problem) = problem {
                return Err(format!("{problem} in managed fields entry {index}"));
            }
            let fields = match &entry["fieldsV1"] {
                Value::Null => Set::default(),
                fields => Set::from_json(fields)
                    .ok_or_else(|| format!("error decoding versioned set from entry {index}"))?,
            };
            let owner = Owner::of(part("manager"), operation, api_version, part("subresource"));
            let time = entry["time"].as_str().map(str::to_owned);
            let api_version = api_version.to_owned();
            managed.insert(owner, Owned { api_version, fields, time });
        }
        Ok(Self(managed))
    }

    /// Puts the entries into an object, in the order of the API server.
    pub(super) fn write(&self, object: &mut Value) {
        let Some(object) = object.as_object_mut() else { return };
        let metadata = object.entry("metadata").or_insert_with(|| json!({}));
        let Some(metadata) = metadata.as_object_mut() else { return };
        metadata.remove("managedFields");
        let mut entries: Vec<(&Owner, &Owned)> = self.0.iter().collect();
        entries.sort_by_key(|(owner, owned)| {
            (owner.operation, &owned.time, &owner.manager, &owned.api_version, &owner.subresource)
        });
        let entries: Vec<Value> = entries.into_iter().map(entry).collect();
        if !entries.is_empty() {
            metadata.insert("managedFields".to_owned(), entries.into());
        }
    }

    /// Merges the oldest entries of updates while there are too many.
    pub(super) fn cap(&mut self) {
        let mut updates: Vec<Owner> =
            self.0.keys().filter(|owner| owner.operation == Operation::Update).cloned().collect();
        updates
            .sort_by_key(|owner| (self.0.get(owner).and_then(|o| o.time.clone()), owner.clone()));
        let mut count = updates.len();
        let mut first_of: BTreeMap<String, Owner> = BTreeMap::new();
        for owner in updates {
            if count <= MOST_UPDATERS {
                break;
            }
            let Some(version) = owner.api_version.clone() else { continue };
            let Some(first) = first_of.get(&version) else {
                first_of.insert(version, owner);
                continue;
            };
            let bucket = Owner::of(ANCIENT, Operation::Update, &version, "");
            if !self.0.contains_key(&bucket)
                && let Some(owned) = self.0.remove(first)
            {
                self.0.insert(bucket.clone(), owned);
            }
            if let Some(merged) = self.0.remove(&owner)
                && let Some(owned) = self.0.get_mut(&bucket)
            {
                owned.fields = std::mem::take(&mut owned.fields).union(&merged.fields);
                owned.time = merged.time;
                count -= 1;
            }
        }
    }
}

fn entry((owner, Owned { api_version, fields, time }): (&Owner, &Owned)) -> Value {
    let mut entry = Map::new();
    let mut put = |name: &str, value: Value| entry.insert(name.to_owned(), value);
    put("manager", json!(owner.manager));
    put("operation", json!(format!("{:?}", owner.operation)));
    put("apiVersion", json!(api_version));
    if let Some(time) = time {
        put("time", json!(time));
    }
    put("fieldsType", json!("FieldsV1"));
    put("fieldsV1", fields.to_json());
    if !owner.subresource.is_empty() {
        put("subresource", json!(owner.subresource));
    }
    Value::Object(entry)
}
