//! Objects of Git, of which the size is looked at before they are unpacked.

use std::collections::{BinaryHeap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::Write;

use git2::{Commit, ObjectType, Oid, Repository as Git, Tree};

use crate::domain::account::{Account, Bound};
use crate::source::error::{FetchError, Malformed, TooLarge};

/// Largest commit or tag that is unpacked, in bytes.
pub(super) const COMMIT_BYTES_MAX: usize = 1 << 20;
/// Largest list of one folder's entries that is unpacked, in bytes.
pub(super) const TREE_BYTES_MAX: usize = 16 << 20;
/// Largest blob that is unpacked, or made from a difference, in bytes.
pub(super) const BLOB_BYTES_MAX: usize = 48 << 20;
/// Largest blob that is copied from one repository of this machine to another, in bytes: nobody reads a
/// larger one (`Limits::file_bytes`).
pub(super) const COPIED_BYTES_MAX: usize = 16 << 20;
/// The file of a mirror with a line for each blob that was left out: its id, and its bytes.
const LEFT_OUT: &str = "headstay-large";
/// Most tags in a row that lead to a commit.
const TAGS_MAX: usize = 16;
/// How much of a history is searched for an ancestor: the bytes are a bound on time.
const HISTORY_MAX: History = History { commits: 1_000_000, bytes: 2 << 30 };
/// What is kept of each of its commits takes so many bytes.
const HISTORY_COMMIT_BYTES: usize = 64;

/// How much of a history is searched.
#[derive(Clone, Copy)]
struct History {
    /// Most commits.
    commits: usize,
    /// Most bytes of commits that are unpacked.
    bytes: usize,
}

/// Why an object cannot be had.
#[derive(Debug)]
pub(super) enum Unusable {
    /// It is too large.
    TooLarge(TooLarge),
    /// It is of another kind.
    Other,
    /// It is whole, but not as Git writes one.
    Malformed(Malformed),
    /// The mirror fails.
    Mirror(git2::Error),
}

impl From<git2::Error> for Unusable {
    fn from(error: git2::Error) -> Self {
        Self::Mirror(error)
    }
}

/// Why an object cannot be read.
pub(super) enum Unreadable {
    /// It is whole, but not as Git writes one.
    Malformed(Malformed),
    /// The mirror fails.
    Mirror(git2::Error),
}

impl From<Unreadable> for Unusable {
    fn from(error: Unreadable) -> Self {
        match error {
            Unreadable::Malformed(object) => Self::Malformed(object),
            Unreadable::Mirror(error) => Self::Mirror(error),
        }
    }
}

/// Why a history cannot be searched.
#[derive(Debug)]
pub(super) enum Unsearched {
    /// It is longer than is searched.
    TooMuch {
        /// Of what, with its unit.
        bound: &'static str,
        /// How much is searched.
        limit: usize,
    },
    /// One of its commits cannot be had.
    Unusable(Unusable),
}

impl From<Unusable> for Unsearched {
    fn from(error: Unusable) -> Self {
        Self::Unusable(error)
    }
}

/// Whether the mirror has a commit of this id.
pub(super) fn has_commit(git: &Git, id: Oid) -> bool {
    kind_of(git, id).is_ok_and(|kind| kind == ObjectType::Commit)
}

fn kind_of(git: &Git, id: Oid) -> Result<ObjectType, git2::Error> {
    Ok(git.odb()?.read_header(id)?.1)
}

/// Makes sure that an object may be unpacked; its kind and size.
pub(super) fn measure(git: &Git, id: Oid) -> Result<(ObjectType, usize), Unusable> {
    let (bytes, kind) = git.odb()?.read_header(id)?;
    let limit = match kind {
        ObjectType::Commit | ObjectType::Tag => COMMIT_BYTES_MAX,
        ObjectType::Tree => TREE_BYTES_MAX,
        _ => usize::MAX,
    };
    if bytes > limit {
        return Err(Unusable::TooLarge(TooLarge { kind, id, bytes, limit }));
    }
    Ok((kind, bytes))
}

/// Tells an object that nobody can read from a mirror that is damaged: it was written so by whoever
/// made it, if its bytes are what its id says.
pub(super) fn unreadable(git: &Git, id: Oid, error: git2::Error) -> Unreadable {
    match git.odb().and_then(|odb| odb.read(id).map(drop)) {
        Ok(()) => Unreadable::Malformed(Malformed { id, reason: error.message().to_owned() }),
        Err(_) => Unreadable::Mirror(error),
    }
}

/// A commit by its id.
pub(super) fn commit(git: &Git, id: Oid) -> Result<Commit<'_>, Unusable> {
    match measure(git, id)?.0 {
        ObjectType::Commit => {
            git.find_commit(id).map_err(|error| unreadable(git, id, error).into())
        }
        _ => Err(Unusable::Other),
    }
}

/// A list of a folder's entries by its id.
pub(super) fn tree(git: &Git, id: Oid) -> Result<Tree<'_>, Unusable> {
    match measure(git, id)?.0 {
        ObjectType::Tree => git.find_tree(id).map_err(|error| unreadable(git, id, error).into()),
        _ => Err(Unusable::Other),
    }
}

