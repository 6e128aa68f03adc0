//! Get and list, and the forms in which objects are answered.

use std::ops::Bound;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::sandbox::kinds::Kind;
use crate::sandbox::refusal::Refused;
use crate::sandbox::route::{Query, View};
use crate::sandbox::select::Selector;
use crate::sandbox::state::State;
use crate::sandbox::storage::Key;
use crate::sandbox::table;
use crate::sandbox::write::in_version;

/// What is listed or watched.
pub(super) struct Range<'a> {
    pub(super) kind: &'a Kind,
    /// None: all namespaces.
    pub(super) namespace: Option<&'a str>,
    pub(super) selector: Selector,
}

impl<'a> Range<'a> {
    /// What a request asks for. `name` is for requests that watch one object.
    pub(super) fn of(
        kind: &'a Kind,
        namespace: Option<&'a str>,
        query: &Query,
        name: Option<&str>,
    ) -> Result<Self, Refused> {
        let mut fields = query.text("fieldSelector").to_owned();
        if let Some(name) = name {
            let comma = if fields.is_empty() { "" } else { "," };
            fields = format!("{fields}{comma}metadata.name={name}");
        }
        let selector = Selector::parse(kind, query.text("labelSelector"), &fields)?;
        Ok(Self { kind, namespace, selector })
    }
}

/// Where a list goes on: at which version, and after which object.
#[derive(Debug, PartialEq)]
struct Continue {
    version: u64,
    after: (String, String),
}

impl Continue {
    fn parse(token: &str) -> Result<Self, Refused> {
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
    /// Where the objects are that a request selects.
    pub(super) fn selected(&self, range: &Range<'_>) -> Vec<Key> {
        let resource = range.kind.resource();
        let objects = self.store.list(&resource, range.namespace);
        let selected = objects.filter(|(_, object)| range.selector.matches(object));
        selected.map(|(key, _)| key.clone()).collect()
    }

    /// The objects that a request selects, in the form that it asks for: as they are, or as they
    /// were some writes ago.
    pub(super) fn list(
        &self,
        range: &Range<'_>,
        query: &Query,
        view: View,
        writes_ago: u64,
    ) -> Result<Value, Refused> {
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
        let resource = range.kind.resource();
        let objects = self.store.list_at(&resource, range.namespace, version).map_err(|_| {
            Refused::expired(
                "The provided continue parameter is too old to display a consistent list result. \
                 You can start a new list without the continue parameter.",
            )
        })?;
        let first =
            from.map_or(Bound::Unbounded, |Continue { after: (namespace, name), .. }| {
                Bound::Excluded(Key { resource, namespace, name })
            });
        let mut selected = objects
            .range((first, Bound::Unbounded))
            .filter(|(_, object)| range.selector.matches(object));
        let limit = query.number("limit").filter(|limit| *limit > 0);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let page: Vec<_> = selected.by_ref().take(limit).collect();
        let rest = selected.count();

        let mut metadata = json!({"resourceVersion": version.to_string()});
        if let Some((Key { namespace, name, .. }, _)) = page.last().filter(|_| rest > 0) {
            let next = Continue { version, after: (namespace.clone(), name.clone()) };
            metadata["continue"] = json!(next.token());
            if range.selector.is_empty() {
                metadata["remainingItemCount"] = json!(rest);
            }
        }
        let items = page.into_iter().map(|(_, object)| in_version(object, range.kind)).collect();
        Ok(collection(range.kind, &metadata, items, query, view))
    }
}

fn collection(
    kind: &Kind,
    metadata: &Value,
    items: Vec<Arc<Value>>,
    query: &Query,
    view: View,
) -> Value {
    match view {
        View::Table => table::table(kind, metadata, &items, query.text("includeObject")),
        View::Metadata => {
            let items: Vec<Value> = items.iter().map(|item| metadata_only(item)).collect();
            json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                   "metadata": metadata, "items": items})
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
            let items: Vec<Value> = items.into_iter().map(whole).collect();
            json!({"kind": kind.list_kind, "apiVersion": kind.api_version(), "metadata": metadata,
                   "items": items})
        }
    }
}

/// One object in the form that a request asks for.
pub(super) fn shown(kind: &Kind, object: &Arc<Value>, query: &Query, view: View) -> Value {
    match view {
        // A `Status` is no object of the kind.
        _ if object["kind"] == "Status" => Value::clone(object),
        View::Whole => Value::clone(object),
        View::Metadata => metadata_only(object),
        View::Table => {
            let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
            table::table(kind, &metadata, &[Arc::clone(object)], query.text("includeObject"))
        }
    }
}

/// An object as `PartialObjectMetadata`.
pub(super) fn metadata_only(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
           "metadata": object["metadata"]})
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
