//! The world of a story: a Git host, a Kubernetes API server and the `headstay` program between
//! them, all of them real, with the verbs by which a story acts and looks. The same stories are told
//! with the sandbox in the place of the API server (`tests/e2e_sandbox`).
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | `World`: one repository, one application `shop`, one namespace |
//! | `headstay/` | the program: start, kill, terminate, its log; `api.rs`: its API |
//! | `contract.rs` | its OpenAPI document, to which every answer is held |
//! | `webhook.rs` | deliveries and how they are signed |
//! | `repository.rs`, `git_host.rs` | commits; the host that serves them, and its outages |
//! | `ssh_host.rs`, `tls_front.rs`, `proxy.rs` | other ways to them: ssh, TLS, a proxy |
//! | `silent_host.rs` | a host that never answers |
//! | `api_server.rs`, `kubernetes.rs` | the API server, and its outages; the verbs of kubectl |
//! | `kube_apiserver.rs`, `sandbox.rs` | which API server it is, as the root of the test says |
//! | `place.rs` | a namespace to ask the API itself |
//! | `manifests.rs` | what the stories commit |
//! | `wait.rs`, `call.rs`, `leash.rs`, `random.rs` | waiting for a condition; one HTTP call; nothing is left behind; chance |

pub mod api_server;
pub mod call;
pub mod contract;
pub mod git_host;
pub mod headstay;
pub mod kubernetes;
pub mod leash;
pub mod manifests;
pub mod place;
pub mod proxy;
pub mod random;
pub mod repository;
pub mod silent_host;
pub mod ssh_host;
pub mod tls_front;
pub mod wait;
pub mod webhook;

mod selftest;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::world::api_server::{ApiServer, User};
use crate::world::git_host::GitHost;
use crate::world::headstay::Headstay;
use crate::world::kubernetes::Kubernetes;
use crate::world::manifests::config_map;
use crate::world::random::random;
use crate::world::repository::{Change, Repository};
use crate::world::webhook::Webhook;

/// Signs the deliveries.
pub const WEBHOOK_SECRET: &str = "webhook-secret-3b7e90";
/// Opens the Git host.
pub const GIT_TOKEN: &str = "git-token-c41f08";
/// Opens the API of Headstay.
pub const API_TOKEN: &str = "api-token-77d2ab";
/// A value that stories put into Secrets.
pub const SECRET_VALUE: &str = "hunter2-5e1c66";

/// One application `shop` of `apps/shop` on `main`, kept applied to a namespace of its own.
pub struct World {
    /// The API server; shared with other stories unless the story asked for its own.
    pub api_server: Arc<ApiServer>,
    /// `kubectl` with every right.
    pub kubernetes: Kubernetes,
    /// The namespace of the application.
    pub namespace: String,
    /// The Git host.
    pub git: GitHost,
    /// The repository of the application.
    pub repository: Repository,
    /// The program.
    pub headstay: Headstay,
}

/// What a story can have otherwise.
pub struct Setup {
    /// The fallback timer; by default it is out of the way.
    pub interval: &'static str,
    /// Further keys of `sync`, in YAML's flow style.
    pub sync: &'static str,
    /// Further applications, in YAML, in which `NAMESPACE` is the namespace of the world.
    pub applications: String,
    /// Keys of `server.limits`, in flow style.
    pub limits: &'static str,
    /// How long the Git host may let us wait.
    pub timeout: &'static str,
    /// What the application follows.
    pub revision: &'static str,
    /// With whose rights Headstay applies.
    pub user: User,
    /// The API server.
    pub api_server: Arc<ApiServer>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            interval: "1h",
            sync: "prune: true",
            applications: String::new(),
            limits: "workers: 4",
            timeout: "2s",
            revision: "main",
            user: User::Admin,
            api_server: ApiServer::shared(),
        }
    }
}

/// A commit that was pushed, and the answer to its delivery.
pub struct Pushed {
    /// The commit.
    pub commit: String,
    /// Headstay's id of the delivery.
    pub delivery: String,
    /// The sync that it queued or joined; of several, that of the application first in the
    /// alphabet.
    pub sync: String,
    /// The sync of each application, as the answer has them.
    syncs: Value,
}

