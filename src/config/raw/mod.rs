//! The configuration as it is typed. The comments of these types are what the schema, and with it
//! an editor, says of each key.

pub(in crate::config) mod application;
pub(in crate::config) mod cluster;
pub(in crate::config) mod receiver;
pub(in crate::config) mod repository;
pub(in crate::config) mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::raw::application::Application;
use crate::config::raw::cluster::Cluster;
use crate::config::raw::receiver::Receiver;
use crate::config::raw::repository::Repository;
use crate::config::raw::server::{Server, Store};
use crate::config::secret;
use crate::config::value::Span;

/// The configuration of Headstay. Relative paths count from the working directory of the process.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(title = "Headstay configuration")]
pub(in crate::config) struct Configuration {
    /// The process itself.
    pub(in crate::config) server: Server,
    /// Where state is kept.
    pub(in crate::config) store: Store,
    /// Webhook endpoints, one for each Git host or organisation.
    pub(in crate::config) receivers: Vec<Receiver>,
    /// The API servers that are kept in line; none: one of the name `default`, the cluster that
    /// the process runs in, else the current one of the default kubeconfig.
    pub(in crate::config) clusters: Vec<Cluster>,
    /// Git repositories that hold desired state.
    pub(in crate::config) repositories: Vec<Repository>,
    /// What is kept applied, from where and to where.
    pub(in crate::config) applications: Vec<Application>,
}

/// The rule of every name: it goes into label values, URLs and file names.
#[derive(JsonSchema)]
#[schemars(extend(
    "x-rule" = "name",
    "pattern" = "^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$"
))]
#[expect(dead_code, reason = "stands for the names of the domain in the schema")]
pub(in crate::config) struct Name(String);

/// Where a secret value is read. It is never written into the configuration itself.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-secret" = true))]
pub(in crate::config) enum Secret {
    /// An environment variable of the process.
    Env(#[schemars(extend("x-rule" = "variable"))] String),
    /// A file, read again when it changes; line breaks at its end are no part of the value.
    File(#[schemars(extend("x-rule" = "secret-file"))] PathBuf),
}

/// Labels as Kubernetes has them.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("propertyNames" = {"x-rule": "label-key"}))]
pub(in crate::config) struct Labels(pub(in crate::config) BTreeMap<String, LabelValue>);

/// The value of a label.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-rule" = "label-value"))]
pub(in crate::config) struct LabelValue(pub(in crate::config) String);

const fn seconds(seconds: u64) -> Span {
    Span(Duration::from_secs(seconds))
}

impl From<Secret> for secret::Secret {
    fn from(raw: Secret) -> Self {
        match raw {
            Secret::Env(name) => Self::Env(name),
            Secret::File(path) => Self::File(path),
        }
    }
}

impl From<Labels> for BTreeMap<String, String> {
    fn from(labels: Labels) -> Self {
        labels.0.into_iter().map(|(key, LabelValue(value))| (key, value)).collect()
    }
}
