//! A thin client of the API.

use std::net::IpAddr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::header::{CONTENT_TYPE, LOCATION};
use ureq::http::{Response, StatusCode, Uri};
use ureq::{Agent, Body};

use crate::cli::answer::Problem;
use crate::cli::{ClientArgs, CommandError};
use crate::domain::quoted::{Quoted, may_be_secret};
use crate::domain::repository_url::without_secrets;

/// Longest time for an answer; a diff asks Git and a cluster.
const TIMEOUT: Duration = Duration::from_mins(2);
/// Largest answer, in bytes. The server ends far below it: a diff is cut there, and of 10 000 applications
/// the status has some 10 MB.
const ANSWER_BYTES: u64 = 64 << 20;
/// Keys of a foreign answer that are named.
const KEYS_NAMED: usize = 5;

/// An answer of Headstay.
pub(super) struct Answer<T> {
    /// What is read of it.
    pub(super) read: T,
    /// All of it.
    pub(super) json: Value,
}

/// Speaks to one server.
pub(super) struct Client<'a> {
    /// Without user and password, which it never has.
    server: &'a str,
    token: Option<&'a str>,
    agent: Agent,
}

impl<'a> Client<'a> {
    /// Nothing is sent yet.
    pub(super) fn new(args: &'a ClientArgs) -> Result<Self, CommandError> {
        let server = args.server.trim_end_matches('/');
        let host = check(server).map_err(CommandError::wrong_usage)?;
        let mut config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            // Who would be sent elsewhere would send the token along, or read another's answer.
            .max_redirects(0);
        if is_loopback(&host) {
            // That of the environment (`HTTP_PROXY`) is for the world outside.
            config = config.proxy(None);
        }
        let token = bearer(args.token.as_deref()).map_err(CommandError::wrong_usage)?;
        Ok(Self { server, token, agent: config.build().into() })
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.server)
    }

    fn bearer(&self) -> Option<String> {
        self.token.map(|token| format!("Bearer {token}"))
    }

    /// Reads a path below `/api/v1`.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, CommandError> {
        let url = self.url(path);
        let mut request = self.agent.get(&url);
        if let Some(bearer) = self.bearer() {
            request = request.header("Authorization", bearer);
        }
        self.answer(&url, request.call())
    }

    /// Sends a change to a path below `/api/v1`.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<Answer<T>, CommandError> {
        let url = self.url(path);
        let mut request = self.agent.post(&url).header("Content-Type", "application/json");
        if let Some(bearer) = self.bearer() {
            request = request.header("Authorization", bearer);
        }
        self.answer(&url, request.send(body.to_string()))
    }

    fn answer<T: DeserializeOwned>(
        &self,
        url: &str,
        response: Result<Response<Body>, ureq::Error>,
    ) -> Result<Answer<T>, CommandError> {
        let mut response = response.map_err(|error| {
            let hint = if url.starts_with("https://") {
                "is it running, and does it speak https? Headstay itself speaks http"
            } else {
                "is it running?"
            };
            CommandError::failed(format!("no answer from {url}: {error}; {hint}"))
        })?;
        let status = response.status();
        if status.is_redirection() {
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let to = to.map_or_else(|| "elsewhere".to_owned(), without_secrets);
            return Err(CommandError::failed(format!(
                "{url} answered {status}, which leads to {to}: name the address of Headstay itself"
            )));
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().to_owned();
        let bytes = response.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec();
        let bytes = bytes.map_err(|error| CommandError::failed(broken_off(url, &error)))?;
        if status.is_success() {
            return read(&kind, &bytes).map_err(|came| {
                CommandError::failed(format!(
                    "{url} answered {status} with {came}, and not as Headstay does: is it one, and \
                     of this version?"
                ))
            });
        }
        Err(CommandError::failed(self.refused(url, status, &kind, &bytes)))
    }

    /// What is told of an answer that is an error.
    fn refused(&self, url: &str, status: StatusCode, kind: &str, bytes: &[u8]) -> String {
        let problem = (kind == "application/problem+json")
            .then(|| serde_json::from_slice::<Problem>(bytes).ok())
            .flatten();
        match (status, problem) {
            (StatusCode::UNAUTHORIZED, Some(_)) if self.token.is_none() => {
                "it wants a token: set HEADSTAY_TOKEN".to_owned()
            }
            (StatusCode::UNAUTHORIZED, Some(_)) => {
                "the token (HEADSTAY_TOKEN or --token) is not accepted".to_owned()
            }
            (_, Some(Problem { detail })) => format!("{url} answered {status}: {detail}"),
            (_, None) => {
                let came = outline(kind, bytes);
                format!("{url} answered {status} with {came}, and not as Headstay does: is it one?")
            }
        }
    }
}

