//! The link between a mirror and its remote: built from the configuration for one fetch, connected
//! through libgit2.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::{
    AutotagOption, Config, Direction, ErrorClass, FetchOptions, Reference, Repository as Git,
};
use jiff::Timestamp;

use crate::config::{Repository, RepositoryAuth};
use crate::source::copy::copy;
use crate::source::credentials::{Basic, Scrub};
use crate::source::endpoint::{Endpoint, HttpEndpoint, SshEndpoint};
use crate::source::error::FetchError;
use crate::source::frames::EMPTY_NAME;
use crate::source::github_app::{Installation, Tokens};
use crate::source::http::{Client, HttpConnection};
use crate::source::refs::{HEADS, Refs, TAGS, few, refs};
use crate::source::ssh::SshConnection;
use crate::source::transport::{Connection, Registered, ready};
use crate::source::wanted::Plan;

/// Largest file of refs of a repository on this machine, in bytes.
const PACKED_REFS_BYTES_MAX: u64 = 12 << 20;

/// The way to a remote, credentials included.
pub(super) struct Link {
    way: Way,
    scrub: Scrub,
}

enum Way {
    Folder(PathBuf),
    Server(Arc<dyn Connection>),
}

impl Link {
    /// A server, whose texts are cleaned of its credentials before they are shown.
    pub(super) fn server(connection: Arc<dyn Connection>, scrub: Scrub) -> Self {
        Self { way: Way::Server(connection), scrub }
    }

    /// The way to a repository; reads its secrets, and may ask GitHub for a token. `client` is the
    /// HTTP client of the last fetch, to go on with.
    pub(super) fn open(
        repository: &Repository,
        endpoint: Endpoint,
        client: &mut Option<Client>,
        tokens: &Tokens,
    ) -> Result<Self, FetchError> {
        match endpoint {
            Endpoint::Path(path) => folder(repository, path),
            Endpoint::Ssh(endpoint) => ssh(repository, endpoint),
            Endpoint::Http(endpoint) => {
                let current = Client::of(repository, client.take())?;
                *client = Some(current.clone());
                let basic = basic(repository, &endpoint, &current, tokens)?;
                let scrub = Scrub::of(basic.as_ref());
                let connection = HttpConnection::new(current, endpoint, basic.as_ref());
                Ok(Self::server(Arc::new(connection), scrub))
            }
        }
    }

    /// Connects, on behalf of a mirror.
    pub(super) fn connect<'g>(&self, mirror: &'g Git) -> Result<Connected<'g, '_>, FetchError> {
        ready()?;
        let connection = match &self.way {
            Way::Folder(path) => return open(path).map(|git| Connected::Folder { git, mirror }),
            Way::Server(connection) => connection.clone(),
        };
        let registered = Registered::new(connection, mirror.path());
        let remote = mirror
            .remote_anonymous(&registered.url())
            .map_err(|error| FetchError::Mirror(self.scrub.clean(error.message())))?;
        let (mirror, scrub) = (mirror.path(), &self.scrub);
        let mut served = Served { remote, mirror, registered, scrub };
        match served.remote.connect(Direction::Fetch) {
            Ok(()) => Ok(Connected::Server(served)),
            Err(error) => Err(served.failure(&error)),
        }
    }
}

/// Opens a repository on this machine.
fn open(path: &Path) -> Result<Git, FetchError> {
    if has_sha_256(path) {
        return Err(FetchError::ObjectFormat);
    }
    Git::open(path).map_err(|error| FetchError::Remote(error.message().to_owned()))
}

/// The branches and tags of a repository on this machine.
fn listed(git: &Git) -> Result<Refs, FetchError> {
    let packed = git.commondir().join("packed-refs");
    if fs::metadata(packed).is_ok_and(|file| file.len() > PACKED_REFS_BYTES_MAX) {
        let limit = PACKED_REFS_BYTES_MAX;
        return Err(FetchError::ManyRefs { bound: "bytes of refs", limit });
    }
    let refs = refs(git, &[HEADS, TAGS]);
    let refs = refs.map_err(|error| FetchError::Remote(error.message().to_owned()))?;
    few(refs.len()).map(|()| refs)
}

/// Whether a repository on this machine says that its objects have SHA-256 ids.
fn has_sha_256(path: &Path) -> bool {
    ["config", ".git/config"].iter().any(|file| {
        let format = Config::open(&path.join(file))
            .and_then(|config| config.get_string("extensions.objectformat"));
        format.is_ok_and(|format| format == "sha256")
    })
}

fn folder(repository: &Repository, path: String) -> Result<Link, FetchError> {
    if repository.auth != RepositoryAuth::None {
        return Err(FetchError::AuthMismatch("a folder needs no credentials"));
    }
    let path = PathBuf::from(path);
    match std::path::absolute(&path) {
        Ok(path) if path.is_dir() => Ok(Link { way: Way::Folder(path), scrub: Scrub::default() }),
        _ => Err(FetchError::NoFolder { path }),
    }
}

