//! Where one follows a page: a clone of this repository whose program is built, a cluster, and a Git
//! host with an empty repository `acme/fleet`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use headstay::sandbox::{Options, Sandbox};

use crate::page::ROOT;
use crate::server::ApiServer;
use crate::world::api_server::{User, free_port};
use crate::world::call::{Answer, agent, call};
use crate::world::git_host::{GitHost, runtime};
use crate::world::kubernetes::Kubernetes;
use crate::world::manifests::deployment;
use crate::world::repository::{Change, Repository};
use crate::world::wait::wait_until;
use crate::world::{GIT_TOKEN, leash};

const NAMESPACE: &str = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n";
const SETTINGS: &str =
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {greeting: Welcome}}\n";

/// What the pages use of the files of this repository.
const CLONED: [&str; 3] = ["config", "deploy", "scripts"];

/// Stands in for Cargo: what the pages have it build is built.
const CARGO: &str = r#"#!/usr/bin/env bash
case "$*" in
  'build --release') ;;
  'run -- '*) shift 2; exec headstay "$@" ;;
  # Built for a run of all tests. A Cargo below another one would build all anew.
  'run --example sandbox') exec "$EXAMPLES/sandbox" ;;
  *) echo "the stand-in for Cargo does not know: $*"; exit 1 ;;
esac
"#;

/// The place, which ends with its value.
pub struct Town {
    folder: PathBuf,
    _cluster: Cluster,
    kubeconfig: PathBuf,
    /// The repository that the pages call `https://github.com/acme/fleet.git`.
    pub repository: Repository,
    _git: GitHost,
    port: u16,
}

/// Ends as it is dropped, in this order.
enum Cluster {
    Sandbox { _sandbox: Sandbox },
    Real { _kubelet: Kubelet, _server: ApiServer },
}

impl Town {
    /// With the sandbox for a cluster.
    pub fn with_sandbox() -> Self {
        let sandbox = runtime().block_on(Sandbox::start(Options::default())).unwrap();
        let kubeconfig = leash::folder("sandbox").join("kubeconfig");
        fs::write(&kubeconfig, sandbox.kubeconfig()).unwrap();
        Self::of(Cluster::Sandbox { _sandbox: sandbox }, kubeconfig)
    }

    /// With a real API server, whose Pods are said to run.
    pub fn with_api_server() -> Self {
        let server = ApiServer::own();
        let kubeconfig = server.kubeconfig(User::Admin);
        let kubelet = Kubelet::start(server.client());
        Self::of(Cluster::Real { _kubelet: kubelet, _server: server }, kubeconfig)
    }

    fn of(cluster: Cluster, kubeconfig: PathBuf) -> Self {
        let git = GitHost::start();
        let repository = git.create("acme/fleet");
        let folder = leash::folder("clone");
        make_clone(&folder);
        Self { folder, _cluster: cluster, kubeconfig, repository, _git: git, port: free_port() }
    }

    /// Its repository has a shop.
    pub fn and_a_shop(self) -> Self {
        let web = deployment("web", "registry.example.org/web:1");
        self.push(
            "Open the shop",
            &[
                ("apps/shop/namespace.yaml", Some(NAMESPACE)),
                ("apps/shop/settings.yaml", Some(SETTINGS)),
                ("apps/shop/web.yaml", Some(&web)),
            ],
        );
        self
    }

    /// Pushes changes to the branch `main` of the repository; no webhook tells of them.
    pub fn push(&self, message: &str, changes: &[Change]) {
        let parent = self.repository.head("main");
        self.repository.commit_saying(message, "main", parent.as_deref(), changes);
    }