/// What a tag by its id leads to.
pub(super) fn tagged(git: &Git, id: Oid) -> Result<Oid, Unusable> {
    match measure(git, id)?.0 {
        ObjectType::Tag => {
            let tag = git.find_tag(id).map_err(|error| unreadable(git, id, error))?;
            Ok(tag.target_id())
        }
        _ => Err(Unusable::Other),
    }
}

/// The commit that an object is, or that it leads to as a tag.
pub(super) fn peel(git: &Git, mut id: Oid) -> Result<Commit<'_>, Unusable> {
    for _ in 0..=TAGS_MAX {
        match measure(git, id)?.0 {
            ObjectType::Commit => return commit(git, id),
            ObjectType::Tag => id = tagged(git, id)?,
            _ => break,
        }
    }
    Err(Unusable::Other)
}

/// Whether one of these commits has another in its history, or is it. The youngest are looked at first, since the one
/// that is looked for mostly is among them. What is not found within the bounds may still be there, so that is an error.
pub(super) fn descend(
    git: &Git,
    from: &[Oid],
    ancestor: Oid,
    account: &Account,
) -> Result<bool, Unsearched> {
    descend_within(git, from, ancestor, HISTORY_MAX, account)
}

fn descend_within(
    git: &Git,
    from: &[Oid],
    ancestor: Oid,
    most: History,
    account: &Account,
) -> Result<bool, Unsearched> {
    if from.contains(&ancestor) {
        return Ok(true);
    }
    let too_much = |bound, limit| Err(Unsearched::TooMuch { bound, limit });
    let charge = |commits: usize| {
        let charged = account.charge(Bound::Memory, commits * HISTORY_COMMIT_BYTES);
        // Of what is refused for its memory, the account knows that.
        charged.or_else(|_| too_much("commits", most.commits).map(drop))
    };
    let mut bytes = 0;
    charge(from.len())?;
    let mut seen: HashSet<Oid> = from.iter().copied().collect();
    // A commit is looked at in the order of its child's time: it need not be unpacked to wait.
    let mut next: BinaryHeap<(i64, Oid)> = seen.iter().map(|id| (i64::MAX, *id)).collect();
    while let Some((_, id)) = next.pop() {
        bytes += measure(git, id)?.1;
        if bytes > most.bytes {
            return too_much("bytes of commits", most.bytes);
        }
        let commit = commit(git, id)?;
        for parent in commit.parent_ids() {
            if parent == ancestor {
                return Ok(true);
            }
            if seen.insert(parent) {
                if seen.len() > most.commits {
                    return too_much("commits", most.commits);
                }
                charge(1)?;
                next.push((commit.time().seconds(), parent));
            }
        }
    }
    Ok(false)
}

/// The size of a blob that a mirror does not have, because it is too large.
pub(super) fn left_out(git: &Git, id: Oid) -> Option<usize> {
    let noted = fs::read_to_string(git.path().join(LEFT_OUT)).ok()?;
    let line = noted.lines().find_map(|line| line.strip_prefix(&format!("{id} ")))?;
    line.parse().ok()
}

/// Notes that a mirror does not have a blob, because it is too large.
pub(super) fn note_left_out(git: &Git, id: Oid, bytes: usize) -> Result<(), FetchError> {
    if left_out(git, id).is_some() {
        return Ok(());
    }
    let path = git.path().join(LEFT_OUT);
    let file = OpenOptions::new().create(true).append(true).open(&path);
    file.and_then(|mut file| writeln!(file, "{id} {bytes}"))
        .map_err(|source| FetchError::Disk { path, source })
}

#[cfg(test)]
mod tests {
    use git2::Signature;
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_history_that_is_too_long_to_search_is_no_answer() {
        let folder = TempDir::new().unwrap();
        let git = Git::init_bare(folder.path()).unwrap();
        let tree = git.find_tree(git.treebuilder(None).unwrap().write().unwrap()).unwrap();
        let ada = Signature::now("Ada", "ada@example.org").unwrap();
        let mut line: Vec<Oid> = Vec::new();
        for message in ["1", "2", "3", "4", "5"] {
            let parent = line.last().map(|id| git.find_commit(*id).unwrap());
            let parents: Vec<_> = parent.iter().collect();
            line.push(git.commit(None, &ada, &ada, message, &tree, &parents).unwrap());
        }
        let other = git.commit(None, &ada, &ada, "other", &tree, &[]).unwrap();
        let (tip, bytes) = (line[4], measure(&git, line[0]).unwrap().1);
        let all = History { commits: 5, bytes: 10 * bytes };
        for (most, ancestor, expected) in [
            (all, line[0], Ok(true)),
            (all, other, Ok(false)),
            (History { commits: 4, ..all }, line[0], Ok(true)),
            (History { commits: 4, ..all }, other, Err("commits")),
            (History { commits: 3, ..all }, line[0], Err("commits")),
            (History { commits: 1, bytes: 0 }, tip, Ok(true)),
            (History { bytes: 2 * bytes, ..all }, line[0], Err("bytes of commits")),
        ] {
            let found = match descend_within(&git, &[tip], ancestor, most, &Account::default()) {
                Ok(found) => Ok(found),
                Err(Unsearched::TooMuch { bound, .. }) => Err(bound),
                Err(other) => panic!("{other:?}"),
            };
            assert_eq!(found, expected, "{} commits, {} bytes", most.commits, most.bytes);
        }
    }
}
