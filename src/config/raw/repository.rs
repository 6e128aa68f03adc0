//! `repositories` as they are typed.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::raw::{Name, Secret, seconds};
use crate::config::value::Span;
use crate::domain::name::RepositoryName;

/// A Git repository that holds desired state.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Repository {
    /// What applications call it.
    #[schemars(with = "Name")]
    pub(in crate::config) name: RepositoryName,
    /// Where it is fetched from; user and password go into `auth`.
    #[schemars(extend("x-rule" = "repository-url"))]
    pub(in crate::config) url: String,
    /// Further URLs by which webhooks may name it, where the host is reached by several names.
    /// Scheme, user, port and a `.git` at the end are not compared, so one for each host does.
    #[serde(default)]
    pub(in crate::config) aliases: Vec<Alias>,
    /// How Headstay logs in to the Git host; none: not at all.
    pub(in crate::config) auth: Option<RepositoryAuth>,
    /// PEM file of an authority to trust beside the system's, for https.
    #[schemars(extend("x-rule" = "file"))]
    pub(in crate::config) ca: Option<PathBuf>,
    /// Proxy for http and https; none: that of the environment (`HTTPS_PROXY`, `NO_PROXY`).
    #[schemars(extend("x-rule" = "proxy-url"))]
    pub(in crate::config) proxy: Option<String>,
    /// How long it may take to connect, and how long a transfer may stall.
    #[serde(default = "repository_timeout")]
    pub(in crate::config) timeout: Span,
}

const fn repository_timeout() -> Span {
    seconds(60)
}

/// Another URL of a repository.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-rule" = "git-url"))]
pub(in crate::config) struct Alias(pub(in crate::config) String);

/// How Headstay logs in to a Git host. Exactly one of: `token`; `username` and `password`; `sshKey` and
/// `knownHosts`; `githubApp`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct RepositoryAuth {
    /// An access token, for http and https.
    pub(in crate::config) token: Option<Secret>,
    /// User name, for http and https; with `password`.
    #[schemars(extend("x-rule" = "user"))]
    pub(in crate::config) username: Option<String>,
    /// Password; with `username`.
    pub(in crate::config) password: Option<Secret>,
    /// Private key in OpenSSH's format, without passphrase; with `knownHosts`.
    pub(in crate::config) ssh_key: Option<Secret>,
    /// Lines of a `known_hosts` file, the host keys to expect; with `sshKey`.
    pub(in crate::config) known_hosts: Option<Secret>,
    /// An installation of a GitHub App, for http and https.
    pub(in crate::config) github_app: Option<GithubApp>,
}

/// An installation of a GitHub App.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct GithubApp {
    /// Id of the App.
    #[schemars(range(min = 1))]
    pub(in crate::config) id: u64,
    /// Id of its installation.
    #[schemars(range(min = 1))]
    pub(in crate::config) installation: u64,
    /// Private key of the App: RSA, as a PEM file has it.
    pub(in crate::config) private_key: Secret,
}
