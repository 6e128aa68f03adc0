//! Who loses fields by a write.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::sandbox::merge::combine::Difference;
use crate::sandbox::merge::defaults;
use crate::sandbox::merge::fields::{Element, Set};
use crate::sandbox::merge::managed::{Managed, Owner};
use crate::sandbox::merge::shape::with_whole_fields;
use crate::sandbox::merge::types::{Kind, Type, Types};
use crate::sandbox::merge::{Conflict, Writer, described};
use crate::sandbox::object::{name_of, namespace_of};

/// What is written, as far as its type goes.
pub(super) struct Target<'a> {
    types: &'a Types,
    name: &'a str,
    api_version: &'a str,
    /// The kind in the version that the request speaks.
    pub(super) kind: Kind,
    /// Fields that this request cannot write, with all that is below them.
    pub(super) ignored: Set,
}

impl<'a> Target<'a> {
    pub(super) fn new(types: &'a Types, name: &'a str, writer: &Writer<'a>) -> Self {
        let unknown = || Kind { holds: Type::Any, builtin: false, has_status: false };
        let kind = types.kind(writer.api_version, name).unwrap_or_else(unknown);
        let ignored: &[&str] = match writer.subresource {
            Some("status") if kind.builtin => &["spec"],
            Some("status") => &["metadata", "spec"],
            None if kind.has_status => &["status"],
            _ => &[],
        };
        let mut set = Set::default();
        for field in ignored {
            set.insert(&[Element::Field((*field).to_owned())]);
        }
        Self { types, name, api_version: writer.api_version, kind, ignored: set }
    }

    /// The kind in another version; none when that is not served any more.
    pub(super) fn version(&self, api_version: &str) -> Option<Kind> {
        if api_version == self.api_version {
            return Some(self.kind.clone());
        }
        self.types.kind(api_version, self.name)
    }

    /// An object of the kind in which nothing is set.
    pub(super) fn empty(&self) -> Value {
        let mut object = json!({"apiVersion": self.api_version, "kind": self.name});
        if self.kind.builtin {
            defaults::normalize(&mut object);
        }
        object
    }

    /// The entries of an object, as they are by the types of today.
    pub(super) fn entries(&self, object: &Value) -> Result<Managed, String> {
        let mut managed = Managed::read(object)?;
        for owned in managed.0.values_mut() {
            if let Some(kind) = self.version(&owned.api_version) {
                owned.fields = with_whole_fields(&kind.holds, &owned.fields);
            }
        }
        Ok(managed)
    }

    /// As the API server names an object in errors.
    pub(super) fn describe(&self, object: &Value) -> String {
        let (namespace, name) = (namespace_of(object), name_of(object));
        format!("{namespace}/{name}; {}", described(self.api_version, self.name))
    }

    /// Takes from everybody but `writer` what differs between two objects. Without `force` nobody
    /// may lose a field that is there after as well.
    pub(super) fn take(
        &self,
        managed: &mut Managed,
        (before, after): (&Value, &Value),
        writer: Option<&Owner>,
        force: bool,
    ) -> Result<Difference, Vec<Conflict>> {
        let differs =
            |kind: &Kind| Difference::between(&kind.holds, before, after).without(&self.ignored);
        let mut differences = HashMap::from([(self.api_version.to_owned(), differs(&self.kind))]);
        let mut conflicts = Vec::new();
        managed.0.retain(|owner, owned| {
            if writer == Some(owner) {
                return !owned.fields.is_empty();
            }
            let Some(kind) = self.version(&owned.api_version) else { return false };
            let difference =
                differences.entry(owned.api_version.clone()).or_insert_with(|| differs(&kind));
            let written = difference.modified.clone().union(&difference.added);
            let taken = owned.fields.intersection(&written);
            let conflict = |field| Conflict { message: owner.conflict(), field };
            conflicts.extend(taken.paths().into_iter().map(conflict));
            owned.fields = owned.fields.difference(&taken).difference(&difference.removed);
            !owned.fields.is_empty()
        });
        if !force && !conflicts.is_empty() {
            return Err(conflicts);
        }
        Ok(differences.remove(self.api_version).unwrap_or_default())
    }
}

/// Fields that nobody ever owns.
static NOBODYS: LazyLock<Set> = LazyLock::new(|| {
    let fields = json!({"f:apiVersion": {}, "f:kind": {}, "f:metadata": {
        ".": {}, "f:name": {}, "f:namespace": {}, "f:creationTimestamp": {}, "f:selfLink": {},
        "f:uid": {}, "f:clusterName": {}, "f:generation": {}, "f:managedFields": {},
        "f:resourceVersion": {}}});
    Set::from_json(&fields).unwrap_or_default()
});

/// Without the fields that nobody ever owns.
pub(super) fn ownable(fields: &Set) -> Set {
    fields.difference(&NOBODYS)
}
