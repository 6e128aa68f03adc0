//! GitHub, and the shape of payload that Gitea and its kin took over from it.

use http::HeaderMap;
use secrecy::SecretString;
use serde_json::Value;

use super::payload::{self, first_text, is_true, text, texts};
use super::{Malformed, Rejection, refs, signature};
use crate::domain::delivery::{Event, Push, RefKind, RefUpdate};

/// `X-Hub-Signature-256` over the raw body, also when that is a form. The older signature with
/// SHA-1 beside it is not looked at.
pub(super) fn verify(
    secrets: &[SecretString],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), Rejection> {
    signature::verify_hex("x-hub-signature-256", "sha256=", secrets, headers, body)
}

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
    let payload = payload::parse(headers, body)?;
    Ok(Event::Push(Push {
        urls: texts(
            &payload,
            &[
                "/repository/clone_url",
                "/repository/ssh_url",
                "/repository/git_url",
                "/repository/html_url",
                "/repository/url",
            ],
        ),
        full_name: first_text(&payload, &["/repository/full_name"]),
        refs: update(&payload).into_iter().collect(),
        pusher: first_text(
            &payload,
            &["/pusher/login", "/pusher/username", "/pusher/name", "/sender/login"],
        ),
    }))
}

fn pushed(payload: &Value) -> Option<RefUpdate> {
    let named = refs::split(text(payload, "/ref")?)?;
    let before = text(payload, "/before");
    Some(if is_true(payload, "/deleted") {
        refs::deleted(named, before)
    } else {
        refs::moved(named, before, text(payload, "/after"))
    })
}

fn created(payload: &Value) -> Option<RefUpdate> {
    Some(refs::moved(named(payload)?, None, text(payload, "/sha")))
}

fn removed(payload: &Value) -> Option<RefUpdate> {
    Some(refs::deleted(named(payload)?, None))
}

/// The ref of `create` and `delete`: short or full, depending on host and version.
fn named(payload: &Value) -> Option<(RefKind, &str)> {
    let name = text(payload, "/ref")?;
    refs::split(name).or_else(|| Some((refs::kind(text(payload, "/ref_type")?)?, name)))
}
