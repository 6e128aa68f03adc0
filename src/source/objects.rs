//! Objects of Git, of which the size is looked at before they are unpacked.

use std::collections::{BinaryHeap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::Write;

use git2::{Commit, ObjectType, Oid, Repository as Git};

use crate::source::error::{FetchError, TooLarge};

/// Largest commit or tag that is unpacked, in bytes.
pub(super) const COMMIT_BYTES_MAX: usize = 1 << 20;
/// Largest list of one folder's entries that is unpacked, in bytes.
pub(super) const TREE_BYTES_MAX: usize = 16 << 20;
/// Largest blob that is unpacked, or made from a difference, in bytes.
pub(super) const BLOB_BYTES_MAX: usize = 48 << 20;
/// The file of a mirror with a line for each blob that was left out: its id, and its bytes.
const LEFT_OUT: &str = "headstay-large";
/// Most tags in a row that lead to a commit.
const TAGS_MAX: usize = 16;
/// Most bytes of commits that are unpacked in search of an ancestor.
const HISTORY_BYTES_MAX: usize = 2 << 30;

/// Why an object cannot be had.
#[derive(Debug)]
pub(super) enum Unusable {
    /// It is too large.
    TooLarge(TooLarge),
    /// It is of another kind.
    Other,
    /// The mirror fails.
    Mirror(git2::Error),
}

impl From<git2::Error> for Unusable {
    fn from(error: git2::Error) -> Self {
        Self::Mirror(error)
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

/// A commit by its id.
pub(super) fn commit(git: &Git, id: Oid) -> Result<Commit<'_>, Unusable> {
    match measure(git, id)?.0 {
        ObjectType::Commit => Ok(git.find_commit(id)?),
        _ => Err(Unusable::Other),
    }
}

/// The commit that an object is, or that it leads to as a tag.
pub(super) fn peel(git: &Git, mut id: Oid) -> Result<Commit<'_>, Unusable> {
    for _ in 0..=TAGS_MAX {
        match measure(git, id)?.0 {
            ObjectType::Commit => return Ok(git.find_commit(id)?),
            ObjectType::Tag => id = git.find_tag(id)?.target_id(),
            _ => break,
        }
    }
    Err(Unusable::Other)
}

/// Whether one of these commits has another in its history, or is it. The youngest are looked at first, since the one
/// that is looked for mostly is among them.
pub(super) fn descend(git: &Git, from: &[Oid], ancestor: Oid) -> Result<bool, Unusable> {
    if from.contains(&ancestor) {
        return Ok(true);
    }
    let mut bytes = 0;
    let mut visit = |id: Oid| {
        bytes += measure(git, id)?.1;
        let commit = commit(git, id)?;
        Ok::<_, Unusable>((commit.time().seconds(), commit.parent_ids().collect::<Vec<_>>(), bytes))
    };
    let mut seen: HashSet<Oid> = from.iter().copied().collect();
    let mut next = seen.iter().map(|id| visit(*id)).collect::<Result<BinaryHeap<_>, _>>()?;
    while let Some((_, parents, bytes)) = next.pop() {
        if parents.contains(&ancestor) {
            return Ok(true);
        }
        if bytes > HISTORY_BYTES_MAX {
            return Ok(false);
        }
        for parent in parents {
            if seen.insert(parent) {
                next.push(visit(parent)?);
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
