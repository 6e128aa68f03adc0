//! `Deployment`, `ReplicaSet`, `StatefulSet`, `DaemonSet` and `Job`: each brings its Pods to what its
//! spec says, and tells in its status how far it is.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::sandbox::kinds::is_true;
use crate::sandbox::world::pods::{
    REVISION_HASH, TEMPLATE_HASH, active, counts, from_template, has_ended, hash, ready,
};
use crate::sandbox::world::{CONTROLLERS, Hand, by_controller, is_leaving, say, uid_of};
use crate::sandbox::write::{name_of, set as set_at};

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
    let template = &deployment["spec"]["template"];
    let (hash, wanted) = (hash(template), replicas(deployment));
    let is_new = |set: &&Arc<Value>| set["metadata"]["labels"][TEMPLATE_HASH] == *hash;
    let revision = |set: &Value| {
        let text = set["metadata"]["annotations"][REVISION].as_str();
        text.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default()
    };
    let newest = sets.iter().map(|set| revision(set)).max().unwrap_or_default();
    let new = sets.iter().find(is_new);
    let paused = deployment["spec"]["paused"] == true;
    let revision = match new {
        None if paused => newest,
        None => {
            let revision = newest + 1;
            let name = format!("{}-{hash}", name_of(deployment));
            let mut set =
                from_template(deployment, template, Some(name), &[(TEMPLATE_HASH, &hash)]);
            set["metadata"]["annotations"] = json!({REVISION: revision.to_string()});
            let mut template = template.clone();
            set_at(&mut template, &["metadata", "labels", TEMPLATE_HASH], json!(hash));
            let mut selector = deployment["spec"]["selector"].clone();
            set_at(&mut selector, &["matchLabels", TEMPLATE_HASH], json!(hash));
            set["spec"] = json!({"replicas": wanted, "selector": selector, "template": template});
            hand.create(REPLICA_SETS, namespace(deployment), CONTROLLERS, set);
            revision
        }
        Some(set) => {
            scale(hand, set, wanted);
            if number(set, "/status/availableReplicas") >= wanted
                || deployment["spec"]["strategy"]["type"] == "Recreate"
            {
                let old = sets.iter().filter(|set| !is_new(set));
                old.for_each(|set| scale(hand, set, 0));
            }
            revision(set).max(1)
        }
    };
    forget_old(hand, deployment, sets, &hash);
    let status = deployment_status(deployment, sets, new, hand.now);
    let revision = json!(revision.to_string());
    if deployment["status"] != status || deployment["metadata"]["annotations"][REVISION] != revision
    {
        hand.change(DEPLOYMENTS, deployment, CONTROLLERS, Some("status"), |deployment| {
            set_at(deployment, &["metadata", "annotations", REVISION], revision);
            deployment["status"] = status;
        });
    }
}

fn namespace(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or_default()
}

fn scale(hand: &mut Hand<'_>, set: &Value, wanted: usize) {
    if replicas(set) != wanted {
        hand.change(REPLICA_SETS, set, CONTROLLERS, None, |set| {
            set["spec"]["replicas"] = json!(wanted);
        });
    }
}

/// Deletes empty sets beyond the limit on the history.
fn forget_old(hand: &mut Hand<'_>, deployment: &Value, sets: &[Arc<Value>], hash: &str) {
    let limit = deployment["spec"]["revisionHistoryLimit"].as_u64().unwrap_or(10);
    let empty = |set: &&Arc<Value>| {
        set["metadata"]["labels"][TEMPLATE_HASH] != *hash
            && replicas(set) == 0
            && number(set, "/status/replicas") == 0
    };
    let mut old: Vec<_> = sets.iter().filter(empty).collect();
    old.sort_by_key(|set| set["metadata"]["resourceVersion"].as_str().map(str::to_owned));
    let surplus = old.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    for set in &old[..surplus] {
        hand.delete(REPLICA_SETS, set, &json!({}));
    }
}

