//! What can go wrong between a Git host and the bytes of a commit. No text in here holds a
//! credential: what others wrote goes through `credentials::Scrub` first.

use std::sync::Arc;

use git2::{ObjectType, Oid};

use crate::domain::account::Refusal;
use crate::domain::commit::CommitId;
use crate::domain::name::RepositoryName;
pub use crate::source::fetch_error::FetchError;

/// Why a question about a repository has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SourceError {
    /// The mirror could not be brought up to date.
    #[error("fetch of repository `{repository}` failed")]
    Fetch {
        /// The repository.
        repository: RepositoryName,
        /// Why; shared by all who waited for that fetch.
        #[source]
        source: Arc<FetchError>,
    },
    /// A branch or tag was there once.
    #[error(
        "{kind} `{name}` no longer exists in repository `{repository}`: the last state is kept"
    )]
    Vanished {
        /// The repository.
        repository: RepositoryName,
        /// `branch` or `tag`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// Nothing in the repository has this name.
    #[error("repository `{repository}` has no {what} `{revision}`: check `revision`")]
    RevisionNotFound {
        /// The repository.
        repository: RepositoryName,
        /// Which kind of thing was looked for.
        what: &'static str,
        /// The revision as configured.
        revision: String,
    },
    /// A commit that somebody named is none that the repository shows.
    #[error(
        "commit {commit} is on no branch or tag of repository `{repository}`: push it to one, or \
         configure it as `revision`"
    )]
    Unpublished {
        /// The repository.
        repository: RepositoryName,
        /// The commit.
        commit: CommitId,
    },
    /// A tag points to a file or folder.
    #[error("`{revision}` of repository `{repository}` does not point to a commit")]
    NotACommit {
        /// The repository.
        repository: RepositoryName,
        /// The revision as configured.
        revision: String,
    },
    /// The commit is not in the mirror.
    #[error("commit {commit} is not in the mirror of repository `{repository}`")]
    CommitNotFound {
        /// The repository.
        repository: RepositoryName,
        /// The commit.
        commit: CommitId,
    },
    /// What a commit holds cannot be used.
    #[error("repository `{repository}` at commit {commit}: {problem}")]
    Tree {
        /// The repository.
        repository: RepositoryName,
        /// The commit.
        commit: CommitId,
        /// What is wrong with it.
        problem: TreeProblem,
    },
    /// A fetch did not take what the revision leads to.
    #[error("repository `{repository}`: {name} is refused as it is, at {at}")]
    Refused {
        /// The repository.
        repository: RepositoryName,
        /// The branch, tag or commit.
        name: String,
        /// What it leads to.
        at: CommitId,
        /// Why.
        #[source]
        source: Arc<FetchError>,
    },
    /// An object of Git's own, beside the files, that nobody can read, although it is whole.
    #[error("repository `{repository}`: {object}")]
    Malformed {
        /// The repository.
        repository: RepositoryName,
        /// The object.
        object: Malformed,
    },
    /// An object of Git's own, beside the files, that is larger than anyone needs it.
    #[error("repository `{repository}`: {object}")]
    ObjectTooLarge {
        /// The repository.
        repository: RepositoryName,
        /// What is too large.
        object: TooLarge,
    },
    /// A commit was looked for in a history that is longer than is read.
    #[error(
        "whether repository `{repository}` has the commit in its history is not known: of that, \
         {limit} {bound} are searched at most; ask for a branch or tag, or configure the commit as \
         `revision`"
    )]
    TooMuchHistory {
        /// The repository.
        repository: RepositoryName,
        /// Of what, with its unit.
        bound: &'static str,
        /// How much is read.
        limit: usize,
    },
    /// The mirror is damaged or gone.
    #[error(
        "the mirror of repository `{repository}` cannot be read: the next fetch makes it anew: {reason}"
    )]
    Mirror {
        /// The repository.
        repository: RepositoryName,
        /// Why not.
        reason: String,
    },
    /// The process is ending, or the job had a defect.
    #[error("the work on repository `{repository}` was stopped before its end")]
    Stopped {
        /// The repository.
        repository: RepositoryName,
    },
}

impl SourceError {
    /// Whether Git's bytes alone decide it, so that only a new commit (or another configuration)
    /// can help. Hosts, credentials and refs can change without one.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Tree { problem, .. } => {
                !matches!(problem, TreeProblem::TooMuch { refusal: Refusal::Abandoned, .. })
            }
            Self::Malformed { .. } | Self::ObjectTooLarge { .. } | Self::TooMuchHistory { .. } => {
                true
            }
            Self::Refused { source, .. } => source.is_by_bytes(),
            _ => false,
        }
    }

    /// Whether the repository was read, and has no commit by the name that was asked for.
    pub fn names_no_commit(&self) -> bool {
        matches!(
            self,
            Self::Vanished { .. }
                | Self::RevisionNotFound { .. }
                | Self::NotACommit { .. }
                | Self::Unpublished { .. }
        )
    }
}

/// An object that is in the repository as somebody made it, but not as Git writes one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("object {id} is not as Git writes it: {reason}")]
pub struct Malformed {
    /// Its id.
    pub id: Oid,
    /// What is wrong with it.
    pub reason: String,
}

/// An object of Git that is not unpacked, because of its size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {id} has {bytes} bytes; at most {limit} are read")]
pub struct TooLarge {
    /// `commit`, `tag` …
    pub kind: ObjectType,
    /// Its id.
    pub id: Oid,
    /// Its size.
    pub bytes: usize,
    /// The limit.
    pub limit: usize,
}

/// What is wrong with the tree of a commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeProblem {
    /// The path is not there.
    #[error("path `{path}` does not exist")]
    PathNotFound {
        /// The path.
        path: String,
    },
    /// A symlink points out of the repository.
    #[error("symlink `{path}` leads out of the repository, to `{target}`")]
    SymlinkLeaves {
        /// Path of the link.
        path: String,
        /// Where it points to.
        target: String,
    },
    /// A symlink points to nothing.
    #[error("symlink `{path}` leads to `{target}`, which does not exist")]
    SymlinkDangles {
        /// Path of the link.
        path: String,
        /// Where it points to.
        target: String,
    },
    /// Symlinks that lead to one another without end.
    #[error("symlink `{path}` leads back to where it is")]
    SymlinkLoop {
        /// Path of the link.
        path: String,
    },
    /// A file has a name that is not UTF-8.
    #[error("`{path}` is not UTF-8: rename it")]
    NotUtf8 {
        /// The path, with the odd bytes replaced.
        path: String,
    },
    /// A path, or what a symlink says, has more text than a path may have.
    #[error("at `{path}`: a path or symlink of more than {limit} bytes")]
    TooLong {
        /// Where, as far as it is short.
        path: String,
        /// The longest, in bytes.
        limit: usize,
    },
    /// The list of a folder's entries is not as Git writes it.
    #[error("`{path}`: {object}")]
    Malformed {
        /// The folder.
        path: String,
        /// The object.
        object: Malformed,
    },
    /// It would take more than a render may.
    #[error("`{path}`: {refusal}")]
    TooMuch {
        /// Where it would have been taken.
        path: String,
        /// What is too much.
        refusal: Refusal,
    },
}
