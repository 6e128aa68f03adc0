//! The shell of one who follows a page: one bash, in which folder and variables stay from command to
//! command.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::town::Town;
use crate::world::leash;
use crate::world::wait::{DEADLINE, wait_for};

/// Takes the names of files with commands, and answers with the exit code of each.
const LOOP: &str = r#"set -o pipefail
while IFS= read -r file; do
  . "$file" </dev/null >"$file.output" 2>&1
  echo "$?"
done"#;

/// Commands that run until Ctrl-C, unless with `--once`: how they begin, and what they say when they are
/// ready.
const LONG: [(&str, &str); 5] = [
    ("headstay serve", r#""message":"listening""#),
    ("headstay demo", "It goes on until Ctrl-C"),
    ("cargo run -- demo", "It goes on until Ctrl-C"),
    ("cargo run --example sandbox", "kubectl get namespaces"),
    ("strace", r#""message":"listening""#),
];

/// What Headstay measures while it has something to do at once.
const BUSY: [&str; 4] = [
    "headstay_queue{state=\"Queued\"}",
    "headstay_queue{state=\"Running\"}",
    "headstay_queue{state=\"Waiting\"}",
    "health=\"Unknown\"}",
];

/// How long a command may take: longer than what it waits for itself, so that it can tell.
const PATIENCE: Duration = Duration::from_mins(3);

/// One shell.
pub struct Session {
    town: Town,
    files: PathBuf,
    number: usize,
    input: ChildStdin,
    answers: Receiver<i32>,
    running: Vec<Running>,
}

/// A command that runs until Ctrl-C.
struct Running {
    command: String,
    process: String,
    log: PathBuf,
}

/// What became of a command.
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub output: String,
}

impl Session {
    /// A shell in the clone of a town.
    pub fn start(town: Town) -> Self {
        let mut bash = Command::new("bash");
        bash.args(["-c", LOOP]).current_dir(town.folder()).envs(town.environment());
        let bash = bash.stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut bash = leash::spawn_with_input(bash, Stdio::piped());
        let input = bash.stdin.take().unwrap();
        let codes = BufReader::new(bash.stdout.take().unwrap());
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for code in codes.lines().map_while(Result::ok) {
                if sender.send(code.parse().unwrap()).is_err() {
                    break;
                }
            }
            drop(bash.wait());
        });
        let files = leash::folder("commands");
        Self { town, files, number: 0, input, answers, running: Vec::new() }
    }

    /// What there is besides the shell.
    pub fn town(&self) -> &Town {
        &self.town
    }

    /// Runs a command to its end, or until it is ready if it runs until Ctrl-C. Whoever types is
    /// slower than Headstay, so it is at rest by then.
    pub fn run(&mut self, command: &str) -> Ran {
        self.rest();
        let long = LONG
            .iter()
            .find(|(begins, _)| command.starts_with(begins) && !command.contains("--once"));
        match long {
            Some((_, ready)) => self.run_until_ctrl_c(command, ready),
            None => self.type_in(command),
        }
    }

    /// What a variable of the shell holds.
    pub fn variable(&mut self, name: &str) -> String {
        self.type_in(&format!("printf %s \"${name}\"")).output
    }

    /// Waits until a server of this shell has no sync under way, and has looked at everything.
    pub fn rest(&mut self) {
        if !self.running.iter().any(|running| running.command.contains("headstay serve")) {
            return;
        }
        wait_for("headstay to be at rest", DEADLINE, || {
            let metrics = self.town.metrics()?;
            let busy = metrics.lines().find(|line| {
                BUSY.iter().any(|state| line.contains(state)) && !line.ends_with(" 0")
            });
            busy.map_or(Ok(()), |line| Err(line.to_owned()))
        });
    }

    /// Presses Ctrl-C wherever something runs, which must end in order.
    pub fn interrupt(&mut self) {
        for Running { command, process, log } in std::mem::take(&mut self.running) {
            let ran = self.type_in(&format!("kill -INT {process}; wait {process}"));
            let told = fs::read_to_string(log).unwrap();
            assert_eq!(ran.code, 0, "`{command}` ended otherwise:\n{told}");
            assert!(!told.contains("\"ERROR\""), "`{command}` logged an error:\n{told}");
        }
    }

    fn run_until_ctrl_c(&mut self, command: &str, ready: &str) -> Ran {
        let log = self.files.join(format!("{}.log", self.number));
        let started =
            self.type_in(&format!("(exec {command}\n) >{} 2>&1 &\necho $!", log.display()));
        let process = started.output.trim().to_owned();
        let output = wait_for(&format!("`{ready}` of `{command}`"), DEADLINE, || {
            let told = fs::read_to_string(&log).unwrap_or_default();
            let there = PathBuf::from(format!("/proc/{process}")).exists();
            assert!(there, "`{command}` ended (is it built? cargo build --examples):\n{told}");
            if told.contains(ready) { Ok(told) } else { Err(told) }
        });
        self.running.push(Running { command: command.to_owned(), process, log });
        self.rest();
        Ran { code: 0, output }
    }

    fn type_in(&mut self, command: &str) -> Ran {
        let file = self.files.join(self.number.to_string());
        self.number += 1;
        fs::write(&file, command).unwrap();
        writeln!(self.input, "{}", file.display()).unwrap();
        let code = self.answers.recv_timeout(PATIENCE);
        let output = fs::read(file.with_extension("output")).unwrap_or_default();
        let output = String::from_utf8_lossy(&output).into_owned();
        let code = code.unwrap_or_else(|_| panic!("`{command}` does not end:\n{output}"));
        Ran { code, output }
    }
}

/// Whether bash takes a text for a whole command.
pub fn is_whole(command: &str) -> bool {
    let judged = Command::new("bash").args(["-n", "-c", command]).output().unwrap();
    judged.status.success() && judged.stderr.is_empty() && !command.ends_with('\\')
}
