//! Watching the objects of a kind: a list, then what changes, without end.

use std::borrow::Cow;

use futures::{Stream, StreamExt};
use kube::Api;
use kube::core::{ApiResource, DynamicResourceScope, ObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Config, DefaultBackoff, Event};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::cluster::error::ClusterError;
use crate::cluster::read::{every, name_kind};
use crate::cluster::status::classify;
use crate::domain::object::{ObjectKey, Resource};

/// Objects that are asked for at once when a watch begins.
const PAGE: u32 = 250;

/// Something that a watch saw.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchEvent {
    /// The list begins, at first or again. What was seen before and is not
    /// [`Listed`](Self::Listed) until [`InitDone`](Self::InitDone) is gone, without a
    /// [`Deleted`](Self::Deleted) of its own.
    Restarted,
    /// An object of the list.
    Listed(Box<Live>),
    /// The list is complete.
    InitDone,
    /// An object was created or changed, by us or by others.
    Applied(Box<Live>),
    /// An object was deleted, or the selector no longer matches it: read it before believing it.
    Deleted(Box<Live>),
}

/// A live object as a watch keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Its name.
    pub key: ObjectKey,
    /// The object, without `metadata.managedFields`, which is often the largest part of it.
    pub object: Value,
}

impl Cluster {
    /// Watches the objects of a kind that a label selector matches, in a namespace or (none) in all.
    /// The stream never ends; after an error it goes on with a growing pause, and lists again when
    /// it fell behind.
    pub fn watch(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &str,
    ) -> impl Stream<Item = Result<WatchEvent, ClusterError>> + Send + use<> {
        let kind = ApiResource {
            group: resource.group.clone(),
            version: resource.version.clone(),
            api_version: resource.api_version(),
            kind: resource.kind.clone(),
            plural: resource.plural.clone(),
        };
        let client = self.shared.caller.client();
        let api = match namespace.filter(|_| resource.namespaced) {
            Some(namespace) => Api::<Raw>::namespaced_with(client, namespace, &kind),
            None => Api::all_with(client, &kind),
        };
        // A plain list, then a watch: streaming lists fail on older versions of etcd.
        let config = Config::default().labels(selector).page_size(PAGE);
        let (every, resource) = (every(resource, namespace), resource.clone());
        let cluster = self.clone();
        watcher::watcher(api, config).backoff(DefaultBackoff::default()).map(move |event| {
            match event {
                Ok(event) => seen(&resource, &every, event),
                Err(error) => cluster.heed(&resource, Err(failed(&every, error))),
            }
        })
    }
}

fn seen(
    resource: &Resource,
    every: &ObjectKey,
    event: Event<Raw>,
) -> Result<WatchEvent, ClusterError> {
    let live = |raw: Raw| {
        live(resource, raw.object).map(Box::new).ok_or_else(|| ClusterError::Unexpected {
            object: Box::new(every.clone()),
            message: "an object without a name".into(),
        })
    };
    Ok(match event {
        Event::Init => WatchEvent::Restarted,
        Event::InitApply(object) => WatchEvent::Listed(live(object)?),
        Event::InitDone => WatchEvent::InitDone,
        Event::Apply(object) => WatchEvent::Applied(live(object)?),
        Event::Delete(object) => WatchEvent::Deleted(live(object)?),
    })
}

fn live(resource: &Resource, mut object: Value) -> Option<Live> {
    name_kind(&mut object, resource);
    let key = resource.key_of(&object)?;
    object["metadata"].as_object_mut()?.remove("managedFields");
    Some(Live { key, object })
}

/// An object as it comes. `DynamicObject` would read all of its metadata into types of their own,
/// only for them to be made JSON again: several times the work, at each event.
#[derive(Debug, Clone)]
struct Raw {
    object: Value,
    /// What the watcher itself reads: `resourceVersion`, and nothing else.
    meta: ObjectMeta,
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Value::deserialize(deserializer)?;
        let resource_version = object["metadata"]["resourceVersion"].as_str().map(str::to_owned);
        Ok(Self { object, meta: ObjectMeta { resource_version, ..ObjectMeta::default() } })
    }
}

impl kube::Resource for Raw {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(kind: &ApiResource) -> Cow<'_, str> {
        kind.kind.as_str().into()
    }

    fn group(kind: &ApiResource) -> Cow<'_, str> {
        kind.group.as_str().into()
    }

    fn version(kind: &ApiResource) -> Cow<'_, str> {
        kind.version.as_str().into()
    }

    fn plural(kind: &ApiResource) -> Cow<'_, str> {
        kind.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

fn failed(every: &ObjectKey, error: watcher::Error) -> ClusterError {
    use watcher::Error::{
        InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed,
    };
    match error {
        WatchError(status)
        | InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status)) => classify(&status, every),
        InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => {
            ClusterError::Unreachable { object: Box::new(every.clone()), source: error.into() }
        }
        NoResourceVersion => ClusterError::Unexpected {
            object: Box::new(every.clone()),
            message: "it cannot be watched".into(),
        },
    }
}
