//! Bitbucket Data Center and Server.

use http::HeaderMap;
use secrecy::SecretString;
use serde_json::Value;

use super::payload::{self, first_text, items, text, texts};
use super::{Malformed, Rejection, refs, signature};
use crate::domain::delivery::{Event, Push, RefUpdate};

/// Most links that are taken from each list of a payload; the host gives one per protocol.
const LINKS_MAX: usize = 8;

/// `X-Hub-Signature: sha256=…` over the raw body. That holds for `diagnostics:ping` too: some
/// versions send it unsigned, and then their "Test connection" is told 401 while pushes pass.
pub(super) fn verify(
    secrets: &[SecretString],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), Rejection> {
    signature::verify_hex("x-hub-signature", "sha256=", secrets, headers, body)
}

/// Reads an event.
pub(super) fn event(name: &str, headers: &HeaderMap, body: &[u8]) -> Result<Event, Malformed> {
    match name {
        "diagnostics:ping" => return Ok(Event::Ping),
        "repo:refs_changed" => {}
        _ => return Ok(Event::Other(name.to_owned())),
    }
    let payload = payload::parse(headers, body)?;
    let links = ["/repository/links/clone", "/repository/links/self"];
    Ok(Event::Push(Push {
        urls: links
            .iter()
            .flat_map(|list| items(&payload, list).iter().take(LINKS_MAX))
            .flat_map(|link| texts(link, &["/href"]))
            .collect(),
        full_name: full_name(&payload),
        refs: items(&payload, "/changes").iter().filter_map(change).collect(),
        pusher: first_text(&payload, &["/actor/name", "/actor/displayName"]),
    }))
}

/// `KEY/slug`; versions before 5.4 give no links at all, and only this names the repository.
fn full_name(payload: &Value) -> Option<String> {
    let key = text(payload, "/repository/project/key")?;
    Some(format!("{key}/{}", text(payload, "/repository/slug")?))
}

fn change(change: &Value) -> Option<RefUpdate> {
    let full = text(change, "/refId").or_else(|| text(change, "/ref/id"))?;
    let named = refs::split(full)?;
    let before = text(change, "/fromHash");
    Some(if text(change, "/type") == Some("DELETE") {
        refs::deleted(named, before)
    } else {
        refs::moved(named, before, text(change, "/toHash"))
    })
}
