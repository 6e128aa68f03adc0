//! What can go wrong between a Git host and the bytes of a commit. No text in here holds a
//! credential: what others wrote goes through `credentials::Scrub` first.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use git2::{ObjectType, Oid};

use crate::config::secret::SecretError;
use crate::domain::account::Refusal;
use crate::domain::commit::CommitId;
use crate::domain::name::RepositoryName;

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
            Self::ObjectTooLarge { .. } | Self::TooMuchHistory { .. } => true,
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
    /// It would take more than a render may.
    #[error("`{path}`: {refusal}")]
    TooMuch {
        /// Where it would have been taken.
        path: String,
        /// What is too much.
        refusal: Refusal,
    },
}

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL is none that Git knows.
    #[error("the URL is not usable: {0}")]
    Url(&'static str),
    /// The URL is a path that leads to no folder.
    #[error("`{path}` is no folder, or cannot be read")]
    NoFolder {
        /// The path as configured.
        path: PathBuf,
    },
    /// The URL and the credentials do not go together.
    #[error("`auth` does not fit the URL: {0}")]
    AuthMismatch(&'static str),
    /// A secret could not be read.
    #[error("the credentials cannot be read")]
    Secret(#[from] SecretError),
    /// The file named by `ca` could not be used.
    #[error("the certificates in `{path}` (`ca`) cannot be used: {reason}")]
    Ca {
        /// Path of the file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The value of `proxy` could not be used.
    #[error("`proxy` is not a URL of an http proxy")]
    Proxy,
    /// The private key of a GitHub App could not be used.
    #[error("the private key of the GitHub App cannot be used: {0}")]
    AppKey(String),
    /// GitHub gave no token for the installation.
    #[error("GitHub gave no token for installation {installation} of the App: {reason}")]
    AppToken {
        /// The installation.
        installation: u64,
        /// Why not.
        reason: String,
    },
    /// 401 with credentials.
    #[error("{host} refused the credentials (401): check `auth`")]
    Unauthorized {
        /// The host.
        host: String,
    },
    /// 401 without credentials.
    #[error("{host} asks for credentials (401): configure `auth`")]
    CredentialsMissing {
        /// The host.
        host: String,
    },
    /// 403.
    #[error("{host} forbids access (403): check what the credentials may read")]
    Forbidden {
        /// The host.
        host: String,
    },
    /// 404.
    #[error("{url} was not found (404), or these credentials may not see it")]
    NotFound {
        /// The URL without userinfo.
        url: String,
    },
    /// Any other status but 200.
    #[error("{host} answered with status {status}")]
    Status {
        /// The host.
        host: String,
        /// The status.
        status: u16,
    },
    /// A redirect that is not followed.
    #[error("{host} redirects to {location}: {reason}")]
    Redirect {
        /// The host.
        host: String,
        /// Where to, without userinfo.
        location: String,
        /// Why it is not followed.
        reason: &'static str,
    },
    /// The answer is no answer of a Git server.
    #[error(
        "{host} answered with `{found}` where a Git server answers with `{expected}`: check the URL"
    )]
    NotGit {
        /// The host.
        host: String,
        /// Content type of the answer.
        found: String,
        /// Content type of Git.
        expected: &'static str,
    },
    /// The host let us wait.
    #[error("{host} did not answer within {} s ({what})", after.as_secs_f64())]
    Timeout {
        /// The host.
        host: String,
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
    },
    /// The host could not be reached, or hung up.
    #[error("{host}: {reason}")]
    Connection {
        /// The host.
        host: String,
        /// What happened.
        reason: String,
    },
    /// TLS failed for the certificate of the host.
    #[error("the certificate of {host} is not accepted: {reason}")]
    Certificate {
        /// The host.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The program `ssh` could not be started.
    #[error("the program `ssh` cannot be started: is it installed?")]
    SshProgram(#[source] std::io::Error),
    /// `ssh` ended with an error.
    #[error("ssh to {host}: {reason}")]
    Ssh {
        /// The host.
        host: String,
        /// The last line that it wrote.
        reason: String,
    },
    /// The Git server, or what it sent, is at fault.
    #[error("the Git server's answer was of no use: {0}")]
    Remote(String),
    /// libgit2 knows SHA-1 only.
    #[error(
        "its objects have SHA-256 ids, which Headstay cannot read: use a repository with SHA-1 ids, \
         as Git makes them unless told otherwise"
    )]
    ObjectFormat,
    /// More than a repository may have.
    #[error("the Git server sent more than {limit} {bound}")]
    TooLarge {
        /// Which bound, with its unit.
        bound: &'static str,
        /// Its value.
        limit: u64,
    },
    /// One object that nobody needs so large.
    #[error("the repository is not taken: {0}")]
    Object(String),
    /// The mirror is at fault: damaged, gone, or on a full disk.
    #[error("the mirror cannot be used: {0}")]
    Mirror(String),
    /// The folder of the mirrors is at fault.
    #[error("`{path}` cannot be written")]
    Disk {
        /// Path of the file or folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl FetchError {
    /// Whether making the mirror anew can help.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Mirror(_))
    }

    /// Whether the host refused the credentials, so that a cached token is of no more use.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Unauthorized { .. } | Self::Forbidden { .. })
    }
}
