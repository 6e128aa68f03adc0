//! Which kinds are served: group by group, and all in one answer.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::sandbox::kinds::{Group, Kind, Kinds, REVIEWS};

const ALL: [&str; 8] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const OF_SUBRESOURCE: [&str; 3] = ["get", "patch", "update"];
/// The answer to a path of discovery, if it is one. `aggregated`: everything at once is asked for.
pub(super) fn answer(kinds: &Kinds, path: &[&str], aggregated: bool) -> Option<Value> {
    let groups = || kinds.groups().into_iter();
    match path {
        ["api"] if aggregated => Some(all(groups().filter(|group| group.name.is_empty()))),
        ["apis"] if aggregated => Some(all(groups().filter(|group| !group.name.is_empty()))),
        ["api"] => Some(json!({"kind": "APIVersions", "versions": ["v1"],
                               "serverAddressByClientCIDRs": []})),
        ["apis"] => {
            let named = groups().filter(|group| !group.name.is_empty());
            let named: Vec<Value> = named.map(|one| group(&one)).collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": named}))
        }
        ["apis", name] => groups().find(|group| group.name == *name).map(|one| named(&one)),
        ["api", version] => resources(groups(), "", version),
        ["apis", name, version] => resources(groups(), name, version),
        _ => None,
    }
}

/// A group as an answer of its own.
fn named(one: &Group<'_>) -> Value {
    let mut answer = group(one);
    answer["kind"] = json!("APIGroup");
    answer["apiVersion"] = json!("v1");
    answer
}

fn group(group: &Group<'_>) -> Value {
    let version = |(version, _): &(&str, _)| json!({"groupVersion": format!("{}/{version}", group.name), "version": version});
    let versions: Vec<Value> = group.versions.iter().map(version).collect();
    json!({"name": group.name, "versions": versions, "preferredVersion": versions.first()})
}

fn resources<'a>(
    mut groups: impl Iterator<Item = Group<'a>>,
    group: &str,
    version: &str,
) -> Option<Value> {
    let versions = groups.find(|one| one.name == group)?.versions;
    let (_, kinds) = versions.into_iter().find(|(one, _)| *one == version)?;
    let group_version = &kinds.first()?.api_version;
    let resources: Vec<Value> = kinds.iter().flat_map(|kind| entries(kind)).collect();
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version,
                "resources": resources}))
}

/// A kind and its subresources, as the plain discovery has them.
fn entries(kind: &Kind) -> Vec<Value> {
    let entry = |name: &str, singular: &str, verbs: &[&str]| {
        json!({"name": name, "singularName": singular, "namespaced": kind.namespaced,
               "kind": kind.kind, "verbs": verbs})
    };
    let mut entries = vec![entry(&kind.plural, &kind.singular, &verbs(kind))];
    lists(kind, &mut entries[0]);
    for name in subresources(kind) {
        let mut entry = entry(&format!("{}/{name}", kind.plural), "", &OF_SUBRESOURCE);
        if name == "scale" {
            for (field, value) in [("group", "autoscaling"), ("version", "v1"), ("kind", "Scale")] {
                entry[field] = json!(value);
            }
        }
        entries.push(entry);
    }
    entries
}

fn subresources(kind: &Kind) -> impl Iterator<Item = &'static str> {
    let has = [("scale", kind.scale.is_some()), ("status", kind.status)];
    has.into_iter().filter_map(|(name, has)| has.then_some(name))
}

fn verbs(kind: &Kind) -> Vec<&'static str> {
    let has = |verb: &&str| match &*kind.resource {
        REVIEWS => *verb == "create",
        "namespaces" => *verb != "deletecollection",
        _ => true,
    };
    ALL.into_iter().filter(has).collect()
}

fn lists(kind: &Kind, entry: &mut Value) {
    for (field, list) in [("shortNames", &kind.short_names), ("categories", &kind.categories)] {
        if !list.is_empty() {
            entry[field] = json!(list);
        }
    }
}

fn all<'a>(groups: impl Iterator<Item = Group<'a>>) -> Value {
    let items: Vec<Value> = groups.map(|group| discovered(&group)).collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
           "items": items})
}

fn discovered(group: &Group<'_>) -> Value {
    let version = |(version, kinds): &(&str, Vec<&Arc<Kind>>)| {
        let kinds: Vec<Value> = kinds.iter().map(|kind| resource(kind)).collect();
        json!({"version": version, "resources": kinds, "freshness": "Current"})
    };
    let versions: Vec<Value> = group.versions.iter().map(version).collect();
    let metadata = if group.name.is_empty() { json!({}) } else { json!({"name": group.name}) };
    json!({"metadata": metadata, "versions": versions})
}

/// A kind and its subresources, as the aggregated discovery has them.
fn resource(kind: &Kind) -> Value {
    // Built-in kinds leave out what the answer says around them.
    let (group, version) = if kind.custom { (&*kind.group, &*kind.version) } else { ("", "") };
    let own = json!({"group": group, "version": version, "kind": kind.kind});
    let scope = if kind.namespaced { "Namespaced" } else { "Cluster" };
    let mut entry = json!({"resource": kind.plural, "responseKind": own, "scope": scope,
        "singularResource": kind.singular, "verbs": verbs(kind)});
    lists(kind, &mut entry);
    let scale = json!({"group": "autoscaling", "version": "v1", "kind": "Scale"});
    let subresource = |name| {
        let kind = if name == "scale" { &scale } else { &own };
        json!({"subresource": name, "responseKind": kind, "verbs": OF_SUBRESOURCE})
    };
    let subresources: Vec<Value> = subresources(kind).map(subresource).collect();
    if !subresources.is_empty() {
        entry["subresources"] = json!(subresources);
    }
    entry
}
