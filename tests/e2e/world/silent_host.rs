//! A host that takes connections and never says a word.

use std::net::TcpListener;
use std::path::PathBuf;

use serde_json::json;

use crate::world::leash;

/// One host. The system takes the connections; nobody reads them.
pub struct SilentHost {
    listener: TcpListener,
}

impl SilentHost {
    /// Begins to listen.
    pub fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    /// The URL of a repository of it.
    pub fn url(&self, repository: &str) -> String {
        format!("http://{}/{repository}.git", self.listener.local_addr().unwrap())
    }

    /// A kubeconfig that takes it for an API server.
    pub fn kubeconfig(&self) -> PathBuf {
        let path = leash::folder("silent").join("kubeconfig");
        let server = format!("http://{}", self.listener.local_addr().unwrap());
        let content = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "silent",
            "contexts": [{"name": "silent", "context": {"cluster": "silent", "user": "silent"}}],
            "clusters": [{"name": "silent", "cluster": {"server": server}}],
            "users": [{"name": "silent", "user": {"token": "silent"}}],
        });
        std::fs::write(&path, content.to_string()).unwrap();
        path
    }
}
