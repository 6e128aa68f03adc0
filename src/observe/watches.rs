//! The watches themselves: one task each, started when an inventory needs it.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::cluster::Cluster;
use crate::cluster::error::ClusterError;
use crate::cluster::watch::{Live, WatchEvent};
use crate::domain::error::chain;
use crate::domain::object::{APPLICATION_LABEL, Resource};
use crate::observe::places::{ClusterId, Place};

/// Time until a watch that was refused is tried again: rights and kinds come and go.
const REFUSED_PAUSE: Duration = Duration::from_secs(10);

/// What one watch covers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub(super) cluster: ClusterId,
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
    /// Our rights do not reach to all namespaces.
    Forbidden,
    /// Nothing, and why the API server does not let us.
    Refused(String),
}

/// All watches that run.
pub(super) struct Watches {
    sender: mpsc::Sender<Event>,
    running: HashMap<Scope, Watch>,
    /// Kinds that may be watched in single namespaces only.
    narrow: HashSet<(ClusterId, Resource)>,
}

struct Watch {
    /// Ends the watch when dropped.
    _stop: DropGuard,
    /// Whether an inventory needed it since the last [`Watches::retire`].
    needed: bool,
}

impl Watches {
    pub(super) fn new(sender: mpsc::Sender<Event>) -> Self {
        Self { sender, running: HashMap::new(), narrow: HashSet::new() }
    }

    /// The scope in which an object of this kind and namespace is watched; starts the watch if it
    /// does not run yet.
    pub(super) fn ensure(
        &mut self,
        place: &Place,
        resource: &Resource,
        namespace: Option<&str>,
    ) -> Scope {
        let narrow = self.narrow.contains(&(place.id.clone(), resource.clone()));
        let scope = Scope {
            cluster: place.id.clone(),
            resource: resource.clone(),
            namespace: namespace.filter(|_| narrow).map(str::to_owned),
        };
        if let Some(watch) = self.running.get_mut(&scope) {
            watch.needed = true;
        } else {
            let task = watch(place.cluster.clone(), scope.clone(), self.sender.clone());
            self.start(task, &scope);
        }
        scope
    }

    fn start(&mut self, task: impl Future<Output = ()> + Send + 'static, scope: &Scope) {
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(task));
        let watch = Watch { _stop: stop.drop_guard(), needed: true };
        self.running.insert(scope.clone(), watch);
    }

    /// Whether this scope is watched.
    pub(super) fn covers(&self, scope: &Scope) -> bool {
        self.running.contains_key(scope)
    }

    /// Whether objects of this kind are watched anywhere.
    pub(super) fn follows(&self, cluster: &ClusterId, resource: &Resource) -> bool {
        self.running.keys().any(|scope| scope.cluster == *cluster && scope.resource == *resource)
    }

    /// Ends the watches that no inventory needed since the last call.
    pub(super) fn retire(&mut self) {
        self.running.retain(|_, watch| std::mem::take(&mut watch.needed));
        let mut narrow = std::mem::take(&mut self.narrow);
        narrow.retain(|(cluster, resource)| self.follows(cluster, resource));
        self.narrow = narrow;
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
    while relay(&cluster, &scope, &sender).await.is_some() {
        tokio::time::sleep(REFUSED_PAUSE).await;
    }
}

/// Passes on what is seen, until the API server refuses the watch. None: nobody listens any more.
async fn relay(cluster: &Cluster, scope: &Scope, sender: &mpsc::Sender<Event>) -> Option<()> {
    let stream = cluster.watch(&scope.resource, scope.namespace.as_deref(), APPLICATION_LABEL);
    let mut stream = pin!(stream);
    let mut listed = false;
    loop {
        let (seen, refused) = match stream.next().await? {
            Ok(event) => {
                listed |= event == WatchEvent::InitDone;
                (Some(Seen::from(event)), false)
            }
            // The stream pauses and goes on by itself.
            Err(error) if error.is_transient() => {
                tracing::debug!(cluster = %scope.cluster.name, %error, "a watch was interrupted");
                (None, false)
            }
            // What can be listed but not watched is listed again and again.
            Err(error) => (refusal(scope, listed, &error), true),
        };
        if let Some(seen) = seen {
            sender.send(Event { scope: scope.clone(), seen }).await.ok()?;
        }
        if refused {
            return Some(());
        }
    }
}

impl From<WatchEvent> for Seen {
    fn from(event: WatchEvent) -> Self {
        match event {
            WatchEvent::Restarted => Self::Restarted,
            WatchEvent::Listed(live) => Self::Listed(live),
            WatchEvent::InitDone => Self::Complete,
            WatchEvent::Applied(live) => Self::Applied(live),
            WatchEvent::Deleted(live) => Self::Deleted(live),
        }
    }
}

/// What a refusal that does not pass by itself means; none when the list still stands.
fn refusal(scope: &Scope, listed: bool, error: &ClusterError) -> Option<Seen> {
    let broad = scope.namespace.is_none() && scope.resource.namespaced;
    match error {
        ClusterError::Forbidden { .. } if broad => Some(Seen::Forbidden),
        _ if listed => None,
        error => Some(Seen::Refused(format!("it cannot be watched: {}", chain(error)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::object::ObjectKey;

    fn scope(generation: u64, namespace: Option<&str>) -> Scope {
        Scope {
            cluster: ClusterId { name: "main".parse().unwrap(), generation },
            resource: Resource {
                group: String::new(),
                version: "v1".to_owned(),
                kind: "Service".to_owned(),
                plural: "services".to_owned(),
                namespaced: true,
            },
            namespace: namespace.map(str::to_owned),
        }
    }

    #[test]
    fn a_refused_watch_is_narrowed_or_tells_why() {
        let object = || Box::new(every(&scope(1, None).resource));
        let forbidden = ClusterError::Forbidden { object: object(), message: "no rights".into() };
        let broad = refusal(&scope(1, None), true, &forbidden);
        assert!(matches!(broad, Some(Seen::Forbidden)));
        let Some(Seen::Refused(reason)) = refusal(&scope(1, Some("shop")), false, &forbidden)
        else {
            panic!("there is nothing narrower");
        };
        assert_eq!(reason, "it cannot be watched: Service *: forbidden: no rights");

        let unwatchable =
            ClusterError::Unexpected { object: object(), message: "405: not allowed".into() };
        assert!(matches!(refusal(&scope(1, None), false, &unwatchable), Some(Seen::Refused(_))));
        assert!(refusal(&scope(1, None), true, &unwatchable).is_none(), "its list stands");
    }

    fn every(resource: &Resource) -> ObjectKey {
        ObjectKey {
            group: resource.group.clone(),
            kind: resource.kind.clone(),
            namespace: None,
            name: "*".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_watch_that_no_inventory_needs_for_a_round_ends() {
        let mut watches = Watches::new(mpsc::channel(1).0);
        let (old, new) = (scope(1, None), scope(2, Some("shop")));
        watches.narrow(&scope(1, None));
        watches.narrow(&scope(2, None));
        watches.start(std::future::pending(), &old);
        watches.start(std::future::pending(), &new);

        watches.retire();
        assert!(watches.covers(&old) && watches.covers(&new), "both were just needed");
        watches.running.get_mut(&new).unwrap().needed = true;
        watches.retire();
        assert!(!watches.covers(&old) && watches.covers(&new));
        let narrow: Vec<_> = watches.narrow.iter().map(|(cluster, _)| cluster.generation).collect();
        assert_eq!(narrow, [2]);
    }
}