fn deployment_status(
    deployment: &Value,
    sets: &[Arc<Value>],
    new: Option<&Arc<Value>>,
    now: &str,
) -> Value {
    let wanted = replicas(deployment);
    let sum = |pointer: &str| sets.iter().map(|set| number(set, pointer)).sum::<usize>();
    let (all, ready) = (sum("/status/replicas"), sum("/status/readyReplicas"));
    let available = sum("/status/availableReplicas");
    let updated = new.map_or(0, |set| number(set, "/status/replicas"));
    let mut status = json!(counts(&[
        ("replicas", all),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", available),
        ("unavailableReplicas", wanted.max(all).saturating_sub(available)),
    ]));
    status["observedGeneration"] = deployment["metadata"]["generation"].clone();
    let before = &deployment["status"];
    status["conditions"] = before.get("conditions").cloned().unwrap_or_else(|| json!([]));
    // Up to the default of `maxUnavailable` may be missing: a quarter, rounded down.
    if available + wanted / 4 >= wanted {
        let message = "Deployment has minimum availability.";
        say(&mut status, now, "Available", "True", "MinimumReplicasAvailable", message);
    } else {
        let message = "Deployment does not have minimum availability.";
        say(&mut status, now, "Available", "False", "MinimumReplicasUnavailable", message);
    }
    let name = new.map_or("", |set| name_of(set));
    let complete = updated == wanted && all == wanted && available == wanted;
    let moved = ["updatedReplicas", "readyReplicas", "availableReplicas", "observedGeneration"]
        .iter()
        .any(|count| before.get(count) != status.get(count));
    let last =
        progressing(before)["lastUpdateTime"].as_str().filter(|_| !moved).unwrap_or(now).to_owned();
    if complete {
        let message = format!("ReplicaSet \"{name}\" has successfully progressed.");
        say(&mut status, now, "Progressing", "True", "NewReplicaSetAvailable", &message);
    } else if is_late(deployment, &last, now) {
        let message = format!("ReplicaSet \"{name}\" has timed out progressing.");
        say(&mut status, now, "Progressing", "False", "ProgressDeadlineExceeded", &message);
    } else {
        let message = format!("ReplicaSet \"{name}\" is progressing.");
        say(&mut status, now, "Progressing", "True", "ReplicaSetUpdated", &message);
    }
    let conditions = status["conditions"].as_array_mut().into_iter().flatten();
    for condition in conditions.filter(|condition| condition.is_object()) {
        condition["lastUpdateTime"] = if condition["type"] == "Progressing" {
            json!(last)
        } else {
            condition["lastTransitionTime"].clone()
        };
    }
    status
}

fn progressing(status: &Value) -> &Value {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
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
    let wanted = replicas(set);
    for _ in pods.len()..wanted {
        let pod = from_template(set, &set["spec"]["template"], None, &[]);
        hand.create("pods", namespace(set), CONTROLLERS, pod);
    }
    // Those that do not run go first.
    let mut surplus = pods.clone();
    surplus.sort_by_key(|pod| crate::sandbox::world::pods::is_ready(pod));
    for pod in surplus.iter().take(pods.len().saturating_sub(wanted)) {
        hand.delete("pods", pod, &json!({}));
    }
    let ready = ready(&pods);
    let mut status = json!(counts(&[
        ("fullyLabeledReplicas", pods.len()),
        ("readyReplicas", ready),
        ("availableReplicas", ready),
    ]));
    status["replicas"] = json!(pods.len());
    status["observedGeneration"] = set["metadata"]["generation"].clone();
    hand.set_status(REPLICA_SETS, set, CONTROLLERS, status);
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
                let labels = [
                    (REVISION_HASH, update.clone()),
                    ("statefulset.kubernetes.io/pod-name", format!("{name}-{ordinal}")),
                    ("apps.kubernetes.io/pod-index", ordinal.to_string()),
                ];
                let labels = labels.each_ref().map(|(key, value)| (*key, value.as_str()));
                let pod_name = Some(format!("{name}-{ordinal}"));
                let pod = from_template(set, &set["spec"]["template"], pod_name, &labels);
                hand.create("pods", namespace(set), CONTROLLERS, pod);
            }
            Some(pod) if crate::sandbox::world::pods::is_ready(pod) => continue,
            Some(_) => {}
        }
        if !parallel {
            break;
        }
    }
    let ordinal = |pod: &Value| name_of(pod).rsplit('-').next()?.parse::<usize>().ok();
    for pod in pods.iter().filter(|pod| ordinal(pod).is_none_or(|one| one >= wanted)) {
        hand.delete("pods", pod, &json!({}));
    }
    // From the last to the first, one at a time.
    let old = (0..wanted).rev().filter_map(at).find(|pod| !is_new(pod));
    let on_delete = set["spec"]["updateStrategy"]["type"] == "OnDelete";
    let broken = old.is_some_and(|pod| !crate::sandbox::world::pods::is_ready(pod));
    if let Some(pod) = old.filter(|_| !on_delete && (broken || ready(&pods) == wanted)) {
        hand.delete("pods", pod, &json!({}));
    }
    let (ready, new) = (ready(&pods), pods.iter().filter(|pod| is_new(pod)).count());
    let done = new == wanted && ready == wanted;
    let mut status = json!(counts(&[
        ("readyReplicas", ready),
        ("currentReplicas", if done { new } else { pods.len() - new }),
        ("updatedReplicas", new),
    ]));
    status["replicas"] = json!(pods.len());
    status["availableReplicas"] = json!(ready);
    status["collisionCount"] = json!(0);
    status["currentRevision"] = json!(if done { &update } else { &current });
    status["updateRevision"] = json!(update);
    status["observedGeneration"] = set["metadata"]["generation"].clone();
    hand.set_status(STATEFUL_SETS, set, CONTROLLERS, status);
}

