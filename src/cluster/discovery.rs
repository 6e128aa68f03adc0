//! Which kinds a cluster serves: asked for once, kept, and asked for again on an unknown kind, or
//! when one that was known is answered with 404.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex as Locked, MutexGuard, PoisonError};
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
pub(super) const MIN_AGE: Duration = Duration::from_secs(2);
/// Longest pause between two looks for a kind that does not come; each pause is twice the one before.
/// A definition that we apply ourselves ends all of them.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// Most kinds of which it is remembered that they were looked for in vain; beyond it, of none.
const MAX_MISSES: usize = 1000;
/// One answer with all groups, versions and kinds (stable since Kubernetes 1.30, there since 1.26).
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
/// What discovery says of a version whose server could not be asked.
const STALE: &str = "Stale";

/// Group, version and kind.
pub type VersionedKind = (String, String, String);

/// What is known of a cluster's kinds; cheap to make, filled at first use.
#[derive(Default)]
pub(super) struct Discovery {
    known: Mutex<Option<(Instant, Arc<Kinds>)>>,
    misses: Locked<Misses>,
}

impl Discovery {
    fn misses(&self) -> MutexGuard<'_, Misses> {
        self.misses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A kind that is looked for, in a version or (none) in any.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Ask {
    pub(super) kind: GroupKind,
    pub(super) version: Option<String>,
}

/// The kinds that were looked for in vain, or were known and then answered with 404.
#[derive(Default)]
struct Misses {
    of: HashMap<Ask, Miss>,
}

struct Miss {
    /// When it may be looked for again.
    again: Instant,
    /// How long that was put off.
    pause: Duration,
    /// Whether what discovery says of it was proved wrong since.
    doubted: bool,
}

impl Misses {
    /// Whether a new look for a kind is due: it is not known, or what is known of it is in doubt, and
    /// the pause after the last look in vain is over.
    fn is_due(&self, ask: &Ask, known: &Kinds, now: Instant) -> bool {
        match self.of.get(ask) {
            Some(miss) => (miss.doubted || !known.has(ask)) && miss.again <= now,
            None => !known.has(ask),
        }
    }

    fn doubt(&mut self, ask: Ask, now: Instant) {
        self.make_room();
        let new = Miss { again: now, pause: Duration::ZERO, doubted: true };
        let miss = self.of.entry(ask).or_insert(new);
        miss.doubted = true;
    }

    /// Takes in a look that these kinds were the reason of.
    fn looked(&mut self, asked: &[Ask], found: &Kinds, now: Instant) {
        self.of.retain(|ask, miss| {
            miss.doubted || !found.has(ask) || now.duration_since(miss.again) < MAX_PAUSE
        });
        for ask in asked {
            let doubted = self.of.get(ask).is_some_and(|miss| miss.doubted);
            if found.has(ask) && !doubted {
                continue;
            }
            self.make_room();
            let before = self.of.get(ask).map_or(Duration::ZERO, |miss| miss.pause);
            let pause = (before * 2).clamp(MIN_AGE, MAX_PAUSE);
            self.of.insert(ask.clone(), Miss { again: now + pause, pause, doubted: false });
        }
    }

    fn make_room(&mut self) {
        if self.of.len() >= MAX_MISSES {
            self.of.clear();
        }
    }
}

/// The kinds that a cluster served at one moment.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    exact: HashMap<VersionedKind, Resource>,
    /// The versions of each kind that are served, the preferred one first.
    versions: HashMap<GroupKind, Vec<Resource>>,
    groups: HashSet<String>,
    /// The groups of which a version could not be asked for: its own server was away.
    stale: HashSet<String>,
}

