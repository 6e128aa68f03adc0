//! Counters whose names come from the configuration, and go with it.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// Counters by labels, which can be forgotten.
#[derive(Debug)]
pub(super) struct Counted<L> {
    family: Family<L, Counter>,
    /// The labels of the family, which does not tell them.
    known: Mutex<HashSet<L>>,
}

impl<L: Clone + Hash + Eq> Counted<L> {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { family: Family::default(), known: Mutex::default() }
    }

    /// What is registered.
    pub(super) fn family(&self) -> Family<L, Counter> {
        self.family.clone()
    }

    /// Counts one more.
    pub(super) fn count(&self, labels: L) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.family.get_or_create(&labels).inc();
        known.insert(labels);
    }

    /// Forgets the others.
    pub(super) fn keep(&self, kept: impl Fn(&L) -> bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|labels| kept(labels) || !self.family.remove(labels));
    }
}
