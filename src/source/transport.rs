//! The door between libgit2 and our own ways to a Git server, and the only file with `unsafe`:
//! libgit2's process-wide settings and its table of transports are set here, once, before the
//! first use.
#![expect(unsafe_code, reason = "libgit2's process-wide settings have no other interface")]

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use git2::{ConfigLevel, ErrorClass, ErrorCode, Remote};

use crate::source::error::FetchError;
use crate::source::frames::Frames;

/// Scheme of the URLs that lead to a [`Connection`].
const SCHEME: &str = "headstay";

/// Most bytes of objects that libgit2 keeps unpacked of one repository.
const CACHE_BYTES: isize = 8 << 20;
/// How much of a pack is mapped into memory at once, and of all packs together, in bytes.
const WINDOW_BYTES: usize = 4 << 20;
const MAPPED_BYTES: usize = 32 << 20;

/// A way to one repository on a Git server.
pub(super) trait Connection: Send + Sync + 'static {
    /// Whether each exchange stands for itself (HTTP), or all share one stream (ssh).
    fn is_stateless(&self) -> bool;

    /// The host, for errors.
    fn host(&self) -> String;

    /// Begins an exchange.
    fn open(self: Arc<Self>, exchange: Exchange) -> Result<Box<dyn Stream>, FetchError>;
}

/// What is exchanged with a Git server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exchange {
    /// It lists its refs.
    List,
    /// It sends what we lack.
    Fetch,
}

/// The two directions of an exchange. Errors that carry a [`FetchError`] keep it.
pub(super) trait Stream: Read + Write + Send + 'static {}

impl<T: Read + Write + Send + 'static> Stream for T {}

/// A connection that libgit2 can find by its URL, until this is dropped.
pub(super) struct Registered {
    id: u64,
    session: Arc<Session>,
}

/// A connection and the first failure on it, of which libgit2 would only keep the text.
struct Session {
    connection: Arc<dyn Connection>,
    /// Where the mirror is that is fetched into.
    mirror: PathBuf,
    failure: Mutex<Option<FetchError>>,
}

static SESSIONS: LazyLock<Mutex<HashMap<u64, Arc<Session>>>> = LazyLock::new(Mutex::default);
static NEXT_ID: AtomicU64 = AtomicU64::new(0);
static READY: OnceLock<Result<(), String>> = OnceLock::new();

/// Makes libgit2 ready. To be called before it opens a repository or connects to a remote.
pub(super) fn ready() -> Result<(), FetchError> {
    READY.get_or_init(|| set_up().map_err(|e| e.to_string())).clone().map_err(FetchError::Mirror)
}

fn set_up() -> Result<(), git2::Error> {
    // Git's own configuration files could redirect URLs (`insteadOf`) and change formats.
    let levels =
        [ConfigLevel::System, ConfigLevel::Global, ConfigLevel::XDG, ConfigLevel::ProgramData];
    for level in levels {
        // SAFETY: `READY` runs this once, before this process opens its first repository.
        unsafe { git2::opts::set_search_path(level, "")? };
    }
    // Volumes often belong to another user than the process. What the check guards against,
    // commands in a repository's configuration, libgit2 does not run.
    // SAFETY: as above.
    unsafe { git2::opts::set_verify_owner_validation(false)? };
    // Mirrors are opened for one job each: what is kept of them in memory serves that job alone.
    // SAFETY: as above.
    unsafe {
        git2::opts::set_cache_max_size(CACHE_BYTES)?;
        git2::opts::set_mwindow_size(WINDOW_BYTES)?;
        git2::opts::set_mwindow_mapped_limit(MAPPED_BYTES)?;
    }
    // SAFETY: as above; `READY` also makes every creation of a transport wait for this.
    unsafe { git2::transport::register(SCHEME, transport) }
}

fn transport(remote: &Remote<'_>) -> Result<Transport, git2::Error> {
    let unknown = || git2::Error::from_str("the connection is not registered");
    let id = remote.url()?.rsplit('/').next().and_then(|id| id.parse::<u64>().ok());
    let sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let session = id.and_then(|id| sessions.get(&id).cloned()).ok_or_else(unknown)?;
    drop(sessions);
    Transport::smart(remote, session.connection.is_stateless(), Subtransport(session))
}

impl Registered {
    /// Lets libgit2 find the connection, to fetch into a mirror at this path.
    pub(super) fn new(connection: Arc<dyn Connection>, mirror: &Path) -> Self {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let session =
            Arc::new(Session { connection, mirror: mirror.to_owned(), failure: Mutex::default() });
        let mut sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(id, session.clone());
        Self { id, session }
    }

    /// The URL under which libgit2 finds it.
    pub(super) fn url(&self) -> String {
        format!("{SCHEME}://connection/{}", self.id)
    }

