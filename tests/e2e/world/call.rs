//! One HTTP call with its answer as JSON, for the API of Headstay and that of Kubernetes.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;
use ureq::tls::TlsConfig;

/// What came back. A status of 4xx or 5xx is an answer like any other.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type` without its parameters; empty when there is none.
    pub content_type: String,
    /// The body; null when it is no JSON.
    pub body: Value,
    /// The body as it came.
    pub text: String,
    /// `Retry-After`
    pub retry_after: Option<String>,
}

/// A client that reports statuses as answers, for servers on this machine only: a certificate is
/// not checked.
pub fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(30)))
        .tls_config(TlsConfig::builder().disable_verification(true).build())
        .build()
        .new_agent()
}

/// Makes one call. An error means that no answer came.
pub fn call(
    agent: &Agent,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Result<Answer, ureq::Error> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = match body {
        Some(body) => agent.run(request.body(body)?)?,
        None => agent.run(request.body(())?)?,
    };
    let header = |name: &str| {
        let value = response.headers().get(name);
        value.and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let content_type = header("content-type").unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default().to_owned();
    let retry_after = header("retry-after");
    let text = response.body_mut().read_to_string()?;
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok(Answer { status: response.status().as_u16(), content_type, body, text, retry_after })
}
