//! As much `OpenAPI` as kubectl needs before it writes: that every kind can be patched, and that the
//! server checks fields itself (`fieldValidation`). There are no schemas in it.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::sandbox::kinds::{Kind, Kinds};

/// The answer to a path below `/openapi/v3`: the index, or the document of a group and version.
pub(super) fn answer(kinds: &Kinds, path: &[&str]) -> Option<Value> {
    let groups = kinds.groups();
    let mut versions = groups.iter().flat_map(|group| &group.versions);
    if path.is_empty() {
        let paths: Map<String, Value> = versions
            .filter_map(|(_, kinds)| {
                let root = root(kinds.first()?);
                let at = json!({"serverRelativeURL": format!("/openapi/v3/{root}")});
                Some((root, at))
            })
            .collect();
        return Some(json!({"paths": paths}));
    }
    let wanted = path.join("/");
    let is_wanted = |kind: &&Arc<Kind>| root(kind) == wanted;
    let (_, kinds) = versions.find(|(_, kinds)| kinds.first().is_some_and(is_wanted))?;
    let paths: Map<String, Value> = kinds.iter().map(|kind| operations(kind)).collect();
    Some(json!({
        "openapi": "3.0.0",
        "info": {"title": "Headstay sandbox", "version": super::VERSION},
        "paths": paths,
        "components": {"schemas": {}},
    }))
}

fn root(kind: &Kind) -> String {
    let root = if kind.group.is_empty() { "api" } else { "apis" };
    format!("{root}/{}", kind.api_version)
}

fn operations(kind: &Kind) -> (String, Value) {
    let namespace = if kind.namespaced { "namespaces/{namespace}/" } else { "" };
    let path = format!("/{}/{namespace}{}/{{name}}", root(kind), kind.plural);
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let parameters: Vec<Value> =
        ["dryRun", "fieldManager", "fieldValidation", "force"].map(parameter).into();
    let gvk = json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
    // Strategic merge patches are left out, so that kubectl makes them by what it knows itself: a
    // schema is needed otherwise.
    let content = json!({"application/apply-patch+yaml": {}, "application/merge-patch+json": {}});
    let operation = json!({
        "parameters": parameters,
        "requestBody": {"content": content},
        "responses": {},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": gvk,
    });
    (path, json!({"patch": operation}))
}
