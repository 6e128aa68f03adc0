//! The task of one watch: what the API server tells, reduced at once.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt};

use crate::cluster::Cluster;
use crate::cluster::error::ClusterError;
use crate::cluster::watch::{Live, WatchEvent};
use crate::domain::error::chain;
use crate::domain::health;
use crate::domain::object::{APPLICATION_LABEL, ObjectKey};
use crate::watch::observations::Observation;
use crate::watch::{Scope, Sink};

/// Time until a watch that was refused, or broke off, begins anew: rights and kinds come and go.
const PAUSE: Duration = Duration::from_secs(10);
/// Why nothing is known of what such a watch has seen.
const BROKEN: &str = "it is not watched now: its watch broke off";

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
    /// Nothing, for this reason: the API server does not let us, or the watch broke off.
    Refused(String),
}

/// Why a watch begins anew, or does not.
enum End {
    /// Nobody wants it any more.
    Unwanted,
    /// The API server refused it.
    Refused,
    /// The API server is silent.
    Silent,
    /// It ended by itself, which it is not made to do.
    Broken,
}

/// Watches until nobody wants it any more. While the cluster is silent it rests.
pub(super) async fn watch(cluster: Cluster, scope: Scope, sink: Sink) {
    let open = || {
        let namespace = scope.namespace.as_deref();
        let events = cluster.watch(&scope.resource, namespace, APPLICATION_LABEL);
        let (cluster, scope) = (&cluster, &scope);
        events.then(move |event| async move { Ok(Seen::of(event?, cluster, scope).await) }).boxed()
    };
    keep_watching(open, &scope, &sink).await;
}

async fn keep_watching<S>(open: impl Fn() -> S, scope: &Scope, sink: &Sink)
where
    S: Stream<Item = Result<Seen, ClusterError>>,
{
    loop {
        let relayed = AssertUnwindSafe(async { relay(open(), scope, sink).await });
        let end = tokio::select! {
            relayed = relayed.catch_unwind() => relayed.unwrap_or(End::Broken),
            () = sink.reach.falls_silent() => End::Silent,
        };
        let wanted = match end {
            End::Unwanted => None,
            End::Refused => Some(()),
            End::Silent => sink.put(Seen::Lost),
            End::Broken => sink.put(Seen::Refused(BROKEN.to_owned())),
        };
        if wanted.is_none() {
            return;
        }
        if matches!(end, End::Broken) {
            let (cluster, kind) = (&scope.cluster.name, &scope.resource.kind);
            tracing::warn!(%cluster, kind, "a watch broke off: it begins anew in a while");
        }
        match end {
            End::Silent => sink.reach.answers().await,
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Passes on what is seen, until the watch ends.
async fn relay(
    stream: impl Stream<Item = Result<Seen, ClusterError>>,
    scope: &Scope,
    sink: &Sink,
) -> End {
    let mut stream = pin!(stream);
    let mut listed = false;
    while let Some(seen) = stream.next().await {
        let (seen, refused) = match seen {
            Ok(seen) => {
                listed |= matches!(seen, Seen::Complete);
                (Some(seen), false)
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
        if let Some(seen) = seen
            && sink.put(seen).is_none()
        {
            return End::Unwanted;
        }
        if refused {
            return End::Refused;
        }
    }
    End::Broken
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::stream::{self, BoxStream};

    use super::*;
    use crate::watch::Watches;
    use crate::watch::observations::Found;
    use crate::watch::tests::{begin, of, scope, web};

    #[tokio::test(start_paused = true)]
    async fn what_a_watch_saw_that_broke_off_is_not_believed_until_it_has_listed_again() {
        let (watches, scope) = (Watches::default(), scope(1, None));
        let sink = begin(&watches, &scope);
        let list = || {
            let seen = [Seen::Restarted, Seen::Listed(web(), of("shop")), Seen::Complete];
            stream::iter(seen.map(Ok))
        };
        let opened = AtomicUsize::new(0);
        let open = || -> BoxStream<'_, Result<Seen, ClusterError>> {
            match opened.fetch_add(1, Ordering::Relaxed) {
                0 => list().boxed(),
                1 => list().chain(stream::once(async { panic!("by accident") })).boxed(),
                _ => list().chain(stream::pending()).boxed(),
            }
        };
        let mut watching = pin!(keep_watching(open, &scope, &sink));
        for time in 1..=3 {
            assert!(watching.as_mut().now_or_never().is_none(), "it goes on");
            assert_eq!(opened.load(Ordering::Relaxed), time);
            let broken = Found::Refused(BROKEN.to_owned());
            let believed = if time < 3 { broken } else { Found::Live(of("shop")) };
            assert_eq!(watches.find(&scope, &web()), believed, "time {time}");
            tokio::time::advance(PAUSE + Duration::from_millis(1)).await;
        }
    }

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
