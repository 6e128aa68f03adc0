//! Whether live objects work: one object at a time, and the worst of many.
//!
//! The language is kstatus' (`sigs.k8s.io/cli-utils`): conditions and `observedGeneration`; the
//! rules per kind are kstatus', Argo CD's or our own, as each one says.

mod conditions;
pub mod expectation;
mod field;
mod generic;
mod platform;
pub mod pods;
pub mod prospect;
pub mod reason;
pub mod selector;
mod workloads;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::health::expectation::Expectation;
use crate::domain::health::prospect::Prospect;
use crate::domain::object::{GroupKind, ObjectKey, split_api_version};

/// The longest reason, in characters: controllers put whole stack traces into messages.
const LONGEST_REASON: usize = 300;

/// Whether an object, or an application, works. The order is from good to bad: the health of many
/// is the greatest of theirs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum HealthStatus {
    /// It works.
    Healthy,
    /// It is switched off on purpose; that is no failure.
    Suspended,
    /// It is on its way.
    Progressing,
    /// It is not there.
    Missing,
    /// It does not work, and will not by waiting.
    Degraded,
    /// It could not be read.
    Unknown,
}

impl HealthStatus {
    /// The name as the API shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Suspended => "Suspended",
            Self::Progressing => "Progressing",
            Self::Missing => "Missing",
            Self::Degraded => "Degraded",
            Self::Unknown => "Unknown",
        }
    }

    /// Whether a sync may end well with it: being switched off on purpose is no failure.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Healthy | Self::Suspended)
    }
}

/// The health of one object, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The verdict.
    pub status: HealthStatus,
    /// What is missing to be healthy, or what is wrong; none when healthy, or what is odd about it.
    pub reason: Option<String>,
    /// What may still become of it. It is not kept: whoever reads the object anew finds it anew.
    #[serde(skip)]
    pub prospect: Prospect,
}

impl Health {
    /// It works, and that needs no reason.
    pub fn healthy() -> Self {
        Self::recorded(HealthStatus::Healthy, None)
    }

    /// What was found earlier, and is kept.
    pub fn recorded(status: HealthStatus, reason: Option<String>) -> Self {
        Self { status, reason, prospect: Prospect::Open }
    }

    /// It is on its way.
    pub fn progressing(reason: impl AsRef<str>) -> Self {
        Self::because(HealthStatus::Progressing, reason)
    }

    /// It does not work.
    pub fn degraded(reason: impl AsRef<str>) -> Self {
        Self::because(HealthStatus::Degraded, reason)
    }

    /// It does not work, and never will: only another object in its place can.
    pub fn failed(reason: impl AsRef<str>) -> Self {
        Self { prospect: Prospect::Final, ..Self::degraded(reason) }
    }

    /// It is switched off.
    pub fn suspended(reason: impl AsRef<str>) -> Self {
        Self::because(HealthStatus::Suspended, reason)
    }

    /// What it is at a time: nobody is waited for longer than that may take.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        match self.prospect {
            Prospect::Until(end) if end <= now => {
                let text = format!(
                    "nobody has written the status that its kind promises within {} s",
                    expectation::PATIENCE.as_secs()
                );
                Self::because(HealthStatus::Healthy, text)
            }
            _ => self,
        }
    }

    fn is_bad(&self) -> bool {
        self.status == HealthStatus::Degraded
    }

    /// A verdict and its reason, brought to one line of bounded length.
    pub fn because(status: HealthStatus, reason: impl AsRef<str>) -> Self {
        Self::recorded(status, Some(one_line(reason.as_ref())))
    }
}

