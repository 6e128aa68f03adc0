//! GitLab: project hooks, group hooks and system hooks.

use std::collections::HashSet;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::payload::{self, Payload, first_text, further, items, text, texts};
use super::{Malformed, Rejection, refs, signature, token};
use crate::domain::delivery::{Event, Push, RefKind, RefUpdate};

/// How far `webhook-timestamp` may be from this clock, in seconds; the default of the libraries
/// of Standard Webhooks. GitLab names none.
const TOLERANCE_SECONDS: u64 = 300;

/// What a signing token begins with; the rest is its key in base64.
const SIGNING_PREFIX: &str = "whsec_";

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What is read of a payload.
const FIELDS: [&str; 8] = [
    "/ref",
    "/before",
    "/after",
    "/changes/ref",
    "/changes/before",
    "/changes/after",
    "/refs",
    "/project/path_with_namespace",
];
/// What tells of the event.
const EVENTS: [&str; 2] = ["/event_name", "/object_kind"];
/// What names the repository.
const URLS: [&str; 11] = [
    "/project/git_http_url",
    "/project/git_ssh_url",
    "/project/http_url",
    "/project/ssh_url",
    "/project/url",
    "/project/web_url",
    "/project/homepage",
    "/repository/git_http_url",
    "/repository/git_ssh_url",
    "/repository/url",
    "/repository/homepage",
];
/// What names who pushed.
const PUSHERS: [&str; 2] = ["/user_username", "/user_name"];

/// A signing token (`whsec_…`) signs the body, a secret token is only sent along. GitLab can send
/// both; once there is a signature it alone decides, or whoever saw a secret token once could
/// leave the signature away from what he forged.
pub(super) fn verify(
    secrets: &[SecretString],
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Rejection> {
    let is_signing = |secret: &&SecretString| secret.expose_secret().starts_with(SIGNING_PREFIX);
    let only_signing = !secrets.is_empty() && secrets.iter().all(|secret| is_signing(&secret));
    if only_signing || headers.contains_key("webhook-signature") {
        verify_signature(secrets, headers, body, now)
    } else {
        token::verify("x-gitlab-token", secrets.iter().filter(|s| !is_signing(s)), headers)
    }
}

fn verify_signature(
    secrets: &[SecretString],
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Rejection> {
    let required = |header: &'static str| {
        signature::text(headers, header)
            .ok_or_else(|| Rejection::Missing { header: header.to_owned() })
    };
    let signatures = required("webhook-signature")?;
    let (id, timestamp) = (required("webhook-id")?, required("webhook-timestamp")?);
    let keys: Vec<Vec<u8>> = secrets.iter().filter_map(signing_key).collect();
    if keys.is_empty() {
        return Err(Rejection::NoSigningToken);
    }
    let tags: Vec<signature::Tag> = signatures.split(' ').filter_map(tag).collect();
    if tags.is_empty() {
        let expected = "v1,<base64>".to_owned();
        return Err(Rejection::Unreadable { header: "webhook-signature", expected });
    }
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    if !signature::any_fits(keys.iter().map(Vec::as_slice), &signed, &tags) {
        return Err(Rejection::Mismatch { header: "webhook-signature".to_owned() });
    }
    let sent: i64 = timestamp.parse().map_err(|_| Rejection::Unreadable {
        header: "webhook-timestamp",
        expected: "<seconds since 1970>".to_owned(),
    })?;
    let seconds = now.as_second().abs_diff(sent);
    if seconds > TOLERANCE_SECONDS {
        return Err(Rejection::Stale { seconds, max: TOLERANCE_SECONDS });
    }
    Ok(())
}

fn signing_key(secret: &SecretString) -> Option<Vec<u8>> {
    let encoded = secret.expose_secret().strip_prefix(SIGNING_PREFIX)?;
    BASE64.decode(encoded).ok().filter(|key| !key.is_empty())
}

/// One entry of `webhook-signature`; those of other versions are passed over.
fn tag(entry: &str) -> Option<signature::Tag> {
    BASE64.decode(entry.strip_prefix("v1,")?).ok()?.try_into().ok()
}

/// Reads an event. The header names it, since a hook may have a body template of its own; only
/// system hooks tell it in the body.
pub(super) fn event(name: &str, headers: &HeaderMap, body: &[u8]) -> Result<Event, Malformed> {
    if !matches!(name, "Push Hook" | "Tag Push Hook" | "System Hook") {
        return Ok(Event::Other(name.to_owned()));
    }
    let payload = payload::parse(headers, body, &[&FIELDS, &EVENTS, &URLS, &PUSHERS])?;
    let refs = match first_text(&payload, &EVENTS).as_deref() {
        Some("repository_update") => updated(&payload),
        Some("push" | "tag_push") => pushed(&payload).into_iter().collect(),
        other if name == "System Hook" => {
            return Ok(Event::Other(other.unwrap_or(name).to_owned()));
        }
        _ => pushed(&payload).into_iter().collect(),
    };
    Ok(Event::Push(Push {
        urls: texts(&payload, &URLS),
        full_name: first_text(&payload, &["/project/path_with_namespace"]),
        refs,
        further_refs: further(&payload, "/changes") + further(&payload, "/refs"),
        pusher: first_text(&payload, &PUSHERS),
    }))
}

fn pushed(payload: &Payload) -> Option<RefUpdate> {
    let named = refs::split(text(payload, "/ref")?)?;
    Some(refs::moved(named, text(payload, "/before"), text(payload, "/after")))
}

/// All refs of a system hook's `repository_update`; those without a change are only named.
fn updated(payload: &Payload) -> Vec<RefUpdate> {
    let mut updates: Vec<_> = items(payload, "/changes").iter().filter_map(pushed).collect();
    let changed: HashSet<(RefKind, String)> =
        updates.iter().map(|update| (update.kind, update.name.clone())).collect();
    let named = items(payload, "/refs").iter().filter_map(|full| refs::split(text(full, "")?));
    updates.extend(
        named
            .filter(|(kind, name)| !changed.contains(&(*kind, (*name).to_owned())))
            .map(|named| refs::moved(named, None, None)),
    );
    updates
}
