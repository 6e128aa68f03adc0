//! What Headstay and people rely on of an API server, asked of the real one and of the sandbox: what
//! is written here is what the real one does.

use serde_json::{Value, json};

use crate::world::place::{JSON, JSON_PATCH, MERGE, Place, STRATEGIC, web};
use crate::world::wait::{DEADLINE, wait_for, wait_until};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

#[test]
fn the_pages_of_a_list_are_of_one_moment() {
    let place = Place::new();
    for name in ["a", "b", "c", "d", "e"] {
        place.config_map(name, json!({}));
    }
    let path = place.core("configmaps");
    let all = place.client.get(&path).unwrap();

    let mut page = place.client.get(&format!("{path}?limit=2")).unwrap();
    assert_eq!(page["metadata"]["remainingItemCount"], 3);
    let moment = page["metadata"]["resourceVersion"].clone();
    place.client.delete(&format!("{path}/d"));
    place.config_map("f", json!({}));
    let mut items = Vec::new();
    loop {
        items.extend(page["items"].as_array().unwrap().clone());
        assert_eq!(page["metadata"]["resourceVersion"], moment);
        let next = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        if next.is_empty() {
            break;
        }
        page = place.client.get(&format!("{path}?limit=2&continue={next}")).unwrap();
    }
    assert_eq!(Value::from(items), all["items"]);
}

#[test]
fn a_watch_goes_on_where_a_list_ended_and_sees_what_its_selector_lets_through() {
    let place = Place::new();
    let path = place.core("configmaps");
    let list = place.client.get(&path).unwrap();
    let red = json!({"metadata": {"labels": {"colour": "red"}}});
    place.config_map("other", json!({}));
    place.config_map("a", red.clone());
    place.client.edit(&format!("{path}/a"), &json!({"data": {"size": "7"}}));
    let out = json!({"metadata": {"labels": {"colour": "blue"}}});
    let out = place.client.edit(&format!("{path}/a"), &out);
    place.config_map("b", red);
    place.client.delete(&format!("{path}/b"));

    let from = list["metadata"]["resourceVersion"].as_str().unwrap();
    let query =
        format!("watch=1&labelSelector=colour%3Dred&resourceVersion={from}&timeoutSeconds=1");
    let watched = place.call("GET", &format!("{path}?{query}"), JSON, &Value::Null);
    let events: Vec<Value> =
        watched.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<(&str, &str)> = events
        .iter()
        .map(|event| {
            let name = &event["object"]["metadata"]["name"];
            (event["type"].as_str().unwrap(), name.as_str().unwrap())
        })
        .collect();
    let expected =
        [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "b"), ("DELETED", "b")];
    assert_eq!(seen, expected);
    let metadata = |event: usize| &events[event]["object"]["metadata"];
    assert_eq!(metadata(2)["labels"]["colour"], "red", "the last state that it let through");
    assert_eq!(metadata(2)["resourceVersion"], out["metadata"]["resourceVersion"]);
}

#[test]
fn writes_and_deletions_can_be_bound_to_the_state_that_was_seen() {
    let place = Place::new();
    let path = format!("{}/a", place.core("configmaps"));
    let old = place.config_map("a", json!({}));
    place.client.edit(&path, &json!({"data": {"colour": "blue"}}));

    let version = old["metadata"]["resourceVersion"].clone();
    let pinned = json!([{"op": "replace", "path": "/metadata/resourceVersion", "value": version}]);
    let options = json!({"preconditions": {"resourceVersion": version}});
    let other = json!({"preconditions": {"uid": "another"}});
    for (method, content_type, body) in [
        ("PUT", JSON, &old),
        ("PATCH", JSON_PATCH, &pinned),
        ("PATCH", MERGE, &json!({"metadata": {"resourceVersion": version}})),
        ("DELETE", JSON, &options),
        ("DELETE", JSON, &other),
    ] {
        let answer = place.call(method, &path, content_type, body);
        assert_eq!(
            (answer.status, &answer.body["reason"]),
            (409, &json!("Conflict")),
            "{answer:?}"
        );
    }

    let now = place.client.get(&path).unwrap();
    let dry = place.call("DELETE", &format!("{path}?dryRun=All"), JSON, &Value::Null);
    assert_eq!(dry.status, 200);
    let edited = place.call("PATCH", &format!("{path}?dryRun=All"), MERGE, &json!({"data": null}));
    assert_eq!(edited.body.get("data"), None);
    let same = place.call("PUT", &path, JSON, &now);
    assert_eq!(same.body, now, "what changes nothing is no write");
    assert_eq!(place.client.get(&path), Some(now));
}