impl Kinds {
    fn add(&mut self, discovered: APIGroupDiscovery) {
        let group = discovered.metadata.and_then(|metadata| metadata.name).unwrap_or_default();
        self.groups.insert(group.clone());
        for version in discovered.versions {
            if version.freshness.as_deref() == Some(STALE) {
                self.stale.insert(group.clone());
            }
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

    /// How objects of a kind are reached: in this version, or if it is gone in the preferred one.
    pub(super) fn reach(&self, kind: &GroupKind, version: &str) -> Option<&Resource> {
        let versions = self.versions.get(kind)?;
        versions.iter().find(|resource| resource.version == version).or(versions.first())
    }

    /// Whether objects of this group and kind are served in an `apiVersion`.
    pub(super) fn serves(&self, kind: &GroupKind, api_version: &str) -> bool {
        let versions = self.versions.get(kind);
        versions.is_some_and(|all| all.iter().any(|one| one.api_version() == api_version))
    }

    /// Whether anything of a group is served.
    pub(super) fn has_group(&self, group: &str) -> bool {
        self.groups.contains(group)
    }

    /// Whether a group may have kinds that its server, which is away, did not tell of.
    pub(super) fn is_stale(&self, group: &str) -> bool {
        self.stale.contains(group)
    }

    fn has(&self, ask: &Ask) -> bool {
        let versions = self.versions.get(&ask.kind);
        versions.is_some_and(|all| {
            ask.version.as_ref().is_none_or(|version| all.iter().any(|one| one.version == *version))
        })
    }
}

impl Cluster {
    /// What the cluster serves of these kinds; one that it does not serve is left out. Discovery is
    /// repeated when a kind is unknown, with growing pauses when it does not come.
    pub async fn resources(
        &self,
        kinds: &BTreeSet<VersionedKind>,
    ) -> Result<HashMap<VersionedKind, Resource>, ClusterError> {
        let asks = kinds.iter().map(|(group, version, kind)| Ask {
            kind: GroupKind { group: group.clone(), kind: kind.clone() },
            version: Some(version.clone()),
        });
        let known = self.kinds(&asks.collect::<Vec<_>>()).await?;
        let found =
            kinds.iter().filter_map(|kind| Some((kind.clone(), known.exact.get(kind)?.clone())));
        Ok(found.collect())
    }

    /// How objects of a kind are reached: in this version, or if it is gone in the one that the
    /// cluster prefers. None when the cluster does not serve the kind at all, which does not prove
    /// that its objects are gone: [`serving`](Self::serving) tells.
    pub async fn resource_for(
        &self,
        kind: &GroupKind,
        version: &str,
    ) -> Result<Option<Resource>, ClusterError> {
        let known = self.kinds(&[Ask { kind: kind.clone(), version: None }]).await?;
        Ok(known.reach(kind, version).cloned())
    }

    /// Makes the next question ask the cluster again: after a `CustomResourceDefinition` changed.
    pub async fn forget_discovery(&self) {
        let mut known = self.shared.discovery.known.lock().await;
        *known = None;
        self.shared.discovery.misses().of.clear();
        self.shared.expectations.forget();
        self.shared.unserved.forget();
    }

    /// Passes an answer on, and notes when it says that a kind that was known is not served.
    pub(super) fn heed<T>(
        &self,
        resource: &Resource,
        answer: Result<T, ClusterError>,
    ) -> Result<T, ClusterError> {
        if let Err(ClusterError::KindMissing { .. }) = &answer {
            let (kind, version) = (resource.group_kind(), resource.version.clone());
            let mut misses = self.shared.discovery.misses();
            let now = Instant::now();
            misses.doubt(Ask { kind: kind.clone(), version: None }, now);
            misses.doubt(Ask { kind, version: Some(version) }, now);
        }
        answer
    }

    /// The kinds as last seen, if what is asked for is among them or was just looked for in vain; else
    /// as they are now.
    pub(super) async fn kinds(&self, asked: &[Ask]) -> Result<Arc<Kinds>, ClusterError> {
        let discovery = &self.shared.discovery;
        // Held while asking, so that many who miss a kind cause one look.
        let turn = timeout(CALL_TIMEOUT, discovery.known.lock()).await;
        let mut known = turn.map_err(|_| ClusterError::NoTurn {
            object: Box::new(every_kind("/apis")),
            after: CALL_TIMEOUT,
        })?;
        let now = Instant::now();
        if let Some((at, kinds)) = &*known {
            let misses = discovery.misses();
            let due = |ask: &&Ask| misses.is_due(ask, kinds, now);
            // What contradicts the last look needs no age of it.
            let doubted = |ask: &Ask| misses.of.get(ask).is_some_and(|miss| miss.doubted);
            let old = now.duration_since(*at) >= MIN_AGE;
            if !asked.iter().filter(due).any(|ask| old || doubted(ask)) {
                return Ok(Arc::clone(kinds));
            }
        }
        let mut kinds = Kinds::default();
        for path in ["/api", "/apis"] {
            for group in self.discover(path).await?.items {
                kinds.add(group);
            }
        }
        let kinds = Arc::new(kinds);
        discovery.misses().looked(asked, &kinds, Instant::now());
        *known = Some((now, Arc::clone(&kinds)));
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
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};
    use tokio::time::advance;

    use super::*;
    use crate::cluster::testing::answering;

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
    fn ask(kind: &str) -> Ask {
        Ask { kind: GroupKind { group: "ex.org".into(), kind: kind.into() }, version: None }
    }

    fn serving(kinds: &[&str]) -> Value {
        let resource = |kind: &&str| {
            json!({"resource": kind.to_lowercase(), "responseKind": {"kind": kind},
                   "scope": "Cluster"})
        };
        let resources: Vec<Value> = kinds.iter().map(resource).collect();
        json!({"kind": "APIGroupDiscoveryList", "items": [{"metadata": {"name": "ex.org"},
               "versions": [{"version": "v1", "resources": resources}]}]})
    }

    /// A cluster that serves what is in the list at that moment, and how often it was looked at.
    fn cluster(served: &Arc<Locked<Vec<&'static str>>>) -> (Cluster, impl Fn() -> usize + use<>) {
        let served = Arc::clone(served);
        let (caller, sent) = answering(4, move |request: &Request<Body>| {
            let all = served.lock().unwrap().clone();
            let body = match request.uri().path() {
                "/apis" => serving(&all),
                _ => serving(&[]),
            };
            Response::builder().body(Body::from(body.to_string().into_bytes())).ok()
        });
        let looks = move || sent.lock().unwrap().iter().filter(|path| *path == "/apis").count();
        (Cluster::of(caller), looks)
    }

    #[tokio::test(start_paused = true)]
    async fn a_kind_that_does_not_come_is_looked_for_with_growing_pauses() {
        let served = Arc::default();
        let (cluster, looks) = cluster(&served);
        for _ in 0..600 {
            let found = cluster.resource_for(&ask("Gear").kind, "v1").await.unwrap();
            assert_eq!(found, None);
            advance(Duration::from_secs(1)).await;
        }
        // 2, 4, 8, 16 seconds, then every 30.
        assert!((20..=26).contains(&looks()), "{}", looks());
        let before = looks();
        cluster.resource_for(&ask("Cog").kind, "v1").await.unwrap();
        assert_eq!(looks(), before + 1, "another kind does not wait for it");
        served.lock().unwrap().push("Gear");
        cluster.forget_discovery().await;
        assert!(cluster.resource_for(&ask("Gear").kind, "v1").await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_404_makes_what_is_known_of_a_kind_be_asked_for_anew() {
        let served = Arc::new(Locked::new(vec!["Gear"]));
        let (cluster, looks) = cluster(&served);
        let gear = ask("Gear").kind;
        let resource = cluster.resource_for(&gear, "v1").await.unwrap().unwrap();
        let missing = || ClusterError::KindMissing { object: Box::new(every_kind("/apis")) };
        served.lock().unwrap().clear();
        assert_eq!(cluster.resource_for(&gear, "v1").await.unwrap(), Some(resource.clone()));
        cluster.heed::<()>(&resource, Err(missing())).unwrap_err();
        assert_eq!(cluster.resource_for(&gear, "v1").await.unwrap(), None, "at once");
        assert_eq!(looks(), 2);

        // Discovery that goes on to name what is not served is not asked all the time either.
        served.lock().unwrap().push("Gear");
        advance(Duration::from_mins(5)).await;
        for _ in 0..600 {
            cluster.heed::<()>(&resource, Err(missing())).unwrap_err();
            cluster.resource_for(&gear, "v1").await.unwrap();
            advance(Duration::from_secs(1)).await;
        }
        assert!((20..=28).contains(&looks()), "{}", looks());
    }
}
