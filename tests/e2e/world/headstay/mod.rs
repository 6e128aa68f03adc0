//! The `headstay` program itself: its life and its log.

mod api;

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use ureq::Agent;

use crate::world::api_server::User;
use crate::world::call::agent;
use crate::world::wait::{DEADLINE, wait_for};
use crate::world::{API_TOKEN, GIT_TOKEN, SECRET_VALUE, WEBHOOK_SECRET, contract, leash};

/// How long an orderly end may take.
const GRACE: Duration = Duration::from_secs(20);

/// A file that may not grow is to be an error for the program, as a full disk is, and not a signal.
const IGNORE_FILE_SIZE_SIGNAL: &str = "trap '' XFSZ; exec \"$0\" \"$@\"";

/// The states after which nothing more happens to a sync.
pub const ENDED: [&str; 4] = ["Succeeded", "Failed", "Superseded", "Cancelled"];

/// One installation, which can be ended and started again on what it had stored.
pub struct Headstay {
    configuration: PathBuf,
    process: Mutex<Option<Process>>,
    address: Mutex<String>,
    agent: Agent,
    log: Arc<Mutex<Vec<String>>>,
    answers: Mutex<Vec<String>>,
}

struct Process {
    child: Child,
    /// Where it is to die; empty: nowhere.
    failpoint: String,
    readers: Vec<JoinHandle<()>>,
}

impl Headstay {
    /// Starts the program with a configuration, in which `FOLDER` is a folder of its own.
    #[track_caller]
    pub fn start(configuration: &str) -> Self {
        let folder = leash::folder("headstay");
        let path = folder.join("headstay.yaml");
        let text = configuration.replace("FOLDER", folder.to_str().unwrap());
        std::fs::write(&path, text).unwrap();
        let headstay = Self {
            configuration: path,
            process: Mutex::default(),
            address: Mutex::default(),
            agent: agent(),
            log: Arc::default(),
            answers: Mutex::default(),
        };
        headstay.restart();
        contract::learn(&headstay.address());
        headstay
    }

    /// Starts the program again after it was killed or terminated.
    #[track_caller]
    pub fn restart(&self) {
        self.restart_to_die_at("");
    }

    /// Starts the program again; once it serves, it dies at a point of `src/failpoint.rs`.
    #[track_caller]
    pub fn restart_to_die_at(&self, failpoint: &str) {
        let addresses = self.spawn(failpoint);
        let Ok(address) = addresses.recv_timeout(DEADLINE) else {
            panic!("headstay did not say where it listens:\n{}", self.log());
        };
        *self.address.lock().unwrap() = address;
    }

    /// Starts the program again and waits until it has died at a failpoint.
    #[track_caller]
    pub fn die_at(&self, failpoint: &str) {
        self.spawn(failpoint);
        self.wait_for_death();
    }

    /// Waits until the program has died without an orderly end.
    #[track_caller]
    pub fn wait_for_death(&self) {
        let mut process = self.process.lock().unwrap().take().unwrap();
        let dying = format!("headstay to die ({})", process.failpoint);
        let status = wait_for(&dying, DEADLINE, || {
            process.child.try_wait().unwrap().ok_or_else(|| self.log())
        });
        process.readers.into_iter().for_each(|reader| reader.join().unwrap());
        assert!(status.signal().is_some(), "headstay ended with {status}:\n{}", self.log());
    }

    /// Ends the program as the power going out would.
    #[track_caller]
    pub fn kill9(&self) {
        self.process.lock().unwrap().as_mut().unwrap().child.kill().unwrap();
        self.wait_for_death();
    }

    /// Where the configuration and all that it keeps is.
    pub fn folder(&self) -> &Path {
        self.configuration.parent().unwrap()
    }

