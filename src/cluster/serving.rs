//! Whether a cluster serves a kind, and if not, whether its objects are gone with it.
//!
//! Discovery alone proves no absence: it comes from caches, and the server behind an `APIService` may
//! be away. What it does not list is gone when nothing that could serve it is there either.

use crate::cluster::Cluster;
use crate::cluster::discovery::{Ask, Kinds, MIN_AGE};
use crate::cluster::error::ClusterError;
use crate::cluster::kept::Kept;
use crate::domain::object::{GroupKind, ObjectKey, Resource};

/// What a cluster says of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serving {
    /// Its objects are reached so.
    Served(Resource),
    /// It is not served, and neither are its objects there: its definition is gone, and they went with
    /// it, or the API server is of a version that does not know it any more.
    Gone,
    /// It is not served now, for this reason, and its objects may well be there.
    Unknown(String),
}

/// What became of the kinds that are not served. It is asked for object by object, and costs lists.
pub(super) type Unserved = Kept<GroupKind, Serving>;

impl Cluster {
    /// How objects of a kind are reached: in this version, or if it is gone in the one that the
    /// cluster prefers; or what became of them.
    pub async fn serving(&self, kind: &GroupKind, version: &str) -> Result<Serving, ClusterError> {
        let known = self.kinds(&[Ask { kind: kind.clone(), version: None }]).await?;
        if let Some(resource) = known.reach(kind, version) {
            return Ok(Serving::Served(resource.clone()));
        }
        let ask = || async { Ok((self.unserved(kind, &known).await?, MIN_AGE)) };
        self.shared.unserved.answer(kind, ask).await
    }

    /// What became of a kind that discovery does not know.
    async fn unserved(&self, kind: &GroupKind, known: &Kinds) -> Result<Serving, ClusterError> {
        let group = &kind.group;
        if known.is_stale(group) {
            let why = format!("the server behind the API group `{group}` does not answer");
            return Ok(Serving::Unknown(why));
        }
        // These are read from what the API server has stored, not from what it has learned of it.
        let witness = match self.defined(kind).await {
            Ok(None) if !known.has_group(group) => self.registered(group).await,
            defined => defined,
        };
        match witness {
            Ok(None) => Ok(Serving::Gone),
            Ok(Some(why)) => Ok(Serving::Unknown(why)),
            Err(ClusterError::Forbidden { object, .. }) => Ok(Serving::Unknown(format!(
                "it is not served, and whether its objects are gone cannot be told without the right \
                 to list {}",
                object.kind
            ))),
            Err(error) => Err(error),
        }
    }

    /// Whether a definition of the kind is there, although it is not served.
    async fn defined(&self, kind: &GroupKind) -> Result<Option<String>, ClusterError> {
        let definitions = standard(
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
            "customresourcedefinitions",
        );
        // A definition is called `{plural}.{group}`, and only the kind is known here.
        for key in self.named_so(&definitions, &kind.group).await? {
            let definition = self.get(&definitions, &key).await?;
            if definition.is_some_and(|it| it["spec"]["names"]["kind"] == *kind.kind) {
                let name = key.name;
                return Ok(Some(format!(
                    "the CustomResourceDefinition `{name}` does not serve it"
                )));
            }
        }
        Ok(None)
    }

    /// Whether a server is registered for a group that is not served.
    async fn registered(&self, group: &str) -> Result<Option<String>, ClusterError> {
        let services = standard("apiregistration.k8s.io", "APIService", "apiservices");
        // An `APIService` is called `{version}.{group}`.
        let found = self.named_so(&services, group).await?.into_iter().next();
        Ok(found.map(|key| format!("the APIService `{}` does not serve it", key.name)))
    }

    /// The objects that are called `{something}.{group}`.
    async fn named_so(
        &self,
        resource: &Resource,
        group: &str,
    ) -> Result<Vec<ObjectKey>, ClusterError> {
        let all = match self.list_versions(resource, None, "").await {
            Err(ClusterError::KindMissing { .. }) => Vec::new(),
            listed => listed?,
        };
        let of_group = |key: &ObjectKey| key.name.split_once('.').is_some_and(|(_, g)| g == group);
        Ok(all.into_iter().map(|listed| listed.key).filter(of_group).collect())
    }
}