    /// The first failure on the connection since this was asked last.
    pub(super) fn take_failure(&self) -> Option<FetchError> {
        self.session.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        SESSIONS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Session {
    /// Keeps a failure, unless an earlier one explains this one.
    fn fail(&self, error: FetchError) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

struct Subtransport(Arc<Session>);

impl SmartSubtransport for Subtransport {
    fn action(
        &self,
        _url: &str,
        service: Service,
    ) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let exchange = match service {
            Service::UploadPackLs => Exchange::List,
            Service::UploadPack => Exchange::Fetch,
            Service::ReceivePackLs | Service::ReceivePack => {
                return Err(git2::Error::from_str("nothing is ever pushed"));
            }
        };
        match self.0.connection.clone().open(exchange) {
            Ok(stream) => {
                let unread = (exchange == Exchange::List).then(Vec::new);
                let frames = Frames::new(&self.0.mirror);
                let listed = (exchange == Exchange::List).then_some(0);
                let session = self.0.clone();
                let out = Vec::new();
                Ok(Box::new(Watched { stream, session, head: unread, listed, frames, out }))
            }
            Err(error) => {
                self.0.fail(error);
                Err(git2::Error::new(ErrorCode::GenericError, ErrorClass::Net, FAILED))
            }
        }
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// What libgit2 is told; the failure itself is with the session. (It must not be told more: a
/// text with a zero byte in it would end the process.)
const FAILED: &str = "the connection failed";

/// Longest list of refs that libgit2 is given, in bytes.
const LIST_BYTES_MAX: usize = 12 << 20;
/// How a server says that its objects have SHA-256 ids.
const SHA_256: &[u8] = b"object-format=sha256";
/// Most bytes that are read of a server at a time.
const READ_BYTES: usize = 16 << 10;
/// The first line of a list of refs with its capabilities is shorter, in bytes.
const HEAD_BYTES_MAX: usize = 4096;

/// The capabilities of a server: between the first zero byte of its list of refs and the end of
/// that line (`gitprotocol-pack(5)`).
fn capabilities(head: &[u8]) -> Option<&[u8]> {
    let begin = head.iter().position(|byte| *byte == 0)? + 1;
    let length = head[begin..].iter().position(|byte| *byte == b'\n')?;
    Some(&head[begin..begin + length])
}

/// A stream whose failures are kept.
struct Watched {
    stream: Box<dyn Stream>,
    session: Arc<Session>,
    /// What was read of a list of refs, until it has told the format of the objects.
    head: Option<Vec<u8>>,
    /// How much of a list of refs was read, until something is asked for.
    listed: Option<usize>,
    /// It takes the pack out. (Where list and pack share a stream, it finds the pack.)
    frames: Frames,
    /// What is to be handed on and has not been.
    out: Vec<u8>,
}

impl Watched {
    /// Reads the capabilities at the head of a list, because of ids that it cannot read libgit2
    /// would only say that they are wrong.
    fn look_at(&mut self, read: &[u8]) -> io::Result<()> {
        let Some(head) = &mut self.head else { return Ok(()) };
        head.extend_from_slice(read);
        let told = capabilities(head);
        if told.is_some_and(|told| told.split(|byte| *byte == b' ').any(|told| told == SHA_256)) {
            return Err(self.keep(io::Error::other(FetchError::ObjectFormat)));
        }
        if told.is_some() || head.len() > HEAD_BYTES_MAX {
            self.head = None;
        }
        Ok(())
    }

    fn keep(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        let failure = match error.downcast::<FetchError>() {
            Ok(failure) => failure,
            Err(other) => FetchError::Connection {
                host: self.session.connection.host(),
                reason: other.kind().to_string(),
            },
        };
        self.session.fail(failure);
        io::Error::new(kind, FAILED)
    }
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = [0; READ_BYTES];
        while self.out.is_empty() {
            let count = self.stream.read(&mut read).map_err(|error| self.keep(error))?;
            if count == 0 {
                return Ok(0);
            }
            self.look_at(&read[..count])?;
            if let Some(listed) = &mut self.listed {
                *listed += count;
                if *listed > LIST_BYTES_MAX {
                    let limit = LIST_BYTES_MAX as u64;
                    let many = FetchError::ManyRefs { bound: "bytes of refs", limit };
                    return Err(self.keep(io::Error::other(many)));
                }
            }
            let taken = self.frames.take(&read[..count], &mut self.out);
            taken.map_err(|error| self.keep(io::Error::other(error)))?;
        }
        let count = buffer.len().min(self.out.len());
        buffer[..count].copy_from_slice(&self.out[..count]);
        self.out.drain(..count);
        Ok(count)
    }
}

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.listed = None;
        self.stream.write(bytes).map_err(|error| self.keep(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_from_the_first_line_however_it_is_cut() {
        let list =
            b"001e# service=git-upload-pack\n00000155aa refs/heads/a\0one object-format=sha256\n\
            003faa refs/heads/b\0c\n";
        let whole = list.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0;
        for cut in 0..list.len() {
            let expected = (cut > whole).then_some(&b"one object-format=sha256"[..]);
            assert_eq!(capabilities(&list[..cut]), expected, "{cut}");
        }
    }
}
