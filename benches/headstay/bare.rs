//! The least that the same work takes: a client that only sends requests, as many at once as
//! Headstay does, and looks at nothing but their status.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use futures::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::world::api_server::{ApiServer, User};

/// Requests at once: the default of `server.limits.callsPerCluster`.
pub const AT_ONCE: usize = 16;

const APPLY: &str = "fieldManager=bare&fieldValidation=Strict&force=true";

/// A client of one API server.
pub struct Bare {
    runtime: Runtime,
    send: Sender,
}

type Sender = std::sync::Arc<dyn Fn(Request) -> Sending + Send + Sync>;
type Request = hyper::Request<Full<Bytes>>;
type Sending = futures::future::BoxFuture<'static, hyper::Response<hyper::body::Incoming>>;

impl Bare {
    /// A client with every right.
    pub fn new(server: &ApiServer) -> Self {
        let runtime = Runtime::new().unwrap();
        let kubeconfig = Kubeconfig::read_from(server.kubeconfig(User::Admin)).unwrap();
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options);
        let config = runtime.block_on(config).unwrap();
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        let connector = config.rustls_https_connector_with_connector(connector).unwrap();
        let send = sender(connector, server.url());
        Self { runtime, send }
    }

    /// Applies all objects, given with their paths: dry runs first, then writes.
    pub fn apply_all(&self, objects: &[(String, String)]) -> Duration {
        let begun = Instant::now();
        self.patch_all(objects, &format!("{APPLY}&dryRun=All"));
        self.patch_all(objects, APPLY);
        begun.elapsed()
    }

    /// Applies one object.
    pub fn apply(&self, path: &str, object: &str) {
        self.patch_all(&[(path.to_owned(), object.to_owned())], APPLY);
    }

    fn patch_all(&self, objects: &[(String, String)], query: &str) {
        let patches = futures::stream::iter(objects).map(|(path, object)| {
            let request = hyper::Request::patch(format!("{path}?{query}"))
                .header("content-type", "application/apply-patch+yaml")
                .body(Full::from(object.clone()))
                .unwrap();
            let sending = (self.send)(request);
            async move {
                let answer = sending.await;
                assert!(answer.status().is_success(), "{path}: {}", answer.status());
                answer.into_body().collect().await.unwrap();
            }
        });
        self.runtime.block_on(patches.buffer_unordered(AT_ONCE).collect::<Vec<()>>());
    }

    /// Watches a collection: the moment of each event, with the object.
    pub fn watch(&self, path: &str) -> Receiver<(Instant, Value)> {
        let (sender, events) = channel();
        let request = hyper::Request::get(format!("{path}?watch=true"));
        let sending = (self.send)(request.body(Full::default()).unwrap());
        let mut body = self.runtime.block_on(sending).into_body();
        self.runtime.spawn(async move {
            let mut text = Vec::new();
            while let Some(Ok(frame)) = body.frame().await {
                let at = Instant::now();
                text.extend_from_slice(frame.data_ref().unwrap());
                while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = text.drain(..=end).collect();
                    let event: Value = serde_json::from_slice(&line).unwrap();
                    if sender.send((at, event["object"].clone())).is_err() {
                        return;
                    }
                }
            }
        });
        events
    }
}

fn sender(connector: impl Connect + Clone + Send + Sync + 'static, url: String) -> Sender {
    let client = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(AT_ONCE)
        .build::<_, Full<Bytes>>(connector);
    std::sync::Arc::new(move |mut request| {
        *request.uri_mut() = format!("{url}{}", request.uri()).parse().unwrap();
        let token = format!("Bearer {}", User::Admin.token());
        request.headers_mut().insert("authorization", token.parse().unwrap());
        let sending = client.request(request);
        Box::pin(async { sending.await.unwrap() })
    })
}
