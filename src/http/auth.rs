//! Who may use the API: holders of a token by its role; without any token only this machine.

use std::net::SocketAddr;
use std::time::Instant;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::config::secret::Secret;
use crate::config::secret::TOKEN_BYTES_MIN;
use crate::config::{Role, Token};
use crate::http::App;
use crate::http::local::{self, Origin};
use crate::http::problem::Problem;
use crate::http::refusals::Refusals;

/// The name under which a request goes into the history.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) String);

/// Tokens that cannot be used, which is told of once a minute.
type Unusable = Refusals<(&'static str, String)>;

/// Lets a request through whose caller has at least this role, or answers 401, 403 or 415.
pub(super) async fn authorize(
    State((app, needed)): State<(App, Role)>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let config = app.context.config.load();
    let tokens = &config.server.tokens;
    let origin =
        Origin { peer, version: request.version(), uri: request.uri(), headers: request.headers() };
    match reading(tokens, || identify(tokens, needed, origin, &app.unusable)) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => {
            tell(&app, peer, &problem);
            problem.into_response()
        }
    }
}

/// Counts who was not let in, and logs one of a minute.
fn tell(app: &App, peer: SocketAddr, problem: &Problem) {
    let status = match problem.status() {
        StatusCode::UNAUTHORIZED => "401",
        StatusCode::FORBIDDEN => "403",
        _ => return,
    };
    app.context.metrics.refused(status);
    if app.refusals.count(&status, u32::MAX, Instant::now()).sampled {
        let reason = problem.detail();
        tracing::warn!(%peer, status, reason, "a request of the API was refused; more of a minute are only counted");
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
    origin: Origin<'_>,
    unusable: &Unusable,
) -> Result<Caller, Problem> {
    let headers = origin.headers;
    let caller = if tokens.is_empty() {
        local::check(origin)?;
        Caller("local".to_owned())
    } else {
        let (name, role) = find_token(tokens, headers, unusable)?;
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
/// shows in the time. Of several with one value, the one that may do least counts.
fn find_token(
    tokens: &[Token],
    headers: &HeaderMap,
    unusable: &Unusable,
) -> Result<(String, Role), Problem> {
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
            Ok(secret) if secret.expose_secret().len() >= TOKEN_BYTES_MIN => secret,
            Ok(_) => {
                warn_of(unusable, token, &format!("has less than {TOKEN_BYTES_MIN} characters"));
                continue;
            }
            Err(error) => {
                warn_of(unusable, token, &error.to_string());
                continue;
            }
        };
        let equal: Choice = Sha256::digest(secret.expose_secret()).ct_eq(&given);
        let least = found.as_ref().is_none_or(|(_, role)| token.role < *role);
        if bool::from(equal) && least {
            found = Some((token.name.clone(), token.role));
        }
    }
    found.ok_or_else(refused)
}

/// Logs once a minute that a token lets nobody in: anybody can ask, and each request meets it.
fn warn_of(unusable: &Unusable, token: &Token, reason: &str) {
    if unusable.count(&("token", token.name.clone()), u32::MAX, Instant::now()).sampled {
        tracing::error!(token = token.name, reason, "a token of the API cannot be used");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

    use axum::http::{Uri, Version};

    use super::*;

    /// Who is let in, or the status of the refusal.
    fn ask(tokens: &[Token], needed: Role, headers: &[(&'static str, &str)]) -> String {
        ask_again(tokens, needed, headers, &Refusals::default())
    }

    fn ask_again(
        tokens: &[Token],
        needed: Role,
        headers: &[(&'static str, &str)],
        unusable: &Unusable,
    ) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let peer = SocketAddr::from(([127, 0, 0, 1], 4000));
        let uri = Uri::from_static("/");
        let origin = Origin { peer, version: Version::HTTP_11, uri: &uri, headers: &map };
        let caller = identify(tokens, needed, origin, unusable);
        let refused = |problem: Problem| problem.status().as_u16().to_string();
        caller.map_or_else(refused, |Caller(name)| name)
    }

    #[test]
    fn a_change_says_that_it_is_json() {
        let local = ("host", "localhost");
        assert_eq!(ask(&[], Role::Operator, &[local]), "415");
        let form = [local, ("content-type", "text/plain")];
        assert_eq!(ask(&[], Role::Operator, &form), "415");
        let json = [local, ("content-type", "application/json; charset=utf-8")];
        assert_eq!(ask(&[], Role::Operator, &json), "local");
    }

    #[test]
    fn a_token_opens_what_its_role_may_and_of_two_with_one_value_the_lesser_counts() {
        let folder = tempfile::tempdir().unwrap();
        let token = |name: &str, role, value: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, value).unwrap();
            Token { name: name.to_owned(), role, secret: Secret::File(path) }
        };
        let tokens = [
            token("viewer", Role::Viewer, "the-one-of-the-viewer"),
            token("twice", Role::Operator, "the-one-of-the-viewer"),
            token("operator", Role::Operator, "the-one-of-the-operator"),
            token("short", Role::Operator, "short"),
        ];
        for (given, needed, expected) in [
            ("Bearer the-one-of-the-viewer", Role::Viewer, "viewer"),
            ("bearer the-one-of-the-viewer", Role::Operator, "403"),
            ("Bearer the-one-of-the-operator", Role::Viewer, "operator"),
            ("Bearer short", Role::Viewer, "401"),
            ("Bearer ", Role::Viewer, "401"),
            ("Basic the-one-of-the-viewer", Role::Viewer, "401"),
        ] {
            let asked = ask(&tokens, needed, &[("authorization", given)]);
            assert_eq!(asked, expected, "{given}");
        }
        assert_eq!(ask(&tokens, Role::Viewer, &[("host", "localhost")]), "401");
    }

    /// Counts the lines of the log that tell of tokens.
    #[derive(Clone, Default)]
    struct Lines(Arc<AtomicUsize>);

    impl<S: tracing::Subscriber> Layer<S> for Lines {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            if event.metadata().fields().field("token").is_some() {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    #[test]
    fn a_token_that_cannot_be_used_is_told_of_once_a_minute_however_often_others_ask() {
        let folder = tempfile::tempdir().unwrap();
        let token = |name: &str| Token {
            name: name.to_owned(),
            role: Role::Viewer,
            secret: Secret::File(folder.path().join(name)),
        };
        std::fs::write(folder.path().join("short"), "short").unwrap();
        let tokens = [token("short"), token("missing")];
        let (lines, unusable) = (Lines::default(), Refusals::default());
        // As long as there is only one, a line that another test comes to first is judged by what that test
        // listens to, and left out for all.
        let _another = tracing::Dispatch::new(tracing_subscriber::registry());
        tracing::subscriber::with_default(
            tracing_subscriber::registry().with(lines.clone()),
            || {
                for _ in 0..5 {
                    let headers = [("authorization", "Bearer x")];
                    assert_eq!(ask_again(&tokens, Role::Viewer, &headers, &unusable), "401");
                }
            },
        );
        assert_eq!(lines.0.load(Ordering::Relaxed), 2, "one of each token");
    }
}