#[test]
fn finalizers_hold_an_object_and_owners_take_theirs_along() {
    let place = Place::new();
    let path = |name: &str| format!("{}/{name}", place.core("configmaps"));
    let held = place.config_map("held", json!({"metadata": {"finalizers": ["ex.org/wait"]}}));
    let marked = place.call("DELETE", &path("held"), JSON, &Value::Null).body;
    assert_eq!(marked["metadata"]["uid"], held["metadata"]["uid"]);
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    place.client.edit(&path("held"), &json!({"metadata": {"finalizers": null}}));
    assert_eq!(place.client.get(&path("held")), None);

    for (policy, stays) in [("Background", false), ("Foreground", false), ("Orphan", true)] {
        let owner = place.config_map("owner", json!({}));
        let reference = json!({"metadata": {"ownerReferences": [{
            "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "blockOwnerDeletion": true,
            "uid": owner["metadata"]["uid"]}]}});
        let dependent = place.config_map(&format!("owned-{}", policy.to_lowercase()), reference);
        let options = json!({"propagationPolicy": policy});
        let answer = place.call("DELETE", &path("owner"), JSON, &options);
        assert_eq!(answer.status, 200, "{answer:?}");
        place.wait_until_gone(&path("owner"));
        let dependent = path(dependent["metadata"]["name"].as_str().unwrap());
        if stays {
            let orphan = place.client.get(&dependent).unwrap();
            assert_eq!(orphan["metadata"].get("ownerReferences"), None);
        } else {
            place.wait_until_gone(&dependent);
        }
    }
}

#[test]
fn a_collection_goes_as_far_as_it_is_selected() {
    let place = Place::new();
    let path = place.core("configmaps");
    for (name, colour) in [("a", "red"), ("b", "red"), ("c", "blue")] {
        place.config_map(name, json!({"metadata": {"labels": {"colour": colour}}}));
    }
    let red = format!("{path}?labelSelector=colour%3Dred");
    let gone = place.call("DELETE", &red, JSON, &Value::Null).body;
    let names = gone["items"].as_array().unwrap().iter().map(|item| &item["metadata"]["name"]);
    assert_eq!(names.collect::<Vec<_>>(), ["a", "b"]);
    let there = |name: &str| place.client.get(&format!("{path}/{name}")).is_some();
    assert_eq!(["a", "b", "c"].map(there), [false, false, true]);
}

#[test]
fn a_namespace_goes_with_what_is_in_it_and_takes_nothing_new() {
    let place = Place::new();
    place.config_map("held", json!({"metadata": {"finalizers": ["ex.org/wait"]}}));
    place.config_map("free", json!({}));
    let path = format!("/api/v1/namespaces/{}", place.namespace);
    let namespace = place.call("DELETE", &path, JSON, &Value::Null).body;
    assert_eq!(namespace["status"]["phase"], "Terminating");

    let late = json!({"metadata": {"name": "late"}});
    let refused = place.call("POST", &place.core("configmaps"), JSON, &late);
    assert_eq!((refused.status, &refused.body["reason"]), (403, &json!("Forbidden")));
    assert_eq!(refused.body["details"]["causes"][0]["reason"], "NamespaceTerminating");
    let free = format!("{}/free", place.core("configmaps"));
    place.wait_until_gone(&free);
    assert!(place.client.get(&path).is_some(), "something is left in it");
    let held = format!("{}/held", place.core("configmaps"));
    place.client.edit(&held, &json!({"metadata": {"finalizers": null}}));
    place.wait_until_gone(&path);
}

#[test]
fn a_custom_resource_is_served_as_its_definition_says() {
    let place = Place::new();
    let group = format!("{}.ex.org", place.namespace);
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "replicas": {"type": "integer"}, "size": {"type": "string", "default": "small"}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}});
    let version = |name: &str, storage: bool| {
        json!({"name": name, "served": true, "storage": storage,
               "schema": {"openAPIV3Schema": schema},
               "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
                                                        "statusReplicasPath": ".status.replicas"}}})
    };
    let definition = json!({"metadata": {"name": format!("gears.{group}")}, "spec": {
        "group": group, "scope": "Namespaced", "names": {"plural": "gears", "kind": "Gear"},
        "versions": [version("v1", true), version("v1beta1", false)]}});
    place.client.create(DEFINITIONS, &definition);
    let definition = format!("{DEFINITIONS}/gears.{group}");
    wait_until("the definition to be established", DEADLINE, || {
        let conditions = &place.client.get(&definition).unwrap()["status"]["conditions"];
        let conditions = conditions.as_array().cloned().unwrap_or_default();
        conditions.iter().any(|one| one["type"] == "Established" && one["status"] == "True")
    });
    let path = format!("/apis/{group}/v1/namespaces/{}/gears", place.namespace);
    wait_until("the kind to be served", DEADLINE, || place.client.get(&path).is_some());

    let gear = json!({"apiVersion": format!("{group}/v1"), "kind": "Gear",
                      "metadata": {"name": "a"}, "spec": {"replicas": 1, "teeth": 8}});
    let made = place.client.create(&path, &gear);
    assert_eq!(made["spec"], json!({"replicas": 1, "size": "small"}), "pruned and completed");
    let path = format!("{path}/a");
    let status = json!({"spec": {"replicas": 7}, "status": {"replicas": 1, "more": {"x": 1}}});
    let told = place.client.edit(&format!("{path}/status"), &status);
    assert_eq!((&told["spec"]["replicas"], &told["status"]["more"]["x"]), (&json!(1), &json!(1)));
    assert_eq!(told["metadata"]["generation"], 1);
    let scaled = place.client.edit(&format!("{path}/scale"), &json!({"spec": {"replicas": 3}}));
    assert_eq!(
        (&scaled["spec"]["replicas"], &scaled["status"]["replicas"]),
        (&json!(3), &json!(1))
    );
    let beta = place.client.get(&path.replace("/v1/", "/v1beta1/")).unwrap();
    assert_eq!(beta["apiVersion"], format!("{group}/v1beta1"));
    assert_eq!(
        (&beta["spec"]["replicas"], &beta["metadata"]["generation"]),
        (&json!(3), &json!(2))
    );

    place.client.delete(&definition);
    place.wait_until_gone(&path);
    place.wait_until_gone(&definition);
}

