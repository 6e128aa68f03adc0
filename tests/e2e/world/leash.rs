//! Nothing that a test starts outlives the test process, however that ends.
//!
//! One shell leads a process group that every started program joins. Its input ends when the
//! system closes the test process's end of the pipe; then it kills the group and removes the
//! folder in which all of them work.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// `set -m` gives the last line a group of its own, so that it survives the kill.
const LEADER: &str = "
cat >/dev/null
set -m
(kill -KILL -$$; for _ in 1 2 3 4 5; do rm -rf \"$0\" && break; sleep 0.2; done) &
";

struct Leash {
    folder: PathBuf,
    group: i32,
    /// Holds its input open.
    _leader: Child,
}

/// Starts a program that ends with the test process at the latest.
pub fn spawn(command: &mut Command) -> Child {
    spawn_with_input(command, Stdio::null())
}

/// As [`spawn`], with a standard input.
pub fn spawn_with_input(command: &mut Command, input: Stdio) -> Child {
    command.stdin(input).process_group(leash().group);
    command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"))
}

/// Makes an empty folder that goes with the test process.
pub fn folder(name: &str) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = leash().folder.join(format!("{name}-{number}"));
    std::fs::create_dir(&folder).unwrap();
    folder
}

fn leash() -> &'static Leash {
    static LEASH: OnceLock<Leash> = OnceLock::new();
    LEASH.get_or_init(|| {
        let folder = tempfile::Builder::new().prefix("headstay-e2e-").tempdir().unwrap().keep();
        let leader = lead(&folder);
        Leash { folder, group: leader.id().try_into().unwrap(), _leader: leader }
    })
}

fn lead(folder: &Path) -> Child {
    Command::new("bash")
        .args(["-c", LEADER])
        .arg(folder)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
