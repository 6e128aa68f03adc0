//! The task of one watch: what the API server tells, reduced at once.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;

use crate::cluster::Cluster;
use crate::cluster::error::ClusterError;
use crate::cluster::watch::{Live, WatchEvent};
use crate::domain::error::chain;
use crate::domain::health;
use crate::domain::object::{APPLICATION_LABEL, ObjectKey};
use crate::watch::observations::Observation;
use crate::watch::{Scope, Sink};

/// Time until a watch that was refused is tried again: rights and kinds come and go.
const REFUSED_PAUSE: Duration = Duration::from_secs(10);

/// Something that a watch saw.
#[derive(Debug)]
pub(super) enum Seen {
    /// Nothing for a while: the cluster was silent.
    Lost,
    /// The list begins anew.
    Restarted,
    /// An object of the list.
    Listed(ObjectKey, Observation),
    /// The list is complete.
    Complete,
    /// An object was created or changed.
    Applied(ObjectKey, Observation),
    /// An object is gone, or lost its label; and its uid, if it had work left.
    Deleted(ObjectKey, Option<String>),
    /// Our rights do not reach to all namespaces.
    Forbidden,
    /// Nothing, and why the API server does not let us.
    Refused(String),
}

/// Why a watch begins anew.
enum End {
    /// The API server refused it.
    Refused,
    /// The API server is silent.
    Silent,
}

/// Watches until nobody wants it any more. While the cluster is silent it rests.
pub(super) async fn watch(cluster: Cluster, scope: Scope, sink: Sink) {
    loop {
        let end = tokio::select! {
            relayed = relay(&cluster, &scope, &sink) => relayed.map(|()| End::Refused),
            () = sink.reach.falls_silent() => sink.put(Seen::Lost).map(|()| End::Silent),
        };
        match end {
            None => return,
            Some(End::Refused) => tokio::time::sleep(REFUSED_PAUSE).await,
            Some(End::Silent) => sink.reach.answers().await,
        }
    }
}

/// Passes on what is seen, until the API server refuses the watch. None: nobody wants it any more.
async fn relay(cluster: &Cluster, scope: &Scope, sink: &Sink) -> Option<()> {
    let stream = cluster.watch(&scope.resource, scope.namespace.as_deref(), APPLICATION_LABEL);
    let mut stream = pin!(stream);
    let mut listed = false;
    loop {
        let (seen, refused) = match stream.next().await? {
            Ok(event) => {
                listed |= event == WatchEvent::InitDone;
                (Some(Seen::of(event, cluster, scope).await), false)
            }
            // The stream pauses and goes on by itself.
            Err(error) if error.is_transient() => {
                tracing::debug!(cluster = %scope.cluster.name, %error, "a watch was interrupted");
                sink.reach.hurry();
                (None, false)
            }
            // What can be listed but not watched is listed again and again.
            Err(error) => (refusal(scope, listed, &error), true),
        };
        if let Some(seen) = seen {
            sink.put(seen)?;
        }
        if refused {
            return Some(());
        }
    }
}

impl Seen {
    async fn of(event: WatchEvent, cluster: &Cluster, scope: &Scope) -> Self {
        match event {
            WatchEvent::Restarted => Self::Restarted,
            WatchEvent::InitDone => Self::Complete,
            WatchEvent::Listed(live) => observe(*live, cluster, scope, Self::Listed).await,
            WatchEvent::Applied(live) => observe(*live, cluster, scope, Self::Applied).await,
            WatchEvent::Deleted(live) => {
                let uid = || live.object["metadata"]["uid"].as_str().map(str::to_owned);
                let left = health::had_work_left(&live.key, &live.object);
                Self::Deleted(live.key, left.then(uid).flatten())
            }
        }
    }
}

async fn observe(
    live: Live,
    cluster: &Cluster,
    scope: &Scope,
    seen: impl FnOnce(ObjectKey, Observation) -> Seen,
) -> Seen {
    let expectation = cluster.expectation(&scope.resource, &live.object).await;
    seen(live.key, Observation::of(&live.object, expectation))
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
    use crate::watch::tests::scope;

    #[test]
    fn a_refused_watch_is_narrowed_or_tells_why() {
        let object = || Box::new(every(&scope(1, None)));
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

    fn every(scope: &Scope) -> ObjectKey {
        ObjectKey {
            group: scope.resource.group.clone(),
            kind: scope.resource.kind.clone(),
            namespace: None,
            name: "*".to_owned(),
        }
    }
}
