//! What a cluster lets expect of an object: asked of the definition of its kind, or of its storage
//! class, and of these only the answer is kept.

use std::convert::Infallible;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::cluster::error::ClusterError;
use crate::cluster::kept::Kept;
use crate::cluster::serving::standard;
use crate::domain::health::expectation::{self, Expectation, Source};
use crate::domain::object::{ObjectKey, Resource};

/// How long an answer is believed. Definitions that a sync brings are forgotten at once.
const FRESH: Duration = Duration::from_mins(5);
/// How long nothing is expected when the cluster could not say it: each object asks.
const UNANSWERED: Duration = Duration::from_secs(10);

/// What is known of kinds and classes.
pub(super) type Expectations = Kept<Source, Expectation>;

impl Cluster {
    /// What may be expected of a live object, so that it is judged right. What cannot be read is not
    /// expected: rights may not reach to definitions and classes, and nothing fails for that.
    pub async fn expectation(&self, resource: &Resource, object: &Value) -> Expectation {
        let Some(source) = expectation::source(resource, object) else {
            return Expectation::Nothing;
        };
        let ask = || async {
            Ok::<_, Infallible>(match self.read_expectation(&source).await {
                Ok(expectation) => (expectation, FRESH),
                Err(ClusterError::Forbidden { .. }) => (Expectation::Nothing, FRESH),
                Err(error) => {
                    tracing::debug!(%error, "what is to be expected of an object is not known");
                    (Expectation::Nothing, UNANSWERED)
                }
            })
        };
        let Ok(expectation) = self.shared.expectations.answer(&source, ask).await;
        expectation
    }

    async fn read_expectation(&self, source: &Source) -> Result<Expectation, ClusterError> {
        let (resource, name) = match source {
            Source::Definition { name, .. } => {
                let (group, plural) = ("apiextensions.k8s.io", "customresourcedefinitions");
                (standard(group, "CustomResourceDefinition", plural), name)
            }
            Source::StorageClass { name } => {
                (standard("storage.k8s.io", "StorageClass", "storageclasses"), name)
            }
        };
        let Resource { group, kind, .. } = resource.clone();
        let key = ObjectKey { group, kind, namespace: None, name: name.clone() };
        let found = self.get(&resource, &key).await?;
        Ok(match source {
            Source::Definition { version, .. } => found
                .map(|definition| expectation::of_definition(&definition, version))
                .unwrap_or_default(),
            Source::StorageClass { .. } => expectation::of_storage_class(found.as_ref()),
        })
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response, StatusCode};
    use kube::client::Body;
    use serde_json::json;
    use tokio::time::advance;

    use super::*;
    use crate::cluster::testing::answering;

    #[tokio::test(start_paused = true)]
    async fn a_definition_is_read_once_until_it_may_have_changed() {
        let (caller, sent) = answering(4, |request: &Request<Body>| {
            let name = request.uri().path().rsplit('/').next().unwrap();
            let (status, body) = if name == "gears.ex.org" {
                let columns = json!([{"jsonPath": ".status.phase"}]);
                let version = json!({"name": "v1", "additionalPrinterColumns": columns});
                (StatusCode::OK, json!({"spec": {"versions": [version]}}))
            } else {
                let absent = json!({"kind": "Status", "status": "Failure", "reason": "NotFound",
                    "code": 404, "details": {"name": name}});
                (StatusCode::NOT_FOUND, absent)
            };
            Response::builder().status(status).body(Body::from(body.to_string().into_bytes())).ok()
        });
        let cluster = Cluster::of(caller);
        let kind = |group: &str, kind: &str, plural: &str| Resource {
            group: group.to_owned(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            namespaced: true,
        };
        let gear = kind("ex.org", "Gear", "gears");
        let object = json!({});
        let calls = || sent.lock().unwrap().len();

        let both =
            tokio::join!(cluster.expectation(&gear, &object), cluster.expectation(&gear, &object));
        assert_eq!((both, calls()), ((Expectation::Status, Expectation::Status), 1));
        advance(FRESH).await;
        cluster.expectation(&gear, &object).await;
        assert_eq!(calls(), 2);
        cluster.forget_discovery().await;
        cluster.expectation(&gear, &object).await;
        assert_eq!(calls(), 3);

        let deployment = kind("apps", "Deployment", "deployments");
        assert_eq!(cluster.expectation(&deployment, &object).await, Expectation::Nothing);
        assert_eq!(calls(), 3, "its rule knows what to expect");
        let aggregated = kind("metrics.ex.org", "Load", "loads");
        assert_eq!(cluster.expectation(&aggregated, &object).await, Expectation::Nothing);
        let made_by_hand = json!({"spec": {"storageClassName": "manual"}});
        let claim = kind("", "PersistentVolumeClaim", "persistentvolumeclaims");
        let expected = cluster.expectation(&claim, &made_by_hand).await;
        assert_eq!(expected, Expectation::Binding, "a class that is not there does not wait");
    }
}
