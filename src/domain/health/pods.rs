//! Pods: whether one works, and what keeps it from coming up.

use serde_json::Value;

use crate::domain::health::conditions::{Condition, find};
use crate::domain::health::{Health, field};

/// From so many restarts on, a container that is not ready is in a loop: the first one is mostly a
/// back end that came up later than its client.
const RESTARTS_OF_A_LOOP: i64 = 2;

/// What keeps a Pod from coming up, in one line: `container web: ImagePullBackOff: …`,
/// `container web: CrashLoopBackOff, last exit code 1 (Error)`, `unschedulable: 0/3 nodes …`. None
/// for a Pod that is up, has run to its end, is leaving, or has just not got there yet.
pub fn pod_reason(pod: &Value) -> Option<String> {
    trouble(pod).and_then(|trouble| Health::progressing(trouble.text).reason)
}

/// Something that keeps a Pod from coming up.
pub(super) struct Trouble {
    /// Whether waiting will not help.
    pub(super) is_failure: bool,
    /// What it is; not bounded.
    pub(super) text: String,
}

/// Argo CD, with two differences. A container that waits for its next start is a failure in Pods
/// that run once, too; and a single restart is not one. A Pod that runs to its end is healthy at its
/// end (Argo CD; for kstatus it is as soon as it is ready).
pub(super) fn pod(pod: &Value) -> Health {
    let phase = field::text(pod, "/status/phase");
    if let Some(Trouble { is_failure, text }) = trouble(pod) {
        return match is_failure {
            // No container of it is started any more, whatever its restart policy.
            true if phase == Some("Failed") => Health::failed(text),
            true => Health::degraded(text),
            false => Health::progressing(text),
        };
    }
    match phase {
        Some("Succeeded") => Health::healthy(),
        Some("Running") if !is_ready(pod) => Health::progressing("running, but not ready"),
        Some("Running") if restart_policy(pod) == "Always" => Health::healthy(),
        Some("Running") => Health::progressing("has not run to its end yet"),
        Some(phase) => Health::progressing(match first_wait(pod) {
            Some(wait) => format!("{phase}: {wait}"),
            None => phase.to_owned(),
        }),
        None => Health::progressing("not yet seen by a node"),
    }
}

/// See [`pod_reason`].
pub(super) fn trouble(pod: &Value) -> Option<Trouble> {
    let leaving = field::text(pod, "/metadata/deletionTimestamp").is_some();
    match field::text(pod, "/status/phase") {
        Some("Succeeded") => None,
        _ if leaving => None,
        Some("Failed") => Some(Trouble { is_failure: true, text: failure(pod) }),
        _ if is_ready(pod) => None,
        _ => container_trouble(pod).or_else(|| unscheduled(pod)).or_else(|| unready(pod)),
    }
}

fn is_ready(pod: &Value) -> bool {
    find(pod, "Ready").is_some_and(|ready| ready.is_true())
}

/// The API server fills it in.
fn restart_policy(pod: &Value) -> &str {
    field::text(pod, "/spec/restartPolicy").unwrap_or("Always")
}

/// Why a Pod has failed as a whole: `Evicted: the node was low on memory`, or how its container ended.
fn failure(pod: &Value) -> String {
    let reason = field::text(pod, "/status/reason");
    let message = field::text(pod, "/status/message");
    let ended = |(label, status): (String, &Value)| {
        let code = field::int(status, "/state/terminated/exitCode").filter(|code| *code != 0)?;
        Some(format!("{label}: exit code {code}{}", cause(status, "/state/terminated/reason")))
    };
    match (reason, message) {
        (Some(reason), Some(message)) => format!("{reason}: {message}"),
        (Some(text), None) | (None, Some(text)) => text.to_owned(),
        (None, None) => containers(pod).find_map(ended).unwrap_or_else(|| "failed".to_owned()),
    }
}

/// Every container's name and status, in the order in which they start.
fn containers(pod: &Value) -> impl Iterator<Item = (String, &Value)> {
    let name = |status| field::text(status, "/name").unwrap_or("?");
    let init = field::list(pod, "/status/initContainerStatuses").iter();
    let main = field::list(pod, "/status/containerStatuses").iter();
    init.map(move |status| (format!("init container {}", name(status)), status))
        .chain(main.map(move |status| (format!("container {}", name(status)), status)))
}

