//! What is made of an answer of an API server.

use http::header::{HeaderMap, RETRY_AFTER, WARNING};
use http::{HeaderValue, StatusCode};
use kube::core::Status;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::SemaphorePermit;
use tokio::task::spawn_blocking;

/// Largest answer, in bytes, that is parsed in its task: it takes some milliseconds. A larger one is
/// work for a thread on which nobody waits.
const PARSED_AT_ONCE: usize = 1 << 20;
/// Most warnings of one answer that are kept.
const MAX_WARNINGS: usize = 16;

/// A successful answer.
pub(super) struct Answer<T = Value> {
    pub(super) status: StatusCode,
    pub(super) value: T,
    pub(super) warnings: Vec<String>,
}

/// A successful answer as it came, with its turn, so that no more of them are held at once than
/// calls are made.
pub(super) struct Raw<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) _turn: SemaphorePermit<'a>,
}

/// What the bytes of an answer say; none when they are not the JSON that was asked for.
pub(super) async fn parse<T: DeserializeOwned + Send + 'static>(body: Vec<u8>) -> Option<T> {
    if body.len() <= PARSED_AT_ONCE {
        return serde_json::from_slice(&body).ok();
    }
    spawn_blocking(move || serde_json::from_slice(&body).ok()).await.ok().flatten()
}

/// The `Status` of a refusal; proxies and unserved paths answer with a plain text instead.
pub(super) fn refusal(code: StatusCode, headers: &HeaderMap, body: &[u8]) -> Status {
    let mut status = serde_json::from_slice::<Status>(body)
        .ok()
        .filter(Status::is_failure)
        .unwrap_or_else(|| Status::failure(String::from_utf8_lossy(body).trim(), ""));
    status.code = code.as_u16();
    let after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    if let Some(after) = after {
        let details = status.details.get_or_insert_with(|| kube::core::response::StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: 0,
        });
        details.retry_after_seconds = details.retry_after_seconds.max(after);
    }
    status
}

/// The texts of `Warning: 299 - "text"`.
pub(super) fn warnings(headers: &HeaderMap) -> Vec<String> {
    let text = |value: &HeaderValue| {
        let value = value.to_str().ok()?;
        let quoted = value.split_once('"')?.1.rsplit_once('"')?.0;
        Some(quoted.replace("\\\"", "\"").replace("\\\\", "\\"))
    };
    headers.get_all(WARNING).iter().filter_map(text).take(MAX_WARNINGS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_the_quoted_texts() {
        let mut headers = HeaderMap::new();
        headers.append(WARNING, HeaderValue::from_static(r#"299 - "unknown field \"x\"""#));
        headers.append(WARNING, HeaderValue::from_static("nonsense"));
        assert_eq!(warnings(&headers), [r#"unknown field "x""#]);
    }

    #[test]
    fn a_plain_text_becomes_a_status_and_keeps_retry_after() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("3"));
        let status = refusal(StatusCode::TOO_MANY_REQUESTS, &headers, b"Too many requests\n");
        assert_eq!((status.code, status.message.as_str()), (429, "Too many requests"));
        assert_eq!(status.details.unwrap().retry_after_seconds, 3);
    }
}
