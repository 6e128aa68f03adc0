//! The simulated controllers and kubelet, so that health moves. Each step looks at everything and
//! brings it a little nearer to what is wanted; it is done when a step changes nothing.

mod cleanup;
mod kubelet;
mod nodes;
mod pods;
mod workloads;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::sandbox::World;
use crate::sandbox::delete::Deletion;
use crate::sandbox::kinds::{DEFINITIONS, established};
use crate::sandbox::merge::Writer;
use crate::sandbox::refusal::Refused;
use crate::sandbox::state::{Shared, State};
use crate::sandbox::world::kubelet::Kubelet;
use crate::sandbox::write::{Write, name_of, now};

/// Pause between two steps, so that what comes together is seen together.
const PAUSE: Duration = Duration::from_millis(5);
/// Longest time without a step: some things happen by time alone.
const TICK: Duration = Duration::from_millis(250);
/// Who writes, in `managedFields`.
const CONTROLLERS: &str = "kube-controller-manager";
const API_SERVER: &str = "kube-apiserver";
/// The namespaces of a new cluster.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Makes what a new cluster has.
pub(super) fn begin(state: &mut State) {
    let now = now();
    let mut hand = Hand { state, now: &now };
    for name in NAMESPACES {
        hand.create("namespaces", "", API_SERVER, json!({"metadata": {"name": name}}));
    }
}

/// Goes on for as long as the sandbox runs.
pub(super) async fn run(shared: Arc<Shared>, world: World) {
    let mut versions = shared.versions();
    let mut kubelet = match world {
        World::Nodes(takes) => Some(Kubelet::new(takes)),
        World::Still | World::Controllers => None,
    };
    loop {
        versions.mark_unchanged();
        shared.with(|state| step(state, world, kubelet.as_mut()));
        sleep(PAUSE).await;
        // Too late is as good as a change.
        let _ = timeout(TICK, versions.changed()).await;
    }
}

fn step(state: &mut State, world: World, kubelet: Option<&mut Kubelet>) {
    let now = now();
    let mut hand = Hand { state, now: &now };
    establish(&mut hand);
    cleanup::namespaces(&mut hand);
    cleanup::definitions(&mut hand);
    if world != World::Still {
        cleanup::garbage(&mut hand);
        workloads::step(&mut hand);
    }
    if let Some(kubelet) = kubelet {
        nodes::step(&mut hand);
        kubelet.step(&mut hand);
    }
}

/// Takes new definitions into service.
fn establish(hand: &mut Hand<'_>) {
    for definition in hand.list(DEFINITIONS) {
        let status = established(&definition, hand.now);
        let known = &definition["status"];
        let same = ["acceptedNames", "storedVersions"].iter().all(|one| known[one] == status[one]);
        if !same {
            hand.set_status(DEFINITIONS, &definition, API_SERVER, status);
        }
    }
}

/// The objects as a controller sees them, and what it can do.
struct Hand<'a> {
    state: &'a mut State,
    now: &'a str,
}

impl Hand<'_> {
    /// All objects of a resource.
    fn list(&self, resource: &str) -> Vec<Arc<Value>> {
        self.state.store.list(resource, None).map(|(_, object)| Arc::clone(object)).collect()
    }

    /// Creates an object. What is refused is tried again in the next step.
    fn create(&mut self, resource: &str, namespace: &str, manager: &str, object: Value) {
        self.write(resource, namespace, manager, None, |state, write| {
            state.create(write, object).map(drop)
        });
    }

    /// Replaces the status of an object, where it differs.
    fn set_status(&mut self, resource: &str, object: &Value, manager: &str, status: Value) {
        if object["status"] == status {
            return;
        }
        self.change(resource, object, manager, Some("status"), |object| object["status"] = status);
    }

    /// Changes an object.
    fn change(
        &mut self,
        resource: &str,
        object: &Value,
        manager: &str,
        subresource: Option<&str>,
        change: impl FnOnce(&mut Value),
    ) {
        let namespace = namespace_of(object);
        self.write(resource, namespace, manager, subresource, |state, write| {
            let changed = |live: &Value| {
                let mut after = live.clone();
                change(&mut after);
                Ok(after)
            };
            state.update(write, name_of(object), changed).map(drop)
        });
    }

    /// Deletes an object, and what hangs on it as the options say.
    fn delete(&mut self, resource: &str, object: &Value, options: &Value) {
        let namespace = namespace_of(object);
        self.write(resource, namespace, CONTROLLERS, None, |state, write| {
            let deletion = Deletion::of(options)?;
            state.delete(write, name_of(object), &deletion).map(drop)
        });
    }

    fn write(
        &mut self,
        resource: &str,
        namespace: &str,
        manager: &str,
        subresource: Option<&str>,
        act: impl FnOnce(&mut State, &Write<'_>) -> Result<(), Refused>,
    ) {
        let Some(kind) = self.state.kinds.of_resource(resource).cloned() else { return };
        let by = Writer { manager, api_version: &kind.api_version, subresource, time: self.now };
        let write = Write { kind: &kind, namespace, by, dry_run: false };
        if let Err(refused) = act(self.state, &write) {
            let reason = refused.message;
            tracing::debug!(resource, namespace, reason, "a controller of the sandbox was refused");
        }
    }
}

