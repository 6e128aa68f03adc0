//! What people and controllers do to the cluster, over HTTP like everybody.

use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// The name by which the journal of the sandbox knows who is not the engine.
pub const PERSON: &str = "person";

/// Everybody but the engine.
pub struct People {
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl People {
    pub fn new(url: String) -> Self {
        Self { url, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// Makes an object; says nothing when it is there.
    pub async fn create(&self, collection: &str, object: &Value) {
        self.send(Method::POST, collection, "application/json", object).await;
    }

    /// Merges something into an object, if it is there.
    pub async fn merge(&self, path: &str, part: &Value) {
        self.send(Method::PATCH, path, "application/merge-patch+json", part).await;
    }

    /// Applies an object as another installation does, by force.
    pub async fn apply(&self, path: &str, object: &Value) {
        let path = format!("{path}?fieldManager=headstay&force=true");
        self.send(Method::PATCH, &path, "application/apply-patch+yaml", object).await;
    }

    /// Deletes an object, if it is there.
    pub async fn delete(&self, path: &str) {
        self.send(Method::DELETE, path, "application/json", &json!({})).await;
    }

    /// An API server that is away is away for people as well.
    async fn send(&self, method: Method, path: &str, content_type: &str, body: &Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header(CONTENT_TYPE, content_type)
            .header(USER_AGENT, format!("{PERSON}/1"))
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap();
        if let Ok(answer) = self.client.request(request).await {
            // All of it is read, so that the connection is kept.
            drop(answer.into_body().collect().await);
        }
    }
}