    /// The folder in which commands are typed.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the shell finds in its environment.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let path = std::env::var("PATH").unwrap_or_default();
        let text = |path: PathBuf| path.display().to_string();
        let program = Path::new(env!("CARGO_BIN_EXE_headstay"));
        let home = std::env::var("HOME").unwrap_or_default();
        let cache = std::env::var("XDG_CACHE_HOME").unwrap_or_else(|_| format!("{home}/.cache"));
        vec![
            ("PATH", format!("{}:{path}", text(self.folder.join("bin")))),
            ("HOME", text(self.folder.join("home"))),
            ("TMPDIR", text(self.folder.join("tmp"))),
            ("XDG_RUNTIME_DIR", text(self.folder.join("tmp"))),
            ("XDG_CACHE_HOME", cache),
            ("EXAMPLES", text(program.with_file_name("examples"))),
            ("KUBECONFIG", text(self.kubeconfig.clone())),
            ("HEADSTAY_SERVER", format!("http://127.0.0.1:{}", self.port)),
            ("GIT_TOKEN", GIT_TOKEN.to_owned()),
            ("GIT_AUTHOR_NAME", "Ada Lovelace".to_owned()),
            ("GIT_AUTHOR_EMAIL", "ada@example.org".to_owned()),
            ("GIT_COMMITTER_NAME", "Ada Lovelace".to_owned()),
            ("GIT_COMMITTER_EMAIL", "ada@example.org".to_owned()),
            ("NO_PROXY", "127.0.0.1".to_owned()),
        ]
    }

    /// What of a page is otherwise here.
    pub fn here(&self, text: &str) -> String {
        let address = format!("127.0.0.1:{}", self.port);
        let url = &*self.repository.url;
        let substitutions = [
            // The repository is a private one on a host of this machine.
            (
                "\n    url: https://github.com/acme/fleet.git",
                &*format!("\n    url: {url}\n    auth: {{token: {{env: GIT_TOKEN}}}}"),
            ),
            ("https://github.com/acme/fleet.git", url),
            // Every page has a port of its own.
            ("127.0.0.1:8080", &address),
            ("server:\n  tokens:", &format!("server:\n  listen: {address}\n  tokens:")),
        ];
        substitutions
            .into_iter()
            .fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
    }

    /// What Headstay measures; an error while it does not serve.
    pub fn metrics(&self) -> Result<String, String> {
        let url = format!("http://127.0.0.1:{}/metrics", self.port);
        let answer = call(&agent(), "GET", &url, &[], None).map_err(|error| error.to_string())?;
        if answer.status == 200 { Ok(answer.text) } else { Err(answer.text) }
    }

    /// Sends something to the receiver `github`.
    pub fn deliver(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        let url = format!("http://127.0.0.1:{}/webhooks/github", self.port);
        call(&agent(), "POST", &url, headers, Some(body.as_bytes())).unwrap()
    }
}

/// Files of this repository, the program where Cargo puts it, and the programs that pages use.
fn make_clone(folder: &Path) {
    for name in CLONED {
        symlink(Path::new(ROOT).join(name), folder.join(name)).unwrap();
    }
    for name in ["bin", "home", "tmp", "target/release"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    for name in ["bin", "target/release"] {
        symlink(env!("CARGO_BIN_EXE_headstay"), folder.join(name).join("headstay")).unwrap();
    }
    // On a terminal it shows no progress.
    fs::write(folder.join("home/.curlrc"), "no-progress-meter\n").unwrap();
    // Who pushes has logged in before.
    let login = BASE64_STANDARD.encode(format!("ada:{GIT_TOKEN}"));
    let login = format!("[http]\nextraHeader = Authorization: Basic {login}\n");
    fs::write(folder.join("home/.gitconfig"), login).unwrap();
    let cargo = folder.join("bin/cargo");
    fs::write(&cargo, CARGO).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let [kubectl, helm] = programs();
    symlink(kubectl, folder.join("bin/kubectl")).unwrap();
    symlink(helm, folder.join("bin/helm")).unwrap();
}

/// `kubectl` and `helm`; what else the pages use is installed.
fn programs() -> &'static [PathBuf; 2] {
    static PROGRAMS: OnceLock<[PathBuf; 2]> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        printed(&mut script("programs"));
        [kubectl(), Path::new(&printed(&mut script("package-parts"))).join("helm")]
    })
}

/// That of `KUBEBUILDER_ASSETS`, or of the machine, or one that is built once.
fn kubectl() -> PathBuf {
    let assets = Path::new(&printed(&mut script("kube-parts"))).join("kubectl");
    if assets.exists() {
        return assets;
    }
    let cache = printed(script("kube-parts").env_remove("KUBEBUILDER_ASSETS"));
    Path::new(&cache).join("kubectl")
}

fn script(name: &str) -> Command {
    Command::new(format!("{ROOT}/scripts/{name}"))
}

/// Runs a script, which says by itself what is wrong; returns what it prints.
fn printed(script: &mut Command) -> String {
    let output = script.stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{script:?}: its own words are above");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Says of every Pod that it runs.
struct Kubelet {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Kubelet {
    fn start(kubernetes: Kubernetes) -> Self {
        let ended = Arc::<AtomicBool>::default();
        let thread = std::thread::spawn({
            let ended = Arc::clone(&ended);
            move || {
                wait_until("the end", Duration::MAX, || {
                    kubernetes.run_pods("");
                    ended.load(Ordering::Relaxed)
                });
            }
        });
        Self { ended, thread: Some(thread) }
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // If it has failed, so has who waits for a Pod.
        drop(self.thread.take().map(JoinHandle::join));
    }
}
