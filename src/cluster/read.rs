//! Reading live objects.

use std::sync::PoisonError;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::cluster::answer::Answer;
use crate::cluster::call::{Call, Purpose};
use crate::cluster::error::ClusterError;
use crate::cluster::path;
use crate::domain::object::{ObjectKey, Resource};

/// Objects of a page, where a list is too large for one answer: so few that each may have the
/// largest annotations that there are.
const PAGE: usize = 200;
/// Most objects of one list; beyond it something is wrong with the selector.
const MAX_LISTED: usize = 100_000;
/// How often a list that changed too much while it was read begins again.
const MAX_RESTARTS: usize = 2;

pub(super) const JSON: &str = "application/json";
const METADATA_LIST: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

impl Cluster {
    /// The live object; none if it is not there.
    pub async fn get(
        &self,
        resource: &Resource,
        key: &ObjectKey,
    ) -> Result<Option<Value>, ClusterError> {
        let fetched = self.fetch(key.clone(), path::object(resource, key)?, JSON).await;
        match self.heed(resource, fetched) {
            Ok(answer) => Ok(Some(answer.value)),
            Err(ClusterError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The version of every object of a kind that a label selector matches, in a namespace or (none)
    /// in all. It is one call, unless they are too many for one answer, and as new as the API server's
    /// own state: a list from its cache may be older than what we wrote last.
    pub async fn list_versions(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<LiveVersion>, ClusterError> {
        let paged = || self.shared.paged.lock().unwrap_or_else(PoisonError::into_inner);
        let collection = path::collection(resource, namespace);
        let whole = path::with_query(&collection, &[("labelSelector", selector)]);
        let needs_pages = paged().contains(&whole);
        if !needs_pages {
            match self.list_pages(resource, namespace, selector, None).await {
                // Lists seldom shrink: what was thrown away is not asked for again at each look.
                Err(ClusterError::AnswerTooLarge { .. }) => paged().insert(whole),
                listed => return listed,
            };
        }
        let mut restarts = 0;
        loop {
            match self.list_pages(resource, namespace, selector, Some(PAGE)).await {
                Err(ClusterError::Expired { .. }) if restarts < MAX_RESTARTS => restarts += 1,
                listed => return listed,
            }
        }
    }

    /// Objects of a kind, for what needs them whole: the Pods and events behind a failure. At most
    /// `limit`, and in the order of the API server, which is that of their names.
    pub async fn list(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        label_selector: &str,
        field_selector: &str,
        limit: usize,
    ) -> Result<Vec<Value>, ClusterError> {
        let limit = limit.to_string();
        let mut query = vec![("limit", limit.as_str())];
        if !label_selector.is_empty() {
            query.push(("labelSelector", label_selector));
        }
        if !field_selector.is_empty() {
            query.push(("fieldSelector", field_selector));
        }
        let uri = path::with_query(&path::collection(resource, namespace), &query);
        let mut answer = self.fetch(every(resource, namespace), uri, JSON).await?;
        let mut items = take_items(&mut answer.value);
        for item in &mut items {
            name_kind(item, resource);
        }
        Ok(items)
    }

    async fn list_pages(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &str,
        page: Option<usize>,
    ) -> Result<Vec<LiveVersion>, ClusterError> {
        let object = every(resource, namespace);
        let path = path::collection(resource, namespace);
        let limit = page.map(|page| page.to_string());
        let (mut listed, mut next) = (Vec::new(), String::new());
        loop {
            let mut query = vec![("labelSelector", selector)];
            query.extend(limit.as_deref().map(|limit| ("limit", limit)));
            if !next.is_empty() {
                query.push(("continue", &next));
            }
            let uri = path::with_query(&path, &query);
            let call = read(object.clone(), uri, METADATA_LIST);
            let answer = self.shared.caller.send_for(&call).await;
            let list: MetadataList = self.heed(resource, answer)?.value;
            let items = list.items.into_iter().flatten();
            listed.extend(items.map(|item| item.metadata.of(resource)));
            if listed.len() > MAX_LISTED {
                let message = format!("more than {MAX_LISTED} objects match `{selector}`");
                return Err(ClusterError::Unexpected { object: Box::new(object), message });
            }
            next = list.metadata.next;
            if next.is_empty() {
                return Ok(listed);
            }
        }
    }

    async fn fetch(
        &self,
        object: ObjectKey,
        uri: String,
        accept: &'static str,
    ) -> Result<Answer, ClusterError> {
        self.shared.caller.send(&read(object, uri, accept)).await
    }
}

fn read(object: ObjectKey, uri: String, accept: &'static str) -> Call<'static> {
    Call {
        object,
        purpose: Purpose::Read,
        method: Method::GET,
        uri,
        accept,
        body: None,
        repeat_conflict: true,
    }
}

/// A live object, as far as a list tells whether it was written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveVersion {
    /// The object.
    pub key: ObjectKey,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
}

/// What is kept of a list while it is read; the rest, managed fields above all, is skipped.
#[derive(Deserialize)]
struct MetadataList {
    metadata: ListMetadata,
    items: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct ListMetadata {
    #[serde(default, rename = "continue")]
    next: String,
}

#[derive(Deserialize)]
struct Item {
    metadata: ItemMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemMetadata {
    namespace: Option<String>,
    name: String,
    resource_version: String,
}

impl ItemMetadata {
    fn of(self, resource: &Resource) -> LiveVersion {
        let Self { namespace, name, resource_version } = self;
        let (group, kind) = (resource.group.clone(), resource.kind.clone());
        LiveVersion { key: ObjectKey { group, kind, namespace, name }, resource_version }
    }
}

/// Stands for every object of a kind in errors.
pub(super) fn every(resource: &Resource, namespace: Option<&str>) -> ObjectKey {
    ObjectKey {
        group: resource.group.clone(),
        kind: resource.kind.clone(),
        namespace: namespace.map(str::to_owned),
        name: "*".into(),
    }
}

/// Items of a list do not say what they are.
pub(super) fn name_kind(item: &mut Value, resource: &Resource) {
    if let Some(item) = item.as_object_mut() {
        item.insert("apiVersion".into(), json!(resource.api_version()));
        item.insert("kind".into(), json!(resource.kind));
    }
}

fn take_items(list: &mut Value) -> Vec<Value> {
    match list.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response, StatusCode};
    use kube::client::Body;

    use super::*;
    use crate::cluster::call::MAX_ANSWER;
    use crate::cluster::testing::answering;

    #[tokio::test]
    async fn a_list_that_was_too_large_is_asked_for_in_pages_from_then_on() {
        let (caller, sent) = answering(1, |request: &Request<Body>| {
            let paged = request.uri().query().is_some_and(|query| query.contains("limit="));
            let small = || br#"{"metadata": {}, "items": []}"#.to_vec();
            let body = if paged { small() } else { vec![b' '; MAX_ANSWER + 1] };
            Response::builder().status(StatusCode::OK).body(Body::from(body)).ok()
        });
        let cluster = Cluster::of(caller);
        let resource = Resource {
            group: String::new(),
            version: "v1".into(),
            kind: "ConfigMap".into(),
            plural: "configmaps".into(),
            namespaced: true,
        };
        for calls in [2, 3] {
            let listed = cluster.list_versions(&resource, Some("shop"), "a=b").await.unwrap();
            assert_eq!((listed, sent.lock().unwrap().len()), (Vec::new(), calls));
        }
        let hour = Duration::from_hours(1);
        assert!(cluster.shared.caller.answered_within(hour));
    }
}
