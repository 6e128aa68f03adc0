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

use crate::sandbox::fault::{Effect, Faults};
use crate::sandbox::kinds::Kind;
use crate::sandbox::read::{Range, shown};
use crate::sandbox::refusal::Refused;
use crate::sandbox::route::{Query, View};
use crate::sandbox::select::Selector;
use crate::sandbox::state::{Shared, State};
use crate::sandbox::storage::Change;
use crate::sandbox::write::in_version;

/// Time between bookmarks, which tell a quiet watch how far it is.
const BOOKMARK: Duration = Duration::from_secs(30);
/// A watch without a time of its own ends after this, as on a real server; then it is begun anew.
const LONGEST: Duration = Duration::from_mins(40);

/// A watch on its way.
pub(super) struct Watch {
    shared: Arc<Shared>,
    faults: Arc<Faults>,
    /// The request, for the faults.
    request: String,
    versions: watch::Receiver<u64>,
    /// Moves when all watches are to end.
    ends: watch::Receiver<u64>,
    kind: Arc<Kind>,
    namespace: Option<String>,
    selector: Selector,
    query: Query,
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
        faults: &Arc<Faults>,
        request: &str,
        kind: &Arc<Kind>,
        range: Range<'_>,
        query: &Query,
        view: View,
    ) -> Result<Self, Refused> {
        let now = Instant::now();
        let longest = query.number("timeoutSeconds").map_or(LONGEST, Duration::from_secs);
        // Before the state is looked at, so that no write falls between.
        let mut versions = shared.versions();
        versions.mark_unchanged();
        let asked = query.version()?.filter(|version| *version > 0);
        let streaming = query.is("sendInitialEvents");
        let initial = streaming || asked.is_none();
        let (seen, mut first) = shared.with(|state| {
            let current = state.store.version();
            (
                if initial { current } else { asked.unwrap_or(current) },
                initial.then(|| everything(state, &range)),
            )
        });
        let mut watch = Self {
            shared: Arc::clone(shared),
            faults: Arc::clone(faults),
            request: request.to_owned(),
            versions,
            ends: faults.watches(),
            kind: Arc::clone(kind),
            namespace: range.namespace.map(str::to_owned),
            selector: range.selector,
            query: query.clone(),
            view,
            seen,
            first: Vec::new(),
            bookmarks: query.is("allowWatchBookmarks"),
            bookmark: now + BOOKMARK,
            end: now + longest.min(LONGEST),
            ended: false,
        };
        watch.first = first
            .take()
            .into_iter()
            .flatten()
            .map(|object| watch.event("ADDED", &object))
            .collect();
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
                match self.faults.of_events(&self.request) {
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
            let resource = self.kind.resource();
            for change in changes.filter(|change| change.key.resource == resource) {
                if self.namespace.as_ref().is_none_or(|one| *one == change.key.namespace) {
                    events.extend(self.event_of(change));
                }
            }
            self.seen = state.store.version().max(from);
        });
        events
    }

    /// What a change is for who sees only what the selector lets through.
    fn event_of(&self, change: &Change) -> Option<Value> {
        let selected = |object: &&Arc<Value>| self.selector.matches(object);
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
        let object = in_version(object, &self.kind);
        json!({"type": event, "object": shown(&self.kind, &object, &self.query, self.view)})
    }

    fn progress(&self, complete: bool) -> Value {
        let mut metadata = json!({"resourceVersion": self.seen.to_string()});
        if complete {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let (kind, api_version) = (&self.kind.kind, self.kind.api_version());
        let object = match self.view {
            View::Whole => json!({"kind": kind, "apiVersion": api_version, "metadata": metadata}),
            View::Metadata => {
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                                     "metadata": metadata})
            }
            View::Table => json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "rows": [],
                                  "metadata": metadata, "columnDefinitions": []}),
        };
        json!({"type": "BOOKMARK", "object": object})
    }
}

fn everything(state: &State, range: &Range<'_>) -> Vec<Arc<Value>> {
    let resource = range.kind.resource();
    let objects = state.store.list(&resource, range.namespace).map(|(_, object)| object);
    objects.filter(|object| range.selector.matches(object)).map(Arc::clone).collect()
}
