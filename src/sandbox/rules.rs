//! What the API server does with objects of some kinds beside filling in defaults: it allocates,
//! gives new objects their status, and refuses what is not valid or may not change.
//!
//! Only the rules that people meet are here, in the words of the real server; `docs/sandbox.md` says
//! what is missing.

use serde_json::{Value, json};

use crate::sandbox::kinds::{DEFINITIONS, Kind};
use crate::sandbox::merge::Types;
use crate::sandbox::refusal::{Problem, Refused};
use crate::sandbox::state::State;
use crate::sandbox::write::{Write, name_of, set};

/// Characters of generated names, which spell no words (`k8s.io/apimachinery/pkg/util/rand`).
const SUFFIX: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
    'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
    or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', \
    regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const IMMUTABLE: &str = "field is immutable";
/// Longest name, and longest part of one between dots.
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;

/// The end of a generated name.
pub(super) fn suffix() -> String {
    (0..5).map(|_| char::from(SUFFIX[fastrand::usize(..SUFFIX.len())])).collect()
}

/// An id for a new object.
pub(super) fn uid() -> String {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid().to_string()
}

/// Gives a new object what the server allocates, and the status with which it begins.
pub(super) fn complete(state: &State, write: &Write<'_>, object: &mut Value) {
    let resource = write.kind.resource();
    if write.kind.status && !write.kind.custom {
        for (field, value) in first_status(&resource).as_object().into_iter().flatten() {
            set(object, &["status", field], value.clone());
        }
    }
    match resource.as_str() {
        "services" => allocate(state, object),
        "jobs.batch" if object["spec"]["manualSelector"] != true => {
            let uid = object["metadata"]["uid"].clone();
            let name = object["metadata"]["name"].clone();
            let labels = ["spec", "template", "metadata", "labels"];
            for (key, value) in [("controller-uid", &uid), ("job-name", &name)] {
                for key in [key, &format!("batch.kubernetes.io/{key}")] {
                    set(object, &[&labels[..], &[key]].concat(), value.clone());
                }
            }
            let selector = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
            set(object, &["spec", "selector"], selector);
        }
        _ => {}
    }
}

fn first_status(resource: &str) -> Value {
    match resource {
        "namespaces" => json!({"phase": "Active"}),
        "pods" => json!({"phase": "Pending", "qosClass": "BestEffort"}),
        "persistentvolumeclaims" | "persistentvolumes" => json!({"phase": "Pending"}),
        "services" | "ingresses.networking.k8s.io" => json!({"loadBalancer": {}}),
        "replicasets.apps" | "replicationcontrollers" => json!({"replicas": 0}),
        "statefulsets.apps" => json!({"replicas": 0, "availableReplicas": 0}),
        "daemonsets.apps" => json!({"currentNumberScheduled": 0, "numberMisscheduled": 0,
                                    "desiredNumberScheduled": 0, "numberReady": 0}),
        "poddisruptionbudgets.policy" => json!({"disruptionsAllowed": 0, "currentHealthy": 0,
                                                "desiredHealthy": 0, "expectedPods": 0}),
        "horizontalpodautoscalers.autoscaling" => {
            json!({"desiredReplicas": 0, "currentMetrics": null})
        }
        _ => json!({}),
    }
}

/// Gives a Service its addresses and its ports on the nodes, as far as it names none itself.
fn allocate(state: &State, object: &mut Value) {
    let spec = &mut object["spec"];
    if !spec.is_object() {
        return;
    }
    let kind = spec["type"].as_str().unwrap_or("ClusterIP").to_owned();
    if kind == "ExternalName" {
        return;
    }
    // The version is unique, and so is what is made of it.
    let unique = state.store.version();
    if spec["clusterIP"].as_str().is_none_or(str::is_empty) {
        let address = format!("10.0.{}.{}", unique / 250 % 250, unique % 250 + 1);
        spec["clusterIP"] = json!(address);
    }
    spec["clusterIPs"] = json!([spec["clusterIP"]]);
    spec["ipFamilies"] = json!(["IPv4"]);
    spec["ipFamilyPolicy"] = json!("SingleStack");
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        let ports = spec["ports"].as_array_mut().into_iter().flatten();
        for (port, at) in ports.filter(|port| port.is_object()).zip(0..) {
            if port["nodePort"].as_u64().unwrap_or_default() == 0 {
                port["nodePort"] = json!(30000 + (unique + at) % 2768);
            }
        }
    }
}

