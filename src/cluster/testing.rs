//! An API server for the tests of this room: it takes time or refuses, as a real one seldom does.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use tower::service_fn;

use crate::cluster::call::Caller;

/// Answers each call with this status, or never, and notes the paths of the calls that reach it.
pub(super) fn server(
    calls: usize,
    status: Option<StatusCode>,
) -> (Caller, Arc<Mutex<Vec<String>>>) {
    answering(calls, move |_| Response::builder().status(status?).body(Body::from(Vec::new())).ok())
}

/// Answers each call so, or (none) never, and notes the paths of the calls that reach it.
pub(super) fn answering(
    calls: usize,
    answer: impl Fn(&Request<Body>) -> Option<Response<Body>> + Send + 'static,
) -> (Caller, Arc<Mutex<Vec<String>>>) {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sent);
    let service = service_fn(move |request: Request<Body>| {
        seen.lock().unwrap().push(request.uri().path().to_owned());
        let answer = answer(&request);
        async move {
            let Some(answer) = answer else { return std::future::pending().await };
            Ok::<_, Infallible>(answer)
        }
    });
    (Caller::new(Client::new(service, "default"), calls), sent)
}
