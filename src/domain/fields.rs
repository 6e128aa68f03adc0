//! `metadata.managedFields`: which fields of a live object are ours, and how fields that others
//! left behind become ours.

use serde_json::{Map, Value, json};

use crate::domain::object::{APPLICATION_LABEL, FIELD_MANAGER, INSTANCE_ANNOTATION};

/// What `kubectl apply` writes on each object: the whole manifest once more, secrets included.
pub const LAST_APPLIED_ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Managers that begin so are a person at a terminal.
const KUBECTL: &str = "kubectl";
/// The manager of everything that was there before an object first met server-side apply.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Our own entry: field manager `headstay`, operation Apply, of the object and no subresource.
pub fn our_entry(live: &Value) -> Option<&Value> {
    entries(live).find(|entry| is_ours(entry))
}

/// Whether Headstay applied this object: it has the label of the application (none: of any), and our
/// Apply entry. The label alone proves nothing, because controllers copy labels. Which installation it
/// was, its annotations say (see [`Installation`](crate::domain::installation::Installation)).
pub fn is_applied(live: &Value, application: Option<&str>) -> bool {
    let label = live["metadata"]["labels"][APPLICATION_LABEL].as_str();
    label.is_some_and(|label| application.is_none_or(|application| application == label))
        && our_entry(live).is_some()
}

/// Whether an object that is not ours by its marks is made ours by marks alone: we made it and were
/// stopped before its fields were ours, or another application of ours has handed it over. The
/// installation that its annotation names is this one.
pub fn can_be_adopted(live: &Value, application: &str) -> bool {
    let metadata = &live["metadata"];
    if !metadata["annotations"][INSTANCE_ANNOTATION].is_string() {
        return false;
    }
    let created = |entry: &Value| {
        entry["manager"] == FIELD_MANAGER && entry["operation"] == "Update" && is_whole(entry)
    };
    let labelled = metadata["labels"][APPLICATION_LABEL] == application;
    let made = labelled && our_entry(live).is_none() && entries(live).any(created);
    made || (!labelled && is_applied(live, None))
}

/// The manager, other than ours, that wrote to an object last, as far as that is known.
pub fn last_writer(live: &Value) -> Option<&str> {
    let others = entries(live).filter(|entry| !is_ours(entry) && is_whole(entry));
    // RFC 3339 in UTC, as the API server writes it, sorts as text.
    others.max_by_key(|entry| entry["time"].as_str())?["manager"].as_str()
}

/// Whether the same fields are ours in both. A dry run and the live object that differ in this
/// differ, although every value may be the same: a field that somebody set to another value and
/// back is no longer ours.
pub fn same_fields(a: &Value, b: &Value) -> bool {
    our_entry(a).map(fields) == our_entry(b).map(fields)
}

