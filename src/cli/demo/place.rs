//! Where the story is played: in the sandbox, or on a cluster of somebody.

use std::io::Write;
use std::path::PathBuf;

use serde_json::json;

use crate::cli::CommandError;
use crate::cli::demo::broken::Broken;
use crate::cli::demo::clean_up::clean_up;
use crate::cli::demo::consent;
use crate::cli::demo::folder::Folder;
use crate::cli::demo::hand::Hand;
use crate::cli::demo::repository::quoted;
use crate::cli::demo::screen::Screen;
use crate::cli::demo::shop::Shop;
use crate::runtime::stop_signals;

/// Letters of the suffix that keeps a shop apart from others on its cluster.
const SUFFIX: usize = 5;

/// A place that was chosen; nothing is done to it yet.
pub(super) enum Place {
    /// The cluster of a context of the usual kubeconfig.
    Cluster {
        /// The context.
        context: String,
        /// The address of the cluster.
        server: String,
        /// Appended to all names that are the cluster's alone.
        suffix: String,
    },
}

/// A place that can be reached.
pub(super) struct Opened {
    /// The hands of people on it.
    pub(super) hand: Hand,
    /// Appended to all names that are the cluster's alone.
    pub(super) suffix: String,
    /// The name of Headstay's installation.
    pub(super) instance: String,
    /// How the configuration tells Headstay where it is, in YAML's flow style.
    pub(super) keys: String,
    /// What it is, for people.
    pub(super) description: String,
    /// What `KUBECONFIG` must be set to; none: what it is already.
    pub(super) kubeconfig: Option<PathBuf>,
    /// How `kubectl` is called then.
    pub(super) kubectl: String,
}

impl Place {
    /// The cluster of a context. Without one there is no place in this build.
    pub(super) fn choose(context: Option<&str>) -> Result<Option<Self>, CommandError> {
        let Some(context) = context else { return Ok(None) };
        let server = consent::server_of(context)?;
        let letters: String = (0..SUFFIX).map(|_| fastrand::lowercase()).collect();
        let suffix = format!("-{letters}");
        Ok(Some(Self::Cluster { context: context.to_owned(), server, suffix }))
    }

    /// Whether whoever is at the terminal agrees.
    pub(super) fn consent(&self, out: &mut dyn Write) -> Result<bool, CommandError> {
        match self {
            Self::Cluster { context, server, suffix } => {
                consent::ask(out, context, server, &Shop::new(suffix))
            }
        }
    }

    /// Reaches it.
    pub(super) async fn open(self, _folder: &Folder) -> Result<Opened, Broken> {
        match self {
            Self::Cluster { context, server, suffix } => {
                on_cluster(&context, &server, suffix).await
            }
        }
    }
}

async fn on_cluster(context: &str, server: &str, suffix: String) -> Result<Opened, Broken> {
    let hand = Hand::by_context(context).await.map_err(Broken::Access)?;
    let version = hand.client().apiserver_version().await?.git_version;
    Ok(Opened {
        hand,
        instance: format!("demo{suffix}"),
        suffix,
        keys: format!("context: {}", json!(context)),
        description: format!("context {context}: Kubernetes {version} at {server}"),
        kubeconfig: None,
        kubectl: format!("kubectl --context {}", quoted(context)),
    })
}

impl Opened {
    /// Takes everything off it again. Headstay must have ended.
    pub(super) async fn end(self, folder: &Folder, screen: &mut Screen<'_>) -> Result<(), Broken> {
        // The first signal is what led here; another one is about this.
        let enough = stop_signals()?;
        tokio::select! {
            cleaned = clean_up(folder, self.hand.client(), &self.instance, screen) => cleaned,
            () = enough.cancelled() => Err(Broken::Left(self.instance)),
        }
    }
}
