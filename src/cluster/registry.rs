//! The clusters of the configuration, connected when first needed, and anew when the configuration or
//! a file that it leads to has changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use crate::cluster::Cluster;
use crate::cluster::call::Calls;
use crate::cluster::connection::unusable;
use crate::cluster::error::ClusterError;
use crate::cluster::files::Files;
use crate::config::{self, Config};
use crate::domain::name::ClusterName;

/// How long a connection is used before its files are looked at again.
const LOOK_PERIOD: Duration = Duration::from_secs(5);
/// Longest wait for a connection to be set up: a credential plugin may hang.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

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
    clusters: HashMap<ClusterName, Known>,
    /// Held while a cluster is connected, so that many who need it cause one connection.
    turns: HashMap<ClusterName, Arc<AsyncMutex<()>>>,
}

/// The connection to a cluster.
#[derive(Clone)]
pub struct Connection {
    /// The cluster behind it.
    pub cluster: Cluster,
    /// Tells it from the connections before it, which may have led to another API server.
    pub generation: u64,
}

/// A connection and what it was made from.
struct Known {
    connection: Connection,
    config: config::Cluster,
    files: Files,
    looked_at: Instant,
}

impl Clusters {
    /// No connection yet; each cluster will take so many `calls` at once.
    pub fn new(calls: usize) -> Self {
        Self { calls, connected: Arc::default() }
    }

    /// The connection to a cluster; a new one when its configuration has changed, or the bytes of its
    /// kubeconfig or of a certificate.
    pub async fn get(&self, config: &config::Cluster) -> Result<Cluster, ClusterError> {
        Ok(self.connection(config).await?.cluster)
    }

    /// The connection to a cluster, if there is one that was made from this configuration.
    pub fn known(&self, config: &config::Cluster) -> Option<Connection> {
        Some(self.lock().of(config)?.connection.clone())
    }

    /// As [`get`](Self::get), with the generation of the connection.
    pub async fn connection(&self, config: &config::Cluster) -> Result<Connection, ClusterError> {
        if let Some(fresh) = self.fresh(config) {
            return Ok(fresh);
        }
        let late = |_| {
            let message = format!("it is not set up within {} s", OPEN_TIMEOUT.as_secs());
            unusable(config, message.into())
        };
        // The turn goes with the job: if the caller goes away, the job and its turn go on.
        let job = async {
            let turn = self.turn(&config.name).lock_owned().await;
            let job = self.clone().renew(config.clone(), turn);
            tokio::spawn(job).await.unwrap_or_else(|error| Err(unusable(config, error.into())))
        };
        timeout(OPEN_TIMEOUT, job).await.map_err(late).flatten()
    }

    /// Forgets the clusters that are not in the configuration any more. Who still holds a connection
    /// keeps it.
    pub fn retain(&self, config: &Config) {
        let mut connected = self.lock();
        let Connected { clusters, turns, .. } = &mut *connected;
        clusters.retain(|name, _| config.clusters.contains_key(name));
        turns.retain(|name, turn| {
            // Somebody is connecting it.
            config.clusters.contains_key(name) || Arc::strong_count(turn) > 1
        });
    }

    /// How many calls each cluster took so far.
    pub fn calls(&self) -> Vec<(ClusterName, Calls)> {
        let connected = self.lock();
        let clusters = connected.clusters.iter();
        clusters.map(|(name, known)| (name.clone(), known.connection.cluster.calls())).collect()
    }

    /// Looks at the files of a connection, and makes it anew if they have changed.
    async fn renew(
        self,
        config: config::Cluster,
        _turn: OwnedMutexGuard<()>,
    ) -> Result<Connection, ClusterError> {
        // Another task may have been faster.
        if let Some(fresh) = self.fresh(&config) {
            return Ok(fresh);
        }
        let files = self.lock().of(&config).map(|known| known.files.clone());
        if let Some(files) = files
            && spawn_blocking(move || !files.have_changed()).await.unwrap_or(false)
            && let Some(known) = self.lock().of(&config)
        {
            known.looked_at = Instant::now();
            return Ok(known.connection.clone());
        }
        let (cluster, files) = Cluster::open(&config, self.calls).await?;
        let mut connected = self.lock();
        connected.generation += 1;
        let connection = Connection { cluster, generation: connected.generation };
        let name = config.name.clone();
        let known =
            Known { connection: connection.clone(), config, files, looked_at: Instant::now() };
        connected.clusters.insert(name, known);
        Ok(connection)
    }

    /// The connection, if its files were looked at a moment ago.
    fn fresh(&self, config: &config::Cluster) -> Option<Connection> {
        let mut connected = self.lock();
        let known = connected.of(config)?;
        (known.looked_at.elapsed() < LOOK_PERIOD).then(|| known.connection.clone())
    }

    fn turn(&self, name: &ClusterName) -> Arc<AsyncMutex<()>> {
        Arc::clone(self.lock().turns.entry(name.clone()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, Connected> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connected {
    /// What was made from this configuration.
    fn of(&mut self, config: &config::Cluster) -> Option<&mut Known> {
        self.clusters.get_mut(&config.name).filter(|known| known.config == *config)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::config::ClusterAccess;
    use crate::config::secret::Secret;

    fn cluster(access: ClusterAccess) -> config::Cluster {
        config::Cluster { name: "main".parse().unwrap(), access, labels: BTreeMap::new() }
    }

    #[tokio::test]
    async fn a_changed_configuration_makes_a_new_generation() {
        let at = |url: &str| {
            let token = Secret::Env("TOKEN".to_owned());
            cluster(ClusterAccess::Server { url: url.to_owned(), token, ca: None })
        };
        let clusters = Clusters::new(1);
        let mut generations = Vec::new();
        for url in ["http://127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:2"] {
            generations.push(clusters.connection(&at(url)).await.unwrap().generation);
        }
        assert_eq!(generations, [1, 1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn changed_bytes_of_a_kubeconfig_or_of_what_it_names_make_a_new_generation() {
        let folder = tempfile::tempdir().unwrap();
        let (path, ca) = (folder.path().join("kubeconfig"), folder.path().join("ca.crt"));
        let write = |token: &str| {
            let content = json!({
                "apiVersion": "v1", "kind": "Config", "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
                "clusters": [{"name": "here", "cluster":
                    {"server": "https://127.0.0.1:1", "certificate-authority": "ca.crt"}}],
                "users": [{"name": "me", "user": {"token": token}}],
            });
            std::fs::write(&path, content.to_string()).unwrap();
        };
        std::fs::write(&ca, "# none yet").unwrap();
        write("first");
        let config = cluster(ClusterAccess::Kubeconfig { path: Some(path.clone()), context: None });
        let clusters = Clusters::new(1);
        let generation = async || clusters.connection(&config).await.unwrap().generation;
        let later = async || tokio::time::advance(LOOK_PERIOD).await;

        assert_eq!(generation().await, 1);
        later().await;
        assert_eq!(generation().await, 1, "nothing has changed");
        write("second");
        assert_eq!(generation().await, 1, "they were looked at a moment ago");
        later().await;
        assert_eq!(generation().await, 2);
        std::fs::write(&ca, "# another").unwrap();
        later().await;
        assert_eq!(generation().await, 3);
        std::fs::remove_file(&path).unwrap();
        later().await;
        assert!(clusters.connection(&config).await.is_err(), "it cannot be used any more");
        write("third");
        assert_eq!(generation().await, 4);
    }
}