/// The JSON patch that makes fields ours which others left behind, or none when there are none.
///
/// On an object that we never applied it takes what `kubectl` (applied on either side, created,
/// edited) and what was there before; else those fields would stay for ever when Git drops them.
/// Once we have applied it, what a person does with `kubectl` is theirs. Entries that name an
/// `apiVersion` which the cluster no longer `serves` are brought to the version of `live`, because
/// an apply fails on them. The patch conflicts (409) when the object has changed since.
pub fn take_over(live: &Value, serves: impl Fn(&str) -> bool) -> Option<Value> {
    let resource_version = live["metadata"]["resourceVersion"].as_str()?;
    let adopt = our_entry(live).is_none();
    let (taken, kept): (Vec<&Value>, Vec<&Value>) =
        entries(live).partition(|entry| is_left_behind(entry, adopt));
    let stale =
        |entry: &Value| entry["apiVersion"].as_str().is_some_and(|version| !serves(version));
    let last_applied =
        adopt && live["metadata"]["annotations"].get(LAST_APPLIED_ANNOTATION).is_some();
    if taken.is_empty() && !last_applied && !kept.iter().any(|entry| stale(entry)) {
        return None;
    }

    let mut after: Vec<Value> =
        kept.iter().copied().filter(|entry| !is_ours(entry)).cloned().collect();
    let ours = kept.iter().copied().find(|entry| is_ours(entry));
    after.extend(merged(live, ours.into_iter().chain(taken)));
    for entry in &mut after {
        if stale(entry) {
            entry["apiVersion"] = live["apiVersion"].clone();
        }
    }
    // Each operation fits whatever is there, so that a changed object answers 409 and not 422.
    let mut patch = vec![
        json!({"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version}),
        json!({"op": "add", "path": "/metadata/managedFields", "value": after}),
    ];
    if last_applied {
        let mut annotations = live["metadata"]["annotations"].clone();
        annotations.as_object_mut()?.remove(LAST_APPLIED_ANNOTATION);
        patch.push(json!({"op": "add", "path": "/metadata/annotations", "value": annotations}));
    }
    Some(Value::Array(patch))
}

/// Takes an annotation out of our own entry.
pub(super) fn disown_annotation(object: &mut Value, annotation: &str) {
    let entries = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
    let ours = entries.into_iter().flatten().find(|entry| is_ours(entry));
    if let Some(fields) = ours.and_then(|entry| entry["fieldsV1"].as_object_mut()) {
        forget(fields, &["f:metadata", "f:annotations", &format!("f:{annotation}")]);
    }
}

/// A key as a segment of a JSON pointer.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn entries(live: &Value) -> impl Iterator<Item = &Value> {
    live["metadata"]["managedFields"].as_array().into_iter().flatten()
}

fn fields(entry: &Value) -> &Value {
    &entry["fieldsV1"]
}

fn is_whole(entry: &Value) -> bool {
    entry["subresource"].as_str().is_none_or(str::is_empty)
}

/// Our Apply entry of an object, with these fields.
pub(super) fn entry_of_ours(live: &Value, fields: Map<String, Value>) -> Value {
    let fields = Value::Object(fields);
    json!({
        "manager": FIELD_MANAGER,
        "operation": "Apply",
        "apiVersion": live["apiVersion"],
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    })
}

/// Whether an entry is our own.
pub(super) fn is_ours(entry: &Value) -> bool {
    entry["manager"] == FIELD_MANAGER && entry["operation"] == "Apply" && is_whole(entry)
}

/// `adopt`: the object was never applied by us. Then an Update entry of ours is what a create left.
fn is_left_behind(entry: &Value, adopt: bool) -> bool {
    let manager = entry["manager"].as_str().unwrap_or_default();
    let update = entry["operation"] == "Update";
    is_whole(entry)
        && ((update && manager == BEFORE_FIRST_APPLY)
            || (adopt && manager.starts_with(KUBECTL))
            || (adopt && update && manager == FIELD_MANAGER))
}

/// One Apply entry of ours with the fields of all of these; none if there are no entries.
fn merged<'a>(live: &Value, entries: impl Iterator<Item = &'a Value>) -> Option<Value> {
    let mut all: Option<Map<String, Value>> = None;
    let mut time = None;
    for entry in entries {
        let all = all.get_or_insert_default();
        if let Some(fields) = fields(entry).as_object() {
            unite(all, fields);
        }
        // RFC 3339 in UTC, as the API server writes it, sorts as text.
        time = time.max(entry["time"].as_str());
    }
    let mut all = all?;
    let annotation = format!("f:{LAST_APPLIED_ANNOTATION}");
    forget(&mut all, &["f:metadata", "f:annotations", &annotation]);
    let mut entry = entry_of_ours(live, all);
    if let Some(time) = time {
        entry["time"] = json!(time);
    }
    Some(entry)
}

/// Whether an entry is what a person did at a terminal, or what was there before any apply.
pub(super) fn is_person(entry: &Value) -> bool {
    let manager = entry["manager"].as_str().unwrap_or_default();
    is_whole(entry) && (manager.starts_with(KUBECTL) || manager == BEFORE_FIRST_APPLY)
}

/// Adds one set of fields to another. `{}` means the field itself; where it has children, `.` does.
pub(super) fn unite(into: &mut Map<String, Value>, other: &Map<String, Value>) {
    for (key, theirs) in other {
        let Some(theirs) = theirs.as_object() else { continue };
        let Some(ours) = into.get_mut(key).and_then(Value::as_object_mut) else {
            into.insert(key.clone(), Value::Object(theirs.clone()));
            continue;
        };
        if ours.is_empty() != theirs.is_empty() {
            ours.insert(".".to_owned(), json!({}));
        }
        unite(ours, theirs);
    }
}

