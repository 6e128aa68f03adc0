//! Get and list, and the forms in which objects are answered.

use std::ops::Bound;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::sandbox::kinds::Kind;
use crate::sandbox::refusal::{Granted, Refused};
use crate::sandbox::route::{Beside, Call, View};
use crate::sandbox::select::Selector;
use crate::sandbox::state::State;
use crate::sandbox::storage::Key;
use crate::sandbox::table;
use crate::sandbox::write::in_version;

const META: &str = "meta.k8s.io/v1";

/// What is listed or watched.
pub(super) struct Range {
    pub(super) kind: Arc<Kind>,
    /// None: all namespaces.
    pub(super) namespace: Option<String>,
    pub(super) selector: Selector,
}

impl Range {
    /// What a request asks for. One that watches an object by its name selects that.
    pub(super) fn of(kind: &Arc<Kind>, call: &Call) -> Granted<Self> {
        let mut fields = call.query.text("fieldSelector").to_owned();
        if let Some(name) = &call.target.name {
            let comma = if fields.is_empty() { "" } else { "," };
            fields = format!("{fields}{comma}metadata.name={name}");
        }
        let selector = Selector::parse(kind, call.query.text("labelSelector"), &fields)?;
        Ok(Self { kind: Arc::clone(kind), namespace: call.target.namespace.clone(), selector })
    }
}

/// Where a list goes on: at which version, and after which object.
#[derive(Debug, PartialEq)]
struct Continue {
    version: u64,
    after: (String, String),
}

impl Continue {
    fn parse(token: &str) -> Granted<Self> {
        let invalid = || Refused::bad_request("invalid continue token: continue key is not valid");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
        let token: Value = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
        let version = token["rv"].as_u64().ok_or_else(invalid)?;
        let start = token["start"].as_str().ok_or_else(invalid)?;
        let (namespace, name) = start.split_once('/').ok_or_else(invalid)?;
        Ok(Self { version, after: (namespace.to_owned(), name.to_owned()) })
    }

    fn token(&self) -> String {
        let start = format!("{}/{}", self.after.0, self.after.1);
        let token = json!({"v": "meta.k8s.io/v1", "rv": self.version, "start": start});
        BASE64_URL_SAFE_NO_PAD.encode(token.to_string())
    }
}

impl State {
    /// The objects that a request selects.
    pub(super) fn selected<'a>(
        &'a self,
        range: &'a Range,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        let objects = self.store.list(&range.kind.resource, range.namespace.as_deref());
        objects.filter(|(_, object)| range.selector.matches(object))
    }

    /// The objects that a request selects, in the form that it asks for: as they are, or as they
    /// were some writes ago.
    pub(super) fn list(
        &self,
        range: &Range,
        Call { query, view, .. }: &Call,
        writes_ago: u64,
    ) -> Granted<Value> {
        let asked = query.version()?;
        let current = self.store.version().saturating_sub(writes_ago).max(self.store.oldest());
        if let Some(asked) = asked.filter(|asked| *asked > self.store.version()) {
            return Err(Refused::too_new(asked, current));
        }
        let token = query.text("continue");
        let from = if token.is_empty() { None } else { Some(Continue::parse(token)?) };
        let version = match (&from, asked) {
            (Some(from), _) => from.version,
            (None, Some(asked)) if query.text("resourceVersionMatch") == "Exact" => asked,
            _ => current,
        };
        let Range { kind, namespace, selector } = range;
        let objects = self.store.list_at(&kind.resource, namespace.as_deref(), version);
        let objects = objects.map_err(|_| {
            Refused::expired(
                "The provided continue parameter is too old to display a consistent list result. \
                 You can start a new list without the continue parameter.",
            )
        })?;
        let first =
            from.map_or(Bound::Unbounded, |Continue { after: (namespace, name), .. }| {
                Bound::Excluded(Key { resource: kind.resource.clone(), namespace, name })
            });
        let mut selected =
            objects.range((first, Bound::Unbounded)).filter(|(_, object)| selector.matches(object));
        let limit = query.number("limit").filter(|limit| *limit > 0);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let page: Vec<_> = selected.by_ref().take(limit).collect();
        let rest = selected.count();

        let mut metadata = json!({"resourceVersion": version.to_string()});
        if let Some((Key { namespace, name, .. }, _)) = page.last().filter(|_| rest > 0) {
            let next = Continue { version, after: (namespace.clone(), name.clone()) };
            metadata["continue"] = json!(next.token());
            if selector.is_empty() {
                metadata["remainingItemCount"] = json!(rest);
            }
        }
        let items = page.into_iter().map(|(_, object)| in_version(object, kind)).collect();
        Ok(collection(kind, &metadata, items, *view))
    }
}

fn collection(kind: &Kind, metadata: &Value, items: Vec<Arc<Value>>, view: View) -> Value {
    let (list, api_version, items): (&str, &str, Vec<Value>) = match view {
        View::Table(beside) => return tabled(kind, metadata, &items, beside),
        View::Metadata => {
            let items = items.iter().map(|item| metadata_only(item)).collect();
            ("PartialObjectMetadataList", META, items)
        }
        View::Whole => {
            let whole = |item: Arc<Value>| {
                let mut item = Arc::unwrap_or_clone(item);
                // Items of built-in kinds do not say their kind.
                if let Some(fields) = item.as_object_mut().filter(|_| !kind.custom) {
                    fields.shift_remove("apiVersion");
                    fields.shift_remove("kind");
                }
                item
            };
            (&kind.list_kind, &kind.api_version, items.into_iter().map(whole).collect())
        }
    };
    json!({"kind": list, "apiVersion": api_version, "metadata": metadata, "items": items})
}

/// One object in the form that a request asks for.
pub(super) fn shown(kind: &Kind, object: &Arc<Value>, view: View) -> Value {
    match view {
        // These are no objects of the kind.
        _ if object["kind"] == "Status" || object["kind"] == "Scale" => Value::clone(object),
        View::Whole => Value::clone(object),
        View::Metadata => metadata_only(object),
        View::Table(beside) => {
            let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
            // What tells no more than how far a watch is has no row.
            let named = object["metadata"]["name"].is_string();
            let rows = if named { std::slice::from_ref(object) } else { &[] };
            tabled(kind, &metadata, rows, beside)
        }
    }
}

fn tabled(kind: &Kind, metadata: &Value, objects: &[Arc<Value>], beside: Beside) -> Value {
    table::table(kind, metadata, objects, |object| match beside {
        Beside::Nothing => None,
        Beside::Metadata => Some(metadata_only(object)),
        Beside::Whole => Some(object.clone()),
    })
}

/// An object as `PartialObjectMetadata`.
fn metadata_only(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": META, "metadata": object["metadata"]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_where_to_go_on() {
        let token = Continue { version: 7, after: ("shop".into(), "web".into()) };
        assert_eq!(Continue::parse(&token.token()), Ok(token));
        assert_eq!(Continue::parse("abc").map_err(|refused| refused.code), Err(400));
    }
}
