//! `Deployment`, `ReplicaSet`, `StatefulSet`, `DaemonSet` and `Job`: each brings its Pods to what its
//! spec says, and tells in its status how far it is.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::sandbox::object::{is_leaving, is_true, items, name_of, namespace_of, set, uid_of};
use crate::sandbox::storage::Key;
use crate::sandbox::world::pods::{
    REVISION_HASH, TEMPLATE_HASH, active, bring, from_template, has_ended, hash, is_ready, ready,
};
use crate::sandbox::world::{Hand, by_controller, say, tidy};

const DEPLOYMENTS: &str = "deployments.apps";
const REPLICA_SETS: &str = "replicasets.apps";
const STATEFUL_SETS: &str = "statefulsets.apps";
const DAEMON_SETS: &str = "daemonsets.apps";
const JOBS: &str = "jobs.batch";
const REVISION: &str = "deployment.kubernetes.io/revision";

type Owned = HashMap<String, Vec<Arc<Value>>>;
/// What a controller does with one object and what it owns.
type Control = fn(&mut Hand<'_>, &Value, &[Arc<Value>]);

/// One step of all of them.
pub(super) fn step(hand: &mut Hand<'_>) {
    let sets = by_controller(hand.list(REPLICA_SETS));
    let pods = by_controller(hand.list("pods"));
    let controllers: [(&str, &Owned, Control); 5] = [
        (DEPLOYMENTS, &sets, deployment),
        (REPLICA_SETS, &pods, replica_set),
        (STATEFUL_SETS, &pods, stateful_set),
        (DAEMON_SETS, &pods, daemon_set),
        (JOBS, &pods, job),
    ];
    for (resource, owned, control) in controllers {
        for object in hand.list(resource).iter().filter(|object| !is_leaving(object)) {
            control(hand, object, owned.get(uid_of(object)).map_or(&[], Vec::as_slice));
        }
    }
}

fn number(object: &Value, pointer: &str) -> usize {
    let number = object.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    usize::try_from(number).unwrap_or_default()
}

fn replicas(object: &Value) -> usize {
    if object["spec"]["replicas"].is_u64() { number(object, "/spec/replicas") } else { 1 }
}

fn deployment(hand: &mut Hand<'_>, deployment: &Value, sets: &[Arc<Value>]) {
    let (hash, wanted) = (hash(&deployment["spec"]["template"]), replicas(deployment));
    let revision = |set: &Value| {
        let text = set["metadata"]["annotations"][REVISION].as_str();
        text.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default()
    };
    let newest = sets.iter().map(|set| revision(set)).max().unwrap_or_default();
    let is_new = |set: &&Arc<Value>| set["metadata"]["labels"][TEMPLATE_HASH] == *hash;
    let (new, old): (Vec<_>, Vec<_>) = sets.iter().partition(is_new);
    let new = new.first().copied();
    let revision = match new {
        None if deployment["spec"]["paused"] == true => newest,
        None => {
            new_set(hand, deployment, &hash, newest + 1);
            newest + 1
        }
        Some(set) => {
            scale(hand, set, wanted);
            let recreates = deployment["spec"]["strategy"]["type"] == "Recreate";
            if recreates || number(set, "/status/availableReplicas") >= wanted {
                for set in &old {
                    scale(hand, set, 0);
                }
            }
            revision(set).max(1)
        }
    };
    forget(hand, deployment, old);
    let status = deployment_status(deployment, sets, new, hand.now);
    let revision = json!(revision.to_string());
    if deployment["status"] != status || deployment["metadata"]["annotations"][REVISION] != revision
    {
        hand.change_part(DEPLOYMENTS, deployment, Some("status"), |deployment| {
            set(deployment, &["metadata", "annotations", REVISION], revision);
            deployment["status"] = status;
        });
    }
}

/// Makes the `ReplicaSet` of a new template.
fn new_set(hand: &mut Hand<'_>, deployment: &Value, hash: &str, revision: u64) {
    let name = format!("{}-{hash}", name_of(deployment));
    let mut new = from_template(deployment, Some(&name), &[(TEMPLATE_HASH, hash)]);
    new["metadata"]["annotations"] = json!({REVISION: revision.to_string()});
    let mut template = deployment["spec"]["template"].clone();
    set(&mut template, &["metadata", "labels", TEMPLATE_HASH], json!(hash));
    let mut selector = deployment["spec"]["selector"].clone();
    set(&mut selector, &["matchLabels", TEMPLATE_HASH], json!(hash));
    let wanted = replicas(deployment);
    new["spec"] = json!({"replicas": wanted, "selector": selector, "template": template});
    hand.create(REPLICA_SETS, new);
}

fn scale(hand: &mut Hand<'_>, set: &Value, wanted: usize) {
    if replicas(set) != wanted {
        hand.change(REPLICA_SETS, set, |set| set["spec"]["replicas"] = json!(wanted));
    }
}

/// Deletes empty sets beyond the limit on the history.
fn forget(hand: &mut Hand<'_>, deployment: &Value, mut old: Vec<&Arc<Value>>) {
    let limit = deployment["spec"]["revisionHistoryLimit"].as_u64().unwrap_or(10);
    old.retain(|set| replicas(set) == 0 && number(set, "/status/replicas") == 0);
    old.sort_by_key(|set| set["metadata"]["resourceVersion"].as_str().map(str::to_owned));
    let surplus = old.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    old[..surplus].iter().for_each(|set| hand.delete(REPLICA_SETS, set));
}

fn deployment_status(
    deployment: &Value,
    sets: &[Arc<Value>],
    new: Option<&Arc<Value>>,
    now: &str,
) -> Value {
    let (wanted, before) = (replicas(deployment), &deployment["status"]);
    let sum = |pointer: &str| sets.iter().map(|set| number(set, pointer)).sum::<usize>();
    let (all, available) = (sum("/status/replicas"), sum("/status/availableReplicas"));
    let updated = new.map_or(0, |set| number(set, "/status/replicas"));
    let mut status = json!({
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": all,
        "updatedReplicas": updated,
        "readyReplicas": sum("/status/readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": wanted.max(all).saturating_sub(available),
        "conditions": before["conditions"],
    });
    tidy(&mut status, before);
    // Up to the default of `maxUnavailable` may be missing: a quarter, rounded down.
    let (state, reason, does) = if available + wanted / 4 >= wanted {
        ("True", "MinimumReplicasAvailable", "has")
    } else {
        ("False", "MinimumReplicasUnavailable", "does not have")
    };
    let message = format!("Deployment {does} minimum availability.");
    say(&mut status, now, "Available", state, reason, &message);

    let complete = updated == wanted && all == wanted && available == wanted;
    let moved = ["updatedReplicas", "readyReplicas", "availableReplicas", "observedGeneration"]
        .iter()
        .any(|count| before.get(count) != status.get(count));
    let last = progressing(before)["lastUpdateTime"].as_str().filter(|_| !moved).unwrap_or(now);
    let (state, reason, how) = if complete {
        ("True", "NewReplicaSetAvailable", "has successfully progressed")
    } else if is_late(deployment, last, now) {
        ("False", "ProgressDeadlineExceeded", "has timed out progressing")
    } else {
        ("True", "ReplicaSetUpdated", "is progressing")
    };
    let message = format!("ReplicaSet \"{}\" {how}.", new.map_or("", |set| name_of(set)));
    say(&mut status, now, "Progressing", state, reason, &message);
    let conditions = status["conditions"].as_array_mut().into_iter().flatten();
    for condition in conditions.filter(|condition| condition.is_object()) {
        condition["lastUpdateTime"] = match condition["type"].as_str() {
            Some("Progressing") => json!(last),
            _ => condition["lastTransitionTime"].clone(),
        };
    }
    status
}

fn progressing(status: &Value) -> &Value {
    let mut conditions = items(&status["conditions"]).iter();
    conditions.find(|one| one["type"] == "Progressing").unwrap_or(&Value::Null)
}

/// Whether a rollout has made no progress for too long.
fn is_late(deployment: &Value, last: &str, now: &str) -> bool {
    let deadline = deployment["spec"]["progressDeadlineSeconds"].as_i64().unwrap_or(600);
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let (Some(last), Some(now)) = (time(last), time(now)) else { return false };
    now.duration_since(last).as_secs() > deadline
}

fn replica_set(hand: &mut Hand<'_>, set: &Value, pods: &[Arc<Value>]) {
    let pods = active(pods);
    bring(hand, set, &pods, replicas(set), &[]);
    let ready = ready(&pods);
    let status = json!({
        "observedGeneration": set["metadata"]["generation"],
        "replicas": pods.len(),
        "fullyLabeledReplicas": pods.len(),
        "readyReplicas": ready,
        "availableReplicas": ready,
    });
    hand.set_status(REPLICA_SETS, set, status);
}

fn stateful_set(hand: &mut Hand<'_>, set: &Value, pods: &[Arc<Value>]) {
    let (name, wanted) = (name_of(set), replicas(set));
    let update = format!("{name}-{}", hash(&set["spec"]["template"]));
    let current = set["status"]["currentRevision"].as_str().unwrap_or(&update).to_owned();
    let pods = active(pods);
    let is_new = |pod: &Value| pod["metadata"]["labels"][REVISION_HASH] == *update;
    let at = |ordinal: usize| {
        let name = format!("{name}-{ordinal}");
        pods.iter().find(|pod| name_of(pod) == name)
    };
    let parallel = set["spec"]["podManagementPolicy"] == "Parallel";
    for ordinal in 0..wanted {
        match at(ordinal) {
            None => {
                claims(hand, set, ordinal);
                let (name, index) = (format!("{name}-{ordinal}"), ordinal.to_string());
                let labels = [
                    (REVISION_HASH, &*update),
                    ("statefulset.kubernetes.io/pod-name", &name),
                    ("apps.kubernetes.io/pod-index", &index),
                ];
                hand.create("pods", from_template(set, Some(&name), &labels));
            }
            Some(pod) if is_ready(pod) => continue,
            Some(_) => {}
        }
        if !parallel {
            break;
        }
    }
    let ordinal = |pod: &Value| name_of(pod).rsplit('-').next()?.parse::<usize>().ok();
    for pod in pods.iter().filter(|pod| ordinal(pod).is_none_or(|one| one >= wanted)) {
        hand.delete("pods", pod);
    }
    let (ready, new) = (ready(&pods), pods.iter().filter(|pod| is_new(pod)).count());
    // From the last to the first, one at a time.
    let old = (0..wanted).rev().filter_map(at).find(|pod| !is_new(pod));
    let on_delete = set["spec"]["updateStrategy"]["type"] == "OnDelete";
    if let Some(pod) = old.filter(|pod| !on_delete && (!is_ready(pod) || ready == wanted)) {
        hand.delete("pods", pod);
    }
    let done = new == wanted && ready == wanted;
    let status = json!({
        "observedGeneration": set["metadata"]["generation"],
        "replicas": pods.len(),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "currentReplicas": if done { new } else { pods.len() - new },
        "updatedReplicas": new,
        "collisionCount": 0,
        "currentRevision": if done { &update } else { &current },
        "updateRevision": update,
    });
    hand.set_status(STATEFUL_SETS, set, status);
}

/// Makes the volume claims of a Pod of a `StatefulSet`; they stay when it goes.
fn claims(hand: &mut Hand<'_>, set: &Value, ordinal: usize) {
    let claims = "persistentvolumeclaims";
    for template in items(&set["spec"]["volumeClaimTemplates"]) {
        let name = format!("{}-{}-{ordinal}", name_of(template), name_of(set));
        let namespace = namespace_of(set);
        if hand.state.store.get(&Key::new(claims, namespace, &name)).is_none() {
            let labels = &set["spec"]["selector"]["matchLabels"];
            let metadata = json!({"name": name, "namespace": namespace, "labels": labels});
            hand.create(claims, json!({"metadata": metadata, "spec": template["spec"]}));
        }
    }
}

fn daemon_set(hand: &mut Hand<'_>, set: &Value, pods: &[Arc<Value>]) {
    let (hash, pods) = (hash(&set["spec"]["template"]), active(pods));
    let is_new = |pod: &&Arc<Value>| pod["metadata"]["labels"][REVISION_HASH] == *hash;
    let nodes = hand.list("nodes").len();
    bring(hand, set, &pods, nodes, &[(REVISION_HASH, &hash)]);
    let (new, old): (Vec<_>, Vec<_>) = pods.iter().copied().partition(is_new);
    if set["spec"]["updateStrategy"]["type"] != "OnDelete" {
        for pod in &old {
            hand.delete("pods", pod);
        }
    }
    let ready = ready(&pods);
    let status = json!({
        "observedGeneration": set["metadata"]["generation"],
        "currentNumberScheduled": pods.len().min(nodes),
        "desiredNumberScheduled": nodes,
        "numberMisscheduled": 0,
        "numberReady": ready,
        "updatedNumberScheduled": new.len(),
        "numberAvailable": ready,
        "numberUnavailable": nodes.saturating_sub(ready),
    });
    hand.set_status(DAEMON_SETS, set, status);
}

fn job(hand: &mut Hand<'_>, job: &Value, pods: &[Arc<Value>]) {
    if is_true(job, "Complete") || is_true(job, "Failed") {
        return;
    }
    let suspended = job["spec"]["suspend"] == true;
    let ended = |phase: &str| pods.iter().filter(|pod| pod["status"]["phase"] == phase).count();
    let (succeeded, failed, running) = (ended("Succeeded"), ended("Failed"), active(pods));
    let or = |field: &str, default| job["spec"][field].as_u64().unwrap_or(default);
    let exhausted = u64::try_from(failed).unwrap_or(u64::MAX) > or("backoffLimit", 6);
    let left = number(job, "/spec/completions").max(1).saturating_sub(succeeded);
    let parallel = usize::try_from(or("parallelism", 1)).unwrap_or(usize::MAX);
    let wanted = if suspended || exhausted { 0 } else { left.min(parallel) };
    bring(hand, job, &running, wanted, &[]);

    let (before, now) = (&job["status"], hand.now);
    let mut status = json!({"succeeded": succeeded, "failed": failed,
                            "conditions": before["conditions"]});
    if !suspended {
        status["startTime"] = before.get("startTime").cloned().unwrap_or_else(|| json!(now));
    }
    let all_ended = pods.iter().all(|pod| has_ended(pod) || is_leaving(pod));
    if left == 0 {
        let (reason, message) = ("CompletionsReached", "Reached expected number of succeeded pods");
        say(&mut status, now, "SuccessCriteriaMet", "True", reason, message);
        say(&mut status, now, "Complete", "True", reason, message);
        status["completionTime"] = json!(now);
    } else if exhausted && all_ended {
        let message = "Job has reached the specified backoff limit";
        say(&mut status, now, "Failed", "True", "BackoffLimitExceeded", message);
    } else if suspended {
        say(&mut status, now, "Suspended", "True", "JobSuspended", "Job suspended");
    } else if !running.is_empty() {
        status["active"] = json!(running.len());
        status["ready"] = json!(ready(&running));
    }
    hand.set_status(JOBS, job, status);
}
