//! Pins: a ref of our own per commit of the history, so that neither a force-push nor a garbage
//! collection by someone's `git gc` loses what was applied once.

use std::collections::{BTreeSet, HashMap};

use git2::Repository as Git;
use jiff::{SignedDuration, Timestamp};

use crate::domain::commit::CommitId;
use crate::domain::name::RepositoryName;
use crate::source::error::SourceError;
use crate::source::refs::{PINS, refs};
use crate::source::resolve::{commit, damaged};

/// How long a pin stays at least, whatever the history says. A sync pins its commit when it has
/// found it, and the history names it only when the sync begins to write or ends: what is not named
/// yet must not count as no longer named. That is minutes with the slowest cluster; a pin costs so
/// little that a day is none too long.
const AGE_MIN: SignedDuration = SignedDuration::from_hours(24);

/// When commits were pinned last in this process. A sync that an earlier process had begun finds
/// and pins its commit anew.
#[derive(Default)]
pub(super) struct Recent(HashMap<CommitId, Timestamp>);

impl Recent {
    /// Notes that a commit is in use.
    pub(super) fn note(&mut self, commit: &CommitId, now: Timestamp) {
        self.0.insert(commit.clone(), now);
    }

    /// The commits that were pinned within [`AGE_MIN`]; the others are forgotten.
    fn young(&mut self, now: Timestamp) -> impl Iterator<Item = &CommitId> {
        self.0.retain(|_, pinned_at| now.duration_since(*pinned_at) < AGE_MIN);
        self.0.keys()
    }
}

/// Pins commits that the mirror has.
pub(super) fn pin(
    git: &Git,
    repository: &RepositoryName,
    commits: &[CommitId],
    recent: &mut Recent,
) -> Result<(), SourceError> {
    for id in commits {
        // First, so that a commit which is pinned already begins its age anew.
        recent.note(id, Timestamp::now());
        let oid = commit(git, repository, id)?.id();
        let name = format!("{PINS}{oid}");
        if git.refname_to_id(&name).is_err() {
            git.reference(&name, oid, true, "").map_err(|error| damaged(repository, &error))?;
        }
    }
    Ok(())
}

/// Drops all pins but those of these commits, and of those that were pinned lately.
pub(super) fn retain(
    git: &Git,
    repository: &RepositoryName,
    commits: &BTreeSet<CommitId>,
    recent: &mut Recent,
) -> Result<(), SourceError> {
    let young: Vec<_> = recent.young(Timestamp::now()).collect();
    let drop_others = || -> Result<(), git2::Error> {
        let keep: BTreeSet<_> =
            commits.iter().chain(young).map(|id| format!("{PINS}{id}")).collect();
        for name in refs(git, &[PINS])?.keys().filter(|name| !keep.contains(*name)) {
            git.find_reference(name)?.delete()?;
        }
        // One file for all of them is quicker to read than a file each.
        git.refdb_compress()
    };
    drop_others().map_err(|error| damaged(repository, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_young_for_a_day_from_when_it_was_last_wanted() {
        let [a, b] = ["a", "b"].map(|digit| digit.repeat(40).parse::<CommitId>().unwrap());
        let at = |hours: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours);
        let mut recent = Recent::default();
        recent.note(&a, at(0));
        recent.note(&b, at(0));
        recent.note(&b, at(20));
        assert_eq!(recent.young(at(23)).count(), 2);
        assert_eq!(recent.young(at(24)).collect::<Vec<_>>(), [&b]);
        assert_eq!(recent.young(at(44)).count(), 0);
    }
}
