//! A real API server that takes objects the strict way.

use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use crate::parts::{part, read_yaml};
use crate::world::api_server::ApiServer;
use crate::world::kubernetes::Kubernetes;
use crate::world::wait::{DEADLINE, wait_until};

/// The API server of all tests, with the definitions of the kinds that the packages use.
pub struct Cluster {
    /// The server.
    pub server: Arc<ApiServer>,
    /// `kubectl` with every right.
    pub admin: Kubernetes,
}

impl Cluster {
    /// The one that all tests share; they keep apart by namespace.
    pub fn shared() -> Self {
        static DEFINED: OnceLock<()> = OnceLock::new();
        let server = ApiServer::shared();
        let cluster = Self { admin: server.client(), server };
        DEFINED.get_or_init(|| {
            for file in std::fs::read_dir(part("definitions")).unwrap() {
                let definitions = read_yaml(&std::fs::read(file.unwrap().path()).unwrap());
                for definition in definitions {
                    cluster.define(&definition);
                }
            }
        });
        cluster
    }

    /// Makes a namespace, unless it is there.
    #[track_caller]
    pub fn namespace(&self, name: &str) {
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
        }));
    }

    /// Applies an object; one that the API server does not take, or in which it does not know a
    /// field, fails the test.
    #[track_caller]
    pub fn apply(&self, object: &Value) -> Value {
        let path = format!("{}?fieldManager=tests&fieldValidation=Strict", self.path_of(object));
        let body = Some(("application/apply-patch+yaml", object));
        let answer = self.admin.call("PATCH", &path, body).unwrap();
        assert!(answer.status < 300, "{path}: {}\n{object:#}", answer.text);
        answer.body
    }

    /// The path of an object, by what the API server says of its kind.
    #[track_caller]
    fn path_of(&self, object: &Value) -> String {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let version = text("/apiVersion").unwrap();
        let name = text("/metadata/name").unwrap();
        let root = if version.contains('/') { "apis" } else { "api" };
        let kinds = self.admin.get(&format!("/{root}/{version}")).unwrap();
        let served = kinds["resources"].as_array().unwrap().iter().find(|served| {
            served["kind"] == object["kind"] && !served["name"].as_str().unwrap().contains('/')
        });
        let served = served.unwrap_or_else(|| panic!("not served: {}", object["kind"]));
        let plural = served["name"].as_str().unwrap();
        if served["namespaced"] == true {
            let namespace = text("/metadata/namespace");
            let namespace = namespace.unwrap_or_else(|| panic!("no namespace: {object:#}"));
            format!("/{root}/{version}/namespaces/{namespace}/{plural}/{name}")
        } else {
            assert_eq!(text("/metadata/namespace"), None, "{object:#}");
            format!("/{root}/{version}/{plural}/{name}")
        }
    }

    fn define(&self, definition: &Value) {
        let path = self.path_of(definition);
        self.apply(definition);
        wait_until("the definition to be served", DEADLINE, || {
            let conditions = self.admin.get(&path).unwrap()["status"]["conditions"].clone();
            conditions.as_array().is_some_and(|conditions| {
                conditions.iter().any(|is| is["type"] == "Established" && is["status"] == "True")
            })
        });
    }
}
