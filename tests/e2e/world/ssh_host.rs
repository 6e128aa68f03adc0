//! A real sshd that gives out repositories to one key, and does nothing else.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::world::api_server::free_port;
use crate::world::leash;
use crate::world::repository::Repository;
use crate::world::wait::{DEADLINE, wait_for};

/// What a login runs instead of a shell.
const COMMAND: &str = "\
case $SSH_ORIGINAL_COMMAND in
\"git-upload-pack '\"*) exec git-shell -c \"$SSH_ORIGINAL_COMMAND\" ;;
esac
echo 'only git-upload-pack is served' >&2
exit 1
";

/// One server on a port of its own, with a host key and a user's key that were made for it.
pub struct SshHost {
    folder: PathBuf,
    port: u16,
    process: Child,
}

impl SshHost {
    /// Starts it and waits until it takes connections.
    pub fn start() -> Self {
        let (sshd, folder, port) = (sshd(), leash::folder("ssh"), free_port());
        for key in ["host-key", "user-key"] {
            make_key(&folder.join(key));
        }
        let user_key = fs::read_to_string(folder.join("user-key.pub")).unwrap();
        fs::write(folder.join("authorized-keys"), format!("restrict {user_key}")).unwrap();
        fs::write(folder.join("command"), COMMAND).unwrap();
        let configuration = configuration(&folder, port);
        fs::write(folder.join("configuration"), configuration).unwrap();
        let process = start(&sshd, &folder);
        let mut host = Self { folder, port, process };
        host.wait_until_ready();
        host
    }

    /// Where it gives out a repository.
    pub fn url(&self, repository: &Repository) -> String {
        let path = repository.path().display();
        format!("ssh://{}@127.0.0.1:{}{path}", text_of("id", &["-un"]), self.port)
    }

    /// The line of `known_hosts` for it.
    pub fn known_hosts(&self) -> String {
        let key = fs::read_to_string(self.folder.join("host-key.pub")).unwrap();
        format!("[127.0.0.1]:{} {key}", self.port)
    }

    /// The private key that it lets in.
    pub fn key(&self) -> String {
        fs::read_to_string(self.folder.join("user-key")).unwrap()
    }

    fn wait_until_ready(&mut self) {
        wait_for("an sshd that takes connections", DEADLINE, || {
            let log = fs::read_to_string(self.folder.join("log")).unwrap();
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "sshd ended:\n{log}");
            TcpStream::connect(("127.0.0.1", self.port)).map(drop).map_err(|_| log)
        });
    }
}

impl Drop for SshHost {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Makes a private key, which is in `path`, and a public one beside it.
pub fn make_key(path: &Path) {
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "story", "-f"]).arg(path);
    assert!(keygen.stdin(Stdio::null()).status().unwrap().success());
}

fn configuration(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host-key
AuthorizedKeysFile {folder}/authorized-keys
ForceCommand /bin/sh {folder}/command
AuthenticationMethods publickey
PermitRootLogin prohibit-password
PermitTTY no
DisableForwarding yes
UsePAM no
# The folder is below /tmp, which others may write to.
StrictModes no
PidFile none
"
    )
}

fn start(sshd: &Path, folder: &Path) -> Child {
    let log = File::create(folder.join("log")).unwrap();
    let configuration = folder.join("configuration");
    // Newer servers turn those away that were refused before, older ones do not know the option.
    let forgiving = ["-o", "PerSourcePenalties=no"];
    let test = Command::new(sshd).args(["-t", "-f"]).arg(&configuration).args(forgiving).output();
    let mut command = Command::new(sshd);
    command.args(["-D", "-e", "-f"]).arg(&configuration);
    if test.unwrap().status.success() {
        command.args(forgiving);
    }
    leash::spawn(command.stdout(log.try_clone().unwrap()).stderr(log))
}

/// Finds the program, or installs it.
fn sshd() -> PathBuf {
    PathBuf::from(text_of(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/sshd"), &[]))
}

fn text_of(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    let output = command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{program}: {}; its own words are above", output.status);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
