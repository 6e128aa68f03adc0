//! What the API server does with objects of some kinds beside filling in defaults: it allocates,
//! gives new objects their status, and refuses what is not valid or may not change.
//!
//! Only the rules that people meet are here, in the words of the real server; `docs/sandbox.md` says
//! what is missing.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::sandbox::kinds::{DEFINITIONS, Kind, facts};
use crate::sandbox::merge::Types;
use crate::sandbox::object::{fields, items, name_of, set, text};
use crate::sandbox::refusal::{Granted, Problem, Refused};
use crate::sandbox::state::State;

/// Characters of generated names, which spell no words (`k8s.io/apimachinery/pkg/util/rand`).
const SUFFIX: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
    'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
    or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', \
    regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
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
pub(super) fn complete(state: &State, kind: &Kind, object: &mut Value) {
    let resource = &*kind.resource;
    if kind.status && !kind.custom {
        let first = facts(resource, "begins").find_map(|status| serde_json::from_str(status).ok());
        let first: Map<String, Value> = first.unwrap_or_default();
        for (field, value) in first {
            set(object, &["status", &field], value);
        }
    }
    match resource {
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
    if live["kind"] != "Service" || after["spec"]["type"] == "ExternalName" {
        return;
    }
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
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
) -> Granted<()> {
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
    match kind.resource.as_str() {
        _ if name.is_empty() => {
            let message = "name or generateName is required";
            problems.push(Problem::required("metadata.name", message));
        }
        DEFINITIONS => {
            let spec = &object["spec"];
            let expected = format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"]));
            if name != expected {
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
    let resource = &*kind.resource;
    let spec = &object["spec"];
    let given = |value: &Value| value.is_object() || !items(value).is_empty();
    let required = facts(resource, "required").flat_map(|pointers| pointers.split(' '));
    let missing = required.filter(|pointer| !object.pointer(pointer).is_some_and(given));
    problems.extend(missing.map(|pointer| Problem::required(&dotted(pointer), "")));
    match resource {
        "services" => {
            let headless = spec["clusterIP"] == "None" || spec["type"] == "ExternalName";
            if !given(&spec["ports"]) && !headless {
                problems.push(Problem::required("spec.ports", ""));
            }
        }
        DEFINITIONS => {
            for (at, version) in items(&spec["versions"]).iter().enumerate() {
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
        _ if kind.group == "apps" => {
            let labels = &spec["template"]["metadata"]["labels"];
            let mut wanted = fields(&spec["selector"]["matchLabels"]);
            if wanted.any(|(key, value)| labels.get(key) != Some(value)) {
                let message = "`selector` does not match template `labels`";
                problems.push(Problem::invalid("spec.template.metadata.labels", labels, message));
            }
        }
        _ => {}
    }
}

fn check_change(kind: &Kind, before: &Value, after: &Value, problems: &mut Vec<Problem>) {
    let resource = &*kind.resource;
    let changed = |pointer: &str| before.pointer(pointer) != after.pointer(pointer);
    for (pointers, message) in facts(resource, "fixed").filter_map(|fact| fact.split_once(" : ")) {
        for pointer in pointers.split(' ').filter(|pointer| changed(pointer)) {
            let value = after.pointer(pointer).unwrap_or(&Value::Null);
            problems.push(Problem::invalid(&dotted(pointer), value, message));
        }
    }
    for (free, message) in facts(resource, "free").filter_map(|fact| fact.split_once(" : ")) {
        if other_fields(before, free) != other_fields(after, free) {
            problems.push(Problem::forbidden("spec", message));
        }
    }
    match resource {
        "configmaps" | "secrets" if before["immutable"] == true => {
            let message = "field is immutable when `immutable` is set";
            let fields = ["immutable", "data", "binaryData"].into_iter();
            let changed = fields.filter(|field| before.get(field) != after.get(field));
            problems.extend(changed.map(|field| Problem::forbidden(field, message)));
        }
        "services" if has_address(before) && has_address(after) && changed("/spec/clusterIP") => {
            let value = &after["spec"]["clusterIPs"];
            let message = "may not change once set";
            problems.push(Problem::invalid("spec.clusterIPs[0]", value, message));
        }
        _ => {}
    }
}

fn dotted(pointer: &str) -> String {
    pointer[1..].replace('/', ".")
}

fn has_address(service: &Value) -> bool {
    service["spec"]["clusterIP"].is_string()
}

/// The fields of a spec without those that are free to change.
fn other_fields<'a>(object: &'a Value, free: &str) -> BTreeMap<&'a String, &'a Value> {
    let fields = fields(&object["spec"]);
    fields.filter(|(name, _)| !free.split(' ').any(|one| one == *name)).collect()
}
