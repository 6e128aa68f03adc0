//! Azure DevOps: service hooks. They sign nothing; a password or a header of the operator's choice
//! is all that proves the sender.

use http::HeaderMap;

use super::payload::{self, Payload, first_text, further, items, text, texts};
use super::{Malformed, Reading, refs};
use crate::domain::delivery::{Event, Push, RefUpdate};

/// What is read of a payload.
const FIELDS: [&str; 7] = [
    "/eventType",
    "/id",
    "/resource/repository/project/name",
    "/resource/repository/name",
    "/resource/refUpdates/name",
    "/resource/refUpdates/oldObjectId",
    "/resource/refUpdates/newObjectId",
];
/// What names the repository.
const URLS: [&str; 3] = [
    "/resource/repository/remoteUrl",
    "/resource/repository/sshUrl",
    "/resource/repository/webUrl",
];
/// What names who pushed.
const PUSHERS: [&str; 2] = ["/resource/pushedBy/displayName", "/resource/pushedBy/uniqueName"];

/// Reads a delivery: event and id are in the body. `resource` is absent when the hook is set to
/// send few or no details; then nothing says what was pushed.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Reading, Malformed> {
    let payload = payload::parse(headers, body, &[&FIELDS, &URLS, &PUSHERS])?;
    let event_name = first_text(&payload, &["/eventType"]).ok_or(Malformed::NoEvent)?;
    let event = if event_name == "git.push" {
        Event::Push(push(&payload))
    } else {
        Event::Other(event_name.clone())
    };
    Ok(Reading { host_id: first_text(&payload, &["/id"]), event_name, event })
}

fn push(payload: &Payload) -> Push {
    let project = text(payload, "/resource/repository/project/name");
    let name = text(payload, "/resource/repository/name");
    Push {
        urls: texts(payload, &URLS),
        full_name: project.zip(name).map(|(project, name)| format!("{project}/{name}")),
        refs: items(payload, "/resource/refUpdates").iter().filter_map(update).collect(),
        further_refs: further(payload, "/resource/refUpdates"),
        pusher: first_text(payload, &PUSHERS),
    }
}

fn update(update: &Payload) -> Option<RefUpdate> {
    let named = refs::split(text(update, "/name")?)?;
    Some(refs::moved(named, text(update, "/oldObjectId"), text(update, "/newObjectId")))
}
