//! What every sync shares.

use std::sync::Arc;

use crate::cluster::registry::Clusters;
use crate::config::live::Live;
use crate::source::Source;
use crate::store::Store;
use crate::sync::fights::Fights;
use crate::sync::lease::Leases;
use crate::sync::workers::Workers;
use crate::telemetry::Metrics;
use crate::watch::Watches;

/// The adapters that syncs work with. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// The configuration in force; it changes when the file does.
    pub config: Arc<Live>,
    /// Where everything is kept.
    pub store: Store,
    /// Git.
    pub source: Source,
    /// The API servers.
    pub clusters: Clusters,
    /// What clusters show of what is applied, and whether they answer.
    pub watches: Watches,
    /// How many syncs may be at work.
    pub workers: Arc<Workers>,
    /// The claims of the syncs that run.
    pub leases: Arc<Leases>,
    /// What is put back again and again.
    pub fights: Arc<Fights>,
    /// What is counted and timed.
    pub metrics: Arc<Metrics>,
}
