//! Secrets that are sent as they are: plain tokens and basic authentication.
//!
//! They are compared by their SHA-256 in constant time, so that not even their length shows.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::{Rejection, signature};

/// Checks that a header has one of the values. All are tried.
pub(super) fn verify<'a>(
    header: &str,
    accepted: impl IntoIterator<Item = &'a SecretString>,
    headers: &HeaderMap,
) -> Result<(), Rejection> {
    let given = headers
        .get(header)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Rejection::Missing { header: header.to_owned() })?;
    let fits = accepted.into_iter().fold(Choice::from(0), |fits, secret| {
        let secret = secret.expose_secret().as_bytes();
        fits | (equal(given.as_bytes(), &[secret]) & Choice::from(u8::from(!secret.is_empty())))
    });
    verdict(fits, header)
}

/// Checks `Authorization: Basic …`.
pub(super) fn verify_basic(
    username: &str,
    password: &SecretString,
    headers: &HeaderMap,
) -> Result<(), Rejection> {
    let header = AUTHORIZATION.as_str();
    let given = signature::text(headers, header)
        .ok_or_else(|| Rejection::Missing { header: header.to_owned() })?;
    let given = given
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok())
        .ok_or_else(|| Rejection::Unreadable {
            header: "authorization",
            expected: "Basic <base64>".to_owned(),
        })?;
    let password = password.expose_secret().as_bytes();
    let fits = equal(&given, &[username.as_bytes(), b":", password])
        & Choice::from(u8::from(!password.is_empty()));
    verdict(fits, header)
}

fn equal(given: &[u8], parts: &[&[u8]]) -> Choice {
    let mut expected = Sha256::new();
    for part in parts {
        expected.update(part);
    }
    Sha256::digest(given).ct_eq(&expected.finalize())
}

fn verdict(fits: Choice, header: &str) -> Result<(), Rejection> {
    if fits.into() { Ok(()) } else { Err(Rejection::Mismatch { header: header.to_owned() }) }
}
