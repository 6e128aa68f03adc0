//! What creates, updates and patches do to `managedFields`.

use serde_json::Value;

use crate::sandbox::merge::Writer;
use crate::sandbox::merge::combine::same;
use crate::sandbox::merge::complete::complete;
use crate::sandbox::merge::managed::{Managed, Operation, Owned, Owner};
use crate::sandbox::merge::ownership::{Target, ownable};
use crate::sandbox::merge::types::Types;
use crate::sandbox::object::text;

/// The object after a create (`before` is none), update or patch, with `managedFields` and its
/// defaults. What the API server assigns by itself (an address, a node port) must not be in `after`
/// yet, or the writer would own it.
pub fn update(
    types: &Types,
    before: Option<&Value>,
    mut after: Value,
    writer: &Writer<'_>,
) -> Value {
    let kind = text(&after["kind"]).to_owned();
    let target = Target::new(types, &kind, writer);
    let mut managed = entries(&target, before, &after, writer);
    after = unmanaged(&after);
    complete(types, &mut after);
    // An object whose entries were taken away is not tracked until somebody applies it.
    let untracked = managed.0.is_empty() && before.is_some();
    if !untracked {
        let old = before.map_or_else(|| target.empty(), unmanaged);
        record(&target, &mut managed, (&old, &after), writer);
        managed.cap();
    }
    reset(&target, before, &mut after, writer);
    complete(types, &mut after);
    managed.write(&mut after);
    keep_times(before, after)
}

/// The entries that the write begins with: those of the request, if it has any and may write them;
/// an empty list, or a list of one empty entry, takes all away.
fn entries(
    target: &Target<'_>,
    before: Option<&Value>,
    after: &Value,
    writer: &Writer<'_>,
) -> Managed {
    let before = || target.entries(before.unwrap_or(&Value::Null)).unwrap_or_default();
    if writer.subresource.is_some() {
        return before();
    }
    let asked = after["metadata"]["managedFields"].as_array().map(Vec::as_slice);
    let is_empty = |entry: &Value| entry.as_object().is_some_and(serde_json::Map::is_empty);
    match asked {
        Some([]) => Managed::default(),
        Some([entry]) if is_empty(entry) => Managed::default(),
        _ => match target.entries(after) {
            Ok(managed) if !managed.0.is_empty() => managed,
            _ => before(),
        },
    }
}

/// Makes the writer the owner of what it changed.
pub(super) fn record(
    target: &Target<'_>,
    managed: &mut Managed,
    objects: (&Value, &Value),
    writer: &Writer<'_>,
) {
    let Ok(difference) = target.take(managed, objects, None, true) else { return };
    let fields = ownable(&difference.modified.union(&difference.added));
    if fields.is_empty() {
        return;
    }
    let updater = Owner::new(writer, Operation::Update);
    let last = managed.0.remove(&updater);
    // The API server forgets to note when a scale was.
    let is_scale = writer.subresource == Some("scale");
    let time = match &last {
        last if is_scale => last.as_ref().and_then(|last| last.time.clone()),
        _ => Some(writer.time.to_owned()),
    };
    let before = last.map(|last| last.fields).unwrap_or_default();
    let api_version = writer.api_version.to_owned();
    managed.0.insert(updater, Owned { api_version, fields: before.union(&fields), time });
}

/// Takes back what the request cannot write: the status, or all but the status.
pub(super) fn reset(
    target: &Target<'_>,
    before: Option<&Value>,
    after: &mut Value,
    writer: &Writer<'_>,
) {
    let old = |name: &str| before.and_then(|before| before.get(name)).cloned();
    let Some(fields) = after.as_object_mut() else { return };
    match writer.subresource {
        None if target.kind.has_status => {
            match old("status") {
                Some(status) => fields.insert("status".to_owned(), status),
                None => fields.remove("status"),
            };
        }
        Some("status") => {
            let keeps_metadata = target.kind.builtin;
            fields.retain(|name, _| {
                matches!(name.as_str(), "apiVersion" | "kind" | "status")
                    || (keeps_metadata && name == "metadata")
            });
            for (name, value) in before.and_then(Value::as_object).into_iter().flatten() {
                if name != "status" {
                    fields.entry(name).or_insert_with(|| value.clone());
                }
            }
        }
        _ => {}
    }
}

/// The object before, when a write changed nothing but times in `managedFields`.
pub(super) fn keep_times(before: Option<&Value>, after: Value) -> Value {
    let timeless = |object: &Value| {
        let mut object = object.clone();
        let entries = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten().filter_map(Value::as_object_mut) {
            entry.remove("time");
        }
        object
    };
    match before {
        Some(before) if same(&timeless(before), &timeless(&after)) => before.clone(),
        _ => after,
    }
}

/// An object without its `managedFields`.
pub(super) fn unmanaged(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}
