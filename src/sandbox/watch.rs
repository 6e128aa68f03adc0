//! Watches: each reads the changes of the store by itself, from where it is, so that a slow one
//! holds nothing but its place.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures::{Stream, stream};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::sandbox::fault::Effect;
use crate::sandbox::kinds::Kind;
use crate::sandbox::read::{Range, shown};
use crate::sandbox::refusal::{Granted, Refused};
use crate::sandbox::route::{Call, View};
use crate::sandbox::state::Shared;
use crate::sandbox::storage::{Change, Key};
use crate::sandbox::write::in_version;

/// Time between bookmarks, which tell a quiet watch how far it is.
const BOOKMARK: Duration = Duration::from_secs(30);
/// A watch without a time of its own ends after this, as on a real server; then it is begun anew.
const LONGEST: Duration = Duration::from_mins(40);

/// A watch on its way.
pub(super) struct Watch {
    shared: Arc<Shared>,
    /// The request, for the faults.
    request: String,
    versions: watch::Receiver<u64>,
    /// Moves when all watches are to end.
    ends: watch::Receiver<u64>,
    range: Range,
    view: View,
    /// The version up to which everything was sent.
    seen: u64,
    first: Vec<Value>,
    bookmarks: bool,
    bookmark: Instant,
    end: Instant,
    ended: bool,
}

impl Watch {
    /// Begins a watch; events from before are in it already.
    pub(super) fn begin(
        shared: &Arc<Shared>,
        request: &str,
        call: &Call,
        range: Range,
    ) -> Granted<Self> {
        let (query, now) = (&call.query, Instant::now());
        let longest = query.number("timeoutSeconds").map_or(LONGEST, Duration::from_secs);
        // Before the state is looked at, so that no write falls between.
        let mut versions = shared.versions();
        versions.mark_unchanged();
        let asked = query.version()?.filter(|version| *version > 0);
        let streaming = query.is("sendInitialEvents");
        let mut watch = Self {
            shared: Arc::clone(shared),
            request: request.to_owned(),
            versions,
            ends: shared.faults.watches(),
            range,
            view: call.view,
            seen: asked.unwrap_or_default(),
            first: Vec::new(),
            bookmarks: query.is("allowWatchBookmarks"),
            bookmark: now + BOOKMARK,
            end: now + longest.min(LONGEST),
            ended: false,
        };
        if streaming || asked.is_none() {
            (watch.seen, watch.first) = shared.with(|state| {
                let objects = state.selected(&watch.range).map(|(_, object)| object);
                let events = objects.map(|object| watch.event("ADDED", object)).collect();
                (state.store.version(), events)
            });
        }
        if streaming {
            watch.first.push(watch.progress(true));
        }
        Ok(watch)
    }

    /// The events, a line each.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, async |mut watch| {
            let events = watch.next().await?;
            let mut lines = String::new();
            for event in events {
                lines.push_str(&event.to_string());
                lines.push('\n');
            }
            Some((Ok(Bytes::from(lines)), watch))
        })
    }

    /// The events that come next; none at the end.
    async fn next(&mut self) -> Option<Vec<Value>> {
        if !self.first.is_empty() {
            return Some(std::mem::take(&mut self.first));
        }
        loop {
            if self.ended {
                return None;
            }
            let mut events = self.changes();
            if !events.is_empty() {
                match self.shared.faults.of_events(&self.request) {
                    Some(Effect::LoseEvents) => continue,
                    Some(_) => events.reverse(),
                    None => {}
                }
                return Some(events);
            }
            tokio::select! {
                changed = self.versions.changed() => changed.ok()?,
                _ = self.ends.changed() => return None,
                () = sleep_until(self.bookmark), if self.bookmarks => {
                    self.bookmark = Instant::now() + BOOKMARK;
                    return Some(vec![self.progress(false)]);
                }
                () = sleep_until(self.end) => return None,
            }
        }
    }

    /// What happened since the last look, as events.
    fn changes(&mut self) -> Vec<Value> {
        let (shared, from) = (Arc::clone(&self.shared), self.seen);
        let mut events = Vec::new();
        shared.with(|state| {
            let Ok(changes) = state.store.since(from) else {
                let current = state.store.version();
                let message = format!("too old resource version: {from} ({current})");
                events.push(json!({"type": "ERROR", "object": Refused::expired(message).status()}));
                self.ended = true;
                return;
            };
            let Range { kind, namespace, .. } = &self.range;
            let within = |key: &Key| {
                key.resource == kind.resource
                    && namespace.as_ref().is_none_or(|one| *one == key.namespace)
            };
            let changes = changes.filter(|change| within(&change.key));
            events.extend(changes.filter_map(|change| self.event_of(change)));
            self.seen = state.store.version().max(from);
        });
        events
    }

    /// What a change is for who sees only what the selector lets through.
    fn event_of(&self, change: &Change) -> Option<Value> {
        let selected = |object: &&Arc<Value>| self.range.selector.matches(object);
        let before = change.before.as_ref().filter(selected);
        match (before, change.after.as_ref().filter(selected)) {
            (None, None) => None,
            (None, Some(after)) => Some(self.event("ADDED", after)),
            (Some(_), Some(after)) => Some(self.event("MODIFIED", after)),
            (Some(before), None) => {
                // The last state that was seen, at the version of its end.
                let mut gone = Value::clone(before);
                gone["metadata"]["resourceVersion"] = json!(change.version.to_string());
                Some(self.event("DELETED", &Arc::new(gone)))
            }
        }
    }

    fn event(&self, event: &str, object: &Arc<Value>) -> Value {
        let kind = &self.range.kind;
        json!({"type": event, "object": shown(kind, &in_version(object, kind), self.view)})
    }

    fn progress(&self, complete: bool) -> Value {
        let mut metadata = json!({"resourceVersion": self.seen.to_string()});
        if complete {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let Kind { kind, api_version, .. } = &*self.range.kind;
        let object = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata});
        self.event("BOOKMARK", &Arc::new(object))
    }
}
