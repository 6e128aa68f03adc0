//! Gitea, Forgejo and Gogs: one protocol whose headers bear each one's name.

use http::HeaderMap;
use secrecy::SecretString;

use super::{Malformed, Rejection, github, payload, signature};
use crate::domain::delivery::Event;

/// A signature without prefix. Unlike GitHub these hosts sign the JSON also where they send it
/// inside a form, so it is the decoded field `payload` that counts.
pub(super) fn verify(
    header: &'static str,
    secrets: &[SecretString],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), Rejection> {
    let json = payload::json(headers, body).ok_or(Rejection::NoPayload)?;
    signature::verify_hex(header, "", secrets, headers, &json)
}

/// Reads an event: names and payloads are GitHub's. A deleted branch is told by `delete` alone,
/// a new tag of Gogs by `create` alone.
pub(super) fn event(name: &str, headers: &HeaderMap, body: &[u8]) -> Result<Event, Malformed> {
    github::event(name, headers, body)
}
