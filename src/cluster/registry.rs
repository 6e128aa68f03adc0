//! The clusters of the configuration, connected when first needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::cluster::Cluster;
use crate::cluster::call::Calls;
use crate::cluster::error::ClusterError;
use crate::config;
use crate::domain::name::ClusterName;

/// One connection per cluster, shared by all. Cheap to clone.
#[derive(Clone)]
pub struct Clusters {
    calls: usize,
    connected: Arc<Mutex<HashMap<ClusterName, (config::Cluster, Cluster)>>>,
}

impl Clusters {
    /// No connection yet; each cluster will take so many `calls` at once.
    pub fn new(calls: usize) -> Self {
        Self { calls, connected: Arc::default() }
    }

    /// The connection to a cluster; a new one when its configuration has changed.
    pub async fn get(&self, config: &config::Cluster) -> Result<Cluster, ClusterError> {
        if let Some((known, cluster)) = self.lock().get(&config.name)
            && known == config
        {
            return Ok(cluster.clone());
        }
        let cluster = Cluster::connect(config, self.calls).await?;
        self.lock().insert(config.name.clone(), (config.clone(), cluster.clone()));
        Ok(cluster)
    }

    /// How many calls each cluster took so far.
    pub fn calls(&self) -> Vec<(ClusterName, Calls)> {
        self.lock().iter().map(|(name, (_, cluster))| (name.clone(), cluster.calls())).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ClusterName, (config::Cluster, Cluster)>> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
