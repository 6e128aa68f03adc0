//! Who may use the API: holders of a token by its role; without any token only this machine.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::config::secret::Secret;
use crate::config::{Role, Token};
use crate::http::App;
use crate::http::problem::Problem;

/// The name under which a request goes into the history.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) String);

/// Lets a request through whose caller has at least this role, or answers 401, 403 or 415.
pub(super) async fn authorize(
    State((app, needed)): State<(App, Role)>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let config = app.context.config.load();
    let tokens = &config.server.tokens;
    match reading(tokens, || identify(tokens, needed, peer, request.headers())) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Runs what reads the tokens' secrets: files block, and other requests are to go on.
fn reading<T>(tokens: &[Token], read: impl FnOnce() -> T) -> T {
    if tokens.iter().any(|token| matches!(token.secret, Secret::File(_))) {
        tokio::task::block_in_place(read)
    } else {
        read()
    }
}

fn identify(
    tokens: &[Token],
    needed: Role,
    peer: SocketAddr,
    headers: &HeaderMap,
) -> Result<Caller, Problem> {
    let caller = if tokens.is_empty() {
        check_loopback(peer, headers)?;
        Caller("local".to_owned())
    } else {
        let (name, role) = find_token(tokens, headers)?;
        if role < needed {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "this token has the role viewer; changes need the role operator",
            ));
        }
        Caller(name)
    };
    // A form of a foreign page cannot send this content type without the browser asking first.
    if needed == Role::Operator && !is_json(headers) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "changes need the header Content-Type: application/json",
        ));
    }
    Ok(caller)
}

fn is_json(headers: &HeaderMap) -> bool {
    text(headers, &header::CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Compares with every token without an early end, by digest, so that neither length nor content
/// shows in the time.
fn find_token(tokens: &[Token], headers: &HeaderMap) -> Result<(String, Role), Problem> {
    let refused =
        || Problem::new(StatusCode::UNAUTHORIZED, "this needs a bearer token (server.tokens)");
    let given = text(headers, &header::AUTHORIZATION)
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| Sha256::digest(token.trim()))
        .ok_or_else(refused)?;
    let mut found = None;
    for token in tokens {
        let secret = match token.secret.read() {
            Ok(secret) => secret,
            Err(error) => {
                tracing::error!(token = token.name, %error, "a token of the API cannot be read");
                continue;
            }
        };
        let equal: Choice = Sha256::digest(secret.expose_secret()).ct_eq(&given);
        if equal.into() {
            found = Some((token.name.clone(), token.role));
        }
    }
    found.ok_or_else(refused)
}

/// Without tokens: a peer on this machine that means this machine, and no page of another origin.
/// The Host check keeps a foreign name that resolves to 127.0.0.1 out.
fn check_loopback(peer: SocketAddr, headers: &HeaderMap) -> Result<(), Problem> {
    let host_is_local = text(headers, &header::HOST).is_some_and(names_loopback);
    let origin_is_local = match text(headers, &header::ORIGIN) {
        None => !headers.contains_key(header::ORIGIN),
        Some(origin) => origin.split_once("://").is_some_and(|(_, host)| names_loopback(host)),
    };
    if peer.ip().to_canonical().is_loopback() && host_is_local && origin_is_local {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "no token is configured (server.tokens), so the API answers on this machine only",
    ))
}

fn names_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(peer: &str, needed: Role, headers: &[(&'static str, &'static str)]) -> Option<u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 4000);
        identify(&[], needed, peer, &map).err().map(|problem| problem.status().as_u16())
    }

    #[test]
    fn without_tokens_only_this_machine_is_answered() {
        let local = ("host", "localhost:8080");
        assert_eq!(ask("127.0.0.1", Role::Viewer, &[local]), None);
        assert_eq!(ask("::1", Role::Viewer, &[("host", "[::1]:8080")]), None);
        assert_eq!(ask("192.0.2.7", Role::Viewer, &[local]), Some(403));
        assert_eq!(ask("127.0.0.1", Role::Viewer, &[("host", "evil.example")]), Some(403));
        let foreign = [local, ("origin", "https://evil.example")];
        assert_eq!(ask("127.0.0.1", Role::Viewer, &foreign), Some(403));
        let own = [local, ("origin", "http://localhost:8080")];
        assert_eq!(ask("127.0.0.1", Role::Viewer, &own), None);
    }

    #[test]
    fn a_change_says_that_it_is_json() {
        let local = ("host", "localhost");
        assert_eq!(ask("127.0.0.1", Role::Operator, &[local]), Some(415));
        let form = [local, ("content-type", "text/plain")];
        assert_eq!(ask("127.0.0.1", Role::Operator, &form), Some(415));
        let json = [local, ("content-type", "application/json; charset=utf-8")];
        assert_eq!(ask("127.0.0.1", Role::Operator, &json), None);
    }
}
