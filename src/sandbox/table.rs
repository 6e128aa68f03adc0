//! Tables, as `kubectl get` shows them: the columns of the kinds that people look at, and of custom
//! resources what their definition says.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::sandbox::kinds::Kind;
use crate::sandbox::object::{is_leaving, is_true, items, text};

/// Its head says how it is to be read.
const TABLE: &str = include_str!("table.txt");
const AGE: &str = "Age: since /metadata/creationTimestamp";

/// A column after the name.
struct Column<'a> {
    name: &'a str,
    /// What it shows, in the words of the table.
    cell: String,
    priority: i64,
}

/// A table of objects. `beside`: what of each object goes with its row, if anything.
pub(super) fn table(
    kind: &Kind,
    metadata: &Value,
    objects: &[Arc<Value>],
    beside: impl Fn(&Value) -> Option<Value>,
) -> Value {
    let columns = columns(kind);
    let definition = |name: &str, format: &str, priority: i64| {
        json!({"name": name, "type": "string", "format": format, "description": "",
               "priority": priority})
    };
    let mut definitions = vec![definition("Name", "name", 0)];
    definitions.extend(columns.iter().map(|one| definition(one.name, "", one.priority)));
    let row = |object: &Arc<Value>| {
        let mut cells = vec![object["metadata"]["name"].clone()];
        cells.extend(columns.iter().map(|column| cell(&column.cell, object)));
        let mut row = json!({"cells": cells});
        if let Some(beside) = beside(object) {
            row["object"] = beside;
        }
        row
    };
    let rows: Vec<Value> = objects.iter().map(row).collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
           "columnDefinitions": definitions, "rows": rows})
}

fn columns(kind: &Kind) -> Vec<Column<'_>> {
    if kind.columns.is_empty() {
        let line =
            TABLE.lines().find_map(|line| line.strip_prefix(&*kind.resource)?.strip_prefix(" | "));
        let columns = line.unwrap_or(AGE).split(" | ").filter_map(|one| one.split_once(": "));
        return columns
            .map(|(name, cell)| Column { name, cell: cell.to_owned(), priority: 0 })
            .collect();
    }
    let column = |column: &'_ Value| {
        // Its path may only name fields.
        let path = text(&column["jsonPath"]).replace('.', "/");
        let shows = if column["type"] == "date" { "date" } else { "value" };
        (format!("{shows} {path}"), column["priority"].as_i64().unwrap_or_default())
    };
    let columns = kind.columns.iter().map(|one| (text(&one["name"]), column(one)));
    columns.map(|(name, (cell, priority))| Column { name, cell, priority }).collect()
}

fn cell(shows: &str, object: &Value) -> Value {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    match shows.split(' ').collect::<Vec<_>>()[..] {
        ["value", at] => object.pointer(at).cloned().unwrap_or_default(),
        ["date", at] => object.pointer(at).map_or(Value::Null, |at| json!(since(at.as_str()))),
        ["number", at] => json!(number(at)),
        ["of", some, all] => json!(format!("{}/{}", number(some), number(all))),
        ["count", at] => {
            json!(object.pointer(at).and_then(Value::as_object).map_or(0, Map::len))
        }
        ["since", at] => json!(since(object.pointer(at).and_then(Value::as_str))),
        ["ready-containers"] => ready(object),
        ["pod-status"] => pod_status(object),
        ["restarts"] => restarts(object),
        ["ports"] => ports(object),
        ["node-status"] => json!(if is_true(object, "Ready") { "Ready" } else { "NotReady" }),
        ["involved"] => involved(object),
        ["job-status"] => job_status(object),
        ["hosts"] => hosts(object),
        _ => match object.pointer(shows) {
            None | Some(Value::Null) => json!("<none>"),
            Some(Value::String(text)) => json!(text),
            Some(other) => json!(other.to_string()),
        },
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
    items(&pod["status"]["containerStatuses"])
}

fn ready(pod: &Value) -> Value {
    let all = items(&pod["spec"]["containers"]).len();
    let ready = statuses(pod).iter().filter(|one| one["ready"] == true).count();
    json!(format!("{ready}/{all}"))
}

fn pod_status(pod: &Value) -> Value {
    if is_leaving(pod) {
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
    let ports = items(&service["spec"]["ports"]).iter();
    json!(ports.map(port).collect::<Vec<_>>().join(","))
}

fn involved(event: &Value) -> Value {
    let object = &event["involvedObject"];
    json!(format!("{}/{}", text(&object["kind"]).to_lowercase(), text(&object["name"])))
}

fn job_status(job: &Value) -> Value {
    let ended = ["Complete", "Failed", "Suspended"].into_iter().find(|one| is_true(job, one));
    json!(ended.unwrap_or("Running"))
}

fn hosts(ingress: &Value) -> Value {
    let rules = items(&ingress["spec"]["rules"]).iter();
    let hosts: Vec<&str> = rules.map(|rule| rule["host"].as_str().unwrap_or("*")).collect();
    json!(if hosts.is_empty() { "*".to_owned() } else { hosts.join(",") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_table_is_a_cell() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        let cells = lines.flat_map(|line| line.split(" | ").skip(1));
        for (_, shows) in cells.map(|one| one.split_once(": ").unwrap()) {
            let known = shows.starts_with('/') || cell(shows, &json!({})) != "<none>";
            assert!(known, "there is no cell `{shows}`");
        }
    }
}
