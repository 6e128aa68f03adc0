//! `clusters` as they are typed.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::raw::{Labels, Name, Secret};
use crate::domain::name::ClusterName;

/// One API server. With a name only: the cluster that the process runs in, else the current one
/// of the default kubeconfig.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Cluster {
    /// What applications call it. What they own is kept under it, so another name counts as
    /// another cluster.
    #[schemars(with = "Name")]
    pub(in crate::config) name: ClusterName,
    /// Path of a kubeconfig; none: the default one, where `context` is given.
    #[schemars(extend("x-rule" = "file"))]
    pub(in crate::config) kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig; none: the current one.
    #[schemars(extend("x-rule" = "text"))]
    pub(in crate::config) context: Option<String>,
    /// Address of the API server, instead of a kubeconfig; needs `token`.
    #[schemars(extend("x-rule" = "cluster-url"))]
    pub(in crate::config) server: Option<String>,
    /// Bearer token for `server`, and for it alone.
    pub(in crate::config) token: Option<Secret>,
    /// PEM file of the authority that signed the certificate of `server`; none: the system's.
    #[schemars(extend("x-rule" = "file"))]
    pub(in crate::config) ca: Option<PathBuf>,
    /// Labels for people; nothing depends on them.
    #[serde(default)]
    pub(in crate::config) labels: Labels,
}
