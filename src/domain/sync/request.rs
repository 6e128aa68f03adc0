//! What asks for a sync, and how.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::name::ApplicationName;

/// What asked for a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// A delivery.
    Webhook,
    /// The periodic check.
    Timer,
    /// A change of a live object.
    Drift,
    /// A person, by the API.
    Manual,
    /// A person went back to an earlier commit.
    Rollback,
    /// A suspension ended.
    Resume,
    /// An application that this one depends on became ready.
    Dependency,
    /// The configuration of the application changed.
    Configuration,
    /// The check of every application when the process starts.
    StartUp,
}

impl Trigger {
    /// Every trigger.
    pub const ALL: [Self; 9] = [
        Self::Webhook,
        Self::Timer,
        Self::Drift,
        Self::Manual,
        Self::Rollback,
        Self::Resume,
        Self::Dependency,
        Self::Configuration,
        Self::StartUp,
    ];

    /// The name as the API shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Timer => "timer",
            Self::Drift => "drift",
            Self::Manual => "manual",
            Self::Rollback => "rollback",
            Self::Resume => "resume",
            Self::Dependency => "dependency",
            Self::Configuration => "configuration",
            Self::StartUp => "start-up",
        }
    }

    /// How closely a sync so asked for looks at the cluster.
    pub fn look(self) -> Look {
        match self {
            Self::Webhook => Look::Not,
            // Settings may have changed what counts as drift, or even the place.
            Self::Configuration => Look::All,
            _ => Look::Changed,
        }
    }

    /// Whether a person asked.
    pub fn is_person(self) -> bool {
        matches!(self, Self::Manual | Self::Rollback | Self::Resume)
    }

    /// Whether a sync so asked for is a look around that leaves no history when it finds nothing.
    pub fn is_check(self) -> bool {
        matches!(self, Self::Timer | Self::StartUp)
    }
}

/// How closely a sync looks at the cluster, beside Git. A sync that several requests joined looks as
/// closely as the most demanding of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Look {
    /// At what changed in Git only.
    #[default]
    Not,
    /// Also at the objects that were written since they were last seen to be as wanted.
    Changed,
    /// At every object.
    All,
}

/// A request for a sync. Requests with the same [`slot`](Self::slot) coalesce while the first is queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRequest {
    /// The application to bring to a commit.
    pub application: ApplicationName,
    /// What asked.
    pub trigger: Trigger,
    /// Who asked: the name of an API token, or who pushed.
    pub actor: Option<String>,
    /// What was asked for beyond "follow the configuration".
    pub options: SyncOptions,
}

/// What a person may ask of one sync beyond the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncOptions {
    /// A revision instead of the configured one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Prune, or do not, whatever the configuration says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prune: Option<bool>,
    /// Take over what another installation holds of what Git names.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub adopt: bool,
}

impl SyncRequest {
    /// Two requests of one application with the same slot can be served by one sync.
    pub fn slot(&self) -> String {
        if self.options == SyncOptions::default() {
            return String::new();
        }
        let SyncOptions { revision, dry_run, prune, adopt } = &self.options;
        format!(
            "revision={} dryRun={dry_run} prune={}{}",
            revision.as_deref().unwrap_or_default(),
            prune.map_or("", |prune| if prune { "true" } else { "false" }),
            if *adopt { " adopt" } else { "" },
        )
    }
}