/// Judges a live object as the API server returned it.
///
/// `applied_generation` is its `metadata.generation` after our apply: an object read from before
/// that, or a status that its controller wrote before that, says nothing of what we applied and is
/// Progressing. Kinds that the API server keeps no generation of (Service, `PersistentVolumeClaim`,
/// Namespace …) are judged as they are. `expectation` is what the rest of the cluster lets expect of
/// the object ([`expectation`]).
///
/// What the verdict is at a time, [`Health::at`] says.
pub fn assess(object: &Value, applied_generation: Option<i64>, expectation: Expectation) -> Health {
    let generation = field::int(object, "/metadata/generation");
    let want = generation.max(applied_generation);
    if let Some(health) = leaving(object).or_else(|| outdated(object, applied_generation, want)) {
        return health;
    }
    let (group, _) = split_api_version(field::text(object, "/apiVersion").unwrap_or_default());
    let kind = field::text(object, "/kind").unwrap_or_default();
    match (group, kind) {
        ("apps", "Deployment") => workloads::deployment(object),
        ("apps", "StatefulSet") => workloads::stateful_set(object),
        ("apps", "DaemonSet") => workloads::daemon_set(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => workloads::replica_set(object),
        ("batch", "Job") => workloads::job(object),
        ("batch", "CronJob") => workloads::cron_job(object),
        ("", "Pod") => pods::pod(object),
        ("", "PersistentVolumeClaim") => platform::volume_claim(object, expectation),
        ("", "PersistentVolume") => platform::volume(object),
        ("", "Service") => platform::service(object),
        ("", "Namespace") => platform::namespace(object),
        ("autoscaling", "HorizontalPodAutoscaler") => platform::autoscaler(object),
        ("policy", "PodDisruptionBudget") => platform::disruption_budget(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => platform::definition(object),
        ("apiregistration.k8s.io", "APIService") => platform::api_service(object),
        _ if is_static(group, kind) => Health::healthy(),
        _ => generic::generic(object, want, expectation),
    }
}

/// Whether the health of a kind's objects moves by itself, so that it takes a watch to follow it.
/// The others (`ConfigMap`, Secret, RBAC …) are healthy once they exist. Kinds that are not known
/// here, so every custom one, do.
pub fn is_watched(kind: &GroupKind) -> bool {
    !is_static(&kind.group, &kind.kind)
}

/// The worst of many; of none, Healthy.
pub fn worst(all: impl IntoIterator<Item = HealthStatus>) -> HealthStatus {
    all.into_iter().max().unwrap_or(HealthStatus::Healthy)
}

/// Whether an object whose last state this is had work that nobody else does now: a Job that had not
/// ended, whatever else was about to happen to it.
pub fn had_work_left(key: &ObjectKey, last: &Value) -> bool {
    let ended = |kind| conditions::find(last, kind).is_some_and(|condition| condition.is_true());
    key.is("batch", "Job") && !["Complete", "Failed"].into_iter().any(ended)
}

/// Whether what an application no longer names may be deleted as far as this object of it is
/// concerned. That it is switched off on purpose ends a sync well, but it may hold on to what was
/// there before: a paused Deployment keeps its old Pods, on the `ConfigMap` of their time. A suspended
/// Job has no Pods, and a suspended `CronJob` makes none.
pub fn allows_prune(object: &ObjectKey, status: HealthStatus) -> bool {
    match status {
        HealthStatus::Healthy => true,
        HealthStatus::Suspended => object.is("batch", "Job") || object.is("batch", "CronJob"),
        _ => false,
    }
}

/// Ingress is among these as in kstatus and unlike in Argo CD: without a controller that writes
/// addresses it would wait for ever.
fn is_static(group: &str, kind: &str) -> bool {
    match group {
        "" => matches!(
            kind,
            "ConfigMap"
                | "Secret"
                | "ServiceAccount"
                | "LimitRange"
                | "ResourceQuota"
                | "Endpoints"
                | "Event"
                | "PodTemplate"
        ),
        "apps" => kind == "ControllerRevision",
        "networking.k8s.io" => matches!(kind, "Ingress" | "IngressClass" | "NetworkPolicy"),
        "storage.k8s.io" => matches!(kind, "StorageClass" | "CSIDriver" | "VolumeAttributesClass"),
        "admissionregistration.k8s.io" => {
            kind.ends_with("WebhookConfiguration") || kind.ends_with("PolicyBinding")
        }
        "rbac.authorization.k8s.io"
        | "scheduling.k8s.io"
        | "node.k8s.io"
        | "coordination.k8s.io"
        | "discovery.k8s.io"
        | "events.k8s.io" => true,
        _ => false,
    }
}

/// An object that is being deleted is Progressing, whatever its status says (Argo CD; kstatus calls
/// it Terminating).
fn leaving(object: &Value) -> Option<Health> {
    field::text(object, "/metadata/deletionTimestamp")?;
    let finalizers = field::list(object, "/metadata/finalizers");
    let names: Vec<&str> = finalizers.iter().filter_map(Value::as_str).collect();
    // What a namespace still holds is told by a condition; its finalizer tells nothing.
    let content = conditions::find(object, "NamespaceContentRemaining")
        .filter(conditions::Condition::is_true);
    Some(Health::progressing(match content {
        Some(condition) => format!("being deleted: {}", condition.message),
        None if names.is_empty() => "being deleted".to_owned(),
        None => format!("being deleted, held by finalizers {}", names.join(", ")),
    }))
}

/// A status is believed from the generation on that we applied (kstatus compares the object's own
/// generation only, and so can take a cached read from before the apply for the news).
fn outdated(object: &Value, applied: Option<i64>, want: Option<i64>) -> Option<Health> {
    let want = want?;
    let generation = field::int(object, "/metadata/generation");
    if let (Some(generation), Some(applied)) = (generation, applied)
        && generation < applied
    {
        return Some(Health::progressing(format!("read at generation {generation}, want {want}")));
    }
    let observed = conditions::observed_generation(object)?;
    (observed < want)
        .then(|| Health::progressing(format!("observed generation {observed}, want {want}")))
}

/// Brings a text of somebody else's to one line of bounded length.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > 4 * LONGEST_REASON {
            break;
        }
    }
    if let Some((end, _)) = line.char_indices().nth(LONGEST_REASON) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests;