/// Keeps what was allocated and the client has not said anew.
pub(super) fn retain(live: &Value, after: &mut Value) {
    let kept: &[&str] = match live["kind"].as_str() {
        Some("Service") if after["spec"]["type"] != "ExternalName" => {
            &["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]
        }
        _ => return,
    };
    for field in kept {
        if after["spec"].get(field).is_none() && live["spec"].get(field).is_some() {
            set(after, &["spec", field], live["spec"][field].clone());
        }
    }
}

/// Refuses what is not valid, and changes of what may not change.
pub(super) fn check(
    kind: &Kind,
    types: &Types,
    before: Option<&Value>,
    object: &Value,
) -> Result<(), Refused> {
    let mut problems = Vec::new();
    match before {
        None => check_name(kind, object, &mut problems),
        Some(before) => check_change(kind, before, object, &mut problems),
    }
    check_fields(kind, types, object, &mut problems);
    if problems.is_empty() {
        return Ok(());
    }
    Err(Refused::invalid(kind, name_of(object), &problems))
}

fn check_name(kind: &Kind, object: &Value, problems: &mut Vec<Problem>) {
    let name = name_of(object);
    let mut invalid = |message: &str| {
        problems.push(Problem::invalid("metadata.name", &json!(name), message));
    };
    match kind.resource().as_str() {
        _ if name.is_empty() => {
            let message = "name or generateName is required";
            problems.push(Problem::required("metadata.name", message));
        }
        DEFINITIONS => {
            let spec = &object["spec"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            if name != format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"])) {
                invalid("must be spec.names.plural+\".\"+spec.group");
            }
        }
        _ if kind.group == "rbac.authorization.k8s.io" && is_segment(name) => {}
        _ if kind.group == "rbac.authorization.k8s.io" => {
            invalid("may not be '.' or '..' or contain '/' or '%'");
        }
        "namespaces" | "services" if !is_label(name) => invalid(LABEL),
        _ if name.len() > NAME_MAX || !name.split('.').all(is_part) => invalid(SUBDOMAIN),
        _ => {}
    }
}

fn is_segment(name: &str) -> bool {
    !matches!(name, "." | "..") && !name.contains(['/', '%'])
}

fn is_label(text: &str) -> bool {
    text.len() <= LABEL_MAX && is_part(text)
}

fn is_part(text: &str) -> bool {
    let fits = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
    !text.is_empty() && text.chars().all(fits) && !text.starts_with('-') && !text.ends_with('-')
}

fn check_fields(kind: &Kind, types: &Types, object: &Value, problems: &mut Vec<Problem>) {
    let spec = &object["spec"];
    let empty = |value: &Value| value.as_array().is_none_or(Vec::is_empty);
    match kind.resource().as_str() {
        "deployments.apps" | "daemonsets.apps" | "replicasets.apps" | "statefulsets.apps" => {
            if !spec["selector"].is_object() {
                problems.push(Problem::required("spec.selector", ""));
            }
            let labels = &spec["template"]["metadata"]["labels"];
            let wanted = spec["selector"]["matchLabels"].as_object().into_iter().flatten();
            if wanted.into_iter().any(|(key, value)| labels.get(key) != Some(value)) {
                let message = "`selector` does not match template `labels`";
                problems.push(Problem::invalid("spec.template.metadata.labels", labels, message));
            }
            if empty(&spec["template"]["spec"]["containers"]) {
                problems.push(Problem::required("spec.template.spec.containers", ""));
            }
        }
        "pods" if empty(&spec["containers"]) => {
            problems.push(Problem::required("spec.containers", ""));
        }
        "jobs.batch" if empty(&spec["template"]["spec"]["containers"]) => {
            problems.push(Problem::required("spec.template.spec.containers", ""));
        }
        "services" => {
            let headless = spec["clusterIP"] == "None" || spec["type"] == "ExternalName";
            if empty(&spec["ports"]) && !headless {
                problems.push(Problem::required("spec.ports", ""));
            }
        }
        DEFINITIONS => {
            for (at, version) in spec["versions"].as_array().into_iter().flatten().enumerate() {
                if !version["schema"]["openAPIV3Schema"].is_object() {
                    let field = format!("spec.versions[{at}].schema.openAPIV3Schema");
                    problems.push(Problem::required(&field, ""));
                }
            }
            if problems.is_empty()
                && let Err(error) = types.with_definition(object)
            {
                problems.push(Problem::invalid("spec.versions", &Value::Null, &error.to_string()));
            }
        }
        _ => {}
    }
}

fn check_change(kind: &Kind, before: &Value, after: &Value, problems: &mut Vec<Problem>) {
    let changed = |pointer: &str| before.pointer(pointer) != after.pointer(pointer);
    let mut fixed = |pointer: &str, message: &str| {
        if changed(pointer) {
            let field = pointer[1..].replace('/', ".");
            let value = after.pointer(pointer).unwrap_or(&Value::Null);
            problems.push(Problem::invalid(&field, value, message));
        }
    };
    match kind.resource().as_str() {
        "configmaps" | "secrets" if before["immutable"] == true => {
            for field in ["immutable", "data", "binaryData"] {
                if before.get(field) != after.get(field) {
                    let message = "field is immutable when `immutable` is set";
                    problems.push(Problem::forbidden(field, message));
                }
            }
        }
        "secrets" => fixed("/type", IMMUTABLE),
        "deployments.apps" | "daemonsets.apps" | "replicasets.apps" => {
            fixed("/spec/selector", IMMUTABLE);
        }
        "jobs.batch" => {
            for field in ["/spec/completionMode", "/spec/selector", "/spec/template"] {
                fixed(field, IMMUTABLE);
            }
        }
        "services" if has_address(before) && has_address(after) && changed("/spec/clusterIP") => {
            let value = &after["spec"]["clusterIPs"];
            let message = "may not change once set";
            problems.push(Problem::invalid("spec.clusterIPs[0]", value, message));
        }
        "rolebindings.rbac.authorization.k8s.io"
        | "clusterrolebindings.rbac.authorization.k8s.io" => {
            fixed("/roleRef", "cannot change roleRef");
        }
        resource => check_spec(resource, before, after, problems),
    }
}

/// Changes of a spec of which only some fields may change.
fn check_spec(resource: &str, before: &Value, after: &Value, problems: &mut Vec<Problem>) {
    let (free, message): (&[&str], &str) = match resource {
        "statefulsets.apps" => (
            &[
                "replicas",
                "ordinals",
                "template",
                "updateStrategy",
                "revisionHistoryLimit",
                "persistentVolumeClaimRetentionPolicy",
                "minReadySeconds",
            ],
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', \
             'template', 'updateStrategy', 'revisionHistoryLimit', \
             'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        ),
        "persistentvolumeclaims" => (
            &["resources", "volumeName", "volumeAttributesClassName"],
            "spec is immutable after creation except resources.requests and \
             volumeAttributesClassName for bound claims",
        ),
        "pods" => (
            &[
                "containers",
                "initContainers",
                "tolerations",
                "activeDeadlineSeconds",
                "terminationGracePeriodSeconds",
                "nodeName",
                "schedulingGates",
            ],
            "pod updates may not change fields other than `spec.containers[*].image`,\
             `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only \
             additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to \
             be set to 1 if it was previously negative)",
        ),
        _ => return,
    };
    if other_fields(before, free) != other_fields(after, free) {
        problems.push(Problem::forbidden("spec", message));
    }
}

fn has_address(service: &Value) -> bool {
    service["spec"]["clusterIP"].is_string()
}

/// The fields of a spec without those that are free to change.
fn other_fields<'a>(object: &'a Value, free: &[&str]) -> Vec<(&'a String, &'a Value)> {
    let fields = object["spec"].as_object().into_iter().flatten();
    let mut others: Vec<_> = fields.filter(|(name, _)| !free.contains(&name.as_str())).collect();
    others.sort_by_key(|(name, _)| *name);
    others
}
