//! Server-side apply.

use serde_json::Value;

use crate::sandbox::merge::combine::{Difference, merge, remove, same};
use crate::sandbox::merge::complete::complete;
use crate::sandbox::merge::fields::Set;
use crate::sandbox::merge::fit::misfit;
use crate::sandbox::merge::managed::{BEFORE_FIRST_APPLY, Managed, Operation, Owned, Owner};
use crate::sandbox::merge::ownership::{Target, ownable};
use crate::sandbox::merge::shape::{fields_of, with_named_fields};
use crate::sandbox::merge::types::{Type, Types};
use crate::sandbox::merge::update::{keep_times, record, reset, unmanaged};
use crate::sandbox::merge::{Refusal, Writer};
use crate::sandbox::object::text;

const KUBECTL: &str = "kubectl";
/// What `kubectl apply` on its own side wrote last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The object after a server-side apply of `patch`, with `managedFields` and its defaults. What comes
/// back equal to `live` is no write.
///
/// # Errors
/// Conflicts without `force`, and a patch or object that does not fit its type.
pub fn apply(
    types: &Types,
    live: Option<&Value>,
    patch: &Value,
    writer: &Writer<'_>,
    force: bool,
) -> Result<Value, Refusal> {
    let mut conflicts = match attempt(types, live, patch, writer, force) {
        Err(Refusal::Conflict(conflicts)) => conflicts,
        other => return other,
    };
    let target = Target::new(types, kind_of(patch), writer);
    if let Some(applied) = live.and_then(|live| applied_by_kubectl(&target, live, writer)) {
        conflicts.retain(|conflict| !applied.contains(&conflict.field));
    }
    if conflicts.is_empty() {
        return attempt(types, live, patch, writer, true);
    }
    Err(Refusal::Conflict(conflicts))
}

/// The fields that are as `kubectl apply` left them before it applied on the server's side: that they
/// are another manager's is no conflict for it.
fn applied_by_kubectl(
    target: &Target<'_>,
    live: &Value,
    writer: &Writer<'_>,
) -> Option<Vec<String>> {
    if writer.manager != KUBECTL {
        return None;
    }
    let text = live["metadata"]["annotations"][LAST_APPLIED].as_str()?;
    let applied: Value = serde_json::from_str(text).ok()?;
    let holds = &target.kind.holds;
    if applied["apiVersion"] != writer.api_version || misfit(holds, &applied).is_some() {
        return None;
    }
    let differs = Difference::between(holds, &applied, live);
    let differs = differs.modified.union(&differs.added).union(&differs.removed);
    Some(fields_of(holds, &applied).difference(&differs).paths())
}

fn kind_of(object: &Value) -> &str {
    text(&object["kind"])
}

fn attempt(
    types: &Types,
    live: Option<&Value>,
    patch: &Value,
    writer: &Writer<'_>,
    force: bool,
) -> Result<Value, Refusal> {
    let target = Target::new(types, kind_of(patch), writer);
    if patch["apiVersion"] != writer.api_version {
        return Err(Refusal::invalid_type(patch));
    }
    if !patch["metadata"]["managedFields"].is_null() {
        return Err(Refusal::BadRequest("metadata.managedFields must be nil".to_owned()));
    }
    let unreadable =
        |problem| Refusal::Internal(format!("failed to decode managed fields: {problem}"));
    let mut managed = target.entries(live.unwrap_or(&Value::Null)).map_err(unreadable)?;
    let before = live.map_or_else(|| target.empty(), unmanaged);
    if managed.0.is_empty() && live.is_some() {
        let earlier = Writer { manager: BEFORE_FIRST_APPLY, subresource: None, ..*writer };
        record(&target, &mut managed, (&target.empty(), &before), &earlier);
    }

    let holds = &target.kind.holds;
    if let Some(wrong) = misfit(holds, patch) {
        let object = target.describe(patch);
        return Err(Refusal::Internal(format!(
            "failed to create typed patch object ({object}): {wrong}"
        )));
    }
    let applier = Owner::new(writer, Operation::Apply);
    let last = managed.0.get(&applier).cloned();
    let owned = Owned {
        api_version: writer.api_version.to_owned(),
        fields: fields_of(holds, patch).without(&target.ignored),
        time: last.as_ref().and_then(|last| last.time.clone()),
    };
    managed.0.insert(applier.clone(), owned);
    let merged = merge(holds, Some(&before), Some(patch)).unwrap_or(Value::Null);
    let mut after = match last {
        Some(last) => prune(&target, merged, &managed, &last),
        None => merged,
    };
    target
        .take(&mut managed, (&before, &after), Some(&applier), force)
        .map_err(Refusal::Conflict)?;
    let changed = !same(&before, &after);
    if let Some(owned) = managed.0.get_mut(&applier) {
        owned.fields = ownable(&owned.fields);
        if changed {
            owned.time = Some(writer.time.to_owned());
        }
    }
    managed.0.retain(|_, owned| !owned.fields.is_empty());

    reset(&target, live, &mut after, writer);
    complete(types, &mut after);
    if writer.manager == KUBECTL {
        note_applied(patch, &mut after);
    }
    managed.write(&mut after);
    Ok(keep_times(live, after))
}