/// Makes the volume claims of a Pod of a `StatefulSet`; they stay when it goes.
fn claims(hand: &mut Hand<'_>, set: &Value, ordinal: usize) {
    for template in set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let name = format!("{}-{}-{ordinal}", name_of(template), name_of(set));
        let key =
            crate::sandbox::storage::Key::new("persistentvolumeclaims", namespace(set), &name);
        if hand.state.store.get(&key).is_none() {
            let labels = &set["spec"]["selector"]["matchLabels"];
            let claim =
                json!({"metadata": {"name": name, "labels": labels}, "spec": template["spec"]});
            hand.create("persistentvolumeclaims", namespace(set), CONTROLLERS, claim);
        }
    }
}

/// There is one node.
fn daemon_set(hand: &mut Hand<'_>, set: &Value, pods: &[Arc<Value>]) {
    let hash = hash(&set["spec"]["template"]);
    let pods = active(pods);
    let is_new = |pod: &&Arc<Value>| pod["metadata"]["labels"][REVISION_HASH] == *hash;
    let nodes = hand.list("nodes").len();
    for _ in pods.len()..nodes {
        let pod = from_template(set, &set["spec"]["template"], None, &[(REVISION_HASH, &hash)]);
        hand.create("pods", namespace(set), CONTROLLERS, pod);
    }
    let on_delete = set["spec"]["updateStrategy"]["type"] == "OnDelete";
    for pod in pods.iter().copied().filter(|pod| !is_new(pod) && !on_delete) {
        hand.delete("pods", pod, &json!({}));
    }
    let ready = ready(&pods);
    let new = pods.iter().copied().filter(is_new).count();
    let mut status = json!(counts(&[
        ("updatedNumberScheduled", new),
        ("numberAvailable", ready),
        ("numberUnavailable", nodes.saturating_sub(ready)),
    ]));
    status["currentNumberScheduled"] = json!(pods.len().min(nodes));
    status["desiredNumberScheduled"] = json!(nodes);
    status["numberMisscheduled"] = json!(0);
    status["numberReady"] = json!(ready);
    status["observedGeneration"] = set["metadata"]["generation"].clone();
    hand.set_status(DAEMON_SETS, set, CONTROLLERS, status);
}

fn job(hand: &mut Hand<'_>, job: &Value, pods: &[Arc<Value>]) {
    if is_true(job, "Complete") || is_true(job, "Failed") {
        return;
    }
    let suspended = job["spec"]["suspend"] == true;
    let ended = |phase: &str| pods.iter().filter(|pod| pod["status"]["phase"] == phase).count();
    let (succeeded, failed) = (ended("Succeeded"), ended("Failed"));
    let running = active(pods);
    let completions = number(job, "/spec/completions").max(1);
    let limit = job["spec"]["backoffLimit"].as_u64().unwrap_or(6);
    let exhausted = u64::try_from(failed).unwrap_or(u64::MAX) > limit;
    let parallel = job["spec"]["parallelism"].as_u64().unwrap_or(1);
    let left = completions.saturating_sub(succeeded);
    let wanted = left.min(usize::try_from(parallel).unwrap_or(usize::MAX));
    let wanted = if suspended || exhausted { 0 } else { wanted };
    for _ in running.len()..wanted {
        let pod = from_template(job, &job["spec"]["template"], None, &[]);
        hand.create("pods", namespace(job), CONTROLLERS, pod);
    }
    for pod in running.iter().skip(wanted) {
        hand.delete("pods", pod, &json!({}));
    }
    let mut status = json!(counts(&[("succeeded", succeeded), ("failed", failed)]));
    let before = &job["status"];
    status["conditions"] = before.get("conditions").cloned().unwrap_or_else(|| json!([]));
    if !suspended {
        status["startTime"] = before.get("startTime").cloned().unwrap_or_else(|| json!(hand.now));
    }
    let all_ended = pods.iter().all(|pod| has_ended(pod) || is_leaving(pod));
    let now = hand.now;
    if left == 0 {
        let (reason, message) = ("CompletionsReached", "Reached expected number of succeeded pods");
        say(&mut status, now, "SuccessCriteriaMet", "True", reason, message);
        say(&mut status, now, "Complete", "True", reason, message);
        status["completionTime"] = json!(now);
    } else if exhausted && all_ended {
        let (reason, message) =
            ("BackoffLimitExceeded", "Job has reached the specified backoff limit");
        say(&mut status, now, "Failed", "True", reason, message);
    } else if suspended {
        say(&mut status, now, "Suspended", "True", "JobSuspended", "Job suspended");
    } else if !running.is_empty() {
        status["active"] = json!(running.len());
        status["ready"] = json!(ready(&running));
    }
    if status["conditions"] == json!([])
        && let Some(status) = status.as_object_mut()
    {
        status.shift_remove("conditions");
    }
    hand.set_status(JOBS, job, CONTROLLERS, status);
}
