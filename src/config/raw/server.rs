//! `server` and `store` as they are typed.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::raw::{Name, Secret, seconds};
use crate::config::value::{Size, Span, StoreUrl};
use crate::domain::name::InstanceName;

/// The process itself.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::config) struct Server {
    /// Address and port of the HTTP server: webhooks, API, probes, metrics. A change counts from the
    /// next start on.
    #[schemars(with = "String", extend("x-rule" = "address"))]
    pub(in crate::config) listen: SocketAddr,
    /// Names this installation on the objects that it applies. Two that share a cluster should
    /// differ, so that people can tell them apart.
    #[schemars(with = "Name")]
    pub(in crate::config) instance: InstanceName,
    /// Bearer tokens: who may use the API. Without any, only requests from this machine are
    /// answered.
    pub(in crate::config) tokens: Vec<Token>,
    /// The global switch: while true, nothing is written to any cluster; observing goes on.
    pub(in crate::config) suspend: bool,
    /// Bounds on what is taken and done at once.
    pub(in crate::config) limits: Limits,
    /// How much history is kept.
    pub(in crate::config) retention: Retention,
    /// Folder in which the mirrors of the repositories are, as `repositories/NAME.git`; none: that
    /// of the store. A change counts from the next start on.
    #[schemars(extend("x-rule" = "text"))]
    pub(in crate::config) data: Option<PathBuf>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            #[expect(clippy::unwrap_used, reason = "a constant that keeps the rule of names")]
            instance: "headstay".parse().unwrap(),
            tokens: Vec::new(),
            suspend: false,
            limits: Limits::default(),
            retention: Retention::default(),
            data: None,
        }
    }
}

/// One bearer token of the API.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Token {
    /// Names its holder in the history.
    #[schemars(extend("x-rule" = "text"))]
    pub(in crate::config) name: String,
    /// What it permits.
    pub(in crate::config) role: Role,
    /// Its value.
    pub(in crate::config) secret: Secret,
}

/// What a token permits.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::config) enum Role {
    /// To read.
    Viewer,
    /// To read and to change.
    Operator,
}

/// Bounds on what is taken and done at once.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::config) struct Limits {
    /// Largest body of a webhook; beyond it the answer is 413. GitHub and GitLab send up to 25 MiB.
    pub(in crate::config) body_bytes: Size,
    /// Largest sum of the bodies of webhooks in memory, at least `bodyBytes`; beyond it they wait,
    /// after 10 s the answer is 503.
    pub(in crate::config) bodies_bytes: Size,
    /// Deliveries that fail verification, per receiver and minute; beyond it the answer is 429.
    #[schemars(range(min = 1))]
    pub(in crate::config) failed_verifications_per_minute: u32,
    /// Syncs at work at once. Waiting for Git, for an API server or for health is no work.
    #[schemars(range(min = 1, max = 256))]
    pub(in crate::config) workers: u32,
    /// Calls to one API server at once.
    #[schemars(range(min = 1, max = 1024))]
    pub(in crate::config) calls_per_cluster: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: Size(25 << 20),
            bodies_bytes: Size(256 << 20),
            failed_verifications_per_minute: 60,
            workers: 4,
            calls_per_cluster: 16,
        }
    }
}

/// How much history is kept.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::config) struct Retention {
    /// How many syncs are kept of each application, the newest ones.
    #[schemars(range(min = 1))]
    pub(in crate::config) syncs_per_application: u32,
    /// How long ended syncs and deliveries are kept, and what is known of an application that left
    /// the configuration or moved to another cluster.
    pub(in crate::config) age: Span,
}

impl Default for Retention {
    fn default() -> Self {
        Self { syncs_per_application: 1000, age: seconds(90 * 24 * 3600) }
    }
}

/// Where state is kept.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::config) struct Store {
    /// `sqlite://PATH`: one file; its folder must be writable. A change counts from the next start
    /// on.
    pub(in crate::config) url: StoreUrl,
}

impl Default for Store {
    fn default() -> Self {
        Self { url: StoreUrl("var/headstay.db".into()) }
    }
}
