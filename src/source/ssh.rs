//! `git-upload-pack` over the system's `ssh` program: host keys and the private key are the
//! configuration's alone, whatever the user's or the system's ssh settings say.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;

use crate::source::credentials::Scrub;
use crate::source::endpoint::SshEndpoint;
use crate::source::error::FetchError;
use crate::source::transport::{Connection, Exchange, Stream};

/// Longest time for one fetch, however busy.
const EXCHANGE_MAX: Duration = Duration::from_hours(1);
/// How much of what ssh complains of is kept, in bytes from the end.
const STDERR_BYTES_MAX: usize = 4096;
const KEY: &str = "key";
const KNOWN_HOSTS: &str = "known_hosts";

/// A repository behind an ssh server, with the key for it.
pub(super) struct SshConnection {
    /// Where it is.
    pub(super) endpoint: SshEndpoint,
    /// Private key in OpenSSH's format.
    pub(super) key: SecretString,
    /// Lines of a `known_hosts` file.
    pub(super) known_hosts: SecretString,
    /// Longest time for the connection, and for a stall.
    pub(super) timeout: Duration,
}

impl Connection for SshConnection {
    fn is_stateless(&self) -> bool {
        false
    }

    fn host(&self) -> String {
        self.endpoint.host.clone()
    }

    fn open(self: Arc<Self>, _: Exchange) -> Result<Box<dyn Stream>, FetchError> {
        let folder = self.write_secrets()?;
        let mut command = Command::new("ssh");
        command.args(arguments(&self.endpoint, folder.path(), self.timeout));
        Ok(Box::new(Session::start(command, folder, self)?))
    }
}

impl SshConnection {
    /// Puts the key and the host keys where only this user, and the ssh that is started, sees
    /// them; they go with the session.
    fn write_secrets(&self) -> Result<TempDir, FetchError> {
        let disk = |source| FetchError::Disk { path: std::env::temp_dir(), source };
        let folder = TempDir::with_prefix("headstay-ssh-").map_err(disk)?;
        for (name, secret) in [(KEY, &self.key), (KNOWN_HOSTS, &self.known_hosts)] {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(folder.path().join(name))
                .map_err(disk)?;
            // OpenSSH refuses a key whose last line has no end.
            writeln!(file, "{}", secret.expose_secret()).map_err(disk)?;
        }
        Ok(folder)
    }
}

/// The command line of ssh. Settings given here win over those of any file; no file is read
/// anyway, no agent is asked, no terminal is needed, and an unknown host key is an error.
fn arguments(endpoint: &SshEndpoint, folder: &Path, timeout: Duration) -> Vec<String> {
    let seconds = timeout.as_secs().max(1);
    let known_hosts = folder.join(KNOWN_HOSTS);
    let options = [
        "BatchMode=yes".to_owned(),
        "StrictHostKeyChecking=yes".to_owned(),
        format!("UserKnownHostsFile=\"{}\"", known_hosts.display()),
        "GlobalKnownHostsFile=/dev/null".to_owned(),
        "UpdateHostKeys=no".to_owned(),
        "IdentitiesOnly=yes".to_owned(),
        "IdentityAgent=none".to_owned(),
        "PreferredAuthentications=publickey".to_owned(),
        "ForwardAgent=no".to_owned(),
        "ForwardX11=no".to_owned(),
        "ClearAllForwardings=yes".to_owned(),
        format!("ConnectTimeout={seconds}"),
    ];
    let mut arguments = vec!["-T".to_owned(), "-F".to_owned(), "none".to_owned()];
    arguments.extend(["-i".to_owned(), folder.join(KEY).display().to_string()]);
    for option in options {
        arguments.extend(["-o".to_owned(), option]);
    }
    if let Some(port) = endpoint.port {
        arguments.extend(["-p".to_owned(), port.to_string()]);
    }
    arguments.extend(["-l".to_owned(), endpoint.user.clone().unwrap_or_else(|| "git".to_owned())]);
    arguments.extend(["--".to_owned(), endpoint.host.clone()]);
    arguments.push(format!("git-upload-pack {}", quoted(&endpoint.path)));
    arguments
}

