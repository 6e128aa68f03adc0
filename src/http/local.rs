//! Who is answered where no token is configured: somebody on this machine who means this machine.
//!
//! A proxy makes everybody a peer on this machine, and a page in a browser can make requests from it.
//! So what comes through a proxy is refused, as far as it can be told, and what a page of another
//! origin sends. A name that resolves to 127.0.0.1 is no loopback Host, which keeps DNS rebinding out.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, StatusCode, Uri, Version, header};

use crate::config::Server;
use crate::http::problem::Problem;

/// What proxies add. Who does not send any is no proxy that tells of itself.
const PROXIED: [&str; 7] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "cf-connecting-ip",
    "true-client-ip",
];
/// The beginnings of others.
const PROXIED_PREFIXES: [&str; 3] = ["x-forwarded", "x-original-", "x-envoy-"];

/// How far the page that made a request is from what it asks, as a browser says.
const SITE: header::HeaderName = header::HeaderName::from_static("sec-fetch-site");

/// A request as far as it matters for whether it comes from this machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) peer: SocketAddr,
    pub(super) version: Version,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
}

/// Refuses what does not come from this machine, or may not.
pub(super) fn check(request: Origin<'_>) -> Result<(), Problem> {
    let refused = |why: &str| {
        let detail = format!("no token is configured (server.tokens): {why}");
        Err(Problem::new(StatusCode::FORBIDDEN, detail))
    };
    let Origin { peer, version, uri, headers } = request;
    if !peer.ip().to_canonical().is_loopback() {
        return refused("the API answers on this machine only");
    }
    // Of what proxies speak by default, the old version is all that tells of some.
    if version < Version::HTTP_11 || headers.keys().any(|name| is_of_a_proxy(name.as_str())) {
        return refused("the API answers no request that came through a proxy");
    }
    let host = only(headers, &header::HOST).filter(|host| names_loopback(host));
    let Some(host) = host else {
        return refused(
            "the API answers where Host is this machine: localhost, 127.0.0.1 or [::1]",
        );
    };
    let meant = uri.authority().is_none_or(|meant| meant.as_str().eq_ignore_ascii_case(host));
    if !meant || !is_same_origin(headers, host) {
        return refused("the API answers no page of another origin");
    }
    Ok(())
}

/// What is to be said at the start of a server that listens where its API answers nobody.
pub fn unanswered(server: &Server) -> Option<&'static str> {
    (server.tokens.is_empty() && !server.listen.ip().to_canonical().is_loopback()).then_some(
        "the server listens beyond this machine and has no tokens: its API answers on this machine \
         only, and must not be put behind a proxy before there are server.tokens",
    )
}

fn is_of_a_proxy(name: &str) -> bool {
    PROXIED.contains(&name) || PROXIED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// A page says where it is from; what is no browser says nothing.
fn is_same_origin(headers: &HeaderMap, host: &str) -> bool {
    let origin = !headers.contains_key(header::ORIGIN)
        || only(headers, &header::ORIGIN)
            .and_then(|origin| origin.strip_prefix("http://"))
            .is_some_and(|from| from.eq_ignore_ascii_case(host));
    let site =
        !headers.contains_key(SITE) || matches!(only(headers, &SITE), Some("same-origin" | "none"));
    origin && site
}

/// The value of a header that is there once, and is text.
fn only<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// `localhost`, or a loopback address, with a port or without.
fn names_loopback(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an address in brackets are its own.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_port =
        |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let is_loopback = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok_and(|a| a.is_loopback()),
        None => {
            host.eq_ignore_ascii_case("localhost")
                || host.parse::<IpAddr>().is_ok_and(|a| a.is_ipv4() && a.is_loopback())
        }
    };
    is_loopback && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    const LOCAL: (&str, &str) = ("host", "localhost:8080");

    fn answers(peer: &str, uri: &str, version: Version, headers: &[(&str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 4000);
        check(Origin { peer, version, uri: &uri.parse().unwrap(), headers: &map }).is_ok()
    }

    fn answers_here(headers: &[(&str, &str)]) -> bool {
        answers("127.0.0.1", "/api/v1/status", Version::HTTP_11, headers)
    }

    #[test]
    fn a_peer_on_this_machine_that_means_it_is_answered() {
        for host in
            ["localhost", "LocalHost:8080", "127.0.0.1", "127.8.9.1:80", "[::1]", "[::1]:8080"]
        {
            assert!(answers_here(&[("host", host)]), "{host}");
            assert!(answers("::ffff:127.0.0.1", "/", Version::HTTP_11, &[("host", host)]));
            let own = format!("http://{host}");
            assert!(answers_here(&[("host", host), ("origin", &own)]), "{host}");
        }
        assert!(answers_here(&[LOCAL, ("sec-fetch-site", "same-origin")]));
        let absolute = "http://localhost:8080/api/v1/status";
        assert!(answers("::1", absolute, Version::HTTP_11, &[LOCAL]));
    }

    #[test]
    fn nobody_else_is() {
        assert!(!answers("192.0.2.7", "/", Version::HTTP_11, &[LOCAL]));
        assert!(!answers("127.0.0.1", "/", Version::HTTP_10, &[LOCAL]));
        assert!(!answers("127.0.0.1", "http://evil.example/", Version::HTTP_11, &[LOCAL]));
        assert!(!answers_here(&[]));
        for host in [
            "",
            "evil.example",
            "[::1]evil",
            "[::1]evil:80",
            "[::1",
            "::1",
            "localhost:80@evil",
            "localhost@evil",
            "evil@localhost",
            "localhost:",
            "localhost:+80",
            "localhost:99999",
            "localhost.evil.example",
            "localhost.",
            "127.0.0.1.evil.example",
            "127.1",
            "0.0.0.0",
            "[127.0.0.1]",
            "localhost, evil",
            "localhost:80:80",
            " localhost",
            "10.0.0.1",
        ] {
            assert!(!answers_here(&[("host", host)]), "{host}");
        }
        assert!(!answers_here(&[LOCAL, LOCAL]), "two hosts");
        for origin in [
            "https://evil.example",
            "null",
            "",
            "http://localhost:3000",
            "http://localhost:8080/",
            "https://localhost:8080",
            "http://localhost:8080@evil",
            "file://",
        ] {
            assert!(!answers_here(&[LOCAL, ("origin", origin)]), "{origin}");
        }
        let own = ("origin", "http://localhost:8080");
        assert!(!answers_here(&[LOCAL, own, own]), "two origins");
        for site in ["cross-site", "same-site", ""] {
            assert!(!answers_here(&[LOCAL, ("sec-fetch-site", site)]), "{site}");
        }
        for name in [
            "Forwarded",
            "Via",
            "X-Real-IP",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "X-Forwarded-Proto",
            "X-Forwarded",
            "X-Original-Forwarded-For",
            "CF-Connecting-IP",
        ] {
            assert!(!answers_here(&[LOCAL, (name, "")]), "{name}");
        }
    }
}
