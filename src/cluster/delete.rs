//! Deleting objects, each only as it was last seen.

use http::Method;
use serde_json::json;

use crate::cluster::Writer;
use crate::cluster::call::{Call, Purpose, time_limit};
use crate::cluster::error::ClusterError;
use crate::cluster::path;
use crate::cluster::read::JSON;
use crate::domain::object::{ObjectKey, Resource};

/// What became of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is not there any more.
    Gone,
    /// It is marked, and goes when its finalizers are through.
    Deleting,
}

impl Writer<'_> {
    /// Deletes the object with this `uid`, and if given only in this version; what hangs on it is
    /// deleted in the background. An object that is another by now, or was changed, is a
    /// [`Conflict`](ClusterError::Conflict): look at it again.
    pub async fn delete(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        uid: &str,
        resource_version: Option<&str>,
    ) -> Result<Deleted, ClusterError> {
        let mut preconditions = json!({"uid": uid});
        if let Some(resource_version) = resource_version {
            preconditions["resourceVersion"] = json!(resource_version);
        }
        let options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": preconditions,
        });
        let call = Call {
            object: key.clone(),
            purpose: Purpose::Write(self.gate),
            method: Method::DELETE,
            uri: path::with_query(&path::object(resource, key)?, &[("timeout", &time_limit())]),
            accept: JSON,
            body: Some((JSON, options.to_string().into_bytes())),
            repeat_conflict: false,
        };
        match self.cluster.heed(resource, self.send(&call).await) {
            Ok(answer) if answer.value["metadata"]["deletionTimestamp"].is_string() => {
                Ok(Deleted::Deleting)
            }
            Ok(_) | Err(ClusterError::NotFound { .. }) => Ok(Deleted::Gone),
            Err(error) => Err(error),
        }
    }
}
