//! The watches themselves: one task each, started when an inventory needs it.

use std::collections::{HashMap, HashSet};
use std::pin::pin;

use futures::StreamExt;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::cluster::Cluster;
use crate::cluster::error::ClusterError;
use crate::cluster::watch::{Live, WatchEvent};
use crate::domain::name::ClusterName;
use crate::domain::object::{APPLICATION_LABEL, Resource};

/// What one watch covers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub(super) cluster: ClusterName,
    pub(super) resource: Resource,
    /// None: all namespaces.
    pub(super) namespace: Option<String>,
}

/// Something that a watch saw.
pub(super) struct Event {
    pub(super) scope: Scope,
    pub(super) seen: Seen,
}

/// What it saw.
pub(super) enum Seen {
    /// The list begins anew.
    Restarted,
    /// An object of the list.
    Listed(Box<Live>),
    /// The list is complete.
    Complete,
    /// An object was created or changed.
    Applied(Box<Live>),
    /// An object is gone, or lost its label.
    Deleted(Box<Live>),
    /// Our rights do not reach so far.
    Forbidden,
}

/// All watches that run.
pub(super) struct Watches {
    sender: mpsc::Sender<Event>,
    running: HashMap<Scope, DropGuard>,
    /// Kinds that may be watched in single namespaces only.
    narrow: HashSet<(ClusterName, Resource)>,
}

impl Watches {
    pub(super) fn new(sender: mpsc::Sender<Event>) -> Self {
        Self { sender, running: HashMap::new(), narrow: HashSet::new() }
    }

    /// The scope in which an object of this kind and namespace is watched; starts the watch if it
    /// does not run yet.
    pub(super) fn ensure(
        &mut self,
        cluster: &Cluster,
        name: &ClusterName,
        resource: &Resource,
        namespace: Option<&str>,
    ) -> Scope {
        let narrow = self.narrow.contains(&(name.clone(), resource.clone()));
        let scope = Scope {
            cluster: name.clone(),
            resource: resource.clone(),
            namespace: namespace.filter(|_| narrow).map(str::to_owned),
        };
        if !self.running.contains_key(&scope) {
            let stop = CancellationToken::new();
            let task = watch(cluster.clone(), scope.clone(), self.sender.clone());
            tokio::spawn(stop.clone().run_until_cancelled_owned(task));
            self.running.insert(scope.clone(), stop.drop_guard());
        }
        scope
    }

    /// From now on this kind is watched namespace by namespace.
    pub(super) fn narrow(&mut self, scope: &Scope) {
        if scope.namespace.is_none() && scope.resource.namespaced {
            self.running.remove(scope);
            self.narrow.insert((scope.cluster.clone(), scope.resource.clone()));
        }
    }
}

async fn watch(cluster: Cluster, scope: Scope, sender: mpsc::Sender<Event>) {
    let stream = cluster.watch(&scope.resource, scope.namespace.as_deref(), APPLICATION_LABEL);
    let mut stream = pin!(stream);
    while let Some(event) = stream.next().await {
        let seen = match event {
            Ok(WatchEvent::Restarted) => Seen::Restarted,
            Ok(WatchEvent::Listed(live)) => Seen::Listed(live),
            Ok(WatchEvent::InitDone) => Seen::Complete,
            Ok(WatchEvent::Applied(live)) => Seen::Applied(live),
            Ok(WatchEvent::Deleted(live)) => Seen::Deleted(live),
            Err(ClusterError::Forbidden { .. }) if scope.namespace.is_none() => Seen::Forbidden,
            Err(error) => {
                // The stream pauses and goes on by itself.
                tracing::debug!(cluster = %scope.cluster, %error, "a watch was interrupted");
                continue;
            }
        };
        let event = Event { scope: scope.clone(), seen };
        if sender.send(event).await.is_err() {
            return;
        }
    }
}