impl Pushed {
    /// The sync of an application.
    #[track_caller]
    pub fn sync_of(&self, application: &str) -> &str {
        let syncs = self.syncs.as_array().unwrap();
        let found = syncs.iter().find(|sync| sync["application"] == application);
        found.and_then(|sync| sync["id"].as_str()).unwrap_or_else(|| panic!("{syncs:?}"))
    }
}

impl World {
    /// A world as most stories want it: `settings` is applied, and only a push changes anything.
    #[track_caller]
    pub fn start() -> Self {
        Setup::default().start()
    }

    /// Lets the program reach the repository at another URL, by other keys of the configuration than
    /// `auth`, and waits until it has. How long that takes is not what these stories are about.
    #[track_caller]
    pub fn reach_repository_by(&self, url: &str, keys: &str) {
        let before = format!(
            "url: \"{}\", auth: {{token: {{env: GIT_TOKEN}}}}, timeout: 2s",
            self.repository.url
        );
        let aliases = format!("aliases: [\"{}\"]", self.repository.url);
        self.headstay
            .reconfigure(&before, &format!("url: \"{url}\", {aliases}, {keys}, timeout: 30s"));
        self.headstay.wait_for_sync("the repository to be reached", |sync| {
            sync["trigger"] == "configuration" && sync["state"] == "Succeeded"
        });
    }

    /// Commits changes and delivers the push, which must be accepted.
    #[track_caller]
    pub fn push(&self, changes: &[Change]) -> Pushed {
        let commit = self.repository.commit(changes);
        self.announce(commit)
    }

    /// Delivers a push of what `main` points to, which must be accepted.
    #[track_caller]
    pub fn announce(&self, commit: String) -> Pushed {
        let answer = self.headstay.deliver(&Webhook::push(&self.repository, "main"));
        assert_eq!(answer.status, 202, "{answer:?}");
        let text =
            |value: &Value| value.as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned();
        let (delivery, sync) =
            (text(&answer.body["delivery"]), text(&answer.body["syncs"][0]["id"]));
        Pushed { commit, delivery, sync, syncs: answer.body["syncs"].clone() }
    }

    /// Pushes changes and waits until they are applied and healthy; returns the sync.
    #[track_caller]
    pub fn apply(&self, changes: &[Change]) -> Value {
        let pushed = self.push(changes);
        self.headstay.wait_for_state(&pushed.sync, "Succeeded")
    }

    /// The path of a collection of the namespace: `path("apps/v1", "deployments")`.
    pub fn path(&self, api_version: &str, plural: &str) -> String {
        let root = if api_version.contains('/') { "apis" } else { "api" };
        format!("/{root}/{api_version}/namespaces/{}/{plural}", self.namespace)
    }

    /// The path of a ConfigMap.
    pub fn config_map_path(&self, name: &str) -> String {
        format!("{}/{name}", self.path("v1", "configmaps"))
    }

    /// What a ConfigMap of the cluster says, if it is there.
    pub fn colour(&self, name: &str) -> Option<String> {
        let object = self.kubernetes.get(&self.config_map_path(name))?;
        object["data"]["colour"].as_str().map(str::to_owned)
    }

    /// The versions of everything that stories apply: they move with every write.
    pub fn resource_versions(&self) -> BTreeMap<String, String> {
        self.kubernetes.resource_versions(&[
            self.path("v1", "configmaps"),
            self.path("v1", "secrets"),
            self.path("v1", "services"),
        ])
    }

    /// Ends the story: the program ends in order, and what must hold after every story does.
    #[track_caller]
    pub fn finish(self) {
        self.finish_despite(&[]);
    }

    /// Ends a story in which errors were logged whose lines hold one of these texts.
    #[track_caller]
    pub fn finish_despite(self, errors: &[&str]) {
        self.headstay.terminate();
        self.headstay.assert_clean(errors);
    }
}