/// An answer as it was asked for, or what came instead.
fn read<T: DeserializeOwned>(kind: &str, bytes: &[u8]) -> Result<Answer<T>, String> {
    let came = || outline(kind, bytes);
    if kind != "application/json" {
        return Err(came());
    }
    let json: Value = serde_json::from_slice(bytes).map_err(|_| came())?;
    let read = T::deserialize(&json).map_err(|_| came())?;
    Ok(Answer { read, json })
}

/// What an answer is that nobody asked for, without what it says.
fn outline(kind: &str, bytes: &[u8]) -> String {
    match serde_json::from_slice::<Value>(bytes) {
        _ if bytes.is_empty() => "nothing".to_owned(),
        Ok(Value::Object(entries)) if !entries.is_empty() => {
            let keys: Vec<_> = entries.keys().map(|key| Quoted(key).to_string()).collect();
            let named = keys[..keys.len().min(KEYS_NAMED)].join(", ");
            let more = if keys.len() > KEYS_NAMED { ", …" } else { "" };
            format!("a JSON object that has {named}{more}")
        }
        Ok(_) => "other JSON".to_owned(),
        Err(_) if kind.is_empty() => format!("{} bytes of no type", bytes.len()),
        Err(_) => format!("{} bytes of {}", bytes.len(), Quoted(kind)),
    }
}

fn broken_off(url: &str, error: &ureq::Error) -> String {
    if matches!(error, ureq::Error::BodyExceedsLimit(_)) {
        return format!("the answer of {url} has more than {} MiB", ANSWER_BYTES >> 20);
    }
    format!("the answer of {url} broke off: {error}")
}

/// The host of an address of a server, or what is wrong with it. Nothing of it is shown that may be a
/// password.
fn check(server: &str) -> Result<String, String> {
    let Some((scheme @ ("http" | "https"), rest)) = server.split_once("://") else {
        let shown = if may_be_secret(server) { "ADDRESS" } else { server };
        return Err(format!("--server (HEADSTAY_SERVER): http:// is missing: http://{shown}"));
    };
    if rest.contains('@') {
        return Err("--server (HEADSTAY_SERVER) holds no user or password: use HEADSTAY_TOKEN, \
                    which is sent to nobody else"
            .to_owned());
    }
    if rest.contains(['?', '#']) {
        return Err("--server (HEADSTAY_SERVER) is an address without `?` and `#`".to_owned());
    }
    let uri = server.parse::<Uri>().ok();
    let host = uri.as_ref().and_then(Uri::host).filter(|host| !host.is_empty());
    let host =
        host.ok_or_else(|| format!("--server (HEADSTAY_SERVER) names no host after {scheme}://"))?;
    let authority = rest.split('/').next().unwrap_or_default();
    let port = authority.strip_prefix(host).and_then(|rest| rest.strip_prefix(':'));
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err(
            "--server (HEADSTAY_SERVER) has a port that is no number up to 65535".to_owned()
        );
    }
    Ok(host.to_owned())
}

