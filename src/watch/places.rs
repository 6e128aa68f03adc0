//! The clusters as who watches reaches them: one that does not answer keeps no other waiting.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::timeout;

use crate::cluster::Cluster;
use crate::cluster::error::ClusterError;
use crate::cluster::registry::{Clusters, Connection};
use crate::config;
use crate::domain::error::chain;
use crate::domain::name::ClusterName;
use crate::domain::object::{GroupKind, Resource};

/// Longest time that all applications wait for an answer of one cluster. One that takes longer is
/// left out until the next round.
const PATIENCE: Duration = Duration::from_secs(2);

/// Names a cluster as it is configured now. After a change of its configuration it is another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClusterId {
    /// Its name.
    pub name: ClusterName,
    /// Of the connection.
    pub generation: u64,
}

/// A cluster that is connected.
pub struct Place {
    /// What it is named by.
    pub id: ClusterId,
    /// The way to it.
    pub cluster: Cluster,
}

/// How the objects of a kind are reached.
pub enum Kind {
    /// So.
    Served(Resource),
    /// The cluster does not serve it.
    NotServed,
    /// The cluster does not say it now.
    Unanswered,
}

/// All clusters, and their kinds.
pub struct Places {
    clusters: Clusters,
    kinds: HashMap<(ClusterId, GroupKind, String), Resource>,
    /// Clusters whose connections were looked at in this round.
    looked_at: HashSet<ClusterName>,
    /// Clusters that did not answer in this round.
    silent: HashSet<ClusterName>,
}

impl Places {
    /// No cluster is reached yet.
    pub fn new(clusters: Clusters) -> Self {
        let (looked_at, silent) = (HashSet::new(), HashSet::new());
        Self { clusters, kinds: HashMap::new(), looked_at, silent }
    }

    /// The cluster of this configuration; none when it cannot be connected now. Once in a round the
    /// files of its connection are looked at: certificates are rotated, and no sync may be due.
    pub async fn reach(&mut self, config: &config::Cluster) -> Option<Place> {
        let known = self.clusters.known(config);
        let connection = match known {
            Some(known) if self.looked_at.contains(&config.name) => known,
            known => {
                self.looked_at.insert(config.name.clone());
                let (clusters, config) = (self.clusters.clone(), config.clone());
                let name = config.name.clone();
                let looked = self.ask(&name, async move { clusters.connection(&config).await });
                // What is there serves until there is another one.
                looked.await.or(known)?
            }
        };
        let Connection { cluster, generation, .. } = connection;
        Some(Place { id: ClusterId { name: config.name.clone(), generation }, cluster })
    }

    /// How objects of a kind are reached; asked once per connection.
    pub async fn kind(&mut self, place: &Place, kind: &GroupKind, version: &str) -> Kind {
        let key = (place.id.clone(), kind.clone(), version.to_owned());
        if let Some(known) = self.kinds.get(&key) {
            return Kind::Served(known.clone());
        }
        let (cluster, (_, kind, version)) = (place.cluster.clone(), key.clone());
        let question = async move { cluster.resource_for(&kind, &version).await };
        match self.ask(&place.id.name, question).await {
            None => Kind::Unanswered,
            Some(None) => Kind::NotServed,
            Some(Some(resource)) => {
                self.kinds.insert(key, resource.clone());
                Kind::Served(resource)
            }
        }
    }

    /// Forgets kinds, and looks at connections and asks silent clusters again from now on.
    pub fn begin_round(&mut self, kept: impl Fn(&ClusterId, &Resource) -> bool) {
        self.looked_at.clear();
        self.silent.clear();
        self.kinds.retain(|(cluster, ..), resource| kept(cluster, resource));
    }

    /// Asks a cluster again, be it in this round: it has answered others.
    pub fn try_again(&mut self, cluster: &ClusterName) {
        self.silent.remove(cluster);
        self.looked_at.remove(cluster);
    }

    /// Forgets how a kind is reached: it is no longer reached so.
    pub fn forget(&mut self, cluster: &ClusterId, resource: &Resource) {
        self.kinds.retain(|(id, ..), known| id != cluster || known != resource);
    }

    async fn ask<T: Send + 'static>(
        &mut self,
        cluster: &ClusterName,
        question: impl Future<Output = Result<T, ClusterError>> + Send + 'static,
    ) -> Option<T> {
        if self.silent.contains(cluster) {
            return None;
        }
        // It goes on when our patience ends, so that the next question finds its answer.
        let error = match timeout(PATIENCE, tokio::spawn(question)).await {
            Ok(Ok(Ok(answer))) => return Some(answer),
            Ok(Ok(Err(error))) => chain(&error),
            Ok(Err(_)) | Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        };
        tracing::warn!(%cluster, error, "the health of what is on a cluster cannot be judged now");
        self.silent.insert(cluster.clone());
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use tokio::time::advance;

    use super::*;
    use crate::config::ClusterAccess;
    use crate::config::secret::SecretError;

    #[tokio::test(start_paused = true)]
    async fn a_changed_kubeconfig_is_noticed_in_the_next_round() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        let write = |token: &str| {
            let content = json!({
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
                "clusters": [{"name": "here", "cluster": {"server": "http://127.0.0.1:1"}}],
                "users": [{"name": "me", "user": {"token": token}}],
            });
            std::fs::write(&path, content.to_string()).unwrap();
        };
        let access = ClusterAccess::Kubeconfig { path: Some(path.clone()), context: None };
        let config =
            config::Cluster { name: "main".parse().unwrap(), access, labels: BTreeMap::new() };
        let mut places = Places::new(Clusters::new(1));
        write("first");
        assert_eq!(places.reach(&config).await.unwrap().id.generation, 1);
        write("second");
        // Longer than the files of a connection are left alone.
        advance(Duration::from_mins(1)).await;
        assert_eq!(places.reach(&config).await.unwrap().id.generation, 1, "once in a round");
        places.begin_round(|_, _| true);
        assert_eq!(places.reach(&config).await.unwrap().id.generation, 2);
        std::fs::remove_file(&path).unwrap();
        advance(Duration::from_mins(1)).await;
        places.begin_round(|_, _| true);
        assert_eq!(places.reach(&config).await.unwrap().id.generation, 2, "there is no better one");
    }

    #[tokio::test]
    async fn a_silent_cluster_is_not_asked_again_in_the_same_round() {
        let mut places = Places::new(Clusters::new(1));
        let (silent, quick) = ("silent".parse().unwrap(), "quick".parse().unwrap());
        let secret = SecretError::Env("TOKEN".to_owned());
        let refused = async { Err::<u8, _>(ClusterError::Credentials(secret)) };
        assert_eq!(places.ask(&silent, refused).await, None);
        assert_eq!(places.ask(&silent, async { Ok(1) }).await, None, "left out");
        assert_eq!(places.ask(&quick, async { Ok(2) }).await, Some(2));
        places.begin_round(|_, _| true);
        assert_eq!(places.ask(&silent, async { Ok(3) }).await, Some(3));
    }
}
