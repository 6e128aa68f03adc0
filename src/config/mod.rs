//! The configuration: one YAML file (or a folder of them), read, validated as a whole, and held
//! as the types below, whose values are known to be good.
//!
//! The way of a file: `read` (bytes) → `shape` (against the JSON Schema that `schema` makes of the
//! types in `raw`; `rule` and `value` say what its texts may be) → `build` (what the parts say of
//! each other) → [`Config`]. Each step reports into one list of `problem`s, and hands on what is
//! sound, so that everything that is wrong is told at once.

pub mod build;
pub mod change;
pub mod kubeconfig;
pub mod live;
pub mod problem;
mod raw;
pub mod read;
pub mod rule;
pub mod schema;
pub mod secret;
mod shape;
#[cfg(test)]
mod tests;
pub mod value;
pub mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::config::secret::Secret;
use crate::domain::commit::Revision;
use crate::domain::name::{
    ApplicationName, ClusterName, InstanceName, ReceiverName, RepositoryName,
};
use crate::domain::object::GroupKind;
use crate::domain::retry::RetryPolicy;

/// The whole configuration, validated: every name that is referred to exists.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The process itself.
    pub server: Server,
    /// Where state is kept.
    pub store: Store,
    /// Webhook endpoints by name.
    pub receivers: BTreeMap<ReceiverName, Arc<Receiver>>,
    /// Clusters by name.
    pub clusters: BTreeMap<ClusterName, Arc<Cluster>>,
    /// Repositories by name.
    pub repositories: BTreeMap<RepositoryName, Arc<Repository>>,
    /// Applications by name.
    pub applications: BTreeMap<ApplicationName, Arc<Application>>,
}

impl Config {
    /// On how many clusters applications are kept.
    pub fn clusters_in_use(&self) -> usize {
        let used = self.applications.values().map(|application| &application.cluster);
        used.collect::<BTreeSet<_>>().len()
    }

    /// Of how many repositories there are applications.
    pub fn repositories_in_use(&self) -> usize {
        let used = self.applications.values().map(|application| &application.repository);
        used.collect::<BTreeSet<_>>().len()
    }
}

/// `server`: the process itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// `listen`: address of the HTTP server.
    pub listen: SocketAddr,
    /// `instance`: names this installation on the objects.
    pub instance: InstanceName,
    /// `tokens`: who may use the API; none: loopback only.
    pub tokens: Vec<Token>,
    /// `suspend`: the global switch; while true nothing is written to any cluster.
    pub suspend: bool,
    /// `limits`.
    pub limits: Limits,
    /// `retention`.
    pub retention: Retention,
    /// `data`: folder in which `repositories` holds the mirrors.
    pub data: PathBuf,
}

/// One bearer token of the API.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// Names its holder in the history.
    pub name: String,
    /// What it permits.
    pub role: Role,
    /// Its value.
    pub secret: Secret,
}

/// What a token permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// To read.
    Viewer,
    /// To read and to change.
    Operator,
}

/// `server.limits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `bodyBytes`: largest webhook body, in bytes.
    pub body_bytes: u64,
    /// `bodiesBytes`: largest sum of all webhook bodies in memory, in bytes.
    pub bodies_bytes: u64,
    /// `failedVerificationsPerMinute`: beyond it a receiver answers 429 to what fails.
    pub failed_verifications_per_minute: u32,
    /// `workers`: syncs at work at once.
    pub workers: usize,
    /// `callsPerCluster`: calls to one API server at once.
    pub calls_per_cluster: usize,
}

/// `server.retention`: how much history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// `syncsPerApplication`.
    pub syncs_per_application: u32,
    /// `age`: ended syncs and deliveries older than this go, and what was left behind
    /// longer ago.
    pub age: Duration,
}

/// `store`: where state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Path of the SQLite file (`sqlite://PATH`).
    pub sqlite: PathBuf,
}

/// The Git host that a receiver takes deliveries of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named after the hosts")]
pub enum Provider {
    GitHub,
    GitLab,
    Gitea,
    Forgejo,
    Gogs,
    BitbucketCloud,
    BitbucketDataCenter,
    AzureDevOps,
    /// HMAC-SHA256 over the body in `X-Signature: sha256=<hex>`.
    Generic,
}

/// One webhook endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Receiver {
    /// Last segment of its URL.
    pub name: ReceiverName,
    /// Whose deliveries it takes.
    pub provider: Provider,
    /// How a delivery proves where it comes from.
    pub auth: ReceiverAuth,
}

/// How a delivery proves where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum ReceiverAuth {
    /// Any one of these secrets.
    Secrets(Vec<Secret>),
    /// Basic authentication (Azure DevOps).
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// A header of the operator's choice (Azure DevOps).
    Header {
        /// Its name, in lower case.
        name: String,
        /// Its value.
        value: Secret,
    },
}

