//! Anything that can sign a body: scripts, mirrors, hosts that have no provider of their own.
//!
//! The delivery has `X-Signature: sha256=<hex>` over the raw body and may have an
//! `Idempotency-Key`. The body is
//!
//! ```json
//! {"repository": {"url": "https://git.example.org/acme/fleet.git"},
//!  "ref": "refs/heads/main", "before": "<commit id>", "after": "<commit id>"}
//! ```
//!
//! where `repository` may be the URL itself, `before` and `after` may be left away, and an `after`
//! of zeros tells that the ref was deleted. A `ref` that does not begin with `refs/` is a branch.

use http::HeaderMap;
use secrecy::SecretString;

use super::payload::{self, Payload, text, texts};
use super::{Malformed, Rejection, refs, signature};
use crate::domain::delivery::{Event, Push, RefKind, RefUpdate};

/// How the only event is journalled.
pub(super) const EVENT: &str = "push";

/// What is read of a payload.
const FIELDS: [&str; 3] = ["/ref", "/before", "/after"];
/// What names the repository.
const URLS: [&str; 2] = ["/repository", "/repository/url"];

/// `X-Signature: sha256=…` over the raw body.
pub(super) fn verify(
    secrets: &[SecretString],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), Rejection> {
    signature::verify_hex("x-signature", "sha256=", secrets, headers, body)
}

/// Reads the push, whatever it is called.
pub(super) fn event(_name: &str, headers: &HeaderMap, body: &[u8]) -> Result<Event, Malformed> {
    let payload = payload::parse(headers, body, &[&FIELDS, &URLS])?;
    Ok(Event::Push(Push {
        urls: texts(&payload, &URLS),
        full_name: None,
        refs: update(&payload).into_iter().collect(),
        further_refs: 0,
        pusher: None,
    }))
}

fn update(payload: &Payload) -> Option<RefUpdate> {
    let name = text(payload, "/ref")?;
    let branch = (!name.starts_with("refs/")).then_some((RefKind::Branch, name));
    let named = refs::split(name).or(branch)?;
    Some(refs::moved(named, text(payload, "/before"), text(payload, "/after")))
}
