//! The files of an application at a commit, with where they were looked for.

use git2::{Oid, Repository as Git};
use tracing::warn;

use crate::domain::account::{Account, Bound};
use crate::domain::commit::CommitId;
use crate::domain::file::File;
use crate::domain::footprint::{Paths, Seen};
use crate::domain::name::RepositoryName;
use crate::source::entry::folder_entry;
use crate::source::error::{SourceError, TreeProblem};
use crate::source::objects::left_out;
use crate::source::resolve;
use crate::source::tree::{self, Failure, too_much};

/// What was read of a commit.
#[derive(Debug)]
pub struct Read {
    /// Where it was looked, also if reading failed.
    pub paths: Paths,
    /// The files, or what is wrong with the tree.
    pub files: Result<Vec<File>, SourceError>,
}

pub(super) fn read(
    git: &Git,
    repository: &RepositoryName,
    commit: CommitId,
    path: &str,
    account: &Account,
) -> Result<Read, SourceError> {
    let root = resolve::commit(git, repository, &commit)?.tree_id();
    let mut seen = Paths::seen(folder_entry(root));
    let files = match files(git, repository, root, path, account, &mut seen) {
        Ok(files) => Ok(files),
        Err(Failure::Mirror(error)) => return Err(resolve::damaged(repository, &error)),
        Err(Failure::Tree(problem)) => {
            // Of how much there is, the places that were looked at do not tell.
            if matches!(problem, TreeProblem::TooLong { .. } | TreeProblem::TooMuch { .. }) {
                seen.note("", Some(folder_entry(root)));
            }
            Err(SourceError::Tree { repository: repository.clone(), commit, problem })
        }
    };
    Ok(Read { paths: seen.paths(), files })
}

/// The manifests below a path of a tree.
fn files(
    git: &Git,
    repository: &RepositoryName,
    root: Oid,
    path: &str,
    account: &Account,
    seen: &mut Seen,
) -> Result<Vec<File>, Failure> {
    let listing = tree::list(git, root, path, account, seen)?;
    for problem in &listing.passed_over {
        warn!(%repository, %problem, "passed over: no manifest needs it");
    }
    let mut files = Vec::with_capacity(listing.files.len());
    for (path, id) in listing.files {
        let bytes = blob(git, &path, id, account)?;
        files.push(File { path: path.into(), bytes });
    }
    Ok(files)
}

/// Reads a manifest, within what the account has to give. The memory of its bytes is to be given back
/// by who reads them.
fn blob(git: &Git, path: &str, id: Oid, account: &Account) -> Result<Vec<u8>, Failure> {
    // The size is looked at first, so that nothing is unpacked that would not be taken.
    let bytes = match git.odb()?.read_header(id) {
        Ok((bytes, _)) => bytes,
        Err(error) => left_out(git, id).ok_or(error)?,
    };
    account
        .hold(Bound::FileBytes, bytes)
        .and_then(|()| account.charge(Bound::Bytes, bytes))
        .and_then(|()| account.charge(Bound::Unpacked, bytes))
        // Git hands out a copy.
        .and_then(|()| account.charge(Bound::Memory, 2 * bytes))
        .map_err(|refusal| too_much(path, refusal))?;
    let read = git.find_blob(id)?.content().to_vec();
    account.give_back(Bound::Memory, bytes);
    Ok(read)
}
