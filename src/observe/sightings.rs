//! What the watches have seen, reduced to what health needs.

use std::collections::{BTreeSet, HashMap};

use crate::cluster::watch::Live;
use crate::domain::health::{self, Health};
use crate::domain::name::ApplicationName;
use crate::domain::object::{APPLICATION_LABEL, ObjectKey};
use crate::observe::watches::{Event, Scope, Seen};

/// One live object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sighting {
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) generation: Option<i64>,
    pub(super) health: Health,
    /// Selects its Pods, if it has any.
    pub(super) pods: Option<String>,
    pub(super) application: Option<ApplicationName>,
}

/// What is known of an object.
pub(super) enum Found<'a> {
    /// Its scope is not listed yet.
    NotListed,
    /// The API server does not let us look, for this reason.
    Refused(&'a str),
    /// It is not there.
    Absent,
    /// It is there.
    Live(&'a Sighting),
}

#[derive(Default)]
struct Kind {
    objects: HashMap<ObjectKey, Sighting>,
    /// The list that is being read; it replaces `objects` when complete.
    listing: HashMap<ObjectKey, Sighting>,
    complete: bool,
    /// Why nothing can be seen any more, until something is.
    refused: Option<String>,
}

/// All live objects of the watched kinds.
#[derive(Default)]
pub(super) struct Sightings {
    kinds: HashMap<Scope, Kind>,
}

impl Sightings {
    /// Takes in an event; returns the applications whose objects it touches.
    pub(super) fn take(&mut self, event: Event) -> BTreeSet<ApplicationName> {
        let kind = self.kinds.entry(event.scope).or_default();
        match event.seen {
            Seen::Restarted | Seen::Forbidden => {
                kind.listing.clear();
                BTreeSet::new()
            }
            Seen::Refused(reason) => {
                kind.refused = Some(reason);
                kind.objects.values().filter_map(|known| known.application.clone()).collect()
            }
            Seen::Listed(live) => {
                let sighting = sight(&live);
                kind.listing.insert(live.key, sighting);
                BTreeSet::new()
            }
            Seen::Complete => {
                kind.complete = true;
                kind.refused = None;
                let before =
                    std::mem::replace(&mut kind.objects, std::mem::take(&mut kind.listing));
                let all = before.into_values().chain(kind.objects.values().cloned());
                all.filter_map(|sighting| sighting.application).collect()
            }
            Seen::Applied(live) => {
                let sighting = sight(&live);
                let touched = sighting.application.clone();
                kind.objects.insert(live.key, sighting);
                touched.into_iter().collect()
            }
            Seen::Deleted(live) => {
                let gone = kind.objects.remove(&live.key);
                gone.and_then(|sighting| sighting.application).into_iter().collect()
            }
        }
    }

    /// Forgets all other scopes.
    pub(super) fn retain(&mut self, kept: impl Fn(&Scope) -> bool) {
        self.kinds.retain(|scope, _| kept(scope));
    }

    /// Whether a scope is already known to be refused, for this reason.
    pub(super) fn knows_refusal(&self, scope: &Scope, reason: &str) -> bool {
        self.kinds.get(scope).is_some_and(|kind| kind.refused.as_deref() == Some(reason))
    }

    /// Looks for an object of a scope.
    pub(super) fn find(&self, scope: &Scope, key: &ObjectKey) -> Found<'_> {
        match self.kinds.get(scope) {
            Some(Kind { refused: Some(reason), .. }) => Found::Refused(reason),
            Some(kind) if kind.complete => kind.objects.get(key).map_or(Found::Absent, Found::Live),
            _ => Found::NotListed,
        }
    }
}

fn sight(live: &Live) -> Sighting {
    let metadata = &live.object["metadata"];
    let text = |key: &str| metadata[key].as_str().unwrap_or_default().to_owned();
    let generation = metadata["generation"].as_i64();
    Sighting {
        uid: text("uid"),
        resource_version: text("resourceVersion"),
        generation,
        health: health::assess(&live.object, generation),
        pods: health::selector::selects_pods(&live.object),
        application: metadata["labels"][APPLICATION_LABEL]
            .as_str()
            .and_then(|name| name.parse().ok()),
    }
}
