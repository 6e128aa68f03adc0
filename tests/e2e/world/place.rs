//! A namespace of its own on the shared API server, for what is asked of the API itself.

use serde_json::{Value, json};

use crate::world::api_server::ApiServer;
use crate::world::call::Answer;
use crate::world::kubernetes::Kubernetes;
use crate::world::random;
use crate::world::wait::{DEADLINE, wait_until};

/// The content types of bodies.
pub const JSON: &str = "application/json";
pub const MERGE: &str = "application/merge-patch+json";
pub const JSON_PATCH: &str = "application/json-patch+json";
pub const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub const APPLY: &str = "application/apply-patch+yaml";

/// A namespace of its own on the shared server.
pub struct Place {
    /// A client with every right.
    pub client: Kubernetes,
    /// The namespace.
    pub namespace: String,
}

impl Place {
    /// Makes the namespace.
    pub fn new() -> Self {
        let client = ApiServer::shared().client();
        let namespace = format!("api-{:08x}", random() & 0xffff_ffff);
        client.create("/api/v1/namespaces", &json!({"metadata": {"name": namespace}}));
        Self { client, namespace }
    }

    /// The path of a collection: `core("configmaps")`.
    pub fn core(&self, plural: &str) -> String {
        format!("/api/v1/namespaces/{}/{plural}", self.namespace)
    }

    /// The path of a collection of `apps/v1`.
    pub fn apps(&self, plural: &str) -> String {
        format!("/apis/apps/v1/namespaces/{}/{plural}", self.namespace)
    }

    /// One call; null is no body.
    #[track_caller]
    pub fn call(&self, method: &str, path: &str, content_type: &str, body: &Value) -> Answer {
        let body = (!body.is_null()).then_some((content_type, body));
        self.client.call(method, path, body).unwrap()
    }

    /// Creates a ConfigMap of one colour, with more.
    pub fn config_map(&self, name: &str, more: Value) -> Value {
        let mut object = json!({"metadata": {"name": name}, "data": {"colour": "red"}});
        json_merge(&mut object, more);
        self.client.create(&self.core("configmaps"), &object)
    }

    /// The names of what is in a collection.
    pub fn names(&self, path: &str) -> Vec<String> {
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
        self.client.list(path).iter().map(name).collect()
    }

    /// Waits until an object is not there.
    #[track_caller]
    pub fn wait_until_gone(&self, path: &str) {
        wait_until(&format!("{path} to be gone"), DEADLINE, || self.client.get(path).is_none());
    }
}

fn json_merge(into: &mut Value, more: Value) {
    match more {
        Value::Object(more) if into.is_object() => {
            more.into_iter().for_each(|(key, value)| json_merge(&mut into[key], value));
        }
        more => *into = more,
    }
}

/// A Deployment of two containers.
pub fn web(replicas: u32) -> Value {
    json!({"metadata": {"name": "web"}, "spec": {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [
                {"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]},
                {"name": "log", "image": "log:1"},
            ]},
        },
    }})
}
