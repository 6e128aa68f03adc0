//! Who is answered where no token is configured: somebody on this machine who means this machine.
//!
//! A proxy makes everybody a peer on this machine, and a page in a browser can make requests from it.
//! What a proxy adds has no end of names, so a request may have only headers that a client sends by
//! itself: one with any other may have come from anywhere. What a page of another origin sends is refused
//! as well. A name that resolves to 127.0.0.1 is no loopback Host, which keeps DNS rebinding out.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, StatusCode, Uri, Version, header};

use crate::config::Server;
use crate::domain::quoted::Quoted;
use crate::http::problem::Problem;

/// What command lines, libraries and browsers send by themselves. Nothing in it tells of another peer
/// than the one that is connected, and no proxy is known to add nothing but these.
const OF_CLIENTS: [&str; 26] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "dnt",
    "expect",
    "host",
    "if-modified-since",
    "if-none-match",
    "keep-alive",
    "origin",
    "pragma",
    "priority",
    "range",
    "referer",
    "te",
    "transfer-encoding",
    "upgrade-insecure-requests",
    "user-agent",
];
/// The beginning of others, which only a browser can send for a page.
const OF_BROWSERS: &str = "sec-";

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
    if version < Version::HTTP_11 {
        return refused("the API answers HTTP/1.1, since what speaks HTTP/1.0 may be a proxy");
    }
    if let Some(name) = headers.keys().find(|name| !is_of_a_client(name.as_str())) {
        return refused(&format!(
            "the API answers no request that may have come through a proxy, as one with the header \
             {}",
            Quoted(name.as_str())
        ));
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

fn is_of_a_client(name: &str) -> bool {
    OF_CLIENTS.contains(&name) || name.starts_with(OF_BROWSERS)
}

/// A page says where it is from; what is no browser says nothing.
fn is_same_origin(headers: &HeaderMap, host: &str) -> bool {
    let is_own =
        |url: &str| url.strip_prefix("http://").is_some_and(|from| from.eq_ignore_ascii_case(host));
    let is_own_page = |url: &str| {
        let path = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
        is_own(&url[..path])
    };
    let absent_or = |name: &header::HeaderName, fits: &dyn Fn(&str) -> bool| {
        !headers.contains_key(name) || only(headers, name).is_some_and(fits)
    };
    absent_or(&header::ORIGIN, &is_own)
        && absent_or(&header::REFERER, &is_own_page)
        && absent_or(&SITE, &|site| matches!(site, "same-origin" | "none"))
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
    fn what_clients_send_by_themselves_is_taken() {
        for headers in [
            &[("user-agent", "curl/8.5.0"), ("accept", "*/*")][..],
            &[("user-agent", "ureq"), ("accept", "*/*"), ("accept-encoding", "gzip")],
            &[("content-type", "application/json"), ("content-length", "2"), ("expect", "")],
            &[("sec-ch-ua", ""), ("sec-fetch-mode", "cors"), ("sec-fetch-site", "none")],
            &[("referer", "http://localhost:8080/"), ("cookie", "a=b"), ("priority", "u=0")],
            &[("referer", "http://localhost:8080")],
        ] {
            assert!(answers_here(&[&[LOCAL], headers].concat()), "{headers:?}");
        }
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
        for referer in [
            "https://evil.example/",
            "http://localhost:3000/",
            "http://localhost:8080@evil/",
            "http://localhost:8080.evil/",
            "http://evil/localhost:8080",
            "",
        ] {
            assert!(!answers_here(&[LOCAL, ("referer", referer)]), "{referer}");
        }
        for name in [
            "Forwarded",
            "Forwarded-For",
            "Via",
            "X-Real-IP",
            "X-Forwarded-For",
            "X-Client-IP",
            "X-Envoy-External-Address",
            "X-Amzn-Trace-Id",
            "X-Varnish",
            "X-Scheme",
            "X-Request-Id",
            "Client-IP",
            "True-Client-IP",
            "Fastly-Client-IP",
            "CF-Ray",
            "CF-Connecting-IP",
            "CDN-Loop",
            "Traceparent",
            "Proxy-Authorization",
            "Max-Forwards",
            "Ali-CDN-Real-IP",
            "One-That-Nobody-Knows",
        ] {
            assert!(!answers_here(&[LOCAL, (name, "")]), "{name}");
        }
    }
}
