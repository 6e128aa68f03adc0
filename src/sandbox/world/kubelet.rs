//! What stands in for nodes: after a while a Pod runs, or ends if it is one of a Job, or fails if
//! the tag of one of its images says so: `…:missing` cannot be pulled, `…:crash` ends at once.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::sandbox::object::{is_leaving, items, name_of, namespace_of, text, uid_of};
use crate::sandbox::world::pods::has_ended;
use crate::sandbox::world::{Hand, say};

/// Who writes, in `managedFields`.
const KUBELET: &str = "kubelet";
const SCHEDULER: &str = "kube-scheduler";
/// The one node.
const NODE: &str = "sandbox";
/// What it is told to have crashed with, and how often.
const CRASHES: u64 = 3;

/// Runs Pods.
pub(super) struct Kubelet {
    /// How long a Pod takes to run, and to end.
    takes: Duration,
    /// Since when each Pod is as it is, by uid and phase.
    since: HashMap<(String, String), Instant>,
}

/// What becomes of a Pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Runs,
    Succeeds,
    Fails,
    CannotPull,
    Crashes,
}

impl Kubelet {
    pub(super) fn new(takes: Duration) -> Self {
        Self { takes, since: HashMap::new() }
    }

    /// Moves the Pods on whose time has come.
    pub(super) fn step(&mut self, hand: &mut Hand<'_>) {
        hand.manager = KUBELET;
        node(hand);
        let now = Instant::now();
        let mut since = HashMap::new();
        for pod in hand.list("pods").iter().filter(|pod| !is_leaving(pod) && !has_ended(pod)) {
            let phase = text(&pod["status"]["phase"]).to_owned();
            let key = (uid_of(pod).to_owned(), phase);
            let began = *self.since.get(&key).unwrap_or(&now);
            let pending = key.1 != "Running";
            since.insert(key, began);
            if now.duration_since(began) >= self.takes {
                move_on(hand, pod, pending);
            }
        }
        self.since = since;
    }
}

/// Makes the one node.
fn node(hand: &mut Hand<'_>) {
    if hand.list("nodes").iter().all(|node| name_of(node) != NODE) {
        let labels = json!({"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux"});
        hand.create("nodes", json!({"metadata": {"name": NODE, "labels": labels}}));
    }
    for node in hand.list("nodes").iter().filter(|node| node["status"]["conditions"].is_null()) {
        let mut status = json!({"nodeInfo": {"kubeletVersion": crate::sandbox::VERSION}});
        let message = "there is no node: this is a sandbox";
        say(&mut status, hand.now, "Ready", "True", "KubeletReady", message);
        hand.set_status("nodes", node, status);
    }
}

fn move_on(hand: &mut Hand<'_>, pod: &Value, pending: bool) {
    let end = end(pod);
    let told = pod["status"]["containerStatuses"].is_array();
    let phase = match (pending, end) {
        (true, End::CannotPull | End::Crashes) if told => return,
        (false, End::Runs | End::Crashes | End::CannotPull) => return,
        (true, End::CannotPull) => "Pending",
        (true, _) => "Running",
        (false, End::Succeeds) => "Succeeded",
        (false, End::Fails) => "Failed",
    };
    if pod["spec"]["nodeName"].is_null() {
        hand.manager = SCHEDULER;
        hand.change("pods", pod, |pod| pod["spec"]["nodeName"] = json!(NODE));
        hand.manager = KUBELET;
    }
    let status = status(pod, phase, end, hand.now);
    hand.set_status("pods", pod, status);
    match end {
        End::CannotPull => {
            let mut images = containers(pod).map(|one| text(&one["image"]));
            let image = images.find(|image| image.ends_with(":missing")).unwrap_or_default();
            let message = format!("Failed to pull image \"{image}\": not found");
            warn(hand, pod, "Failed", &message);
        }
        End::Crashes => warn(hand, pod, "BackOff", "Back-off restarting failed container"),
        _ => {}
    }
}

