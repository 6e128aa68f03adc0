//! What the watches have seen, reduced to what is asked of it.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::domain::health::expectation::Expectation;
use crate::domain::health::{self, Health};
use crate::domain::name::ApplicationName;
use crate::domain::object::{APPLICATION_LABEL, ObjectKey};
use crate::watch::Scope;

/// Objects of a scope of which it is remembered that they went before their work was done; beyond it,
/// of none.
const CUT_SHORT_MAX: usize = 1000;

/// One live object.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Its `metadata.uid`.
    pub uid: String,
    /// Its `metadata.resourceVersion`.
    pub resource_version: String,
    /// Its `metadata.generation`, where its kind has one.
    pub generation: Option<i64>,
    /// Its health as of then; what it is now, [`Health::at`] says.
    pub health: Health,
    /// Selects its Pods, if it has any.
    pub pods: Option<String>,
    /// The application that its label names.
    pub application: Option<ApplicationName>,
}

impl Observation {
    /// What is kept of a live object; `expectation` is what its cluster lets expect of it.
    pub(super) fn of(object: &Value, expectation: Expectation) -> Self {
        let metadata = &object["metadata"];
        let text = |key: &str| metadata[key].as_str().unwrap_or_default().to_owned();
        let generation = metadata["generation"].as_i64();
        Self {
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            generation,
            health: health::assess(object, generation, expectation),
            pods: health::selector::selects_pods(object),
            application: metadata["labels"][APPLICATION_LABEL]
                .as_str()
                .and_then(|name| name.parse().ok()),
        }
    }
}

/// What is known of an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Its scope is not listed yet.
    NotListed,
    /// It cannot be seen now, for this reason.
    Refused(String),
    /// It is not there.
    Absent,
    /// The one with this uid is not there any more, and had work to finish when it went.
    CutShort(String),
    /// It is there.
    Live(Observation),
}

#[derive(Default)]
struct Seen {
    objects: HashMap<ObjectKey, Observation>,
    /// The list that is being read; it replaces `objects` when complete.
    listing: HashMap<ObjectKey, Observation>,
    complete: bool,
    /// Objects that went before their work was done, each with its uid, until another one is there.
    cut_short: HashMap<ObjectKey, String>,
    /// Why nothing can be seen any more, until something is.
    refused: Option<String>,
}

/// All live objects of the watched kinds.
#[derive(Default)]
pub(super) struct Observations {
    scopes: HashMap<Scope, Seen>,
}

impl Observations {
    /// What was seen is no longer to be believed, until there is a new list.
    pub(super) fn lose(&mut self, scope: &Scope) {
        self.seen(scope).complete = false;
    }

    /// A list begins.
    pub(super) fn restart(&mut self, scope: &Scope) {
        self.seen(scope).listing.clear();
    }

    /// An object of the list.
    pub(super) fn list(&mut self, scope: &Scope, object: ObjectKey, observation: Observation) {
        self.seen(scope).listing.insert(object, observation);
    }

    /// The list is complete; returns the applications of what was there or is there now.
    pub(super) fn complete(&mut self, scope: &Scope) -> BTreeSet<ApplicationName> {
        let seen = self.seen(scope);
        seen.complete = true;
        seen.refused = None;
        let before = std::mem::replace(&mut seen.objects, std::mem::take(&mut seen.listing));
        seen.objects.shrink_to_fit();
        let now = seen.objects.values().filter_map(|one| one.application.as_ref());
        let before = before.values().filter_map(|one| one.application.as_ref());
        before.chain(now).collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    /// An object is there in a new state; returns the application that it belonged to before.
    pub(super) fn put(
        &mut self,
        scope: &Scope,
        object: ObjectKey,
        observation: Observation,
    ) -> Option<ApplicationName> {
        let seen = self.seen(scope);
        seen.cut_short.remove(&object);
        seen.objects.insert(object, observation)?.application
    }

    /// An object is gone; returns the application that it belonged to. `cut_short` is its uid if it had
    /// work left.
    pub(super) fn remove(
        &mut self,
        scope: &Scope,
        object: &ObjectKey,
        cut_short: Option<String>,
    ) -> Option<ApplicationName> {
        let seen = self.seen(scope);
        if let Some(uid) = cut_short {
            if seen.cut_short.len() >= CUT_SHORT_MAX {
                seen.cut_short.clear();
            }
            seen.cut_short.insert(object.clone(), uid);
        }
        seen.objects.remove(object)?.application
    }

    /// Nothing can be seen any more.
    pub(super) fn refuse(&mut self, scope: &Scope, reason: String) {
        self.seen(scope).refused = Some(reason);
    }

    /// Forgets all other scopes.
    pub(super) fn retain(&mut self, kept: impl Fn(&Scope) -> bool) {
        self.scopes.retain(|scope, _| kept(scope));
    }

    /// Whether a scope is already known to be refused, for this reason.
    pub(super) fn knows_refusal(&self, scope: &Scope, reason: &str) -> bool {
        self.scopes.get(scope).is_some_and(|seen| seen.refused.as_deref() == Some(reason))
    }

    /// Looks for an object of a scope.
    pub(super) fn find(&self, scope: &Scope, object: &ObjectKey) -> Found {
        match self.scopes.get(scope) {
            Some(Seen { refused: Some(reason), .. }) => Found::Refused(reason.clone()),
            Some(seen) if seen.complete => {
                let live = seen.objects.get(object).cloned().map(Found::Live);
                let cut_short = || seen.cut_short.get(object).cloned().map(Found::CutShort);
                live.or_else(cut_short).unwrap_or(Found::Absent)
            }
            _ => Found::NotListed,
        }
    }

    fn seen(&mut self, scope: &Scope) -> &mut Seen {
        self.scopes.entry(scope.clone()).or_default()
    }
}