/// A kind that every API server has.
pub(super) fn standard(group: &str, kind: &str, plural: &str) -> Resource {
    Resource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        namespaced: false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures::future::join_all;
    use http::{Request, Response, StatusCode};
    use kube::client::Body;
    use serde_json::{Value, json};
    use tokio::time::advance;

    use super::*;
    use crate::cluster::testing::answering;

    const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    const SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";

    /// What an API server has, beside the core group.
    struct Served {
        /// Group, kind and freshness.
        kinds: Vec<(&'static str, &'static str, &'static str)>,
        /// Name and kind; none: they may not be listed.
        definitions: Option<Vec<(&'static str, &'static str)>>,
        services: Vec<&'static str>,
    }

    impl Served {
        fn answer(&self, path: &str) -> (u16, Value) {
            let list = |names: Vec<&str>| {
                let item =
                    |name: &&str| json!({"metadata": {"name": name, "resourceVersion": "1"}});
                json!({"metadata": {}, "items": names.iter().map(item).collect::<Vec<_>>()})
            };
            let groups = |kinds: &[(&str, &str, &str)]| {
                let group = |(group, kind, freshness): &(&str, &str, &str)| {
                    let known = json!({"resource": kind.to_lowercase(), "scope": "Cluster",
                                       "responseKind": {"kind": kind}});
                    let resources = if kind.is_empty() { json!([]) } else { json!([known]) };
                    json!({"metadata": {"name": group}, "versions": [
                        {"version": "v1", "freshness": freshness, "resources": resources}]})
                };
                let items: Vec<Value> = kinds.iter().map(group).collect();
                json!({"kind": "APIGroupDiscoveryList", "items": items})
            };
            match (path, &self.definitions) {
                ("/api", _) => (200, groups(&[])),
                ("/apis", _) => (200, groups(&self.kinds)),
                (DEFINITIONS, Some(all)) => {
                    (200, list(all.iter().map(|(name, _)| *name).collect()))
                }
                (SERVICES, _) => (200, list(self.services.clone())),
                (path, Some(all)) => {
                    let one = all.iter().find(|(name, _)| path.ends_with(name));
                    (200, json!({"spec": {"names": {"kind": one.unwrap().1}}}))
                }
                _ => (403, json!({"kind": "Status", "status": "Failure", "code": 403})),
            }
        }

        /// An API server that answers so, and the paths that it was asked for.
        fn cluster(self) -> (Cluster, Arc<Mutex<Vec<String>>>) {
            let (caller, sent) = answering(4, move |request: &Request<Body>| {
                let (code, body) = self.answer(request.uri().path());
                let status = StatusCode::from_u16(code).unwrap();
                Response::builder()
                    .status(status)
                    .body(Body::from(body.to_string().into_bytes()))
                    .ok()
            });
            (Cluster::of(caller), sent)
        }
    }

    #[tokio::test]
    async fn a_kind_is_gone_when_nothing_is_there_that_could_serve_it() {
        let gear = GroupKind { group: "ex.org".into(), kind: "Gear".into() };
        let (none, some) = (Some(Vec::new()), |name, kind| Some(vec![(name, kind)]));
        let cases = [
            ("it is served", vec![("ex.org", "Gear", "Current")], none.clone(), vec![], "Served"),
            ("nothing of it is left", vec![], none.clone(), vec![], "Gone"),
            (
                "its group has others",
                vec![("ex.org", "Cog", "Current")],
                some("cogs.ex.org", "Cog"),
                vec!["v1.ex.org"],
                "Gone",
            ),
            ("its server is away", vec![("ex.org", "", "Stale")], none.clone(), vec![], "Unknown"),
            (
                "another server is away",
                vec![("metrics.org", "", "Stale")],
                none.clone(),
                vec![],
                "Gone",
            ),
            ("no version is served", vec![], some("gears.ex.org", "Gear"), vec![], "Unknown"),
            ("its server is not seen yet", vec![], none, vec!["v1.ex.org"], "Unknown"),
            ("nobody may tell", vec![], None, vec![], "Unknown"),
        ];
        for (case, kinds, definitions, services, expected) in cases {
            let services = services.into_iter().map(|name: &'static str| name).collect();
            let (cluster, _) = Served { kinds, definitions, services }.cluster();
            let serving = cluster.serving(&gear, "v1").await.unwrap();
            assert!(format!("{serving:?}").starts_with(expected), "{case}: {serving:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_became_of_a_kind_is_looked_for_once_for_all_who_ask() {
        let gear = GroupKind { group: "ex.org".into(), kind: "Gear".into() };
        let (cluster, sent) =
            Served { kinds: vec![], definitions: Some(vec![]), services: vec![] }.cluster();
        let listed = |all| sent.lock().unwrap().iter().filter(|path| *path == all).count();
        for looks in 1..=3 {
            for _ in 0..2 {
                let asked = (0..500).map(|_| cluster.serving(&gear, "v1"));
                let told = join_all(asked).await;
                assert!(told.into_iter().all(|serving| serving.unwrap() == Serving::Gone));
                assert_eq!((listed(DEFINITIONS), listed(SERVICES)), (looks, looks));
            }
            if looks == 1 {
                advance(MIN_AGE).await;
            } else {
                cluster.forget_discovery().await;
            }
        }
    }
}
