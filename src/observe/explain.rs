//! Why an object is not healthy, as its Pods and events tell it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::domain::health::Health;
use crate::domain::health::reason;
use crate::domain::object::{ObjectKey, Resource};

/// How long an explanation is good for: Pods and events are asked for at most so often.
const FRESH: Duration = Duration::from_secs(2);
/// Pods and events that are read for one explanation.
const READ_MAX: usize = 20;
/// Explanations that are remembered; beyond it all are forgotten.
const REMEMBERED: usize = 1000;

/// Explanations of the last moments.
#[derive(Default)]
pub(super) struct Explanations {
    known: HashMap<ObjectKey, (Instant, String)>,
}

impl Explanations {
    /// Explains the health of an object. What cannot be read is left out of the explanation.
    pub(super) async fn explain(
        &mut self,
        cluster: &Cluster,
        object: &ObjectKey,
        health: &Health,
        pods: Option<&str>,
    ) -> String {
        if let Some((at, text)) = self.known.get(object)
            && at.elapsed() < FRESH
        {
            return text.clone();
        }
        let text = ask(cluster, object, health, pods).await;
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(object.clone(), (Instant::now(), text.clone()));
        text
    }
}

async fn ask(
    cluster: &Cluster,
    object: &ObjectKey,
    health: &Health,
    selector: Option<&str>,
) -> String {
    let namespace = object.namespace.as_deref();
    let mut found = Vec::new();
    if let Some(selector) = selector {
        let kind = core("Pod", "pods");
        let pods = cluster.list(&kind, namespace, selector, "", READ_MAX);
        found = pods.await.unwrap_or_default();
    }
    let about = match found.first() {
        Some(pod) => {
            format!("involvedObject.name={}", pod["metadata"]["name"].as_str().unwrap_or(""))
        }
        None => format!("involvedObject.kind={},involvedObject.name={}", object.kind, object.name),
    };
    let kind = core("Event", "events");
    let events = cluster.list(&kind, namespace, "", &about, READ_MAX);
    let events = events.await.unwrap_or_default();
    reason::explain(health, &found, &events)
}

fn core(kind: &str, plural: &str) -> Resource {
    Resource {
        group: String::new(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        namespaced: true,
    }
}
