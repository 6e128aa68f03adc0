//! Deleting objects, each only as it was last seen.

use http::Method;
use serde_json::{Value, json};

use crate::cluster::Writer;
use crate::cluster::call::{Call, Purpose, time_limit};
use crate::cluster::error::ClusterError;
use crate::cluster::path;
use crate::cluster::read::JSON;
use crate::domain::prune::Deletion;

/// What became of a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// It is not there any more.
    Gone,
    /// It is marked, and goes when these finalizers are through.
    Terminating(Vec<String>),
}

impl Writer<'_> {
    /// Deletes an object as it was seen; what hangs on it is deleted in the background. An object
    /// that is another by now, or was changed, is a [`Conflict`](ClusterError::Conflict): look at
    /// it again.
    pub async fn delete(&self, deletion: &Deletion) -> Result<Deleted, ClusterError> {
        let mut preconditions = json!({"uid": deletion.uid()});
        if let Some(resource_version) = deletion.resource_version() {
            preconditions["resourceVersion"] = json!(resource_version);
        }
        let options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": preconditions,
        });
        let path = path::object(deletion.resource(), deletion.key())?;
        let call = Call {
            object: deletion.key().clone(),
            purpose: Purpose::Write(self.gate),
            method: Method::DELETE,
            uri: path::with_query(&path, &[("timeout", &time_limit())]),
            accept: JSON,
            body: Some((JSON, options.to_string().into_bytes())),
            repeat_conflict: false,
        };
        match self.cluster.heed(deletion.resource(), self.send(&call).await) {
            Ok(answer) if answer.value["metadata"]["deletionTimestamp"].is_string() => {
                let names = answer.value["metadata"]["finalizers"].as_array().into_iter().flatten();
                let names = names.filter_map(Value::as_str).map(str::to_owned);
                Ok(Deleted::Terminating(names.collect()))
            }
            Ok(_) | Err(ClusterError::NotFound { .. }) => Ok(Deleted::Gone),
            Err(error) => Err(error),
        }
    }
}
