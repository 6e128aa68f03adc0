//! The kinds of the sandbox are those of the real API server.

use serde_json::Value;

use crate::world::api_server::ApiServer;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sandbox/kinds.txt");
/// Versions that the sandbox leaves out: it would have to convert them.
const LEFT_OUT: [&str; 2] = ["events.k8s.io/v1", "autoscaling/v1"];

/// With `HEADSTAY_RECORD` in the environment it writes the table anew.
#[test]
fn the_sandbox_serves_the_kinds_of_the_api_server() {
    let client = ApiServer::shared().client();
    let plain = |path: &str| client.get(path).unwrap();
    let groups = plain("/apis")["groups"].as_array().unwrap().clone();
    let versions = groups.iter().flat_map(|group| group["versions"].as_array().unwrap().clone());
    let versions = versions.map(|version| version["groupVersion"].as_str().unwrap().to_owned());
    let mut table = lines(&plain("/api/v1"));
    for version in versions.filter(|version| !LEFT_OUT.contains(&&**version)) {
        // Stories on this server may have definitions of their own; the groups of Kubernetes have
        // no dot, or end so.
        let group = version.split('/').next().unwrap_or_default();
        if !group.contains('.') || group.ends_with(".k8s.io") {
            table.extend(lines(&plain(&format!("/apis/{version}"))));
        }
    }
    let table = table.join("\n") + "\n";
    if std::env::var_os("HEADSTAY_RECORD").is_some() {
        std::fs::write(TABLE, &table).unwrap();
    }
    assert_eq!(table, std::fs::read_to_string(TABLE).unwrap());
}

/// A line for each kind of a group and version that can be created and listed.
fn lines(list: &Value) -> Vec<String> {
    let resources = list["resources"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let texts = |value: &Value| match value.as_array() {
        Some(texts) => texts.iter().map(text).collect::<Vec<_>>().join(","),
        None => "-".to_owned(),
    };
    let has =
        |resource: &Value, verb: &str| resource["verbs"].as_array().unwrap().contains(&verb.into());
    let stored = resources
        .iter()
        .filter(|one| !text(&one["name"]).contains('/') && has(one, "create") && has(one, "list"));
    let line = |one: &Value| {
        let plural = text(&one["name"]);
        let there =
            |name: &&str| resources.iter().any(|one| one["name"] == format!("{plural}/{name}"));
        let subresources: Vec<&str> =
            ["scale", "status"].into_iter().filter(|one| there(one)).collect();
        let subresources =
            if subresources.is_empty() { "-".to_owned() } else { subresources.join(",") };
        let scope = if one["namespaced"] == true { "Namespaced" } else { "Cluster" };
        format!(
            "{} {plural} {} {} {scope} {} {} {subresources}",
            text(&list["groupVersion"]),
            text(&one["singularName"]),
            text(&one["kind"]),
            texts(&one["shortNames"]),
            texts(&one["categories"]),
        )
    };
    stored.map(line).collect()
}
