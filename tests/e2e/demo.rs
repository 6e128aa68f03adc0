//! `headstay demo`, as those who try Headstay run it: the story comes out as it is told, and nothing
//! is left behind but the folder.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use kube::config::Kubeconfig;

use crate::world::api_server::{ApiServer, User};
use crate::world::leash;
use crate::world::repository::Repository;
use crate::world::wait::{DEADLINE, wait_for};

/// How long the story may take: with what it waits for, and on a busy machine.
pub const STORY: Duration = Duration::from_mins(2);

/// Lines that tell that each step came out as it should.
const TELLING: [&str; 9] = [
    "✓ staging",
    "✓ production",
    "its signed delivery is answered 202",
    "the new greeting is in the cluster",
    "it is answered 401",
    "the greeting is that of Git again",
    "apps/production/settings.yaml:8",
    "the cluster is as it was",
    "is pruned after",
];

#[test]
fn on_a_cluster_it_goes_on_until_it_is_interrupted_and_leaves_nothing_there() {
    let api_server = ApiServer::shared();
    let kubernetes = api_server.client();
    let kubeconfig = api_server.kubeconfig(User::Admin);
    let context = Kubeconfig::read_from(&kubeconfig).unwrap().current_context.unwrap();
    let demo = Demo::start(&["--cluster", &context, "--yes"], Some(&kubeconfig));

    demo.wait_for_line("It goes on until Ctrl-C", || {
        kubernetes.run_pods("shop-staging-");
        kubernetes.run_pods("shop-production-");
    });
    demo.assert_told();
    assert!(demo.push_by_hand().contains("production: applied after"));

    demo.interrupt();
    let status = demo.end(DEADLINE);
    assert_eq!(status.code(), Some(0), "{}", demo.told());
    for path in ["/api/v1/namespaces", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"] {
        let left = kubernetes.list(path);
        let names: Vec<_> = left.iter().filter_map(|o| o["metadata"]["name"].as_str()).collect();
        let of_the_demo =
            |name: &&str| name.starts_with("shop-production-") || name.starts_with("promotions.");
        assert!(!names.iter().any(of_the_demo), "left on the cluster: {names:?}");
    }
}

/// The program while it plays.
pub struct Demo {
    child: Mutex<Child>,
    reader: Mutex<Option<JoinHandle<()>>>,
    lines: Arc<Mutex<Vec<String>>>,
    folder: PathBuf,
}

impl Demo {
    pub fn start(flags: &[&str], kubeconfig: Option<&Path>) -> Self {
        let folder = leash::folder("demo").join("it's-the-shop");
        let mut command = Command::new(env!("CARGO_BIN_EXE_headstay"));
        command.arg("demo").args(flags).arg("--folder").arg(&folder);
        command.env("KUBECONFIG", kubeconfig.unwrap_or(Path::new("/nowhere")));
        // Where people sit behind a proxy, it is for the world outside.
        command.env("HTTPS_PROXY", "http://127.0.0.1:9");
        command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = leash::spawn(&mut command);
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let output = BufReader::new(child.stdout.take().unwrap());
        let reader = spawn({
            let lines = Arc::clone(&lines);
            move || {
                for line in output.lines().map_while(Result::ok) {
                    lines.lock().unwrap().push(line);
                }
            }
        });
        Self { child: child.into(), reader: Some(reader).into(), lines, folder }
    }

    pub fn told(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// Waits for a line, and does something between two looks.
    #[track_caller]
    fn wait_for_line(&self, text: &str, between: impl Fn()) {
        wait_for(&format!("`{text}`"), STORY, || {
            between();
            let ended = self.child.lock().unwrap().try_wait().unwrap();
            let told = self.told();
            assert!(ended.is_none() || told.contains(text), "it ended {ended:?}:\n{told}");
            if told.contains(text) { Ok(()) } else { Err(told) }
        });
    }

    /// Every step came out as it should, and its log has neither errors nor secrets.
    #[track_caller]
    pub fn assert_told(&self) {
        let told = self.told();
        for line in TELLING {
            assert!(told.contains(line), "no `{line}` in:\n{told}");
        }
        let read = |name: &str| std::fs::read_to_string(self.folder.join(name)).unwrap();
        let log = read("headstay.log");
        assert!(log.contains("application healthy"), "{log}");
        assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
        for secret in [read("webhook-secret").as_str(), "not-a-real-key"] {
            assert!(!log.contains(secret) && !told.contains(secret), "`{secret}` was told");
        }
    }

    /// Pushes as a person does, and returns what the hook of the repository says to that.
    #[track_caller]
    fn push_by_hand(&self) -> String {
        let path = self.folder.join("shop.git");
        let repository = Repository::create(&path, String::new());
        let before = repository.head("main").unwrap();
        let greeting = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: greeting}\n";
        let after = repository.commit(&[("apps/production/greeting.yaml", Some(greeting))]);
        let mut hook = Command::new(path.join("hooks/post-receive"));
        hook.current_dir(&path).stdout(Stdio::piped());
        let mut hook = leash::spawn_with_input(&mut hook, Stdio::piped());
        let pushed = format!("{before} {after} refs/heads/main\n");
        hook.stdin.take().unwrap().write_all(pushed.as_bytes()).unwrap();
        let output = hook.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// What Ctrl-C does.
    #[track_caller]
    fn interrupt(&self) {
        let kill = ["-c", "kill -INT $0", &self.child.lock().unwrap().id().to_string()];
        assert!(Command::new("sh").args(kill).status().unwrap().success());
    }

    /// Waits until the program has ended and all that it told was read.
    #[track_caller]
    pub fn end(&self, within: Duration) -> ExitStatus {
        let status = wait_for("the end of the demo", within, || {
            self.child.lock().unwrap().try_wait().unwrap().ok_or_else(|| self.told())
        });
        if let Some(reader) = self.reader.lock().unwrap().take() {
            reader.join().unwrap();
        }
        status
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}
