//! Clusters: reading, applying, deleting and watching objects through their API servers.
//!
//! Every call is bounded (see [`call`]), and every refusal becomes an [`error::ClusterError`] whose
//! variant says whether to try again.

mod answer;
pub mod apply;
pub mod call;
mod cause;
mod connection;
pub mod delete;
pub mod discovery;
pub mod error;
mod expectation;
mod files;
mod kept;
mod path;
mod presence;
pub mod read;
pub mod registry;
pub mod serving;
pub mod status;
#[cfg(test)]
mod testing;
pub mod watch;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use crate::cluster::answer::Answer;
use crate::cluster::call::{Call, Caller, Calls, Gate};
use crate::cluster::discovery::Discovery;
use crate::cluster::error::ClusterError;
use crate::cluster::expectation::Expectations;
use crate::cluster::files::Files;
use crate::cluster::presence::Presence;
use crate::cluster::serving::Unserved;
use crate::config;

/// One API server. Clones share connections, bounds, counts and discovery.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
}

struct Shared {
    caller: Caller,
    discovery: Discovery,
    expectations: Expectations,
    unserved: Unserved,
    presence: Presence,
    /// The lists (path and query) that are known to be too large for one answer.
    paged: Mutex<HashSet<String>>,
}

impl Cluster {
    /// Sets up the access to a cluster, with at most so many `calls` at once. Nothing is sent yet:
    /// a cluster that is down is found out by the first call.
    pub async fn connect(config: &config::Cluster, calls: usize) -> Result<Self, ClusterError> {
        Ok(Self::open(config, calls).await?.0)
    }

    /// As [`connect`](Self::connect), with the files that the access comes from.
    async fn open(config: &config::Cluster, calls: usize) -> Result<(Self, Files), ClusterError> {
        let (client, files) = connection::open(config, calls).await?;
        Ok((Self::of(Caller::new(client, calls)), files))
    }

    fn of(caller: Caller) -> Self {
        let (discovery, presence) = (Discovery::default(), Presence::default());
        let (expectations, unserved) = (Expectations::default(), Unserved::default());
        let paged = Mutex::default();
        let shared = Shared { caller, discovery, expectations, unserved, presence, paged };
        Self { shared: Arc::new(shared) }
    }

    /// The cluster for who may write to it: `gate` is asked right before each attempt of each
    /// write.
    pub fn writer<'a>(&'a self, gate: &'a Gate<'a>) -> Writer<'a> {
        Writer { cluster: self, gate }
    }

    /// How many calls were made so far.
    pub fn calls(&self) -> Calls {
        self.shared.caller.counts()
    }
}

/// Writes to a cluster while its gate lets it; then every write is
/// [`Stopped`](ClusterError::Stopped).
#[derive(Clone, Copy)]
pub struct Writer<'a> {
    cluster: &'a Cluster,
    gate: &'a Gate<'a>,
}

impl Writer<'_> {
    async fn send(&self, call: &Call<'_>) -> Result<Answer, ClusterError> {
        self.cluster.shared.caller.send(call).await
    }
}
