//! A thin client of the API.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;
use ureq::http::header::{CONTENT_TYPE, LOCATION};
use ureq::http::{Response, Uri};
use ureq::{Agent, Body};

use crate::cli::{ClientArgs, CommandError};

/// Longest time for an answer; a diff asks Git and a cluster.
const TIMEOUT: Duration = Duration::from_mins(2);

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
        let token = args.token.as_deref().filter(|token| !token.is_empty());
        Ok(Self { server, token, agent: config.build().into() })
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.server)
    }

    fn bearer(&self) -> Option<String> {
        self.token.map(|token| format!("Bearer {token}"))
    }

    /// Reads a path below `/api/v1`, where there is an object with this key.
    pub(super) fn get(&self, path: &str, key: &str) -> Result<Value, CommandError> {
        let mut request = self.agent.get(self.url(path));
        if let Some(bearer) = self.bearer() {
            request = request.header("Authorization", bearer);
        }
        self.answer(request.call(), key)
    }

    /// Sends a change to a path below `/api/v1`; the answer is an object with this key.
    pub(super) fn post(&self, path: &str, body: &Value, key: &str) -> Result<Value, CommandError> {
        let mut request =
            self.agent.post(self.url(path)).header("Content-Type", "application/json");
        if let Some(bearer) = self.bearer() {
            request = request.header("Authorization", bearer);
        }
        self.answer(request.send(body.to_string()), key)
    }

    fn answer(
        &self,
        response: Result<Response<Body>, ureq::Error>,
        key: &str,
    ) -> Result<Value, CommandError> {
        let server = self.server;
        let mut response = response.map_err(|error| {
            let hint = if server.starts_with("https://") {
                "is it running, and does it speak https? Headstay itself speaks http"
            } else {
                "is it running?"
            };
            CommandError::failed(format!("no answer from {server}: {error}; {hint}"))
        })?;
        let status = response.status();
        if status.is_redirection() {
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let to = to.unwrap_or("elsewhere");
            return Err(CommandError::failed(format!(
                "{server} answered {status}, which leads to {to}: name the address of Headstay itself"
            )));
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().to_owned();
        let text = response.body_mut().read_to_string().map_err(|error| {
            CommandError::failed(format!("the answer of {server} broke off: {error}"))
        })?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() && kind == "application/json" && body.get(key).is_some() {
            return Ok(body);
        }
        let detail =
            (kind == "application/problem+json").then(|| body["detail"].as_str()).flatten();
        let told = match (status.as_u16(), detail) {
            (401, _) if self.token.is_none() => "it wants a token: set HEADSTAY_TOKEN".to_owned(),
            (401, _) => "the token (HEADSTAY_TOKEN or --token) is not accepted".to_owned(),
            (_, Some(detail)) => format!("{server} answered {status}: {detail}"),
            _ => format!("{server} answered {status}, but not as Headstay does: is it one?"),
        };
        Err(CommandError::failed(told))
    }
}

/// The host of an address of a server, or what is wrong with it. Nothing of it is shown that may be a
/// password.
fn check(server: &str) -> Result<String, String> {
    let Some((scheme @ ("http" | "https"), rest)) = server.split_once("://") else {
        let shown = if server.contains('@') { "ADDRESS" } else { server };
        return Err(format!("--server (HEADSTAY_SERVER): http:// is missing: http://{shown}"));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("--server (HEADSTAY_SERVER) holds no user or password: use HEADSTAY_TOKEN, \
                    which is sent to nobody else"
            .to_owned());
    }
    let host = server.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    host.filter(|host| !host.is_empty())
        .ok_or_else(|| format!("--server (HEADSTAY_SERVER) names no host after {scheme}://"))
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
        let asked = Client::new(&args).and_then(|client| client.get("/status", "applications"));
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
                "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nlocation: http://127.0.0.1:1/a\r\n\
                 content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
        };
        let good = told(&answer("200 OK", "application/json", r#"{"applications": []}"#), None);
        assert_eq!(good, "good");
        for (answer, expected) in [
            (answer("200 OK", "text/html", "<html>"), "not as Headstay does"),
            (answer("200 OK", "text/html", r#"{"applications": []}"#), "not as Headstay does"),
            (answer("200 OK", "application/json", "[]"), "not as Headstay does"),
            (answer("200 OK", "application/json", "{}"), "not as Headstay does"),
            (answer("302 Found", "text/html", ""), "leads to http://127.0.0.1:1/a"),
            (answer("502 Bad Gateway", "text/html", "x"), "not as Headstay does"),
            (
                answer("503 Unavailable", "application/problem+json", r#"{"detail": "the store"}"#),
                ": the store",
            ),
            (answer("401 Unauthorized", "application/problem+json", "{}"), "set HEADSTAY_TOKEN"),
        ] {
            let told = told(&answer, None);
            assert!(told.contains(expected), "{told}");
        }
        let refused = answer("401 Unauthorized", "application/problem+json", "{}");
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
        assert!(is_loopback("[::1]") && is_loopback("LocalHost") && !is_loopback("10.0.0.1"));
    }
}