/// Keeps the annotation of `kubectl apply` true, where there is one.
fn note_applied(patch: &Value, object: &mut Value) {
    let note = object.pointer_mut("/metadata/annotations").and_then(|a| a.get_mut(LAST_APPLIED));
    if let Some(note) = note {
        let mut patch = patch.clone();
        patch.sort_all_objects();
        *note = format!("{patch}\n").into();
    }
}

/// Without what this owner applied last and does not name any more, unless somebody else owns it.
fn prune(target: &Target<'_>, merged: Value, managed: &Managed, last: &Owned) -> Value {
    if last.fields.is_empty() {
        return merged;
    }
    let Some(kind) = target.version(&last.api_version) else {
        return merged;
    };
    let holds = &kind.holds;
    let named = |fields: &Set| with_named_fields(holds, fields);
    let without = |value: &Value, fields: &Set| remove(holds, value, fields).unwrap_or(Value::Null);

    let mut pruned = without(&merged, &named(&last.fields));
    for (holds, fields) in owned_by_version(target, managed, &last.api_version) {
        let named = |fields: &Set| with_named_fields(&holds, fields);
        let all = named(&fields_of(&holds, &merged));
        let kept = named(&fields_of(&holds, &pruned)).union(&named(&fields));
        pruned = remove(&holds, &merged, &all.difference(&kept)).unwrap_or(Value::Null);
    }
    // What nobody owns, or only updates do, was not this owner's to remove.
    let all = named(&fields_of(holds, &merged));
    let gone = all.difference(&named(&fields_of(holds, &pruned)));
    without(&merged, &gone.intersection(&named(&last.fields)))
}

/// What is owned in each version, that of the last apply first.
fn owned_by_version(target: &Target<'_>, managed: &Managed, first: &str) -> Vec<(Type, Set)> {
    let mut versions: Vec<(&str, Set)> = vec![(first, Set::default())];
    for owned in managed.0.values() {
        let place = versions.iter().position(|(version, _)| *version == owned.api_version);
        let place = place.unwrap_or_else(|| {
            versions.push((&owned.api_version, Set::default()));
            versions.len() - 1
        });
        if let Some((_, fields)) = versions.get_mut(place) {
            *fields = std::mem::take(fields).union(&owned.fields);
        }
    }
    versions
        .into_iter()
        .filter_map(|(version, fields)| Some((target.version(version)?.holds, fields)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn widget(parts: &Value) -> Value {
        json!({"spec": {
            "group": "example.org",
            "names": {"kind": "Widget"},
            "versions": [{"name": "v1", "schema": {"openAPIV3Schema": {"properties": {"parts": parts}}}}],
        }})
    }

    #[test]
    fn what_a_definition_makes_one_thing_is_owned_as_one_thing() {
        let apply = |types: &Types, live: Option<&Value>, parts: Value, manager| {
            let patch = json!({"apiVersion": "example.org/v1", "kind": "Widget", "parts": parts});
            let writer = Writer {
                manager,
                api_version: "example.org/v1",
                subresource: None,
                time: "2026-01-01T00:00:00Z",
            };
            apply(types, live, &patch, &writer, false).unwrap()
        };
        let items = json!({"type": "string"});
        let set =
            widget(&json!({"type": "array", "x-kubernetes-list-type": "set", "items": items}));
        let types = Types::builtin().with_definition(&set).unwrap();
        let live = apply(&types, None, json!(["a", "b"]), "one");

        let list = widget(&json!({"type": "array", "items": items}));
        let types = types.with_definition(&list).unwrap();
        let live = apply(&types, Some(&live), json!(["a", "b"]), "two");
        let entries = live["metadata"]["managedFields"].as_array().unwrap();
        let fields: Vec<&Value> = entries.iter().map(|entry| &entry["fieldsV1"]).collect();
        assert_eq!(fields, [&json!({"f:parts": {}}), &json!({"f:parts": {}})]);
    }
}