/// The first container that has failed, else the first that has a trouble.
fn container_trouble(pod: &Value) -> Option<Trouble> {
    let mut mild = None;
    for (label, status) in containers(pod) {
        match stopped(&label, status, restart_policy(pod)) {
            Some(trouble) if trouble.is_failure => return Some(trouble),
            trouble => mild = mild.or(trouble),
        }
    }
    mild
}

/// The message of a termination is left out on purpose: it is what the container itself wrote.
fn stopped(label: &str, status: &Value, restart_policy: &str) -> Option<Trouble> {
    if field::flag(status, "/ready") {
        return None;
    }
    if let Some(reason) = field::text(status, "/state/waiting/reason").filter(|r| is_failure(r)) {
        let detail = match reason {
            "CrashLoopBackOff" => last_exit(status).map(|exit| format!(", last {exit}")),
            _ => field::text(status, "/state/waiting/message").map(|text| format!(": {text}")),
        };
        let text = format!("{label}: {reason}{}", detail.unwrap_or_default());
        return Some(Trouble { is_failure: true, text });
    }
    let restarts = field::count(status, "/restartCount");
    if let Some(code) = field::int(status, "/state/terminated/exitCode") {
        let is_failure = restart_policy == "Never" || restarts >= RESTARTS_OF_A_LOOP;
        let text =
            format!("{label}: exit code {code}{}", cause(status, "/state/terminated/reason"));
        return (code != 0).then_some(Trouble { is_failure, text });
    }
    let text = format!("{label}: restarts: {restarts}, last {}", last_exit(status)?);
    Some(Trouble { is_failure: restarts >= RESTARTS_OF_A_LOOP, text })
}

/// Whether the reason of a wait is a failure: those that Argo CD takes for one by their form
/// (`ErrImagePull`, `CreateContainerConfigError`, `ImagePullBackOff`), and the kubelet's others.
fn is_failure(waiting: &str) -> bool {
    waiting.starts_with("Err")
        || waiting.ends_with("Error")
        || waiting.ends_with("BackOff")
        || matches!(
            waiting,
            "InvalidImageName" | "RegistryUnavailable" | "SignatureValidationFailed"
        )
}

/// `exit code 137 (OOMKilled)`
fn last_exit(status: &Value) -> Option<String> {
    let code = field::int(status, "/lastState/terminated/exitCode")?;
    Some(format!("exit code {code}{}", cause(status, "/lastState/terminated/reason")))
}

fn cause(status: &Value, pointer: &str) -> String {
    field::text(status, pointer).map(|reason| format!(" ({reason})")).unwrap_or_default()
}

/// Without a clock, unschedulable is Progressing (Argo CD; kstatus gives up after 15 s): a node may
/// be on its way.
fn unscheduled(pod: &Value) -> Option<Trouble> {
    let scheduled = find(pod, "PodScheduled").filter(Condition::is_false)?;
    let text = match scheduled.reason {
        "Unschedulable" => format!("unschedulable: {}", scheduled.message),
        _ => format!("not scheduled: {scheduled}"),
    };
    Some(Trouble { is_failure: false, text })
}

/// Every container runs, yet the Pod is not ready: its probes or readiness gates say no.
fn unready(pod: &Value) -> Option<Trouble> {
    let ready = find(pod, "Ready").filter(Condition::is_false)?;
    let running = field::text(pod, "/status/phase") == Some("Running");
    let text = format!("running, but not ready: {ready}");
    running.then_some(Trouble { is_failure: false, text })
}