/// Quotes a path for the server's shell, as Git does.
fn quoted(path: &str) -> String {
    let mut quoted = String::from("'");
    for c in path.chars() {
        match c {
            '\'' | '!' => quoted.extend(['\'', '\\', c, '\'']),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

/// A running ssh. Its input and output are one socket instead of two pipes, because a socket can
/// time out: no read and no write waits longer than the repository's timeout.
struct Session {
    socket: UnixStream,
    child: Child,
    complaints: Option<JoinHandle<Vec<u8>>>,
    connection: Arc<SshConnection>,
    deadline: Instant,
    secrets: TempDir,
}

impl Session {
    fn start(
        mut command: Command,
        secrets: TempDir,
        connection: Arc<SshConnection>,
    ) -> Result<Self, FetchError> {
        let start = |command: &mut Command| -> io::Result<(UnixStream, Child)> {
            let (ours, theirs) = UnixStream::pair()?;
            ours.set_read_timeout(Some(connection.timeout))?;
            ours.set_write_timeout(Some(connection.timeout))?;
            command.stdin(Stdio::from(OwnedFd::from(theirs.try_clone()?)));
            command.stdout(Stdio::from(OwnedFd::from(theirs)));
            Ok((ours, command.stderr(Stdio::piped()).spawn()?))
        };
        let (socket, mut child) = start(&mut command).map_err(FetchError::SshProgram)?;
        // The command holds the other end of the socket; while it lives, no end of file is seen.
        drop(command);
        let complaints = child.stderr.take().map(|stderr| thread::spawn(|| tail(stderr)));
        let deadline = Instant::now() + EXCHANGE_MAX;
        Ok(Self { socket, child, complaints, connection, deadline, secrets })
    }

    /// Why reading or writing came to nothing.
    fn failure(&mut self, error: &io::Error) -> FetchError {
        let host = self.connection.endpoint.host.clone();
        let after = self.connection.timeout;
        if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
            return FetchError::Timeout { host, what: "ssh".to_owned(), after };
        }
        FetchError::Ssh { host, reason: self.complaint() }
    }

    /// Ends ssh and tells why it failed.
    fn complaint(&mut self) -> String {
        self.end();
        let written = self.complaints.take().and_then(|reader| reader.join().ok());
        let written = String::from_utf8_lossy(&written.unwrap_or_default()).into_owned();
        let written = without_paths(&written, self.secrets.path());
        Scrub::default().clean(&reason(&written))
    }

    fn end(&mut self) {
        // It may have ended by itself; either way it must be waited for, or it stays a zombie.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

impl Read for Session {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = if Instant::now() > self.deadline {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            self.socket.read(buffer)
        };
        match read {
            Ok(0) if !buffer.is_empty() => {
                Err(io::Error::other(self.failure(&io::ErrorKind::UnexpectedEof.into())))
            }
            Ok(count) => Ok(count),
            Err(error) => Err(io::Error::other(self.failure(&error))),
        }
    }
}

impl Write for Session {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes).map_err(|error| io::Error::other(self.failure(&error)))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What ssh complains of: its last line, with what to do about it where that is known. Of a key
/// that it cannot read it speaks before, and only tries on without it.
fn reason(written: &str) -> String {
    let mut lines = written.lines().map(str::trim).filter(|line| !line.is_empty());
    let unread = lines.clone().find_map(|line| line.strip_prefix("Load key ")?.split_once("\": "));
    let last = lines.next_back().unwrap_or("it ended without a word");
    let denied = last.contains("Permission denied (publickey");
    match unread {
        Some((_, why)) if denied => format!("what `sshKey` holds cannot be used as a key: {why}"),
        _ if denied => {
            format!("{last} Check `sshKey`, which may have no passphrase, and the user in the URL")
        }
        _ if last.contains("Host key verification failed") => {
            format!("{last} The key that the server shows is not in `knownHosts`")
        }
        _ => last.to_owned(),
    }
}

/// Names the secrets as the configuration does: where they are while ssh runs helps nobody.
fn without_paths(written: &str, secrets: &Path) -> String {
    [(KEY, "`sshKey`"), (KNOWN_HOSTS, "`knownHosts`")]
        .iter()
        .fold(written.to_owned(), |text, (file, name)| {
            text.replace(&*secrets.join(file).to_string_lossy(), name)
        })
}

/// Reads to the end and keeps the last bytes.
fn tail(mut stderr: ChildStderr) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..count]);
        let surplus = kept.len().saturating_sub(STDERR_BYTES_MAX);
        kept.drain(..surplus);
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::domain::commit::Revision;
    use crate::source::link::Link;
    use crate::source::mirror::Mirror;
    use crate::source::refusals::Refusals;
    use crate::source::resolve;
    use crate::source::testing::Remote;

    fn connection(timeout: Duration) -> Arc<SshConnection> {
        Arc::new(SshConnection {
            endpoint: SshEndpoint {
                user: None,
                host: "h.org".to_owned(),
                port: Some(2222),
                path: "/a/it's!".to_owned(),
            },
            key: SecretString::from("-----BEGIN KEY-----\nabc"),
            known_hosts: SecretString::from("h.org ssh-ed25519 AAAA"),
            timeout,
        })
    }

    fn session(script: &str, timeout: Duration) -> Session {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Session::start(command, TempDir::new().unwrap(), connection(timeout)).unwrap()
    }

    #[test]
    fn the_command_line_trusts_nothing_but_the_configuration() {
        let connection = connection(Duration::from_mins(1));
        let line = arguments(&connection.endpoint, Path::new("/t"), connection.timeout).join(" ");
        let expected = [
            "-T -F none -i /t/key -o BatchMode=yes -o StrictHostKeyChecking=yes",
            "-o UserKnownHostsFile=\"/t/known_hosts\" -o GlobalKnownHostsFile=/dev/null",
            "-o UpdateHostKeys=no -o IdentitiesOnly=yes -o IdentityAgent=none",
            "-o PreferredAuthentications=publickey -o ForwardAgent=no -o ForwardX11=no",
            "-o ClearAllForwardings=yes -o ConnectTimeout=60 -p 2222 -l git",
            r"-- h.org git-upload-pack '/a/it'\''s'\!''",
        ];
        assert_eq!(line, expected.join(" "));
    }

    #[test]
    fn secrets_are_for_this_user_only_and_go_with_the_session() {
        use std::os::unix::fs::PermissionsExt;
        let folder = connection(Duration::from_secs(1)).write_secrets().unwrap();
        let key = folder.path().join(KEY);
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(std::fs::read_to_string(&key).unwrap().ends_with("abc\n"));
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }

    /// Git's own server program, without the ssh around it.
    struct UploadPack(PathBuf);

    impl Connection for UploadPack {
        fn is_stateless(&self) -> bool {
            false
        }

        fn host(&self) -> String {
            "here".to_owned()
        }

        fn open(self: Arc<Self>, _: Exchange) -> Result<Box<dyn Stream>, FetchError> {
            let mut command = Command::new("git");
            command.arg("upload-pack").arg(&self.0);
            let connection = connection(Duration::from_secs(10));
            Ok(Box::new(Session::start(command, connection.write_secrets()?, connection)?))
        }
    }

    #[test]
    fn a_mirror_is_fetched_over_one_stream() {
        let (remote, folder) = (Remote::new(), TempDir::new().unwrap());
        let mirror = Mirror::new(folder.path().join("fleet.git"));
        let link = Link::server(Arc::new(UploadPack(remote.path())), Scrub::default());
        let main = Revision::parse("main");
        for content in ["a: 1", "a: 2"] {
            let commit = remote.commit("main", &[("a.yaml", content)]);
            let refusals = &mut Refusals::default();
            mirror
                .fetch("ssh://h.org/x", &link, std::slice::from_ref(&main), false, refusals)
                .unwrap();
            let found = mirror.read(|git| resolve::find(&git.unwrap(), &main)).unwrap().unwrap();
            assert_eq!(found.to_string(), commit.as_str());
        }
    }

    #[test]
    fn the_last_complaint_is_the_reason() {
        let script = "echo first >&2; echo 'no route' >&2; echo >&2; exit 255";
        let mut session = session(script, Duration::from_secs(10));
        let error = session.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.to_string(), "ssh to h.org: no route");
        assert_eq!(reason("\n"), "it ended without a word");
    }

    #[test]
    fn secrets_and_where_they_are_are_not_told() {
        let said = "x\nssh://ada:s3cr3t@h.org: key /t/key, hosts /t/known_hosts";
        let shown = Scrub::default().clean(&reason(&without_paths(said, Path::new("/t"))));
        assert_eq!(shown, "ssh://h.org: key `sshKey`, hosts `knownHosts`");
    }

    #[test]
    fn silence_ends_in_a_timeout() {
        let mut session = session("exec sleep 60", Duration::from_millis(100));
        let error = session.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.to_string(), "h.org did not answer within 0.1 s (ssh)");
    }
}
