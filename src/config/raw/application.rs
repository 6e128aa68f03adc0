//! `applications` as they are typed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::raw::{Labels, Name, seconds};
use crate::config::value::{FolderPath, FollowedRevision, Kind, Span};
use crate::domain::commit::Revision;
use crate::domain::name::{ApplicationName, ClusterName, RepositoryName};
use crate::domain::retry::RetryPolicy;

/// A path at a revision of a repository, kept applied to a cluster.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Application {
    /// Names it in the history, and in the label `headstay.dev/application` on its objects.
    #[schemars(with = "Name")]
    pub(in crate::config) name: ApplicationName,
    /// Name of the repository that holds its desired state.
    #[schemars(with = "Name")]
    pub(in crate::config) repository: RepositoryName,
    /// What it follows: a branch, a tag, a full commit id, or a range of semantic versions (`>=1.2,
    /// <2`) among the tags.
    #[serde(default = "main_branch")]
    pub(in crate::config) revision: FollowedRevision,
    /// Folder or file of the repository, from its root; empty: all of it.
    #[serde(default)]
    pub(in crate::config) path: FolderPath,
    /// Name of the cluster; may be left out where there is only one.
    #[schemars(with = "Option<Name>")]
    pub(in crate::config) cluster: Option<ClusterName>,
    /// Namespace of namespaced objects that name none; needed with `sync.createNamespace`.
    #[schemars(extend("x-rule" = "namespace"))]
    pub(in crate::config) namespace: Option<String>,
    /// How it is kept applied.
    #[serde(default)]
    pub(in crate::config) sync: Sync,
}

fn main_branch() -> FollowedRevision {
    FollowedRevision(Revision::Named("main".to_owned()))
}

/// How an application is kept applied.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::config) struct Sync {
    /// Whether pushes and the timer bring it to a commit; else only a request does.
    pub(in crate::config) automated: bool,
    /// Whether what Git no longer names is deleted.
    pub(in crate::config) prune: bool,
    /// What is done about differences that no commit asked for. A sync that a person asks for puts them
    /// back whatever is set here.
    pub(in crate::config) drift: Drift,
    /// Longest time between two checks by the timer, which find drift and pushes that no webhook
    /// told of; at least `1s`.
    pub(in crate::config) interval: Span,
    /// How long to wait for health after an apply; then the sync has failed.
    pub(in crate::config) timeout: Span,
    /// What an object that the API server refuses does to the rest of its stage.
    pub(in crate::config) on_error: OnError,
    /// Whether nothing at all may be what is wanted; else an empty render is an error.
    pub(in crate::config) allow_empty: bool,
    /// Whether the application's namespace is made when it is not there; with `{labels}`, it is
    /// kept with these.
    pub(in crate::config) create_namespace: CreateNamespace,
    /// A sync that would prune more than this waits for a person's approval.
    pub(in crate::config) prune_limit: PruneLimit,
    /// When a failed sync is tried again.
    pub(in crate::config) retry: Retry,
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            automated: true,
            prune: true,
            drift: Drift::Heal,
            interval: seconds(10 * 60),
            timeout: seconds(5 * 60),
            on_error: OnError::Hold,
            allow_empty: false,
            create_namespace: CreateNamespace::Switch(false),
            prune_limit: PruneLimit::default(),
            retry: Retry::default(),
        }
    }
}

/// What is done about drift.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::config) enum Drift {
    /// It is put back, unless `automated` is false.
    Heal,
    /// It is told in the history, once, and left.
    Report,
    /// It is left, and not told.
    Ignore,
}

/// What a failed dry run does to the rest of its stage.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::config) enum OnError {
    /// Nothing of the stage is written.
    Hold,
    /// What did not fail is written.
    Continue,
}

/// Whether the application's namespace is made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum CreateNamespace {
    /// Whether it is made.
    Switch(bool),
    /// It is made and labelled.
    Labelled(NamespaceLabels),
}

/// What the made namespace carries.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct NamespaceLabels {
    /// Its labels.
    pub(in crate::config) labels: Labels,
}

/// How much one sync may prune without being asked.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::config) struct PruneLimit {
    /// Percent of the objects that the application owns; counts from ten on.
    #[schemars(range(max = 100))]
    pub(in crate::config) percent: u32,
    /// Number of objects.
    pub(in crate::config) objects: u32,
    /// Kinds of which none is pruned unasked.
    pub(in crate::config) kinds: Vec<Kind>,
}

impl Default for PruneLimit {
    fn default() -> Self {
        let kinds =
            ["Namespace", "CustomResourceDefinition", "PersistentVolume", "PersistentVolumeClaim"];
        Self {
            percent: 50,
            objects: 100,
            kinds: kinds.into_iter().filter_map(|kind| kind.parse().ok()).collect(),
        }
    }
}

/// When a failed sync is tried again: after `initial`, then twice as long each time up to `max`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::config) struct Retry {
    /// Attempts after the first; then the timer goes on trying.
    #[schemars(range(max = 1000))]
    pub(in crate::config) limit: u32,
    /// The first delay; at most `max`.
    pub(in crate::config) initial: Span,
    /// The longest delay.
    pub(in crate::config) max: Span,
}

impl Default for Retry {
    fn default() -> Self {
        let RetryPolicy { limit, initial, max } = RetryPolicy::default();
        Self { limit, initial: Span(initial), max: Span(max) }
    }
}
