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
    /// Its name.
    #[schemars(with = "Name")]
    pub(in crate::config) name: ClusterName,
    /// Path of a kubeconfig.
    #[schemars(extend("x-rule" = "file"))]
    pub(in crate::config) kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig; none: its current one.
    #[schemars(extend("x-rule" = "text"))]
    pub(in crate::config) context: Option<String>,
    /// `https://…`, instead of a kubeconfig; needs `token`.
    #[schemars(extend("x-rule" = "cluster-url"))]
    pub(in crate::config) server: Option<String>,
    /// Bearer token for `server`.
    pub(in crate::config) token: Option<Secret>,
    /// PEM file of the authority that signed the certificate of `server`; none: the system's.
    #[schemars(extend("x-rule" = "file"))]
    pub(in crate::config) ca: Option<PathBuf>,
    /// Labels, for people and for templates.
    #[serde(default)]
    pub(in crate::config) labels: Labels,
}
