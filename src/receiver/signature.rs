//! HMAC-SHA256, the one algorithm that is accepted: the sender does not get to choose.

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::Rejection;

/// An HMAC-SHA256.
pub(super) type Tag = [u8; 32];

/// Checks the signature in a header: `prefix` and 64 hexadecimal digits, in either case.
pub(super) fn verify_hex(
    header: &'static str,
    prefix: &str,
    secrets: &[SecretString],
    headers: &HeaderMap,
    message: &[u8],
) -> Result<(), Rejection> {
    let missing = || Rejection::Missing { header: header.to_owned() };
    let given = text(headers, header).ok_or_else(missing)?;
    let expected = format!("{prefix}<64 hexadecimal digits>");
    let unreadable = Rejection::Unreadable { header, expected };
    let Some(digits) = given.strip_prefix(prefix) else { return Err(unreadable) };
    if digits.is_empty() {
        return Err(missing());
    }
    let mut tag = Tag::default();
    if hex::decode_to_slice(digits, &mut tag).is_err() {
        return Err(unreadable);
    }
    let keys = secrets.iter().map(|secret| secret.expose_secret().as_bytes());
    if any_fits(keys, &[message], &[tag]) {
        Ok(())
    } else {
        Err(Rejection::Mismatch { header: header.to_owned() })
    }
}

/// Whether one of the tags is that of the joined parts under one of the keys. All are tried.
pub(super) fn any_fits<'a>(
    keys: impl IntoIterator<Item = &'a [u8]>,
    parts: &[&[u8]],
    tags: &[Tag],
) -> bool {
    keys.into_iter().fold(false, |fits, key| fits | fits_key(key, parts, tags))
}

fn fits_key(key: &[u8], parts: &[&[u8]], tags: &[Tag]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
    for part in parts {
        mac.update(part);
    }
    // Anyone can sign with an empty key.
    !key.is_empty()
        & tags.iter().fold(false, |fits, tag| fits | mac.clone().verify_slice(tag).is_ok())
}

/// The value of a header, if it is text and not empty.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (!value.is_empty()).then_some(value)
}
