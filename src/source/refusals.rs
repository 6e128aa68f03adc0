//! What a fetch does where a repository has something that is not taken: it goes on with half as much
//! at a time, until it knows which branches and tags that is on, and does without those. Plain
//! decisions on plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use git2::Oid;

use crate::source::error::FetchError;
use crate::source::refs::{PINS, Refs};
use crate::source::wanted::Plan;

/// Most downloads of one fetch that end in a refusal.
const REFUSED_MAX: usize = 32;

/// Branches, tags and commits (below [`PINS`]) that are not taken. Kept in memory, so that they are not
/// brought again until they move.
#[derive(Clone, Default)]
pub(super) struct Refusals(BTreeMap<String, Refused>);

/// Something that is not taken.
#[derive(Clone)]
pub(super) struct Refused {
    /// The object that it leads to.
    pub(super) at: Oid,
    /// Why not.
    pub(super) why: Arc<FetchError>,
    /// Whether the next fetch tries it again.
    again: bool,
}

impl Refusals {
    /// A fetch begins that finds these refs: forgets what has moved, and what is to be tried again.
    pub(super) fn begin(&mut self, remote: &Refs) {
        self.0.retain(|name, refused| {
            !refused.again && (name.starts_with(PINS) || remote.get(name) == Some(&refused.at))
        });
    }

    /// What is known of a name.
    pub(super) fn get(&self, name: &str) -> Option<&Refused> {
        self.0.get(name)
    }

    /// All names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether it is known that a name, as it is, is not taken.
    pub(super) fn holds(&self, name: &str, at: Oid) -> bool {
        self.0.get(name).is_some_and(|refused| refused.at == at)
    }

    fn note(&mut self, refs: Refs, why: &Arc<FetchError>, again: bool) {
        let refused = |at| Refused { at, why: why.clone(), again };
        self.0.extend(refs.into_iter().map(|(name, at)| (name, refused(at))));
    }
}

/// The parts in which a fetch brings what it wants: all at once, unless something is refused.
pub(super) struct Parts {
    /// What is yet to be brought, the next last; none is for all.
    waiting: Vec<Option<Refs>>,
    refused: usize,
}

impl Parts {
    /// All is yet to be brought.
    pub(super) fn new() -> Self {
        Self { waiting: vec![None], refused: 0 }
    }

    /// The next part, if there is one.
    pub(super) fn next(&mut self) -> Option<Part> {
        self.waiting.pop().map(Part)
    }

    /// These were to be brought, and are refused, all of them or some. What leads to one object is known
    /// to be; others are parted. After [`REFUSED_MAX`] the rest is left to the next fetch.
    pub(super) fn refuse(&mut self, refs: Refs, why: FetchError, refusals: &mut Refusals) {
        self.refused += 1;
        let objects: BTreeSet<Oid> = refs.values().copied().collect();
        match objects.iter().nth(objects.len() / 2) {
            Some(middle) if objects.len() > 1 => {
                let (first, second) = refs.into_iter().partition(|(_, at)| at < middle);
                self.waiting.extend([Some(second), Some(first)]);
            }
            _ => {
                let again = !why.is_by_bytes();
                refusals.note(refs, &Arc::new(why), again);
            }
        }
        if self.refused == REFUSED_MAX {
            let why = Arc::new(FetchError::ManyRefused { limit: REFUSED_MAX });
            for rest in self.waiting.drain(..).flatten() {
                refusals.note(rest, &why, true);
            }
        }
    }
}

/// A part of what a fetch brings.
pub(super) struct Part(Option<Refs>);

impl Part {
    /// Leaves of a plan what is of this part, and not refused.
    pub(super) fn limit(&self, plan: &mut Plan, refusals: &Refusals) {
        plan.retain(|name, at| {
            self.0.as_ref().is_none_or(|refs| refs.contains_key(name)) && !refusals.holds(name, at)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> Oid {
        Oid::from_bytes(&[number; 20]).unwrap()
    }

    fn refused() -> FetchError {
        FetchError::Object("too large".to_owned())
    }

    fn plan(branches: u8) -> Plan {
        let update = (1..=branches).map(|n| (format!("refs/heads/{n}"), id(n))).collect();
        Plan { update, ..Plan::default() }
    }

    /// What is brought of so many branches, where some are not taken; in how many downloads.
    fn bring(branches: u8, bad: &[u8], refusals: &mut Refusals) -> (usize, usize) {
        let (mut parts, mut downloads, mut brought) = (Parts::new(), 0, 0);
        while let Some(part) = parts.next() {
            let mut plan = plan(branches);
            part.limit(&mut plan, refusals);
            if plan.update.is_empty() {
                continue;
            }
            downloads += 1;
            if plan.update.values().any(|at| bad.iter().any(|bad| id(*bad) == *at)) {
                parts.refuse(plan.names(), refused(), refusals);
            } else {
                brought += plan.update.len();
            }
        }
        (downloads, brought)
    }

    #[test]
    fn what_is_refused_is_found_by_halves_and_not_tried_again_until_it_moves() {
        let mut refusals = Refusals::default();
        let remote = plan(64).update;
        assert_eq!(bring(64, &[40], &mut refusals), (13, 63));
        assert_eq!(refusals.names().collect::<Vec<_>>(), ["refs/heads/40"]);
        refusals.begin(&remote);
        assert_eq!(bring(64, &[40], &mut refusals), (1, 63));
        let moved = remote.into_keys().map(|name| (name, id(200))).collect();
        refusals.begin(&moved);
        assert_eq!(refusals.names().count(), 0);
    }

    #[test]
    fn a_fetch_ends_although_all_is_refused_and_the_next_one_goes_on() {
        let mut refusals = Refusals::default();
        let remote = plan(100).update;
        let bad: Vec<u8> = (1..=100).collect();
        let mut known = 0;
        for _ in 0..10 {
            refusals.begin(&remote);
            let (downloads, brought) = bring(100, &bad, &mut refusals);
            assert!(downloads <= REFUSED_MAX && brought == 0);
            assert_eq!(refusals.names().count(), 100, "each has its reason");
            let before = known;
            known = refusals.0.values().filter(|refused| !refused.again).count();
            assert!(known > before || known == 100, "{known}");
        }
        assert_eq!(known, 100);
    }

    #[test]
    fn names_of_one_commit_share_its_fate_and_time_may_heal() {
        let mut refusals = Refusals::default();
        let names = ["refs/heads/a", "refs/tags/a", "refs/headstay/commits/1"];
        let refs: Refs = names.iter().map(|name| ((*name).to_owned(), id(1))).collect();
        let mut parts = Parts::new();
        assert!(parts.next().is_some());
        parts.refuse(refs.clone(), refused(), &mut refusals);
        assert!(parts.next().is_none());
        assert_eq!(refusals.names().count(), 3);
        parts.refuse(refs.clone(), FetchError::Slow { seconds: 1 }, &mut refusals);
        refusals.begin(&refs);
        assert_eq!(refusals.names().count(), 0);
    }
}