/// One API server.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Its name.
    pub name: ClusterName,
    /// How it is reached.
    pub access: ClusterAccess,
    /// `labels`, for people and for templates.
    pub labels: BTreeMap<String, String>,
}

/// How a cluster is reached.
#[derive(Debug, Clone, PartialEq)]
pub enum ClusterAccess {
    /// In-cluster, else the default kubeconfig.
    Inferred,
    /// A kubeconfig and a context of it (none: its current one).
    Kubeconfig {
        /// Path of the file; none: the default one.
        path: Option<PathBuf>,
        /// Name of the context.
        context: Option<String>,
    },
    /// An address and a bearer token.
    Server {
        /// `https://…`
        url: String,
        /// The token.
        token: Secret,
        /// PEM file of the authority that signed the server's certificate; none: the system's.
        ca: Option<PathBuf>,
    },
}

/// One Git repository.
#[derive(Debug, Clone, PartialEq)]
pub struct Repository {
    /// Its name.
    pub name: RepositoryName,
    /// `https://…`, `http://…`, `ssh://…`, `user@host:path`, `file://…` or a path.
    pub url: String,
    /// `aliases`: further URLs by which webhooks may name it.
    pub aliases: Vec<String>,
    /// How we show who we are.
    pub auth: RepositoryAuth,
    /// PEM file of an authority to trust beside the system's.
    pub ca: Option<PathBuf>,
    /// Proxy for http and https.
    pub proxy: Option<String>,
    /// Longest time for a connection, and for a stall.
    pub timeout: Duration,
}

/// How we show a Git host who we are.
#[derive(Debug, Clone, PartialEq)]
pub enum RepositoryAuth {
    /// Not at all.
    None,
    /// A token (sent as the password of `x-access-token`, which GitHub, GitLab and Gitea take).
    Token(Secret),
    /// User and password.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// An ssh key and the host keys to expect.
    Ssh {
        /// Private key in OpenSSH's format.
        key: Secret,
        /// Lines of a `known_hosts` file.
        known_hosts: Secret,
    },
    /// A GitHub App's installation.
    GitHubApp {
        /// App id.
        id: u64,
        /// Installation id.
        installation: u64,
        /// RSA private key, PEM.
        private_key: Secret,
    },
}

/// One application: a path at a revision of a repository, kept applied to a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Application {
    /// Its name.
    pub name: ApplicationName,
    /// Where its desired state is.
    pub repository: RepositoryName,
    /// Which revision of it.
    pub revision: Revision,
    /// Which folder or file of it, from the root, without leading or trailing `/`; empty: all.
    pub path: String,
    /// Where it goes.
    pub cluster: ClusterName,
    /// Namespace of namespaced objects that name none.
    pub namespace: Option<String>,
    /// How.
    pub sync: SyncPolicy,
}

impl Application {
    /// All settings that decide what is done about its objects, in one digest, with the name of the
    /// installation: as long as it is the same, what was compared by them need not be again.
    pub fn settings(&self, instance: &str) -> String {
        let mut digest = Sha256::new_with_prefix(format!("{self:?}"));
        digest.update(instance);
        hex::encode(digest.finalize())
    }
}

/// `applications[].sync`.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncPolicy {
    /// Whether pushes and the timer apply; else only a request does.
    pub automated: bool,
    /// Whether what Git no longer names is deleted.
    pub prune: bool,
    /// What is done about drift.
    pub drift: DriftMode,
    /// Time between two checks by the timer.
    pub interval: Duration,
    /// How long to wait for health.
    pub timeout: Duration,
    /// What a failed dry run does to the rest of its stage.
    pub on_error: OnError,
    /// Whether an empty render is taken for what is wanted.
    pub allow_empty: bool,
    /// `createNamespace`: make the application's namespace, with these labels.
    pub create_namespace: Option<BTreeMap<String, String>>,
    /// How much one sync may prune without being asked.
    pub prune_limit: PruneLimit,
    /// When to try again.
    pub retry: RetryPolicy,
}

/// What is done about drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftMode {
    /// Put it back.
    Heal,
    /// Show it.
    Report,
    /// Nothing.
    Ignore,
}

/// What a failed dry run does to the rest of its stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// Nothing of the stage is written.
    Hold,
    /// What did not fail is written.
    Continue,
}

/// How much one sync may prune without being asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneLimit {
    /// Percent of the inventory; counts from ten owned objects on.
    pub percent: u32,
    /// Number of objects.
    pub objects: u32,
    /// Kinds of which none is pruned unasked.
    pub kinds: Vec<KindName>,
}

/// A kind as users write it in the configuration: with or without its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindName {
    /// The kind.
    pub kind: String,
    /// The group; none: any.
    pub group: Option<String>,
}

impl KindName {
    /// Whether it means this kind.
    pub fn matches(&self, other: &GroupKind) -> bool {
        self.kind == other.kind && self.group.as_ref().is_none_or(|group| *group == other.group)
    }
}
