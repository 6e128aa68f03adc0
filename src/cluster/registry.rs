//! The clusters of the configuration, connected when first needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cluster::Cluster;
use crate::cluster::call::Calls;
use crate::cluster::error::ClusterError;
use crate::config;
use crate::domain::name::ClusterName;

/// One connection per cluster, shared by all. Cheap to clone.
#[derive(Clone)]
pub struct Clusters {
    calls: usize,
    connected: Arc<Mutex<Connected>>,
}

#[derive(Default)]
struct Connected {
    /// How many connections there have been, to all clusters.
    generation: u64,
    clusters: HashMap<ClusterName, Connection>,
}

/// The connection to a cluster.
#[derive(Clone)]
pub struct Connection {
    /// The cluster behind it.
    pub cluster: Cluster,
    /// Tells it from the connections before it, which may have led to another API server.
    pub generation: u64,
    config: config::Cluster,
}

impl Clusters {
    /// No connection yet; each cluster will take so many `calls` at once.
    pub fn new(calls: usize) -> Self {
        Self { calls, connected: Arc::default() }
    }

    /// The connection to a cluster; a new one when its configuration has changed.
    pub async fn get(&self, config: &config::Cluster) -> Result<Cluster, ClusterError> {
        Ok(self.connection(config).await?.cluster)
    }

    /// The connection to a cluster, if there is one that was made from this configuration.
    pub fn known(&self, config: &config::Cluster) -> Option<Connection> {
        self.lock().of(config)
    }

    /// As [`get`](Self::get), with the generation of the connection.
    pub async fn connection(&self, config: &config::Cluster) -> Result<Connection, ClusterError> {
        if let Some(known) = self.known(config) {
            return Ok(known);
        }
        let cluster = Cluster::connect(config, self.calls).await?;
        let mut connected = self.lock();
        // Another task may have been faster; all are to share one connection.
        if let Some(known) = connected.of(config) {
            return Ok(known);
        }
        connected.generation += 1;
        let generation = connected.generation;
        let connection = Connection { cluster, generation, config: config.clone() };
        connected.clusters.insert(config.name.clone(), connection.clone());
        Ok(connection)
    }

    /// How many calls each cluster took so far.
    pub fn calls(&self) -> Vec<(ClusterName, Calls)> {
        let connected = self.lock();
        let clusters = connected.clusters.iter();
        clusters.map(|(name, known)| (name.clone(), known.cluster.calls())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Connected> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connected {
    /// The connection that was made from this configuration.
    fn of(&self, config: &config::Cluster) -> Option<Connection> {
        self.clusters.get(&config.name).filter(|known| known.config == *config).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::ClusterAccess;
    use crate::config::secret::Secret;

    #[tokio::test]
    async fn a_changed_configuration_makes_a_new_generation() {
        let at = |url: &str| config::Cluster {
            name: "main".parse().unwrap(),
            access: ClusterAccess::Server {
                url: url.to_owned(),
                token: Secret::Env("TOKEN".to_owned()),
                ca: None,
            },
            labels: BTreeMap::new(),
        };
        let clusters = Clusters::new(1);
        let mut generations = Vec::new();
        for url in ["http://127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:2"] {
            generations.push(clusters.connection(&at(url)).await.unwrap().generation);
        }
        assert_eq!(generations, [1, 1, 2]);
    }
}