#[test]
fn the_generation_moves_with_the_spec_alone() {
    let place = Place::new();
    let path = format!("{}/web", place.apps("deployments"));
    let generation = |object: &Value| object["metadata"]["generation"].as_u64().unwrap();
    let made = place.client.create(&place.apps("deployments"), &web(0));
    assert_eq!(generation(&made), 1);
    let labelled = place.client.edit(&path, &json!({"metadata": {"labels": {"a": "b"}}}));
    assert_eq!(generation(&labelled), 1);
    let told = place.client.edit(&format!("{path}/status"), &json!({"spec": {"replicas": 9}}));
    assert_eq!((generation(&told), &told["spec"]["replicas"]), (1, &json!(0)));
    let edited = place
        .client
        .edit(&path, &json!({"spec": {"minReadySeconds": 1}, "status": {"replicas": 9}}));
    assert_eq!(generation(&edited), 2);
    assert_ne!(edited["status"]["replicas"], 9);
    let scaled = place.client.edit(&format!("{path}/scale"), &json!({"spec": {"replicas": 0}}));
    assert_eq!(scaled["metadata"].get("generation"), None);
    assert_eq!(generation(&place.client.get(&path).unwrap()), 2);
}

#[test]
fn a_deployment_gets_its_replica_set_and_its_pods_and_counts_them() {
    let place = Place::new();
    let path = format!("{}/web", place.apps("deployments"));
    let pods = place.core("pods");
    place.client.create(&place.apps("deployments"), &web(1));
    place.client.run_pod(&pods);
    let count = |field: &str| {
        let status = place.client.get(&path).unwrap()["status"].clone();
        status[field].as_u64().unwrap_or_default()
    };
    let complete = || {
        wait_for("the Deployment to be complete", DEADLINE, || {
            let web = place.client.get(&path).unwrap();
            let all = ["updatedReplicas", "readyReplicas", "availableReplicas", "replicas"];
            let observed = web["status"]["observedGeneration"] == web["metadata"]["generation"];
            let complete = observed && all.iter().all(|one| web["status"][one] == 1);
            if complete { Ok(()) } else { Err(web["status"].to_string()) }
        });
    };
    complete();
    let first = place.names(&pods);
    assert!(first[0].starts_with("web-"), "{first:?}");

    let containers = json!([{"name": "web", "image": "web:2"}]);
    let image = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    let after = place.call("PATCH", &path, STRATEGIC, &image).body;
    let containers = &after["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers[0]["ports"][0]["containerPort"], 80, "the rest of the container stays");
    assert_eq!(containers[1]["image"], "log:1");
    wait_until("a Pod of the new template", DEADLINE, || place.names(&pods).len() == 2);
    assert_eq!(count("availableReplicas"), 1, "the old one stays until the new one works");
    let new = place.names(&pods).into_iter().find(|name| !first.contains(name)).unwrap();
    let ready = json!([{"type": "Ready", "status": "True"}]);
    let running = json!({"status": {"phase": "Running", "conditions": ready}});
    place.client.edit(&format!("{pods}/{new}/status"), &running);
    wait_until("the old Pod to be gone", DEADLINE, || place.names(&pods) == [new.clone()]);
    complete();

    place.client.delete(&path);
    wait_until("the Pods to be gone", DEADLINE, || place.names(&pods).is_empty());
    assert!(place.names(&place.apps("replicasets")).is_empty());
}
