//! Where the story is played: in the sandbox, or on a cluster of somebody.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::CommandError;
use crate::cli::demo::END;
use crate::cli::demo::broken::Broken;
use crate::cli::demo::clean_up::clean_up;
use crate::cli::demo::consent;
use crate::cli::demo::folder::Folder;
#[cfg(feature = "sandbox")]
use crate::cli::demo::folder::write;
use crate::cli::demo::hand::Hand;
use crate::cli::demo::repository::quoted;
use crate::cli::demo::screen::Screen;
use crate::cli::demo::shop::Shop;
use crate::cli::terminal::Terminal;
use crate::runtime::stop_on;
#[cfg(feature = "sandbox")]
use crate::sandbox::{Options, Sandbox, VERSION};

/// Letters of the suffix that keeps a shop apart from others on its cluster.
const SUFFIX: usize = 5;

/// A place that was chosen; nothing is done to it yet.
pub(super) enum Place {
    /// The sandbox, in this process.
    #[cfg(feature = "sandbox")]
    Sandbox,
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

/// The place that needs nothing else, in a build that has it.
const ALONE: Option<Place> = {
    #[cfg(feature = "sandbox")]
    let place = Some(Place::Sandbox);
    #[cfg(not(feature = "sandbox"))]
    let place = None;
    place
};

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
    held: Held,
}

/// What is to be done with a place at the end.
enum Held {
    /// It ends, and everything in it.
    #[cfg(feature = "sandbox")]
    Sandbox(Sandbox),
    /// It goes on, without what the demo has put there.
    Cluster,
}

impl Place {
    /// The cluster of a context, or else the sandbox; none when this build has no sandbox.
    pub(super) fn choose(context: Option<&str>) -> Result<Option<Self>, CommandError> {
        let Some(context) = context else { return Ok(ALONE) };
        let server = consent::server_of(context)?;
        let letters: String = (0..SUFFIX).map(|_| fastrand::lowercase()).collect();
        let suffix = format!("-{letters}");
        Ok(Some(Self::Cluster { context: context.to_owned(), server, suffix }))
    }

    /// Whether whoever is at the terminal agrees, where there is something to agree to.
    pub(super) fn consent(&self, out: &mut Terminal<'_>) -> Result<bool, CommandError> {
        match self {
            #[cfg(feature = "sandbox")]
            Self::Sandbox => Ok(true),
            Self::Cluster { context, server, suffix } => {
                consent::ask(out, context, server, &Shop::new(suffix))
            }
        }
    }

    /// Reaches it.
    #[cfg_attr(not(feature = "sandbox"), expect(unused_variables, reason = "for the sandbox"))]
    pub(super) async fn open(self, folder: &Folder) -> Result<Opened, Broken> {
        match self {
            #[cfg(feature = "sandbox")]
            Self::Sandbox => in_sandbox(folder).await,
            Self::Cluster { context, server, suffix } => {
                on_cluster(&context, &server, suffix).await
            }
        }
    }
}

#[cfg(feature = "sandbox")]
async fn in_sandbox(folder: &Folder) -> Result<Opened, Broken> {
    let started = Sandbox::start(Options::default()).await;
    let sandbox = started.map_err(|error| Broken::Access(error.into()))?;
    let kubeconfig = folder.kubeconfig();
    write(&kubeconfig, &sandbox.kubeconfig())?;
    let hand = Hand::by_file(&kubeconfig).await.map_err(Broken::Access)?;
    Ok(Opened {
        hand,
        suffix: String::new(),
        instance: "demo".to_owned(),
        keys: format!("kubeconfig: {}", json!(kubeconfig)),
        description: format!(
            "the sandbox at {}, in this process and in memory: it answers as Kubernetes \
             {VERSION} does, but it is no cluster, and no container ever runs",
            sandbox.url()
        ),
        kubeconfig: Some(kubeconfig),
        kubectl: "kubectl".to_owned(),
        held: Held::Sandbox(sandbox),
    })
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
        held: Held::Cluster,
    })
}

impl Opened {
    /// Takes everything off it again. Headstay must have ended.
    pub(super) async fn end(self, folder: &Folder, screen: &mut Screen<'_>) -> Result<(), Broken> {
        match self.held {
            #[cfg(feature = "sandbox")]
            Held::Sandbox(sandbox) => drop(sandbox),
            Held::Cluster => {
                // The first signal is what led here; another one is about this.
                let enough = stop_on(&END)?;
                let letters = self.suffix.trim_start_matches('-').to_owned();
                let left = tokio::select! {
                    left = clean_up(folder, self.hand.client(), &self.instance, screen) => left?,
                    () = enough.cancelled() => return Err(Broken::Left(letters)),
                };
                if !left.is_empty() {
                    return Err(Broken::Left(letters));
                }
            }
        }
        Ok(())
    }
}
