//! GitHub, and the shape of payload that Gitea and its kin took over from it.

use super::payload::{self, Payload, first_text, is_true, text, texts};
use super::{Malformed, Rejection, refs, signature};
use crate::domain::delivery::{Event, Push, RefKind, RefUpdate};
use http::HeaderMap;
use secrecy::SecretString;

/// `X-Hub-Signature-256` over the raw body, also when that is a form. The older signature with
/// SHA-1 beside it is not looked at.
pub(super) fn verify(
    secrets: &[SecretString],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), Rejection> {
    signature::verify_hex("x-hub-signature-256", "sha256=", secrets, headers, body)
}

/// What is read of a payload.
const FIELDS: [&str; 7] =
    ["/ref", "/ref_type", "/before", "/after", "/sha", "/deleted", "/repository/full_name"];
/// What names the repository.
const URLS: [&str; 5] = [
    "/repository/clone_url",
    "/repository/ssh_url",
    "/repository/git_url",
    "/repository/html_url",
    "/repository/url",
];
/// What names who pushed.
const PUSHERS: [&str; 4] = ["/pusher/login", "/pusher/username", "/pusher/name", "/sender/login"];

/// Reads an event. `create` and `delete` count as pushes of one ref: there are hosts that send
/// nothing else for tags and for deleted branches.
pub(super) fn event(name: &str, headers: &HeaderMap, body: &[u8]) -> Result<Event, Malformed> {
    let update = match name {
        "ping" => return Ok(Event::Ping),
        "push" => pushed,
        "create" => created,
        "delete" => removed,
        _ => return Ok(Event::Other(name.to_owned())),
    };
    let payload = payload::parse(headers, body, &[&FIELDS, &URLS, &PUSHERS])?;
    Ok(Event::Push(Push {
        urls: texts(&payload, &URLS),
        full_name: first_text(&payload, &["/repository/full_name"]),
        refs: update(&payload).into_iter().collect(),
        further_refs: 0,
        pusher: first_text(&payload, &PUSHERS),
    }))
}

fn pushed(payload: &Payload) -> Option<RefUpdate> {
    let named = refs::split(text(payload, "/ref")?)?;
    let before = text(payload, "/before");
    Some(if is_true(payload, "/deleted") {
        refs::deleted(named, before)
    } else {
        refs::moved(named, before, text(payload, "/after"))
    })
}

fn created(payload: &Payload) -> Option<RefUpdate> {
    Some(refs::moved(named(payload)?, None, text(payload, "/sha")))
}

fn removed(payload: &Payload) -> Option<RefUpdate> {
    Some(refs::deleted(named(payload)?, None))
}

/// The ref of `create` and `delete`: short or full, depending on host and version.
fn named(payload: &Payload) -> Option<(RefKind, &str)> {
    let name = text(payload, "/ref")?;
    refs::split(name).or_else(|| Some((refs::kind(text(payload, "/ref_type")?)?, name)))
}
