//! From a request to its answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::{StreamExt, stream};
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, WARNING};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::sandbox::fault::Effect;
use crate::sandbox::refusal::{Granted, Refused};
use crate::sandbox::route::{Call, Target, segments, text};
use crate::sandbox::state::Shared;
use crate::sandbox::watch::Watch;
use crate::sandbox::{discovery, openapi};

/// Largest body of a request, in bytes: that of the real server.
const BODY_MAX: usize = 3 << 20;

pub(super) const JSON: &str = "application/json";
/// Clients take it for a plain discovery without this.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The connection is to end without an answer.
#[derive(Debug, thiserror::Error)]
#[error("a connection was ended on request")]
pub(super) struct HangUp;

/// An answer, or why there is none.
pub(super) type Answered = Granted<Reply>;

/// What is answered when nothing is refused.
pub(super) enum Reply {
    Object { code: u16, object: Value, warnings: Vec<String> },
    Text(u16, &'static str),
    Stream(Box<Watch>),
}

/// What is answered to a path of no group that is served.
pub(super) const NO_PAGE: Reply = Reply::Text(404, "404 page not found\n");

impl Reply {
    /// An answer with an object.
    pub(super) fn ok(object: Value) -> Self {
        Self::Object { code: 200, object, warnings: Vec::new() }
    }
}

impl Shared {
    /// Answers a request, with what was planned to go wrong.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: http::Request<Incoming>,
    ) -> Result<Response, HangUp> {
        let (parts, body) = request.into_parts();
        let line = format!("{} {}", parts.method, parts.uri);
        let effect = self.faults.of_request(&line);
        tracing::trace!(request = line, ?effect, "a request");
        let body = match Limited::new(body, BODY_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Ok(response(Err(Refused::too_large(BODY_MAX))));
            }
            Err(_) => return Err(HangUp),
        };
        match effect {
            Some(Effect::Delay(time)) => tokio::time::sleep(time).await,
            Some(Effect::Refuse(code)) => return Ok(response(Err(Refused::injected(code)))),
            Some(Effect::HangUp) => return Err(HangUp),
            _ => {}
        }
        let stale = if let Some(Effect::Stale(writes)) = effect { writes } else { 0 };
        let answered = response(self.reply(&parts, &line, body, stale));
        match effect {
            Some(Effect::HangUpAfter) => Err(HangUp),
            Some(Effect::SlowBody(time)) => slowed(answered, time).await,
            _ => Ok(answered),
        }
    }

    fn reply(self: &Arc<Self>, parts: &Parts, line: &str, body: Bytes, stale: u64) -> Answered {
        let segments = segments(parts.uri.path());
        let path: Vec<&str> = segments.iter().map(String::as_str).collect();
        match &path[..] {
            ["healthz" | "readyz" | "livez", ..] => return Ok(Reply::Text(200, "ok")),
            ["version"] => return Ok(Reply::ok(version())),
            ["openapi", "v3", rest @ ..] => {
                let found = self.with(|state| openapi::answer(&state.kinds, rest));
                return found.map(Reply::ok).ok_or_else(Refused::not_served);
            }
            _ => {}
        }
        let aggregated = text(&parts.headers, ACCEPT).contains("as=APIGroupDiscoveryList");
        if let Some(found) = self.with(|state| discovery::answer(&state.kinds, &path, aggregated)) {
            return Ok(Reply::ok(found));
        }
        let Some(target) = Target::of(&segments) else { return Ok(NO_PAGE) };
        let call = Call::new(parts, target, body.into())?;
        self.objects(&call, line, stale)
    }
}

fn version() -> Value {
    let mut parts = super::VERSION.trim_start_matches('v').split('.');
    json!({
        "major": parts.next(), "minor": parts.next(), "gitVersion": super::VERSION,
        "gitCommit": "", "gitTreeState": "", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "", "compiler": "", "platform": "headstay/sandbox",
    })
}

fn response(answered: Answered) -> Response {
    let mut content_type = JSON;
    let details = answered.as_ref().err().and_then(|refused| refused.details.as_ref());
    let retry_after = details.and_then(|details| details["retryAfterSeconds"].as_u64());
    let (code, body, warnings) = match answered {
        Ok(Reply::Object { code, object, warnings }) => {
            if object["kind"] == "APIGroupDiscoveryList" {
                content_type = AGGREGATED;
            }
            (code, Body::from(object.to_string()), warnings)
        }
        Ok(Reply::Text(code, text)) => {
            content_type = "text/plain; charset=utf-8";
            (code, Body::from(text), Vec::new())
        }
        Ok(Reply::Stream(watch)) => (200, Body::from_stream(watch.into_stream()), Vec::new()),
        Err(refused) => (refused.code, Body::from(refused.status().to_string()), Vec::new()),
    };
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::try_from(format!("299 - \"{quoted}\"")) {
            headers.append(WARNING, value);
        }
    }
    response
}

/// The same answer, of which the second half takes its time.
async fn slowed(response: Response, time: Duration) -> Result<Response, HangUp> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| HangUp)?.to_bytes();
    let (first, second) = (body.slice(..body.len() / 2), body.slice(body.len() / 2..));
    let late = async move {
        tokio::time::sleep(time).await;
        Ok::<_, HangUp>(second)
    };
    let halves = stream::iter([Ok(first)]).chain(stream::once(late));
    Ok(Response::from_parts(parts, Body::from_stream(halves)))
}
