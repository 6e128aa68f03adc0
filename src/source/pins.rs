//! Pins: a ref of our own per commit of the history, so that neither a force-push nor a garbage
//! collection by someone's `git gc` loses what was applied once.

use std::collections::BTreeSet;

use git2::Repository as Git;

use crate::domain::commit::CommitId;
use crate::domain::name::RepositoryName;
use crate::source::error::SourceError;
use crate::source::mirror::refs;
use crate::source::resolve::{commit, damaged};
use crate::source::wanted::PINS;

/// Pins commits that the mirror has.
pub(super) fn pin(
    git: &Git,
    repository: &RepositoryName,
    commits: &[CommitId],
) -> Result<(), SourceError> {
    for id in commits {
        let oid = commit(git, repository, id)?.id();
        let name = format!("{PINS}{oid}");
        if git.refname_to_id(&name).is_err() {
            git.reference(&name, oid, true, "").map_err(|error| damaged(repository, &error))?;
        }
    }
    Ok(())
}

/// Drops all pins but these.
pub(super) fn retain(
    git: &Git,
    repository: &RepositoryName,
    commits: &BTreeSet<CommitId>,
) -> Result<(), SourceError> {
    let drop_others = || -> Result<(), git2::Error> {
        let keep: BTreeSet<_> = commits.iter().map(|id| format!("{PINS}{id}")).collect();
        for name in refs(git, &[PINS])?.keys().filter(|name| !keep.contains(*name)) {
            git.find_reference(name)?.delete()?;
        }
        // One file for all of them is quicker to read than a file each.
        git.refdb_compress()
    };
    drop_others().map_err(|error| damaged(repository, &error))
}