fn namespace_of(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or_default()
}

fn uid_of(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

fn is_leaving(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Objects by the uid of their controller.
fn by_controller(objects: Vec<Arc<Value>>) -> HashMap<String, Vec<Arc<Value>>> {
    let mut owned: HashMap<String, Vec<Arc<Value>>> = HashMap::new();
    for object in objects {
        let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        let mut controller =
            owners.filter(|owner| owner["controller"] == true).map(|one| &one["uid"]);
        if let Some(uid) = controller.find_map(Value::as_str).map(str::to_owned) {
            owned.entry(uid).or_default().push(object);
        }
    }
    owned
}

/// Says a condition in a status; the time moves only with the state.
fn say(status: &mut Value, now: &str, kind: &str, state: &str, reason: &str, message: &str) {
    let mut conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let at = conditions.iter().position(|one| one["type"] == kind);
    let before = at.map(|at| conditions.remove(at));
    let since = before.as_ref().filter(|before| before["status"] == state);
    let since = since.map_or(json!(now), |before| before["lastTransitionTime"].clone());
    let condition = json!({"type": kind, "status": state, "lastTransitionTime": since,
                           "reason": reason, "message": message});
    conditions.insert(at.unwrap_or(conditions.len()), condition);
    status["conditions"] = json!(conditions);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::storage::HISTORY;

    fn state() -> State {
        let mut state = State::new(HISTORY);
        begin(&mut state);
        state
    }

    fn make(state: &mut State, resource: &str, object: Value) {
        Hand { state, now: &now() }.create(resource, "default", "test", object);
    }

    #[test]
    fn what_makes_no_sense_is_refused_or_left_alone_and_harms_nobody() {
        let workloads = ["deployments.apps", "statefulsets.apps", "daemonsets.apps", "jobs.batch"];
        let senseless = [
            json!({}),
            json!([]),
            json!({"spec": [], "status": "x"}),
            json!({"spec": {"selector": {}, "template": {"metadata": {"labels": "x"},
                   "spec": {"containers": ["x", {"image": 3}]}}}}),
            json!({"spec": {"selector": {"matchLabels": []}, "replicas": "many", "template": "x"},
                   "metadata": {"ownerReferences": "x", "finalizers": {}, "annotations": 7}}),
            json!({"spec": {"ports": ["x", {}], "type": "LoadBalancer", "versions": [7]},
                   "status": {"conditions": ["x"], "loadBalancer": []}}),
        ];
        let others = ["pods", "services", "persistentvolumeclaims", "poddisruptionbudgets.policy"];
        let mut state = state();
        let mut kubelet = Kubelet::new(Duration::ZERO);
        for resource in workloads.into_iter().chain(others).chain([DEFINITIONS, "namespaces"]) {
            for (number, object) in senseless.iter().enumerate() {
                let mut object = object.clone();
                if object.is_object() {
                    crate::sandbox::write::set(
                        &mut object,
                        &["metadata", "name"],
                        json!(format!("x{number}")),
                    );
                }
                make(&mut state, resource, object);
            }
        }
        for _ in 0..4 {
            step(&mut state, World::Nodes(Duration::ZERO), Some(&mut kubelet));
        }
        assert!(state.store.all().count() > NAMESPACES.len(), "nothing was taken at all");
    }

    #[test]
    fn a_step_that_finds_all_as_it_should_be_writes_nothing() {
        let mut state = state();
        let mut kubelet = Kubelet::new(Duration::ZERO);
        let labels = json!({"app": "web"});
        let spec = json!({"replicas": 2, "serviceName": "web", "selector": {"matchLabels": labels},
                          "template": {"metadata": {"labels": labels},
                                       "spec": {"containers": [{"name": "web", "image": "web:1"}]}}});
        for resource in ["deployments.apps", "statefulsets.apps", "daemonsets.apps"] {
            make(&mut state, resource, json!({"metadata": {"name": "web"}, "spec": spec}));
        }
        let mut run = |state: &mut State| {
            let before = state.store.version();
            step(state, World::Nodes(Duration::ZERO), Some(&mut kubelet));
            state.store.version() != before
        };
        let steps = (0..50).take_while(|_| run(&mut state)).count();
        assert!(steps < 50, "it never comes to rest");
        let pods = state.store.list("pods", None);
        assert_eq!(pods.filter(|(_, pod)| crate::sandbox::world::pods::is_ready(pod)).count(), 5);
    }
}
