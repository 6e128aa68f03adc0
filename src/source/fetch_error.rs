//! Why a fetch came to nothing. No text in here holds a credential: what others wrote goes through
//! `credentials::Scrub` first.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::secret::SecretError;

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
    /// A commit that was asked for by its id.
    #[error("the Git server does not know the commit")]
    UnknownCommit,
    /// libgit2 knows SHA-1 only.
    #[error(
        "its objects have SHA-256 ids, which Headstay cannot read: use a repository with SHA-1 ids, \
         as Git makes them unless told otherwise"
    )]
    ObjectFormat,
    /// More refs than are read.
    #[error("the repository has more than {limit} {bound}")]
    ManyRefs {
        /// Which bound, with its unit.
        bound: &'static str,
        /// Its value.
        limit: u64,
    },
    /// More objects than a fetch may bring.
    #[error("more than {limit} {bound} come with it")]
    TooLarge {
        /// Which bound, with its unit.
        bound: &'static str,
        /// Its value.
        limit: u64,
    },
    /// One object that is not taken.
    #[error("{0}")]
    Object(String),
    /// What came takes too long.
    #[error("its objects take more than {seconds} s to unpack")]
    Slow {
        /// How long that may take.
        seconds: u64,
    },
    /// So much else was refused that it was not tried.
    #[error("it was not fetched, because {limit} others were refused: the next fetch goes on")]
    ManyRefused {
        /// After how many a fetch ends.
        limit: usize,
    },
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
    /// Whether what came is refused, so that something else of the repository may be taken.
    pub(super) fn is_of_objects(&self) -> bool {
        self.is_by_bytes() || matches!(self, Self::Slow { .. })
    }

    /// Whether the objects alone decide it, so that bringing them again ends so again.
    pub(super) fn is_by_bytes(&self) -> bool {
        matches!(self, Self::Object(_) | Self::TooLarge { .. })
    }

    /// Whether making the mirror anew can help.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Mirror(_))
    }

    /// Whether the host refused the credentials, so that a cached token is of no more use.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Unauthorized { .. } | Self::Forbidden { .. })
    }
}