/// Takes one field out of a set, and what is empty without it.
fn forget(set: &mut Map<String, Value>, path: &[&str]) {
    let Some((first, rest)) = path.split_first() else { return };
    let empty = match set.get_mut(*first) {
        Some(Value::Object(child)) if !rest.is_empty() => {
            let was_empty = child.is_empty();
            forget(child, rest);
            child.is_empty() && !was_empty
        }
        Some(_) => rest.is_empty(),
        None => false,
    };
    if empty {
        set.remove(*first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "always called with json!")]
    fn entry(manager: &str, operation: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1",
               "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    fn live(entries: &[Value]) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {
            "name": "web", "resourceVersion": "7",
            "labels": {APPLICATION_LABEL: "shop"},
            "annotations": {INSTANCE_ANNOTATION: "headstay"},
            "managedFields": entries}})
    }

    fn all_served(_: &str) -> bool {
        true
    }

    #[test]
    fn what_is_applied_has_label_and_apply_entry() {
        let ours = live(&[entry("headstay", "Apply", json!({"f:spec": {}}))]);
        assert!(is_applied(&ours, Some("shop")));
        assert!(is_applied(&ours, None));
        assert!(!is_applied(&ours, Some("blog")));

        let copied_label = live(&[entry("endpointslice-controller", "Update", json!({}))]);
        assert!(!is_applied(&copied_label, Some("shop")));
        let mut status = entry("headstay", "Apply", json!({}));
        status["subresource"] = json!("status");
        assert!(!is_applied(&live(&[status]), None));
    }

    #[test]
    fn the_same_fields_are_told_whatever_their_order_and_time() {
        let set = json!({"f:spec": {"f:replicas": {}, "f:paused": {}}});
        let turned = json!({"f:spec": {"f:paused": {}, "f:replicas": {}}});
        let mut later = entry("headstay", "Apply", turned);
        later["time"] = json!("2027-01-01T00:00:00Z");
        let a = live(&[entry("headstay", "Apply", set)]);
        let b = live(&[entry("kubectl-scale", "Update", json!({"f:x": {}})), later]);
        let shrunk = live(&[entry("headstay", "Apply", json!({"f:spec": {"f:paused": {}}}))]);
        assert!(same_fields(&a, &b));
        assert!(!same_fields(&a, &shrunk));
        let [nested, flat] = [json!({"f:a": {"f:b": {}}}), json!({"f:a": {}, "f:b": {}})]
            .map(|set| live(&[entry("headstay", "Apply", set)]));
        assert!(!same_fields(&nested, &flat));
    }

    #[test]
    fn adoption_unites_what_kubectl_left_and_leaves_controllers_alone() {
        let mut status = entry("kubectl-edit", "Update", json!({"f:status": {}}));
        status["subresource"] = json!("status");
        let mut object = live(&[
            entry(
                "kubectl-client-side-apply",
                "Update",
                json!({"f:metadata": {"f:annotations": {".": {}, format!("f:{LAST_APPLIED_ANNOTATION}"): {}}},
                       "f:spec": {"f:replicas": {}, "f:template": {}}}),
            ),
            entry("kubectl-edit", "Update", json!({"f:spec": {"f:template": {"f:spec": {}}}})),
            entry("kube-controller-manager", "Update", json!({"f:spec": {"f:paused": {}}})),
            status.clone(),
        ]);
        object["metadata"]["annotations"][LAST_APPLIED_ANNOTATION] = json!("{}");
        assert_eq!(
            take_over(&object, all_served).unwrap(),
            json!([
                {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
                {"op": "add", "path": "/metadata/managedFields", "value": [
                    entry("kube-controller-manager", "Update", json!({"f:spec": {"f:paused": {}}})),
                    status,
                    entry("headstay", "Apply", json!({
                        "f:metadata": {"f:annotations": {".": {}}},
                        "f:spec": {"f:replicas": {}, "f:template": {".": {}, "f:spec": {}}}})),
                ]},
                {"op": "add", "path": "/metadata/annotations", "value": {INSTANCE_ANNOTATION: "headstay"}},
            ])
        );
    }

    #[test]
    fn after_adoption_only_what_was_there_before_is_taken() {
        let ours = entry("headstay", "Apply", json!({"f:spec": {"f:replicas": {}}}));
        let restart = entry("kubectl-rollout", "Update", json!({"f:spec": {"f:template": {}}}));
        assert_eq!(take_over(&live(&[ours.clone(), restart]), all_served), None);

        let before = entry("before-first-apply", "Update", json!({"f:spec": {"f:paused": {}}}));
        let patch = take_over(&live(&[before, ours]), all_served).unwrap();
        assert_eq!(
            patch[1]["value"],
            json!([entry(
                "headstay",
                "Apply",
                json!({"f:spec": {"f:replicas": {}, "f:paused": {}}})
            )])
        );
    }

    #[test]
    fn entries_of_a_version_that_is_gone_are_migrated() {
        let mut ours = entry("headstay", "Apply", json!({"f:spec": {}}));
        ours["apiVersion"] = json!("apps/v1beta1");
        let object = live(&[ours]);
        assert_eq!(take_over(&object, all_served), None);
        let patch = take_over(&object, |version| version == "apps/v1").unwrap();
        assert_eq!(patch[1]["value"][0]["apiVersion"], "apps/v1");
    }

    #[test]
    fn nothing_to_take_is_no_patch() {
        assert_eq!(take_over(&live(&[entry("helm", "Update", json!({}))]), all_served), None);
        assert_eq!(take_over(&json!({}), all_served), None);
    }
}
