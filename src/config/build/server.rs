//! `server` and `store`.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::config::build::unique;
use crate::config::problem::{Place, Problems};
use crate::config::raw::server as raw;
use crate::config::rule::Surroundings;
use crate::config::secret::TOKEN_BYTES_MIN;
use crate::config::{Limits, Retention, Role, Server, Store, Token};
use crate::domain::quoted::Quoted;

/// The store; cannot fail, its parts are sound.
pub(super) fn store(raw: raw::Store) -> Store {
    Store { sqlite: raw.url.0 }
}

/// The server; `place` is none where the configuration has no `server`.
pub(super) fn server(
    raw: raw::Server,
    store: &Store,
    place: Option<&Place<'_>>,
    around: &dyn Surroundings,
    problems: &mut Problems,
) -> Server {
    let raw::Server { listen, instance, tokens, suspend, limits, retention, data } = raw;
    let tokens: Vec<_> = tokens.into_iter().map(token).collect();
    if let Some(place) = place {
        unique(place.key("tokens").items().map(|token| token.key("name")), problems);
        good_tokens(&tokens, &place.key("tokens"), around, problems);
        if limits.body_bytes > limits.bodies_bytes {
            let message = format!(
                "expected at most `bodiesBytes`, which is {}: no body of that size could be taken",
                limits.bodies_bytes
            );
            problems.report(place.key("limits").key("bodyBytes").problem(message));
        }
    }
    Server {
        listen,
        instance,
        tokens,
        suspend,
        limits: self::limits(&limits),
        retention: Retention {
            syncs_per_application: retention.syncs_per_application,
            age: retention.age.0,
        },
        data: data.unwrap_or_else(|| folder_of(store)),
    }
}

/// Tokens that nobody guesses, each with a value of its own: of two with one value nobody could say
/// whose role counts.
fn good_tokens(
    tokens: &[Token],
    place: &Place<'_>,
    around: &dyn Surroundings,
    problems: &mut Problems,
) {
    // Those that are not sound are none of `tokens`, so places and tokens may not fit each other.
    let named = |token: &Token| {
        let mut places = place.items();
        places.find(|place| place.key("name").text() == Some(&token.name))
    };
    let mut seen: Vec<(SecretString, &str)> = Vec::new();
    for token in tokens {
        let Some((place, value)) = named(token).zip(around.value(&token.secret)) else { continue };
        let place = place.key("secret");
        if value.expose_secret().len() < TOKEN_BYTES_MIN {
            problems.report(place.problem(format!(
                "has less than {TOKEN_BYTES_MIN} characters, which can be guessed: take one of \
                 `openssl rand -hex 32`"
            )));
        }
        let same = seen.iter().find(|(other, _)| other.expose_secret() == value.expose_secret());
        if let Some((_, other)) = same {
            let other = Quoted(other);
            let message = format!("has the value of the token {other}: each needs its own");
            problems.report(place.problem(message));
        }
        seen.push((value, &token.name));
    }
}

fn token(raw: raw::Token) -> Token {
    let role = match raw.role {
        raw::Role::Viewer => Role::Viewer,
        raw::Role::Operator => Role::Operator,
    };
    Token { name: raw.name, role, secret: raw.secret.into() }
}

fn limits(raw: &raw::Limits) -> Limits {
    // Their ranges are in the schema; a number of threads or calls fits any machine word.
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Limits {
        body_bytes: raw.body_bytes.0,
        bodies_bytes: raw.bodies_bytes.0,
        failed_verifications_per_minute: raw.failed_verifications_per_minute,
        workers: count(raw.workers),
        calls_per_cluster: count(raw.calls_per_cluster),
    }
}

fn folder_of(store: &Store) -> PathBuf {
    store.sqlite.parent().map(Path::to_owned).unwrap_or_default()
}