    /// Changes the text of the configuration; the program notices by itself.
    #[track_caller]
    pub fn reconfigure(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.configuration).unwrap();
        assert!(text.contains(from), "no `{from}` in:\n{text}");
        std::fs::write(&self.configuration, text.replace(from, to)).unwrap();
    }

    /// The number of the line of the configuration that holds a text.
    #[track_caller]
    pub fn line_of_configuration(&self, text: &str) -> usize {
        let configuration = std::fs::read_to_string(&self.configuration).unwrap();
        configuration.lines().position(|line| line.contains(text)).unwrap() + 1
    }

    /// Lets the files of the program grow to `bytes` at most: with none, as on a full disk, no
    /// write succeeds. `unlimited` lifts the limit.
    #[track_caller]
    pub fn limit_files(&self, bytes: &str) {
        let id = self.process.lock().unwrap().as_ref().unwrap().child.id().to_string();
        let soft = format!("--fsize={bytes}:");
        let status = Command::new("prlimit").args(["--pid", &id, &soft]).status().unwrap();
        assert!(status.success(), "prlimit: {status}");
    }

    /// The most memory that the program has had since it started, in bytes.
    #[track_caller]
    pub fn peak_memory(&self) -> u64 {
        let id = self.process.lock().unwrap().as_ref().unwrap().child.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Asks the program to end (SIGTERM), which it must do in order and in time.
    #[track_caller]
    pub fn terminate(&self) {
        let mut process = self.process.lock().unwrap().take().unwrap();
        let kill = ["-c", "kill -TERM $0", &process.child.id().to_string()];
        assert!(Command::new("sh").args(kill).status().unwrap().success());
        let status = wait_for("the end of headstay after SIGTERM", GRACE, || {
            process.child.try_wait().unwrap().ok_or_else(|| self.log())
        });
        process.readers.into_iter().for_each(|reader| reader.join().unwrap());
        assert_eq!(status.code(), Some(0), "headstay ended with {status}:\n{}", self.log());
    }

    /// What `headstay status` ends with.
    #[track_caller]
    pub fn exit_code_of_status(&self) -> i32 {
        let output = Command::new(env!("CARGO_BIN_EXE_headstay"))
            .args(["status", "--server", &format!("http://{}", self.address())])
            .env("HEADSTAY_TOKEN", API_TOKEN)
            .output()
            .unwrap();
        output.status.code().unwrap_or_else(|| panic!("{output:?}"))
    }

    /// `127.0.0.1:<port>`; another one after each start.
    pub fn address(&self) -> String {
        self.address.lock().unwrap().clone()
    }

    /// Waits until the log has a line with this text.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        wait_for(&format!("`{text}` in the log"), DEADLINE, || {
            let log = self.log();
            if log.contains(text) { Ok(()) } else { Err(log) }
        });
    }

    /// What must hold after every story. Errors that the story is about may be in the log.
    #[track_caller]
    pub fn assert_clean(&self, errors: &[&str]) {
        let log = self.log();
        for line in log.lines() {
            let entry = serde_json::from_str(line).unwrap_or(Value::Null);
            let expected = errors.iter().any(|error| line.contains(error));
            assert!(entry["level"] != "ERROR" || expected, "an error was logged: {line}");
            assert!(!line.contains("panicked at"), "it panicked: {line}");
        }
        let told = format!("{log}\n{}", self.answers.lock().unwrap().join("\n"));
        let git = format!("x-access-token:{GIT_TOKEN}");
        let tokens = [User::Admin.token(), User::Deployer.token()];
        for secret in
            [WEBHOOK_SECRET, GIT_TOKEN, API_TOKEN, SECRET_VALUE, &git].iter().chain(&tokens)
        {
            assert!(!told.contains(secret), "`{secret}` was told");
            let encoded = BASE64_STANDARD.encode(secret);
            assert!(!told.contains(&encoded), "`{secret}` was told in Base64");
        }
    }

    /// Starts the process; the receiver gets its address.
    fn spawn(&self, failpoint: &str) -> Receiver<String> {
        let mut command = Command::new("sh");
        let command = command
            .args(["-c", IGNORE_FILE_SIZE_SIGNAL, env!("CARGO_BIN_EXE_headstay")])
            .args(["serve", "--config"])
            .arg(&self.configuration)
            .env("HEADSTAY_TOKEN", API_TOKEN)
            .env("GITHUB_WEBHOOK_SECRET", WEBHOOK_SECRET)
            .env("GIT_TOKEN", GIT_TOKEN)
            .env("HEADSTAY_FAILPOINT", failpoint)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = leash::spawn(command);
        let (sender, addresses) = channel();
        let readers = vec![
            self.read_log(child.stdout.take().unwrap(), sender.clone()),
            self.read_log(child.stderr.take().unwrap(), sender),
        ];
        *self.process.lock().unwrap() =
            Some(Process { child, failpoint: failpoint.to_owned(), readers });
        addresses
    }

    fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Keeps every line, and sends the address of the line that tells it.
    fn read_log(
        &self,
        output: impl Read + Send + 'static,
        addresses: Sender<String>,
    ) -> JoinHandle<()> {
        let log = Arc::clone(&self.log);
        spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(address) = listening_address(&line) {
                    // Only the first one is waited for.
                    let _ = addresses.send(address);
                }
                log.lock().unwrap().push(line);
            }
        })
    }
}

impl Drop for Headstay {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.get_mut().unwrap().take() {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- the log of headstay\n{}", self.log());
        }
    }
}

/// `{"fields": {"message": "listening", "address": "127.0.0.1:1234"}, …}`, or the same without
/// `fields` around it.
fn listening_address(line: &str) -> Option<String> {
    let entry: Value = serde_json::from_str(line).ok()?;
    let fields = entry.get("fields").unwrap_or(&entry);
    let listening = fields["message"] == "listening";
    listening.then(|| fields["address"].as_str().map(str::to_owned))?
}