/// The token as a header can hold it; none where it is empty.
fn bearer(token: Option<&str>) -> Result<Option<&str>, String> {
    let token = token.map(str::trim).filter(|token| !token.is_empty());
    if token.is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err("the token (HEADSTAY_TOKEN or --token) has a blank, a line break or another \
                    character that no token has"
            .to_owned());
    }
    Ok(token)
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::cli::Output;
    use crate::cli::answer::Status;

    const PROBLEM: &str = r#"{"detail": "this needs a bearer token"}"#;

    /// What the client makes of an answer: the error, or `good`.
    fn told(answer: &str, token: Option<&str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("http://{}/", listener.local_addr().unwrap());
        let answer = answer.to_owned();
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let args = ClientArgs { server, token: token.map(str::to_owned), output: Output::Text };
        let asked = Client::new(&args).and_then(|client| client.get::<Status>("/status"));
        let told = asked.map_or_else(|error| error.message, |_| "good".to_owned());
        let request = serving.join().unwrap();
        assert!(request.starts_with("GET /api/v1/status HTTP/1.1"), "{request}");
        told
    }

    #[test]
    fn only_an_answer_of_headstay_is_taken() {
        let answer = |status: &str, kind: &str, body: &str| {
            let length = body.len();
            format!(
                "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n\
                 location: http://ada:hunter2@127.0.0.1:1/a?hunter2\r\n\
                 content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
        };
        let status = r#"{"suspended": false, "configuration": {"error": null},
            "store": {"writable": true, "error": null}, "applications": []}"#;
        assert_eq!(told(&answer("200 OK", "application/json", status), None), "good");
        let typed = r#"{"suspended": "no", "applications": "none"}"#;
        for (answer, expected) in [
            (
                answer("200 OK", "text/html", "<html>"),
                "200 OK with 6 bytes of \"text/html\", and not",
            ),
            (answer("200 OK", "text/html", status), "a JSON object that has \"suspended\", "),
            (answer("200 OK", "application/json", "[]"), "with other JSON, and not as Headstay"),
            (answer("200 OK", "application/json", "{}"), "with other JSON, and not as Headstay"),
            (answer("200 OK", "application/json", ""), "with nothing, and not as Headstay does"),
            (
                answer("200 OK", "application/json", r#"{"applications": []}"#),
                "a JSON object that has \"applications\", and not as Headstay does",
            ),
            (
                answer("200 OK", "application/json", typed),
                "has \"suspended\", \"applications\", and",
            ),
            (
                answer("302 Found", "text/html", ""),
                "/api/v1/status answered 302 Found, which leads to http://127.0.0.1:1/a: name",
            ),
            (answer("502 Bad Gateway", "text/html", "x"), "502 Bad Gateway with 1 bytes of "),
            (answer("401 Unauthorized", "text/html", "x"), "401 Unauthorized with 1 bytes of "),
            (
                answer("503 Unavailable", "application/problem+json", r#"{"detail": "the store"}"#),
                ": the store",
            ),
            (answer("401 Unauthorized", "application/problem+json", PROBLEM), "set HEADSTAY_TOKEN"),
        ] {
            let told = told(&answer, None);
            assert!(told.contains(expected), "{told}");
        }
        let refused = answer("401 Unauthorized", "application/problem+json", PROBLEM);
        assert!(told(&refused, Some("wrong")).contains("is not accepted"));
    }

    #[test]
    fn an_address_is_checked_and_no_password_of_it_is_shown() {
        for (server, expected) in [
            ("http://127.0.0.1:8080", Ok("127.0.0.1")),
            ("https://headstay.example.org/base", Ok("headstay.example.org")),
            ("http://[::1]:8080", Ok("[::1]")),
            ("127.0.0.1:8080", Err("http://127.0.0.1:8080")),
            ("ada:hunter2@headstay.example.org", Err("http://ADDRESS")),
            ("http://ada:hunter2@headstay.example.org", Err("no user or password")),
            ("http://hunter2@127.0.0.1:8080", Err("no user or password")),
            ("http://example.org/a@hunter2", Err("no user or password")),
            ("http://example.org?token=hunter2", Err("without `?` and `#`")),
            ("http://example.org/#hunter2", Err("without `?` and `#`")),
            ("http://127.0.0.1:hunter2", Err("no number up to 65535")),
            ("http://127.0.0.1:99999", Err("no number up to 65535")),
            ("http://[::1]:", Err("no number up to 65535")),
            ("http://", Err("names no host")),
            ("", Err("is missing")),
        ] {
            match (check(server), expected) {
                (Ok(host), Ok(expected)) => assert_eq!(host, expected),
                (Err(told), Err(expected)) => {
                    assert!(told.contains(expected) && !told.contains("hunter2"), "{told}");
                }
                (checked, _) => panic!("{server}: {checked:?}"),
            }
        }
        assert_eq!(bearer(Some("0123\n")), Ok(Some("0123")));
        assert_eq!(bearer(Some(" ")), Ok(None));
        assert!(bearer(Some("hunter2\nx")).is_err_and(|told| !told.contains("hunter2")));
        assert!(is_loopback("[::1]") && is_loopback("LocalHost") && !is_loopback("10.0.0.1"));
    }
}