fn end(pod: &Value) -> End {
    let restarts = pod["spec"]["restartPolicy"].as_str().unwrap_or("Always") == "Always";
    let tags: Vec<&str> =
        containers(pod).filter_map(|one| one["image"].as_str()?.rsplit(':').next()).collect();
    if tags.contains(&"missing") {
        End::CannotPull
    } else if tags.contains(&"crash") {
        if restarts { End::Crashes } else { End::Fails }
    } else if restarts {
        End::Runs
    } else {
        End::Succeeds
    }
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    items(&pod["spec"]["containers"]).iter()
}

fn status(pod: &Value, phase: &str, end: End, now: &str) -> Value {
    let mut status = pod["status"].clone();
    let ready = phase == "Running" && end != End::Crashes;
    status["phase"] = json!(phase);
    status["hostIP"] = json!("127.0.0.1");
    status["startTime"] = status.get("startTime").cloned().unwrap_or_else(|| json!(now));
    // Nobody can be reached there: it is unique, that is all.
    let number = fastrand::u16(..);
    let address = format!("10.244.{}.{}", number >> 8, number & 0xff);
    status["podIP"] = status.get("podIP").cloned().unwrap_or_else(|| json!(address));
    status["podIPs"] = json!([{"ip": status["podIP"]}]);
    let state = |yes: bool| if yes { "True" } else { "False" };
    say(&mut status, now, "PodScheduled", "True", "", "");
    say(&mut status, now, "Initialized", "True", "", "");
    let (reason, message) = match phase {
        _ if ready => ("", ""),
        "Succeeded" => ("PodCompleted", ""),
        _ => ("ContainersNotReady", "containers with unready status"),
    };
    say(&mut status, now, "ContainersReady", state(ready), reason, message);
    say(&mut status, now, "Ready", state(ready), reason, message);
    let container = |container: &Value| {
        let image = text(&container["image"]);
        let (state, restarts) = container_state(phase, end, image, now);
        let running = ready && state.get("running").is_some();
        json!({"name": container["name"], "image": image, "imageID": "", "ready": running,
               "started": running, "restartCount": restarts, "state": state})
    };
    status["containerStatuses"] = containers(pod).map(container).collect();
    status
}

fn container_state(phase: &str, end: End, image: &str, now: &str) -> (Value, u64) {
    let waiting =
        |reason: &str, message: &str| json!({"waiting": {"reason": reason, "message": message}});
    let ended = |code: u8, reason: &str| json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": now, "finishedAt": now}});
    match (phase, end) {
        (_, End::CannotPull) if image.ends_with(":missing") => {
            let message = format!("Back-off pulling image \"{image}\"");
            (waiting("ImagePullBackOff", &message), 0)
        }
        (_, End::Crashes) if image.ends_with(":crash") => {
            let message = "back-off 40s restarting failed container";
            (waiting("CrashLoopBackOff", message), CRASHES)
        }
        ("Succeeded", _) => (ended(0, "Completed"), 0),
        ("Failed", _) => (ended(1, "Error"), 0),
        _ => (json!({"running": {"startedAt": now}}), 0),
    }
}

/// Writes an Event about a Pod.
fn warn(hand: &mut Hand<'_>, pod: &Value, reason: &str, message: &str) {
    let (name, namespace) = (name_of(pod), namespace_of(pod));
    let event = json!({
        "metadata": {"generateName": format!("{name}."), "namespace": namespace},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": name, "namespace": namespace,
                           "uid": uid_of(pod)},
        "type": "Warning", "reason": reason, "message": message, "count": 1,
        "source": {"component": KUBELET, "host": NODE}, "reportingComponent": KUBELET,
        "firstTimestamp": hand.now, "lastTimestamp": hand.now,
    });
    hand.create("events", event);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_an_image_says_how_a_pod_ends() {
        let cases = [
            ("web:1", "Always", End::Runs),
            ("web:1", "Never", End::Succeeds),
            ("registry:5000/web", "Always", End::Runs),
            ("web:crash", "Always", End::Crashes),
            ("web:crash", "Never", End::Fails),
            ("web:missing", "Never", End::CannotPull),
        ];
        for (image, policy, expected) in cases {
            let pod = json!({"spec": {"restartPolicy": policy, "containers": [{"image": image}]}});
            assert_eq!(end(&pod), expected, "{image} {policy}");
        }
    }
}
