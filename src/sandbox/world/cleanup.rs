//! What goes when something else goes: the content of namespaces, the objects of definitions, and
//! what was owned.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use crate::sandbox::delete::{CLEANUP, Deletion, FOREGROUND, ORPHAN};
use crate::sandbox::kinds::DEFINITIONS;
use crate::sandbox::object::{is_leaving, items, name_of, namespace_of, text, uid_of};
use crate::sandbox::storage::Key;
use crate::sandbox::world::Hand;

/// Empties namespaces that are on their way out, and lets them go when they are empty.
pub(super) fn namespaces(hand: &mut Hand<'_>) {
    for namespace in hand.list("namespaces").into_iter().filter(|one| is_leaving(one)) {
        let name = name_of(&namespace);
        let within = hand.state.store.all().filter(|(key, _)| key.namespace == name);
        let within: Vec<(String, Arc<Value>)> =
            within.map(|(key, object)| (key.resource.clone(), Arc::clone(object))).collect();
        let free = items(&namespace["metadata"]["finalizers"]).is_empty();
        if within.is_empty() && free {
            hand.state.remove(&Key::new("namespaces", "", name));
        }
        for (resource, object) in within.into_iter().filter(|(_, object)| !is_leaving(object)) {
            hand.delete(&resource, &object);
        }
    }
}

/// Deletes the objects of definitions that are on their way out, and lets them go then.
pub(super) fn definitions(hand: &mut Hand<'_>) {
    for definition in hand.list(DEFINITIONS).into_iter().filter(|one| is_leaving(one)) {
        let resource = name_of(&definition);
        let instances = hand.list(resource);
        if instances.is_empty() {
            drop_finalizer(hand, DEFINITIONS, &definition, CLEANUP);
        }
        for instance in instances.iter().filter(|one| !is_leaving(one)) {
            hand.delete(resource, instance);
        }
    }
}

/// An object that has owners.
struct Dependent {
    resource: String,
    object: Arc<Value>,
    /// Whether the owner waits for its end.
    blocks: bool,
}

/// Deletes what has lost its owners, and minds the finalizers of owners that are deleted with, or
/// without, what they own.
pub(super) fn garbage(hand: &mut Hand<'_>) {
    let uids: HashSet<&str> = hand.state.store.all().map(|(_, object)| uid_of(object)).collect();
    let (mut lost, mut owned) = (Vec::new(), HashMap::<String, Vec<Dependent>>::new());
    for (key, object) in hand.state.store.all() {
        let owners = items(&object["metadata"]["ownerReferences"]);
        let uid = |owner: &Value| text(&owner["uid"]).to_owned();
        if !owners.is_empty() && !owners.iter().any(|owner| uids.contains(&*uid(owner))) {
            lost.push((key.resource.clone(), Arc::clone(object)));
        }
        for owner in owners {
            owned.entry(uid(owner)).or_default().push(Dependent {
                resource: key.resource.clone(),
                object: Arc::clone(object),
                blocks: owner["blockOwnerDeletion"] == true,
            });
        }
    }
    let held: Vec<(String, Arc<Value>)> = hand
        .state
        .store
        .all()
        .filter(|(_, object)| holds(object, FOREGROUND) || holds(object, ORPHAN))
        .map(|(key, object)| (key.resource.clone(), Arc::clone(object)))
        .collect();
    for (resource, object) in lost.into_iter().filter(|(_, object)| !is_leaving(object)) {
        hand.delete(&resource, &object);
    }
    for (resource, owner) in held {
        let dependents = owned.remove(uid_of(&owner)).unwrap_or_default();
        if holds(&owner, ORPHAN) {
            for one in &dependents {
                release(hand, one, &owner);
            }
            drop_finalizer(hand, &resource, &owner, ORPHAN);
        } else if dependents.iter().any(|one| one.blocks) {
            let deletion = Deletion::foreground();
            for one in dependents.iter().filter(|one| !is_leaving(&one.object)) {
                hand.delete_with(&one.resource, &one.object, &deletion);
            }
        } else {
            drop_finalizer(hand, &resource, &owner, FOREGROUND);
        }
    }
}

fn holds(object: &Value, finalizer: &str) -> bool {
    let mut finalizers = items(&object["metadata"]["finalizers"]).iter();
    is_leaving(object) && finalizers.any(|one| one == finalizer)
}

/// Makes an object forget an owner.
fn release(hand: &mut Hand<'_>, Dependent { resource, object, .. }: &Dependent, owner: &Value) {
    hand.change(resource, object, |object| {
        if let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() {
            owners.retain(|one| one["uid"] != owner["metadata"]["uid"]);
        }
    });
}

fn drop_finalizer(hand: &mut Hand<'_>, resource: &str, object: &Value, finalizer: &str) {
    let namespace = namespace_of(object);
    tracing::trace!(resource, namespace, finalizer, "a finalizer is through");
    hand.change(resource, object, |object| {
        if let Some(finalizers) = object["metadata"]["finalizers"].as_array_mut() {
            finalizers.retain(|one| one != finalizer);
        }
    });
}
