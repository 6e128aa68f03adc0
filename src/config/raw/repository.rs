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
    /// Its name.
    #[schemars(with = "Name")]
    pub(in crate::config) name: RepositoryName,
    /// `https://…`, `http://…`, `ssh://…`, `user@host:path`, `file://…` or a path.
    #[schemars(extend("x-rule" = "git-url"))]
    pub(in crate::config) url: String,
    /// Further URLs by which webhooks may name it.
    #[serde(default)]
    pub(in crate::config) aliases: Vec<Alias>,
    /// How we show the Git host who we are; none: not at all.
    pub(in crate::config) auth: Option<RepositoryAuth>,
    /// PEM file of an authority to trust beside the system's.
    #[schemars(extend("x-rule" = "file"))]
    pub(in crate::config) ca: Option<PathBuf>,
    /// Proxy for http and https.
    #[schemars(extend("x-rule" = "proxy-url"))]
    pub(in crate::config) proxy: Option<String>,
    /// Longest time for a connection, and for a stall.
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

/// One of: `token`; `username` and `password`; `sshKey` and `knownHosts`; `githubApp`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct RepositoryAuth {
    /// An access token.
    pub(in crate::config) token: Option<Secret>,
    /// User name.
    #[schemars(extend("x-rule" = "user"))]
    pub(in crate::config) username: Option<String>,
    /// Password.
    pub(in crate::config) password: Option<Secret>,
    /// Private key in OpenSSH's format.
    pub(in crate::config) ssh_key: Option<Secret>,
    /// Lines of a `known_hosts` file: the host keys to expect.
    pub(in crate::config) known_hosts: Option<Secret>,
    /// An installation of a GitHub App.
    pub(in crate::config) github_app: Option<GithubApp>,
}

/// An installation of a GitHub App.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct GithubApp {
    /// App id.
    #[schemars(range(min = 1))]
    pub(in crate::config) id: u64,
    /// Installation id.
    #[schemars(range(min = 1))]
    pub(in crate::config) installation: u64,
    /// RSA private key, PEM.
    pub(in crate::config) private_key: Secret,
}
