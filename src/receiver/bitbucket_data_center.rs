//! Bitbucket Data Center and Server.

use http::HeaderMap;
use secrecy::SecretString;

use super::payload::{self, Payload, first_text, further, is_true, items, text, texts};
use super::{Malformed, Rejection, refs, signature};
use crate::domain::delivery::{Event, Push, RefUpdate};

/// Most links that are taken from each list of a payload; the host gives one per protocol.
const LINKS_MAX: usize = 8;

/// What is read of a payload.
const FIELDS: [&str; 10] = [
    "/repository/project/key",
    "/repository/slug",
    "/repository/links/clone/href",
    "/repository/links/self/href",
    "/changes/refId",
    "/changes/ref/id",
    "/changes/type",
    "/changes/fromHash",
    "/changes/toHash",
    "/refLimitExceeded",
];
/// What names who pushed.
const PUSHERS: [&str; 2] = ["/actor/name", "/actor/displayName"];

/// `X-Hub-Signature: sha256=…` over the raw body. That holds for `diagnostics:ping` too: some
/// versions send it unsigned, and then their "Test connection" is told 401 while pushes pass.
pub(super) fn verify(
    secrets: &[SecretString],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), Rejection> {
    signature::verify_hex("x-hub-signature", "sha256=", secrets, headers, body)
}

/// Reads an event. A mirror tells of what it has taken over from its primary as of a push.
pub(super) fn event(name: &str, headers: &HeaderMap, body: &[u8]) -> Result<Event, Malformed> {
    match name {
        "diagnostics:ping" => return Ok(Event::Ping),
        "repo:refs_changed" | "mirror:repo_synchronized" => {}
        _ => return Ok(Event::Other(name.to_owned())),
    }
    let payload = payload::parse(headers, body, &[&FIELDS, &PUSHERS])?;
    // More refs than a mirror names, and it does not say how many.
    let cut_short = u64::from(is_true(&payload, "/refLimitExceeded"));
    let links = ["/repository/links/clone", "/repository/links/self"];
    Ok(Event::Push(Push {
        urls: links
            .iter()
            .flat_map(|list| items(&payload, list).iter().take(LINKS_MAX))
            .flat_map(|link| texts(link, &["/href"]))
            .collect(),
        full_name: full_name(&payload),
        refs: items(&payload, "/changes").iter().filter_map(change).collect(),
        further_refs: further(&payload, "/changes").max(cut_short),
        pusher: first_text(&payload, &PUSHERS),
    }))
}

/// `KEY/slug`; versions before 5.4 give no links at all, and only this names the repository.
fn full_name(payload: &Payload) -> Option<String> {
    let key = text(payload, "/repository/project/key")?;
    Some(format!("{key}/{}", text(payload, "/repository/slug")?))
}

fn change(change: &Payload) -> Option<RefUpdate> {
    let full = text(change, "/refId").or_else(|| text(change, "/ref/id"))?;
    let named = refs::split(full)?;
    let before = text(change, "/fromHash");
    Some(if text(change, "/type") == Some("DELETE") {
        refs::deleted(named, before)
    } else {
        refs::moved(named, before, text(change, "/toHash"))
    })
}
