//! The simulated controllers and kubelet, so that health moves. Each step looks at everything and
//! brings it a little nearer to what is wanted; it is done when a step changes nothing.

mod cleanup;
mod kubelet;
mod others;
mod pods;
mod workloads;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::sandbox::World;
use crate::sandbox::delete::Deletion;
use crate::sandbox::kinds::DEFINITIONS;
use crate::sandbox::merge::Writer;
use crate::sandbox::object::{fields, items, name_of, namespace_of};
use crate::sandbox::refusal::Granted;
use crate::sandbox::state::{Shared, State};
use crate::sandbox::world::kubelet::Kubelet;
use crate::sandbox::write::{Write, now};

/// Pause between two steps, so that what comes together is seen together.
const PAUSE: Duration = Duration::from_millis(5);
/// Longest time without a step: some things happen by time alone.
const TICK: Duration = Duration::from_millis(250);
const CONTROLLERS: &str = "kube-controller-manager";
const API_SERVER: &str = "kube-apiserver";
/// The namespaces of a new cluster.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Makes what a new cluster has.
pub(super) fn begin(state: &mut State) {
    let mut hand = Hand { state, now: &now(), manager: API_SERVER };
    for name in NAMESPACES {
        hand.create("namespaces", json!({"metadata": {"name": name}}));
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
    let mut hand = Hand { state, now: &now(), manager: API_SERVER };
    establish(&mut hand);
    cleanup::definitions(&mut hand);
    hand.manager = CONTROLLERS;
    cleanup::namespaces(&mut hand);
    if world != World::Still {
        cleanup::garbage(&mut hand);
        workloads::step(&mut hand);
    }
    if let Some(kubelet) = kubelet {
        others::step(&mut hand);
        kubelet.step(&mut hand);
    }
}

/// Takes new definitions into service.
fn establish(hand: &mut Hand<'_>) {
    for definition in hand.list(DEFINITIONS) {
        let spec = &definition["spec"];
        let stored = items(&spec["versions"]).iter().filter(|one| one["storage"] == true);
        let stored: Vec<&Value> = stored.map(|one| &one["name"]).collect();
        let mut status = json!({"acceptedNames": spec["names"], "storedVersions": stored});
        if fields(&status).any(|(name, value)| definition["status"][name] != *value) {
            let (now, names) = (hand.now, "the initial names have been accepted");
            say(&mut status, now, "NamesAccepted", "True", "NoConflicts", "no conflicts found");
            say(&mut status, now, "Established", "True", "InitialNamesAccepted", names);
            hand.set_status(DEFINITIONS, &definition, status);
        }
    }
}

/// The objects as a controller sees them, and what it can do. What is refused is tried again in the
/// next step.
struct Hand<'a> {
    state: &'a mut State,
    now: &'a str,
    /// Who writes, in `managedFields`.
    manager: &'static str,
}

impl Hand<'_> {
    /// All objects of a resource.
    fn list(&self, resource: &str) -> Vec<Arc<Value>> {
        self.state.store.list(resource, None).map(|(_, object)| Arc::clone(object)).collect()
    }

    fn create(&mut self, resource: &str, object: Value) {
        let namespace = namespace_of(&object).to_owned();
        self.write(resource, &namespace, None, |state, write| state.create(write, object));
    }

    fn change(&mut self, resource: &str, object: &Value, change: impl FnOnce(&mut Value)) {
        self.change_part(resource, object, None, change);
    }

    /// Replaces the status of an object, where it differs. As the API server does, it leaves out
    /// what is null, and a count that is zero and always was.
    fn set_status(&mut self, resource: &str, object: &Value, mut status: Value) {
        tidy(&mut status, &object["status"]);
        if object["status"] != status {
            let change = |object: &mut Value| object["status"] = status;
            self.change_part(resource, object, Some("status"), change);
        }
    }

    fn change_part(
        &mut self,
        resource: &str,
        object: &Value,
        subresource: Option<&str>,
        change: impl FnOnce(&mut Value),
    ) {
        self.write(resource, namespace_of(object), subresource, |state, write| {
            state.update(write, name_of(object), change)
        });
    }

    fn delete(&mut self, resource: &str, object: &Value) {
        self.delete_with(resource, object, &Deletion::default());
    }

    fn delete_with(&mut self, resource: &str, object: &Value, deletion: &Deletion) {
        self.write(resource, namespace_of(object), None, |state, write| {
            state.delete(write, name_of(object), deletion)
        });
    }

    fn write(
        &mut self,
        resource: &str,
        namespace: &str,
        subresource: Option<&str>,
        act: impl FnOnce(&mut State, &Write<'_>) -> Granted<Arc<Value>>,
    ) {
        let Some(kind) = self.state.kinds.of_resource(resource).cloned() else { return };
        let api_version = &kind.api_version;
        let by = Writer { manager: self.manager, api_version, subresource, time: self.now };
        let write = Write { kind: &kind, namespace, by, dry_run: false };
        if let Err(refused) = act(self.state, &write) {
            let reason = refused.message;
            tracing::debug!(resource, namespace, reason, "a controller of the sandbox was refused");
        }
    }
}

fn tidy(status: &mut Value, before: &Value) {
    if let Some(fields) = status.as_object_mut() {
        let counted = |name: &str| before.get(name).is_some();
        fields.retain(|name, value| !value.is_null() && (*value != 0 || counted(name)));
    }
}

/// Objects by the uid of their controller.
fn by_controller(objects: Vec<Arc<Value>>) -> HashMap<String, Vec<Arc<Value>>> {
    let mut owned: HashMap<String, Vec<Arc<Value>>> = HashMap::new();
    for object in objects {
        let owners = items(&object["metadata"]["ownerReferences"]).iter();
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
    let mut conditions = items(&status["conditions"]).to_vec();
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
    use crate::sandbox::object::set;
    use crate::sandbox::storage::HISTORY;

    fn state() -> State {
        let mut state = State::new(HISTORY);
        begin(&mut state);
        state
    }

    fn make(state: &mut State, resource: &str, mut object: Value) {
        if object.is_object() {
            set(&mut object, &["metadata", "namespace"], json!("default"));
        }
        Hand { state, now: &now(), manager: "test" }.create(resource, object);
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
                    set(&mut object, &["metadata", "name"], json!(format!("x{number}")));
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