fn ssh(repository: &Repository, endpoint: SshEndpoint) -> Result<Link, FetchError> {
    let RepositoryAuth::Ssh { key, known_hosts } = &repository.auth else {
        return Err(FetchError::AuthMismatch("ssh needs `sshKey` and `knownHosts`"));
    };
    let (key, known_hosts) = (key.read()?, known_hosts.read()?);
    let connection = SshConnection { endpoint, key, known_hosts, timeout: repository.timeout };
    Ok(Link::server(Arc::new(connection), Scrub::default()))
}

fn basic(
    repository: &Repository,
    endpoint: &HttpEndpoint,
    client: &Client,
    tokens: &Tokens,
) -> Result<Option<Basic>, FetchError> {
    Ok(match &repository.auth {
        RepositoryAuth::None => None,
        RepositoryAuth::Token(token) => Some(Basic::token(token.read()?)),
        RepositoryAuth::Basic { username, password } => {
            Some(Basic { username: username.clone(), password: password.read()? })
        }
        RepositoryAuth::GitHubApp { id, installation, private_key } => {
            let installation = Installation::of(endpoint, *id, *installation);
            let now = Timestamp::now();
            Some(Basic::token(tokens.get(client, &installation, private_key, now)?))
        }
        RepositoryAuth::Ssh { .. } => {
            return Err(FetchError::AuthMismatch("an ssh key is of no use over http"));
        }
    })
}

/// A mirror that talks with its remote.
pub(super) enum Connected<'g, 'l> {
    /// A folder of this machine.
    Folder {
        /// What is in it.
        git: Git,
        /// The mirror.
        mirror: &'g Git,
    },
    /// A server.
    Server(Served<'g, 'l>),
}

impl Connected<'_, '_> {
    /// The branches and tags of the remote.
    pub(super) fn refs(&self) -> Result<Refs, FetchError> {
        match self {
            Self::Folder { git, .. } => listed(git),
            Self::Server(served) => served.refs(),
        }
    }

    /// Brings the objects that a fetch wants and the mirror lacks. No ref is touched.
    pub(super) fn download(&mut self, plan: &Plan) -> Result<(), FetchError> {
        match self {
            Self::Folder { git, mirror } => copy(git, mirror, &plan.ids()),
            Self::Server(served) => served.download(&plan.refspecs()),
        }
    }
}

/// A mirror that talks with a server.
pub(super) struct Served<'g, 'l> {
    remote: git2::Remote<'g>,
    mirror: &'g Path,
    registered: Registered,
    scrub: &'l Scrub,
}

impl Served<'_, '_> {
    fn refs(&self) -> Result<Refs, FetchError> {
        let heads = self.remote.list().map_err(|error| self.failure(&error))?;
        // The list names the target of each annotated tag, too, as `name^{}`, which is no name.
        Ok(heads
            .iter()
            .filter(|head| head.name().starts_with(HEADS) || head.name().starts_with(TAGS))
            .filter(|head| Reference::is_valid_name(head.name()))
            .map(|head| (head.name().to_owned(), head.oid()))
            .collect())
    }

    fn download(&mut self, refspecs: &[String]) -> Result<(), FetchError> {
        let mut options = FetchOptions::new();
        options.download_tags(AutotagOption::None);
        let downloaded = self.remote.download(refspecs, Some(&mut options));
        downloaded.map_err(|error| self.failure(&error))?;
        // What libgit2 has made of the pack without objects that it was handed.
        let empty = self.mirror.join("objects/pack").join(EMPTY_NAME);
        for extension in ["idx", "pack"] {
            // One that is left there is of no harm.
            let _ = fs::remove_file(empty.with_extension(extension));
        }
        Ok(())
    }

    /// What failed: our own connection knows best; else libgit2 tells the server's faults from
    /// those of the mirror.
    fn failure(&self, error: &git2::Error) -> FetchError {
        if let Some(failure) = self.registered.take_failure() {
            return failure;
        }
        let reason = self.scrub.clean(error.message());
        match error.class() {
            ErrorClass::Net | ErrorClass::Http | ErrorClass::Invalid | ErrorClass::Repository => {
                FetchError::Remote(reason)
            }
            _ => FetchError::Mirror(reason),
        }
    }
}

/// Forgets the token that was used, where it is one that can be had anew.
pub(super) fn forget_token(repository: &Repository, endpoint: &Endpoint, tokens: &Tokens) {
    if let (RepositoryAuth::GitHubApp { id, installation, .. }, Endpoint::Http(endpoint)) =
        (&repository.auth, endpoint)
    {
        tokens.forget(&Installation::of(endpoint, *id, *installation));
    }
}
