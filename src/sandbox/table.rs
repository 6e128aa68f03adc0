//! Tables, as `kubectl get` shows them: the columns of the kinds that people look at, and of custom
//! resources what their definition says.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::sandbox::kinds::{Kind, is_true};
use crate::sandbox::read::metadata_only;

/// What a column shows.
#[derive(Clone, Copy)]
enum Cell {
    /// The value at a pointer; `<none>` when there is none.
    At(&'static str),
    /// The number at a pointer, or 0.
    Number(&'static str),
    /// Two numbers: so many of so many.
    Of(&'static str, &'static str),
    /// How many entries there are.
    Count(&'static str),
    /// The time since.
    Since(&'static str),
    /// Whatever this makes of it.
    Made(fn(&Value) -> Value),
}

use Cell::{At, Count, Made, Number, Of, Since};

const AGE: (&str, Cell) = ("Age", Since("/metadata/creationTimestamp"));

/// The columns after the name, by resource. Others have their age.
const COLUMNS: &[(&str, &[(&str, Cell)])] = &[
    ("configmaps", &[("Data", Count("/data")), AGE]),
    ("secrets", &[("Type", At("/type")), ("Data", Count("/data")), AGE]),
    ("namespaces", &[("Status", At("/status/phase")), AGE]),
    (
        "pods",
        &[("Ready", Made(ready)), ("Status", Made(pod_status)), ("Restarts", Made(restarts)), AGE],
    ),
    (
        "services",
        &[
            ("Type", At("/spec/type")),
            ("Cluster-IP", At("/spec/clusterIP")),
            ("External-IP", At("/status/loadBalancer/ingress/0/ip")),
            ("Port(s)", Made(ports)),
            AGE,
        ],
    ),
    (
        "nodes",
        &[
            (
                "Status",
                Made(|node| json!(if is_true(node, "Ready") { "Ready" } else { "NotReady" })),
            ),
            AGE,
            ("Version", At("/status/nodeInfo/kubeletVersion")),
        ],
    ),
    (
        "events",
        &[
            ("Last Seen", Since("/lastTimestamp")),
            ("Type", At("/type")),
            ("Reason", At("/reason")),
            ("Object", Made(involved)),
            ("Message", At("/message")),
        ],
    ),
    (
        "persistentvolumeclaims",
        &[
            ("Status", At("/status/phase")),
            ("Volume", At("/spec/volumeName")),
            ("Capacity", At("/status/capacity/storage")),
            AGE,
        ],
    ),
    (
        "deployments.apps",
        &[
            ("Ready", Of("/status/readyReplicas", "/spec/replicas")),
            ("Up-to-date", Number("/status/updatedReplicas")),
            ("Available", Number("/status/availableReplicas")),
            AGE,
        ],
    ),
    (
        "replicasets.apps",
        &[
            ("Desired", Number("/spec/replicas")),
            ("Current", Number("/status/replicas")),
            ("Ready", Number("/status/readyReplicas")),
            AGE,
        ],
    ),
    ("statefulsets.apps", &[("Ready", Of("/status/readyReplicas", "/spec/replicas")), AGE]),
    (
        "daemonsets.apps",
        &[
            ("Desired", Number("/status/desiredNumberScheduled")),
            ("Current", Number("/status/currentNumberScheduled")),
            ("Ready", Number("/status/numberReady")),
            ("Up-to-date", Number("/status/updatedNumberScheduled")),
            ("Available", Number("/status/numberAvailable")),
            AGE,
        ],
    ),
    (
        "jobs.batch",
        &[
            ("Status", Made(job_status)),
            ("Completions", Of("/status/succeeded", "/spec/completions")),
            AGE,
        ],
    ),
    (
        "cronjobs.batch",
        &[("Schedule", At("/spec/schedule")), ("Suspend", At("/spec/suspend")), AGE],
    ),
    (
        "ingresses.networking.k8s.io",
        &[
            ("Class", At("/spec/ingressClassName")),
            ("Hosts", Made(hosts)),
            ("Address", At("/status/loadBalancer/ingress/0/ip")),
            AGE,
        ],
    ),
    (
        "customresourcedefinitions.apiextensions.k8s.io",
        &[("Created At", At("/metadata/creationTimestamp"))],
    ),
];

/// A table of objects. `include`: what of each object goes with its row (`None`, `Metadata`,
/// `Object`).
pub(super) fn table(kind: &Kind, metadata: &Value, objects: &[Arc<Value>], include: &str) -> Value {
    let resource = kind.resource();
    let known = COLUMNS.iter().find(|(one, _)| *one == resource);
    let built_in = known.map_or(&[AGE][..], |(_, columns)| columns);
    let mut definitions = vec![json!({"name": "Name", "type": "string", "format": "name",
                                      "description": "", "priority": 0})];
    let column = |name: &str, format: &Value, priority: &Value| {
        json!({"name": name, "type": "string", "format": format, "description": "",
               "priority": priority})
    };
    if kind.columns.is_empty() {
        definitions.extend(built_in.iter().map(|(name, _)| column(name, &json!(""), &json!(0))));
    } else {
        definitions.extend(kind.columns.iter().map(|one| {
            let priority = one["priority"].as_i64().unwrap_or_default();
            column(one["name"].as_str().unwrap_or_default(), &json!(""), &json!(priority))
        }));
    }
    let row = |object: &Arc<Value>| {
        let mut cells = vec![object["metadata"]["name"].clone()];
        if kind.columns.is_empty() {
            cells.extend(built_in.iter().map(|(_, cell)| cell.of(object)));
        } else {
            cells.extend(kind.columns.iter().map(|column| custom(column, object)));
        }
        let mut row = json!({"cells": cells});
        match include {
            "None" => {}
            "Object" => row["object"] = Value::clone(object),
            _ => row["object"] = metadata_only(object),
        }
        row
    };
    let rows: Vec<Value> = objects.iter().map(row).collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
           "columnDefinitions": definitions, "rows": rows})
}

impl Cell {
    fn of(self, object: &Value) -> Value {
        let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
        match self {
            At(pointer) => match object.pointer(pointer) {
                None | Some(Value::Null) => json!("<none>"),
                Some(Value::String(text)) => json!(text),
                Some(other) => json!(other.to_string()),
            },
            Number(pointer) => json!(number(pointer)),
            Of(some, all) => json!(format!("{}/{}", number(some), number(all))),
            Count(pointer) => {
                json!(
                    object
                        .pointer(pointer)
                        .and_then(Value::as_object)
                        .map_or(0, serde_json::Map::len)
                )
            }
            Since(pointer) => json!(since(object.pointer(pointer).and_then(Value::as_str))),
            Made(make) => make(object),
        }
    }
}

/// The cell of a column of a custom resource; its path may only name fields.
fn custom(column: &Value, object: &Value) -> Value {
    let path = column["jsonPath"].as_str().unwrap_or_default().replace('.', "/");
    let value = object.pointer(&path).cloned().unwrap_or_default();
    match value.as_str() {
        Some(time) if column["type"] == "date" => json!(since(Some(time))),
        _ => value,
    }
}

/// The time since then, in the one or two units that people read.
fn since(time: Option<&str>) -> String {
    let Some(then) = time.and_then(|time| time.parse::<Timestamp>().ok()) else {
        return "<unknown>".to_owned();
    };
    let seconds = Timestamp::now().duration_since(then).as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => format!("{minutes}m{}s", seconds % 60),
        600..10_800 => format!("{minutes}m"),
        10_800..172_800 => format!("{hours}h"),
        _ => format!("{days}d"),
    }
}

fn statuses(pod: &Value) -> &[Value] {
    pod["status"]["containerStatuses"].as_array().map_or(&[], Vec::as_slice)
}

fn ready(pod: &Value) -> Value {
    let all = pod["spec"]["containers"].as_array().map_or(0, Vec::len);
    let ready = statuses(pod).iter().filter(|one| one["ready"] == true).count();
    json!(format!("{ready}/{all}"))
}

fn pod_status(pod: &Value) -> Value {
    if pod["metadata"]["deletionTimestamp"].is_string() {
        return json!("Terminating");
    }
    let waiting = statuses(pod).iter().map(|one| &one["state"]["waiting"]["reason"]);
    waiting.into_iter().find(|reason| reason.is_string()).unwrap_or(&pod["status"]["phase"]).clone()
}

fn restarts(pod: &Value) -> Value {
    json!(statuses(pod).iter().filter_map(|one| one["restartCount"].as_u64()).sum::<u64>())
}

fn ports(service: &Value) -> Value {
    let port = |port: &Value| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        match &port["nodePort"] {
            Value::Null => format!("{}/{protocol}", port["port"]),
            node => format!("{}:{node}/{protocol}", port["port"]),
        }
    };
    let ports = service["spec"]["ports"].as_array().into_iter().flatten();
    json!(ports.map(port).collect::<Vec<_>>().join(","))
}

fn involved(event: &Value) -> Value {
    let text = |field: &str| event["involvedObject"][field].as_str().unwrap_or_default().to_owned();
    json!(format!("{}/{}", text("kind").to_lowercase(), text("name")))
}

fn job_status(job: &Value) -> Value {
    let ended = ["Complete", "Failed", "Suspended"].into_iter().find(|one| is_true(job, one));
    json!(ended.unwrap_or("Running"))
}

fn hosts(ingress: &Value) -> Value {
    let rules = ingress["spec"]["rules"].as_array().into_iter().flatten();
    let hosts: Vec<&str> = rules.map(|rule| rule["host"].as_str().unwrap_or("*")).collect();
    json!(if hosts.is_empty() { "*".to_owned() } else { hosts.join(",") })
}
