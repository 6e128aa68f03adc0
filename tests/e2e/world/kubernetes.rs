//! The verbs of kubectl, on paths of the Kubernetes API and JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use ureq::Agent;

use crate::world::call::{Answer, agent, call};
use crate::world::wait::{DEADLINE, wait_for};

/// A client of one API server with one user's rights.
pub struct Kubernetes {
    agent: Agent,
    url: String,
    authorization: String,
}

impl Kubernetes {
    /// A client of the server at a URL.
    pub fn new(url: String, token: &str) -> Self {
        Self { agent: agent(), url, authorization: format!("Bearer {token}") }
    }

    /// One call with a content type and a body; an error means that no answer came.
    pub fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Answer, ureq::Error> {
        let url = format!("{}{path}", self.url);
        let (content_type, bytes) = body
            .map_or(("application/json", None), |(content_type, body)| {
                (content_type, Some(body.to_string()))
            });
        let headers = [("authorization", &*self.authorization), ("content-type", content_type)];
        call(&self.agent, method, &url, &headers, bytes.as_deref().map(str::as_bytes))
    }

    /// Reads an object; none when it is not there.
    #[track_caller]
    pub fn get(&self, path: &str) -> Option<Value> {
        let answer = self.call("GET", path, None).unwrap();
        match answer.status {
            200 => Some(answer.body),
            404 => None,
            _ => panic!("GET {path}: {answer:?}"),
        }
    }

    /// Reads all objects of a collection.
    #[track_caller]
    pub fn list(&self, path: &str) -> Vec<Value> {
        let list = self.get(path).unwrap_or_else(|| panic!("no such collection: {path}"));
        list["items"].as_array().unwrap().clone()
    }

    /// Creates an object in a collection.
    #[track_caller]
    pub fn create(&self, path: &str, object: &Value) -> Value {
        self.write("POST", path, Some(("application/json", object)))
    }

    /// Changes an object as `kubectl edit` does: a merge patch in which null removes a field.
    #[track_caller]
    pub fn edit(&self, path: &str, changes: &Value) -> Value {
        let path = format!("{path}?fieldManager=kubectl-edit");
        self.write("PATCH", &path, Some(("application/merge-patch+json", changes)))
    }

    /// Deletes an object.
    #[track_caller]
    pub fn delete(&self, path: &str) {
        self.write("DELETE", path, None);
    }

    /// The `resourceVersion` of every object in the collections: it moves with every write.
    #[track_caller]
    pub fn resource_versions(&self, collections: &[String]) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let entry = |path: &str, object: &Value| {
            let metadata = &object["metadata"];
            (format!("{path}/{}", text(&metadata["name"])), text(&metadata["resourceVersion"]))
        };
        collections
            .iter()
            .flat_map(|path| self.list(path).into_iter().map(move |object| entry(path, &object)))
            .collect()
    }

    /// Says of the one Pod of a collection that it runs: there is no node that would.
    #[track_caller]
    pub fn run_pod(&self, pods: &str) {
        self.set_pod_status(pods, &running());
    }

    /// Says of every Pod that runs nowhere yet, in namespaces whose names begin like that, that it
    /// runs.
    #[track_caller]
    pub fn run_pods(&self, namespaces: &str) {
        for pod in self.list("/api/v1/pods?fieldSelector=status.phase%3DPending") {
            let text = |field: &str| pod["metadata"][field].as_str().unwrap();
            let (namespace, name) = (text("namespace"), text("name"));
            if namespace.starts_with(namespaces) {
                let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/status");
                let body = ("application/merge-patch+json", &json!({"status": running()}));
                // It may have gone meanwhile.
                self.call("PATCH", &path, Some(body)).unwrap();
            }
        }
    }

    /// Sets the status of the one Pod of a collection, as soon as a controller has made it.
    #[track_caller]
    pub fn set_pod_status(&self, pods: &str, status: &Value) {
        let pod = wait_for("the controllers to make a Pod", DEADLINE, || {
            self.list(pods).pop().ok_or_else(|| "no Pod".to_owned())
        });
        let name = pod["metadata"]["name"].as_str().unwrap();
        self.edit(&format!("{pods}/{name}/status"), &json!({"status": status}));
    }

    #[track_caller]
    fn write(&self, method: &str, path: &str, body: Option<(&str, &Value)>) -> Value {
        let answer = self.call(method, path, body).unwrap();
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        answer.body
    }
}

/// The status of a Pod that runs.
fn running() -> Value {
    let now = jiff::Timestamp::now().strftime("%FT%TZ").to_string();
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now});
    let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map(condition);
    json!({"phase": "Running", "conditions": conditions})
}
