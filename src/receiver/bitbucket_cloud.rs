//! Bitbucket Cloud (bitbucket.org).

use http::HeaderMap;
use secrecy::SecretString;

use super::payload::{self, Payload, first_text, further, is_true, items, text, texts};
use super::{Malformed, Rejection, refs, signature};
use crate::domain::delivery::{Event, Push, RefKind, RefUpdate};

/// What is read of a payload.
const FIELDS: [&str; 8] = [
    "/repository/full_name",
    "/push/changes/closed",
    "/push/changes/old/type",
    "/push/changes/old/name",
    "/push/changes/old/target/hash",
    "/push/changes/new/type",
    "/push/changes/new/name",
    "/push/changes/new/target/hash",
];
/// What names the repository.
const URLS: [&str; 2] = ["/repository/links/html/href", "/repository/links/self/href"];
/// What names who pushed.
const PUSHERS: [&str; 2] = ["/actor/nickname", "/actor/display_name"];

/// `X-Hub-Signature: sha256=…` over the raw body.
pub(super) fn verify(
    secrets: &[SecretString],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), Rejection> {
    signature::verify_hex("x-hub-signature", "sha256=", secrets, headers, body)
}

/// Reads an event. The payload has no clone URLs, but its web URL has the same path.
pub(super) fn event(name: &str, headers: &HeaderMap, body: &[u8]) -> Result<Event, Malformed> {
    if name != "repo:push" {
        return Ok(Event::Other(name.to_owned()));
    }
    let payload = payload::parse(headers, body, &[&FIELDS, &URLS, &PUSHERS])?;
    Ok(Event::Push(Push {
        urls: texts(&payload, &URLS),
        full_name: first_text(&payload, &["/repository/full_name"]),
        refs: items(&payload, "/push/changes").iter().filter_map(change).collect(),
        further_refs: further(&payload, "/push/changes"),
        pusher: first_text(&payload, &PUSHERS),
    }))
}

/// One change: `new` is null when the ref was deleted, `old` when it was created.
fn change(change: &Payload) -> Option<RefUpdate> {
    let before = text(change, "/old/target/hash");
    match named(change, "/new") {
        Some(named) if !is_true(change, "/closed") => {
            Some(refs::moved(named, before, text(change, "/new/target/hash")))
        }
        gone => Some(refs::deleted(gone.or_else(|| named(change, "/old"))?, before)),
    }
}

/// The names are short, so one that begins with `refs/heads/` is called that.
fn named<'a>(change: &'a Payload, side: &str) -> Option<(RefKind, &'a str)> {
    let side = change.at(side);
    Some((refs::kind(text(side, "/type")?)?, text(side, "/name")?))
}
