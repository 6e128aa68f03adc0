//! Bitbucket Cloud (bitbucket.org).

use http::HeaderMap;
use secrecy::SecretString;
use serde_json::Value;

use super::payload::{self, first_text, is_true, items, text, texts};
use super::{Malformed, Rejection, refs, signature};
use crate::domain::delivery::{Event, Push, RefKind, RefUpdate};

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
    let payload = payload::parse(headers, body)?;
    Ok(Event::Push(Push {
        urls: texts(&payload, &["/repository/links/html/href"]),
        full_name: first_text(&payload, &["/repository/full_name"]),
        refs: items(&payload, "/push/changes").iter().filter_map(change).collect(),
        pusher: first_text(&payload, &["/actor/nickname", "/actor/display_name"]),
    }))
}

/// One change: `new` is null when the ref was deleted, `old` when it was created.
fn change(change: &Value) -> Option<RefUpdate> {
    let before = text(change, "/old/target/hash");
    match named(change, "/new") {
        Some(named) if !is_true(change, "/closed") => {
            Some(refs::moved(named, before, text(change, "/new/target/hash")))
        }
        gone => Some(refs::deleted(gone.or_else(|| named(change, "/old"))?, before)),
    }
}

/// The names are short, so one that begins with `refs/heads/` is called that.
fn named<'a>(change: &'a Value, side: &str) -> Option<(RefKind, &'a str)> {
    let side = change.pointer(side)?;
    Some((refs::kind(text(side, "/type")?)?, text(side, "/name")?))
}