impl Setup {
    /// Makes the world and waits until the first commit, one ConfigMap, is applied.
    #[track_caller]
    pub fn start(self) -> World {
        let world = self.start_unapplied();
        let first = world.repository.head("main").unwrap();
        world.headstay.wait_for_sync("the first commit to be applied", |sync| {
            sync["commit"]["id"] == first && sync["state"] == "Succeeded"
        });
        world
    }

    /// Makes the world, whose first commit may not come to be applied.
    #[track_caller]
    pub fn start_unapplied(self) -> World {
        let namespace = format!("shop-{:08x}", random() & 0xffff_ffff);
        let kubernetes = self.api_server.client();
        kubernetes.create("/api/v1/namespaces", &json!({"metadata": {"name": namespace}}));
        let git = GitHost::start();
        let repository = git.create("acme/fleet");
        let first = repository.commit(&[
            ("README.md", Some("# The fleet\n")),
            ("apps/shop/settings.yaml", Some(&config_map("settings", "blue"))),
        ]);
        if self.revision != "main" {
            repository.tag("v1.0.0", &first);
        }
        let headstay = Headstay::start(&self.configuration(&namespace, &repository));
        World { api_server: self.api_server, kubernetes, namespace, git, repository, headstay }
    }

    /// The configuration as the README shows it. Every world is an installation of its own.
    fn configuration(&self, namespace: &str, repository: &Repository) -> String {
        let Self { interval, sync, limits, timeout, revision, user, api_server, .. } = self;
        let applications = self.applications.replace("NAMESPACE", namespace);
        let url = &repository.url;
        let kubeconfig = api_server.kubeconfig(*user);
        let kubeconfig = kubeconfig.display();
        format!(
            "\
server:
  listen: 127.0.0.1:0
  instance: {namespace}
  data: FOLDER/data
  tokens: [{{name: tests, role: operator, secret: {{env: HEADSTAY_TOKEN}}}}]
  limits: {{{limits}}}
store: {{url: \"sqlite://FOLDER/headstay.db\"}}
receivers: [{{name: github, provider: github, secrets: [{{env: GITHUB_WEBHOOK_SECRET}}]}}]
clusters: [{{name: test, kubeconfig: {kubeconfig}}}]
repositories: [{{name: fleet, url: \"{url}\", auth: {{token: {{env: GIT_TOKEN}}}}, timeout: {timeout}}}]
applications:
  - name: shop
    repository: fleet
    revision: \"{revision}\"
    path: apps/shop
    cluster: test
    namespace: {namespace}
    sync: {{interval: {interval}, retry: {{initial: 1s, max: 2s}}, {sync}}}
{applications}"
        )
    }
}

/// A further application of the repository, for [`Setup::applications`]: its files are in the folder of its
/// name, its objects in the namespace of the world, and nothing but a push has it synced. `sync` are
/// further keys of `sync`, in flow style.
pub fn application(name: &str, revision: &str, sync: &str) -> String {
    format!(
        "  - name: {name}
    repository: fleet
    revision: {revision}
    path: apps/{name}
    cluster: test
    namespace: NAMESPACE
    sync: {{interval: 1h, retry: {{initial: 1s, max: 2s}}, {sync}}}
"
    )
}

/// Lets worlds side by side go through the rounds of a story: each takes the next one when it is done
/// with one, for it waits most of the time.
pub fn share<T: Send>(
    worlds: usize,
    rounds: impl Iterator<Item = T> + Send,
    story: impl Fn(&mut dyn Iterator<Item = T>) + Sync,
) {
    let rounds = Mutex::new(rounds);
    std::thread::scope(|scope| {
        for _ in 0..worlds {
            scope.spawn(|| story(&mut std::iter::from_fn(|| rounds.lock().unwrap().next())));
        }
    });
}

/// The error of a sync, or one of its details, names something.
#[track_caller]
pub fn assert_tells(sync: &Value, what: &str) {
    assert!(sync["error"].to_string().contains(what), "no `{what}` in the error of: {sync:#}");
}