/// What the first container that is not there yet waits for: `container web: ContainerCreating`.
fn first_wait(pod: &Value) -> Option<String> {
    containers(pod).find_map(|(label, status)| {
        let reason = field::text(status, "/state/waiting/reason")?;
        Some(format!("{label}: {reason}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::health::HealthStatus::{self, Degraded, Healthy, Progressing};
    use crate::domain::health::assess;
    use crate::domain::health::expectation::Expectation;

    fn pod(policy: &str, status: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1"},
               "spec": {"restartPolicy": policy}, "status": status})
    }

    fn running(ready: &str, containers: &Value) -> Value {
        json!({"phase": "Running", "containerStatuses": containers,
               "conditions": [{"type": "Ready", "status": ready, "reason": "ContainersNotReady",
                               "message": "containers with unready status: [web]"}]})
    }

    fn waiting(reason: &str, restarts: i64) -> Value {
        json!({"name": "web", "ready": false, "restartCount": restarts,
               "state": {"waiting": {"reason": reason, "message": "back-off of 5m0s"}},
               "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "hush"}}})
    }

    #[test]
    fn a_pod_says_what_keeps_it_from_coming_up() {
        let up = json!([{"name": "web", "ready": true, "state": {"running": {}}}]);
        let down = json!([{"name": "web", "ready": false, "state": {"running": {}}}]);
        let restarted = |restarts: i64| {
            json!([{"name": "web", "ready": false, "restartCount": restarts, "state": {"running": {}},
                    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}])
        };
        let init = json!({"phase": "Pending",
            "initContainerStatuses": [{"name": "migrate", "ready": false, "restartCount": 4,
                "state": {"terminated": {"exitCode": 2, "reason": "Error"}}}],
            "containerStatuses": [{"name": "web", "state": {"waiting": {"reason": "PodInitializing"}}}]});
        let unschedulable = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled",
            "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}]});
        let starting = json!({"phase": "Pending",
            "containerStatuses": [{"name": "web", "state": {"waiting": {"reason": "ContainerCreating"}}}]});
        let evicted = json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"});
        let failed = json!({"phase": "Failed",
            "containerStatuses": [{"name": "web", "state": {"terminated": {"exitCode": 3}}}]});
        let cases: Vec<(&str, Value, HealthStatus, &str)> = vec![
            ("Always", running("True", &up), Healthy, ""),
            ("Never", running("True", &up), Progressing, ""),
            ("Never", json!({"phase": "Succeeded"}), Healthy, ""),
            ("Always", starting, Progressing, ""),
            (
                "Always",
                running("False", &json!([waiting("CrashLoopBackOff", 5)])),
                Degraded,
                "container web: CrashLoopBackOff, last exit code 1 (Error)",
            ),
            (
                "Never",
                json!({"phase": "Pending", "containerStatuses": [waiting("ImagePullBackOff", 0)]}),
                Degraded,
                "container web: ImagePullBackOff: back-off of 5m0s",
            ),
            (
                "Always",
                running("False", &down),
                Progressing,
                "running, but not ready: ContainersNotReady: containers with unready status: [web]",
            ),
            (
                "Always",
                running("False", &restarted(1)),
                Progressing,
                "container web: restarts: 1, last exit code 137 (OOMKilled)",
            ),
            (
                "Always",
                running("False", &restarted(2)),
                Degraded,
                "container web: restarts: 2, last exit code 137 (OOMKilled)",
            ),
            ("Always", init, Degraded, "init container migrate: exit code 2 (Error)"),
            ("Always", unschedulable, Progressing, "unschedulable: 0/3 nodes are available"),
            ("Never", evicted, Degraded, "Evicted: low on memory"),
            ("Never", failed, Degraded, "container web: exit code 3"),
            ("Always", json!({}), Progressing, ""),
        ];
        for (policy, status, verdict, reason) in cases {
            let pod = pod(policy, &status);
            assert_eq!(assess(&pod, None, Expectation::Nothing).status, verdict, "{pod}");
            assert_eq!(pod_reason(&pod).unwrap_or_default(), reason, "{pod}");
        }
    }

    #[test]
    fn what_a_container_wrote_is_not_passed_on() {
        let status = running("False", &json!([waiting("CrashLoopBackOff", 5)]));
        assert!(!pod_reason(&pod("Always", &status)).unwrap().contains("hush"));
    }

    #[test]
    fn a_container_that_fails_goes_before_one_that_is_late() {
        let late = json!({"name": "a", "ready": false, "restartCount": 1, "state": {"running": {}},
            "lastState": {"terminated": {"exitCode": 1}}});
        let status = running("False", &json!([late, waiting("ErrImagePull", 0)]));
        let reason = pod_reason(&pod("Always", &status)).unwrap();
        assert_eq!(reason, "container web: ErrImagePull: back-off of 5m0s");
    }
}
