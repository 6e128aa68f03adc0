//! Why the demo did not come to its end.

use std::io;
use std::time::Duration;

use crate::cli::demo::api::ApiError;
use crate::cli::demo::folder::FolderError;
use crate::config::kubeconfig::in_our_words;
use crate::runtime::RuntimeError;
use crate::store::error::StoreError;

/// The demo broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// Something did not come in time.
    #[error("waited {} s in vain for {what}; last seen: {seen}", within.as_secs())]
    InVain {
        /// What was to come.
        what: String,
        /// How long it was waited for.
        within: Duration,
        /// What was there instead.
        seen: String,
    },
    /// Something came out otherwise than the story tells it.
    #[error("{what}, but: {seen}")]
    Otherwise {
        /// What should have been.
        what: String,
        /// What was.
        seen: String,
    },
    /// Somebody ended it.
    #[error("stopped before the end of the story")]
    Stopped,
    /// Nobody reads what it writes, or the disk is full.
    #[error("write to the standard output")]
    Output(#[from] io::Error),
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The repository.
    #[error("write the repository of the demo")]
    Repository(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The cluster cannot be reached by the kubeconfig.
    #[error("reach the cluster")]
    Access(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A call of a person to the cluster.
    #[error("ask the cluster")]
    Cluster(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A call to Headstay.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Headstay itself.
    #[error("headstay ended")]
    Runtime(#[from] RuntimeError),
    /// Headstay ended without a reason, which it never does unasked.
    #[error("headstay ended by itself")]
    Ended,
    /// The store, which tells what is to be deleted from the cluster.
    #[error("read what is to be deleted from the cluster")]
    Store(#[from] StoreError),
    /// Something of the demo is left on a cluster.
    #[error("not everything was deleted from the cluster: look for names with `{0}` in them")]
    Left(String),
}

impl From<kube::Error> for Broken {
    fn from(error: kube::Error) -> Self {
        // Those of kube quote what a kubeconfig or its plugin holds.
        Self::Cluster(in_our_words(error.into()))
    }
}

impl From<git2::Error> for Broken {
    fn from(error: git2::Error) -> Self {
        Self::Repository(error.into())
    }
}
