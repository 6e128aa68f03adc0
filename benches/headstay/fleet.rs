//! An installation with any number of applications of one repository.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::scrape;
use crate::world::api_server::{ApiServer, User};
use crate::world::git_host::GitHost;
use crate::world::headstay::Headstay;
use crate::world::kubernetes::Kubernetes;
use crate::world::random::random;
use crate::world::repository::{Change, Repository};
use crate::world::wait::wait_until;
use crate::world::webhook::Webhook;

/// How long anything may take: what is measured must not fail because a machine is slow.
pub const DEADLINE: Duration = Duration::from_mins(20);

/// The program with all that it works on.
pub struct Fleet {
    /// The API server.
    pub api_server: Arc<ApiServer>,
    /// `kubectl`.
    pub kubernetes: Kubernetes,
    /// The Git host.
    pub git: GitHost,
    /// The repository of the applications.
    pub repository: Repository,
    /// The program.
    pub headstay: Headstay,
    /// The namespace of each application.
    pub namespaces: Vec<String>,
}

/// A path and a content.
pub type File = (String, String);

/// How a fleet is set up.
pub struct Setup<'a> {
    /// The names of the applications; each has the folder `apps/<name>`.
    pub applications: &'a [String],
    /// The first commit.
    pub files: &'a [File],
    /// Whether the applications follow the branch; else they wait to be asked.
    pub automated: bool,
    /// Whether the whole installation only takes wishes, and works on none.
    pub suspended: bool,
}

impl Setup<'_> {
    /// Starts it. Nothing is waited for.
    pub fn start(self) -> Fleet {
        let api_server = ApiServer::shared();
        let kubernetes = api_server.client();
        let git = GitHost::start();
        let repository = git.create("acme/fleet");
        commit(&repository, self.files);
        let namespaces: Vec<String> = self
            .applications
            .iter()
            .map(|name| format!("{name}-{:08x}", random() & 0xffff_ffff))
            .collect();
        for name in &namespaces {
            kubernetes.create("/api/v1/namespaces", &json!({"metadata": {"name": name}}));
        }
        let kubeconfig = api_server.kubeconfig(User::Admin);
        let headstay =
            Headstay::start(&self.configuration(&kubeconfig, &repository.url, &namespaces));
        Fleet { api_server, kubernetes, git, repository, headstay, namespaces }
    }

    fn configuration(&self, kubeconfig: &std::path::Path, url: &str, to: &[String]) -> String {
        let Self { automated, suspended, .. } = self;
        let instance = &to[0];
        let kubeconfig = kubeconfig.display();
        let mut text = format!(
            "\
server:
  listen: 127.0.0.1:0
  instance: {instance}
  data: FOLDER/data
  suspend: {suspended}
  tokens: [{{name: tests, role: operator, secret: {{env: HEADSTAY_TOKEN}}}}]
store: {{url: \"sqlite://FOLDER/headstay.db\"}}
receivers: [{{name: github, provider: github, secrets: [{{env: GITHUB_WEBHOOK_SECRET}}]}}]
clusters: [{{name: test, kubeconfig: {kubeconfig}}}]
repositories: [{{name: fleet, url: \"{url}\", auth: {{token: {{env: GIT_TOKEN}}}}}}]
applications:
"
        );
        for (name, namespace) in self.applications.iter().zip(to) {
            writeln!(
                text,
                "  - {{name: {name}, repository: fleet, revision: main, path: apps/{name}, \
                 cluster: test, namespace: {namespace}, sync: {{interval: 10h, \
                 automated: {automated}}}}}"
            )
            .unwrap();
        }
        text
    }
}

impl Fleet {
    /// Delivers a push of what `main` points to.
    pub fn announce(&self) -> serde_json::Value {
        let answer = self.headstay.deliver(&Webhook::push(&self.repository, "main"));
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.body
    }

    /// Waits until nothing is left to do, of at least so many syncs that ran.
    pub fn settle(&self, ran: u32) {
        wait_until("the queue to be empty", DEADLINE, || {
            let states = ["Queued", "Running", "Waiting", "Retrying"];
            let open = |state: &&str| {
                let label = format!("state=\"{state}\"");
                scrape::headstay(&self.headstay, "headstay_queue", &[&label])
            };
            self.ran() >= ran && states.iter().map(open).sum::<u32>() == 0
        });
    }

    /// How often a sync ran so far.
    pub fn ran(&self) -> u32 {
        scrape::headstay(&self.headstay, "headstay_syncs_total", &[])
    }

    /// Ends the program.
    pub fn finish(self) {
        self.headstay.terminate();
        self.headstay.assert_clean(&[]);
    }
}

/// Commits files on top of `main`.
pub fn commit(repository: &Repository, files: &[File]) {
    let changes: Vec<Change> =
        files.iter().map(|(path, content)| (&**path, Some(&**content))).collect();
    repository.commit(&changes);
}
