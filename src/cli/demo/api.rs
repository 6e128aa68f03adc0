//! Talks to Headstay by HTTP, as a Git host and as the command line do.

use std::time::{Duration, Instant};

use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::cli::demo::delivery::Delivery;

/// Longest time for an answer: nothing that is asked here takes long.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer, in bytes.
const ANSWER_BYTES: usize = 4 << 20;

/// Headstay gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// None came.
    #[error("headstay does not answer at {url}")]
    Silent {
        /// What was asked.
        url: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It is not the one that was expected.
    #[error("{url} was answered {status}: {body}")]
    Unexpected {
        /// What was asked.
        url: String,
        /// The status.
        status: StatusCode,
        /// The body.
        body: Value,
    },
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: StatusCode,
    /// The body; null when it is no JSON.
    pub(super) body: Value,
    /// From the request until the answer was read.
    pub(super) took: Duration,
}

/// A client of one server.
pub(super) struct Api {
    /// `http://127.0.0.1:1234`
    pub(super) server: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Api {
    /// A client of the server at a URL.
    pub(super) fn new(server: String) -> Self {
        Self { server, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// Reads a path below `/api/v1`.
    pub(super) async fn get(&self, path: &str) -> Result<Value, ApiError> {
        let url = format!("{}/api/v1{path}", self.server);
        let request = Request::builder().uri(&url).body(Full::default());
        let answer = self.send(&url, request).await?;
        if answer.status.is_success() {
            Ok(answer.body)
        } else {
            Err(ApiError::Unexpected { url, status: answer.status, body: answer.body })
        }
    }

    /// Sends a delivery; being refused is an answer, too.
    pub(super) async fn deliver(&self, delivery: &Delivery) -> Result<Answer, ApiError> {
        let url = format!("{}/webhooks/github", self.server);
        let request = Request::builder()
            .method(Method::POST)
            .uri(&url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("X-GitHub-Event", "push")
            .header("X-GitHub-Delivery", &delivery.id)
            .header("X-Hub-Signature-256", &delivery.signature)
            .body(Full::from(delivery.body.clone()));
        self.send(&url, request).await
    }

    async fn send(
        &self,
        url: &str,
        request: Result<Request<Full<Bytes>>, http::Error>,
    ) -> Result<Answer, ApiError> {
        let silent = |source| ApiError::Silent { url: url.to_owned(), source };
        let request = request.map_err(|error| silent(error.into()))?;
        let began = Instant::now();
        let exchange = async {
            let response = self.client.request(request).await?;
            let (head, body) = response.into_parts();
            let bytes = Limited::new(body, ANSWER_BYTES).collect().await?.to_bytes();
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((head.status, bytes))
        };
        let exchanged = tokio::time::timeout(TIMEOUT, exchange).await;
        let (status, bytes) = exchanged.map_err(|late| silent(late.into()))?.map_err(silent)?;
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Answer { status, body, took: began.elapsed() })
    }
}
