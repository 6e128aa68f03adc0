//! Which kinds a cluster serves: asked for once, kept, and asked for again on an unknown kind.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use kube::core::discovery::v2::{APIGroupDiscovery, APIGroupDiscoveryList};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::cluster::Cluster;
use crate::cluster::call::{CALL_TIMEOUT, Call, Purpose};
use crate::cluster::error::ClusterError;
use crate::domain::object::{GroupKind, ObjectKey, Resource};

/// An unknown kind does not cause a new look before the last one is this old.
const MIN_AGE: Duration = Duration::from_secs(2);
/// One answer with all groups, versions and kinds (stable since Kubernetes 1.30, there since 1.26).
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

/// Group, version and kind.
pub type VersionedKind = (String, String, String);

/// What is known of a cluster's kinds; cheap to make, filled at first use.
#[derive(Default)]
pub(super) struct Discovery {
    known: Mutex<Option<(Instant, Arc<Kinds>)>>,
}

/// The kinds that a cluster served at one moment.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    exact: HashMap<VersionedKind, Resource>,
    /// The versions of each kind that are served, the preferred one first.
    versions: HashMap<GroupKind, Vec<Resource>>,
}

impl Kinds {
    fn add(&mut self, discovered: APIGroupDiscovery) {
        let group = discovered.metadata.and_then(|metadata| metadata.name).unwrap_or_default();
        for version in discovered.versions {
            let Some(name) = version.version else { continue };
            for kind in version.resources {
                let (Some(plural), Some(response)) = (kind.resource, kind.response_kind) else {
                    continue;
                };
                let resource = Resource {
                    group: group.clone(),
                    version: name.clone(),
                    kind: response.kind.unwrap_or_default(),
                    plural,
                    namespaced: kind.scope.as_deref() == Some("Namespaced"),
                };
                self.versions.entry(resource.group_kind()).or_default().push(resource.clone());
                let Resource { group, version, kind, .. } = &resource;
                let exact = (group.clone(), version.clone(), kind.clone());
                self.exact.entry(exact).or_insert(resource);
            }
        }
    }

    /// Whether objects of this group and kind are served in an `apiVersion`.
    pub(super) fn serves(&self, kind: &GroupKind, api_version: &str) -> bool {
        let versions = self.versions.get(kind);
        versions.is_some_and(|all| all.iter().any(|one| one.api_version() == api_version))
    }
}

impl Cluster {
    /// What the cluster serves of these kinds; one that it does not serve is left out. Discovery is
    /// repeated once when a kind is unknown, unless that was just done.
    pub async fn resources(
        &self,
        kinds: &BTreeSet<VersionedKind>,
    ) -> Result<HashMap<VersionedKind, Resource>, ClusterError> {
        let known =
            self.kinds(|known| kinds.iter().all(|kind| known.exact.contains_key(kind))).await?;
        let found =
            kinds.iter().filter_map(|kind| Some((kind.clone(), known.exact.get(kind)?.clone())));
        Ok(found.collect())
    }

    /// How objects of a kind are reached: in this version, or if it is gone in the one that the
    /// cluster prefers. None when the cluster does not serve the kind at all, which does not prove
    /// that its objects are gone: the server behind an `APIService` may be down.
    pub async fn resource_for(
        &self,
        kind: &GroupKind,
        version: &str,
    ) -> Result<Option<Resource>, ClusterError> {
        let known = self.kinds(|known| known.versions.contains_key(kind)).await?;
        let versions = known.versions.get(kind).map_or(&[][..], Vec::as_slice);
        let same = versions.iter().find(|resource| resource.version == version);
        Ok(same.or(versions.first()).cloned())
    }

    /// Makes the next question ask the cluster again: after a `CustomResourceDefinition` changed.
    pub async fn forget_discovery(&self) {
        *self.shared.discovery.known.lock().await = None;
    }

    /// The kinds as last seen, if that is `enough` or fresh; else as they are now.
    pub(super) async fn kinds(
        &self,
        enough: impl Fn(&Kinds) -> bool,
    ) -> Result<Arc<Kinds>, ClusterError> {
        // Held while asking, so that many who miss a kind cause one look.
        let turn = timeout(CALL_TIMEOUT, self.shared.discovery.known.lock()).await;
        let mut known = turn.map_err(|_| ClusterError::NoTurn {
            object: Box::new(every_kind("/apis")),
            after: CALL_TIMEOUT,
        })?;
        if let Some((at, kinds)) = &*known
            && (enough(kinds) || at.elapsed() < MIN_AGE)
        {
            return Ok(Arc::clone(kinds));
        }
        let mut kinds = Kinds::default();
        for path in ["/api", "/apis"] {
            for group in self.discover(path).await?.items {
                kinds.add(group);
            }
        }
        let kinds = Arc::new(kinds);
        *known = Some((Instant::now(), Arc::clone(&kinds)));
        Ok(kinds)
    }

    async fn discover(&self, path: &str) -> Result<APIGroupDiscoveryList, ClusterError> {
        let object = every_kind(path);
        let call = Call {
            object: object.clone(),
            purpose: Purpose::Read,
            method: Method::GET,
            uri: path.to_owned(),
            accept: AGGREGATED,
            body: None,
            repeat_conflict: true,
        };
        let answer = self.shared.caller.send(&call).await?;
        let unexpected =
            |message: String| ClusterError::Unexpected { object: Box::new(object), message };
        if answer.value["kind"] != "APIGroupDiscoveryList" {
            let needed = "no aggregated discovery: Kubernetes 1.26 or newer is needed";
            return Err(unexpected(needed.to_owned()));
        }
        serde_json::from_value(answer.value).map_err(|error| unexpected(error.to_string()))
    }
}

/// Stands for what discovery answers with in errors.
fn every_kind(path: &str) -> ObjectKey {
    ObjectKey {
        group: String::new(),
        kind: "APIGroupDiscoveryList".into(),
        namespace: None,
        name: path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds_are_found_by_version_and_without() {
        let resource = |plural: &str, kind: &str| {
            json!({"resource": plural, "responseKind": {"group": "", "version": "", "kind": kind},
                   "scope": "Namespaced"})
        };
        let group = json!({"metadata": {"name": "ex.org"}, "versions": [
            {"version": "v2", "resources": [resource("gears", "Gear")]},
            {"version": "v1", "resources": [resource("gears", "Gear"), resource("cogs", "Cog")]}]});
        let mut kinds = Kinds::default();
        kinds.add(serde_json::from_value(group).unwrap());
        let gear = GroupKind { group: "ex.org".into(), kind: "Gear".into() };
        let versions: Vec<_> = kinds.versions[&gear].iter().map(Resource::api_version).collect();
        assert_eq!(versions, ["ex.org/v2", "ex.org/v1"]);
        assert!(kinds.exact.contains_key(&("ex.org".into(), "v1".into(), "Cog".into())));
        assert!(!kinds.exact.contains_key(&("ex.org".into(), "v2".into(), "Cog".into())));
        assert!(kinds.serves(&gear, "ex.org/v1") && !kinds.serves(&gear, "ex.org/v3"));
    }
}
