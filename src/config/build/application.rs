//! `applications`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::build::cluster::DEFAULT_CLUSTER;
use crate::config::problem::{Place, Problems};
use crate::config::raw::application as raw;
use crate::config::shape::nearest;
use crate::config::value::Span;
use crate::config::{Application, DriftMode, OnError, PruneLimit, SyncPolicy};
use crate::domain::name::ClusterName;
use crate::domain::quoted::Quoted;
use crate::domain::retry::RetryPolicy;

/// Shortest time between two checks by the timer.
const INTERVAL_MIN: Span = Span(Duration::from_secs(1));

/// What applications may refer to.
pub(super) struct Targets<'a> {
    repositories: Vec<&'a str>,
    clusters: Vec<&'a str>,
}

impl<'a> Targets<'a> {
    /// The names that are given, also of items that are not sound.
    pub(super) fn new(
        repositories: &BTreeMap<&'a str, Place<'a>>,
        clusters: &BTreeMap<&'a str, Place<'a>>,
    ) -> Self {
        let mut clusters: Vec<&str> = clusters.keys().copied().collect();
        if clusters.is_empty() {
            clusters.push(DEFAULT_CLUSTER);
        }
        Self { repositories: repositories.keys().copied().collect(), clusters }
    }
}

/// An application whose repository and cluster exist.
pub(super) fn application(
    raw: raw::Application,
    targets: &Targets<'_>,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Option<Application> {
    let raw::Application { name, repository, revision, path, cluster, namespace, sync } = raw;
    if !targets.repositories.contains(&repository.as_str()) {
        let message = unknown("repository", repository.as_str(), &targets.repositories);
        problems.report(place.key("repository").problem(message));
    }
    let cluster = target_cluster(cluster, targets, &place.key("cluster"), problems);
    if namespace.is_none() && !matches!(sync.create_namespace, raw::CreateNamespace::Switch(false))
    {
        let message = "is missing: `sync.createNamespace` makes this namespace";
        problems.report_whole(&place.key("namespace"), message);
    }
    let sync = sync_policy(sync, &place.key("sync"), problems);
    Some(Application {
        name,
        repository,
        revision: revision.0,
        path: path.0,
        cluster: cluster?,
        namespace,
        sync,
    })
}

fn target_cluster(
    given: Option<ClusterName>,
    targets: &Targets<'_>,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Option<ClusterName> {
    match (given, targets.clusters.as_slice()) {
        (Some(cluster), known) if !known.contains(&cluster.as_str()) => {
            problems.report(place.problem(unknown("cluster", cluster.as_str(), known)));
            None
        }
        (Some(cluster), _) => Some(cluster),
        (None, [only]) => only.parse().ok(),
        (None, several) => {
            let several = several.iter().map(|name| Quoted(name).to_string()).collect::<Vec<_>>();
            let several = several.join(", ");
            problems.report_whole(place, format!("is missing: expected one of {several}"));
            None
        }
    }
}

fn unknown(noun: &str, name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => {
            let (name, near) = (Quoted(name), Quoted(near));
            format!("there is no {noun} named {name}; did you mean {near}?")
        }
        None => format!("there is no {noun} named {}", Quoted(name)),
    }
}

fn sync_policy(raw: raw::Sync, place: &Place<'_>, problems: &mut Problems) -> SyncPolicy {
    let raw::Retry { limit, initial, max } = raw.retry;
    if initial > max {
        let message = format!("expected at most `max`, which is {max}, found {initial}");
        problems.report(place.key("retry").key("initial").problem(message));
    }
    if raw.interval < INTERVAL_MIN {
        let message = format!("expected at least {INTERVAL_MIN}, found {}", raw.interval);
        problems.report(place.key("interval").problem(message));
    }
    SyncPolicy {
        automated: raw.automated,
        prune: raw.prune,
        drift: match raw.drift {
            raw::Drift::Heal => DriftMode::Heal,
            raw::Drift::Report => DriftMode::Report,
            raw::Drift::Ignore => DriftMode::Ignore,
        },
        interval: raw.interval.0,
        timeout: raw.timeout.0,
        on_error: match raw.on_error {
            raw::OnError::Hold => OnError::Hold,
            raw::OnError::Continue => OnError::Continue,
        },
        allow_empty: raw.allow_empty,
        create_namespace: match raw.create_namespace {
            raw::CreateNamespace::Switch(false) => None,
            raw::CreateNamespace::Switch(true) => Some(BTreeMap::new()),
            raw::CreateNamespace::Labelled(raw::NamespaceLabels { labels }) => Some(labels.into()),
        },
        prune_limit: PruneLimit {
            percent: raw.prune_limit.percent,
            objects: raw.prune_limit.objects,
            kinds: raw.prune_limit.kinds.into_iter().map(|kind| kind.0).collect(),
        },
        retry: RetryPolicy { limit, initial: initial.0, max: max.0 },
    }
}
