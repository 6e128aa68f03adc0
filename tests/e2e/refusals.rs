//! Refusals, in the words of the real API server: the sandbox has them, too.

use serde_json::{Value, json};

use crate::world::place::{APPLY, JSON, JSON_PATCH, MERGE, Place, web};

/// Makes a request that must be refused with this code, reason and message.
#[track_caller]
fn refuses(
    place: &Place,
    (method, path, content_type, body): (&str, &str, &str, Value),
    (code, reason, message): (u16, &str, &str),
) {
    let answer = place.call(method, path, content_type, &body);
    let told = (answer.status, answer.body["reason"].as_str(), answer.body["message"].as_str());
    assert_eq!(told, (code, Some(reason), Some(message)), "{method} {path}");
    assert_eq!((&answer.body["kind"], &answer.body["code"]), (&json!("Status"), &json!(code)));
}

fn named(name: &str) -> Value {
    json!({"metadata": {"name": name}})
}

#[test]
fn what_is_not_there_or_there_already() {
    let place = Place::new();
    place.config_map("a", json!({}));
    let maps = place.core("configmaps");
    let none = format!("{maps}/none");
    let missing = (404, "NotFound", "configmaps \"none\" not found");
    refuses(&place, ("GET", &none, "", Value::Null), missing);
    refuses(&place, ("PATCH", &none, MERGE, json!({})), missing);
    refuses(&place, ("PUT", &none, JSON, named("none")), missing);
    refuses(&place, ("DELETE", &none, "", Value::Null), missing);
    let message = "the server could not find the requested resource";
    refuses(&place, ("GET", "/api/v1/gizmos", "", Value::Null), (404, "NotFound", message));
    let nowhere = "/api/v1/namespaces/nowhere/configmaps";
    let message = "namespaces \"nowhere\" not found";
    refuses(&place, ("POST", nowhere, JSON, named("a")), (404, "NotFound", message));
    let message = "configmaps \"a\" already exists";
    refuses(&place, ("POST", &maps, JSON, named("a")), (409, "AlreadyExists", message));
    let message = "the server does not allow this method on the requested resource";
    let post = ("POST", &*format!("{maps}/a"), JSON, named("a"));
    refuses(&place, post, (405, "MethodNotAllowed", message));
}

#[test]
fn what_does_not_fit_the_request() {
    let place = Place::new();
    place.config_map("a", json!({}));
    let a = format!("{}/a", place.core("configmaps"));
    let message = "the name of the object (b) does not match the name on the URL (a)";
    refuses(&place, ("PUT", &a, JSON, named("b")), (400, "BadRequest", message));
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}});
    let by_x = format!("{a}?fieldManager=x");
    let message = "invalid object type: /v1, Kind=Secret";
    refuses(&place, ("PATCH", &by_x, APPLY, secret), (400, "BadRequest", message));
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap"});
    let message = "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is \
                   required for apply patch";
    refuses(&place, ("PATCH", &a, APPLY, map), (422, "Invalid", message));
    let test = json!([{"op": "test", "path": "/data", "value": 1}]);
    let message = "the server rejected our request due to an error in our request";
    refuses(&place, ("PATCH", &a, JSON_PATCH, test), (422, "Invalid", message));
    let selected = format!("{}?fieldSelector=data.x%3Dy", place.core("configmaps"));
    let message = "\"data.x\" is not a known field selector: only \"metadata.name\", \
                   \"metadata.namespace\"";
    refuses(&place, ("GET", &selected, "", Value::Null), (400, "BadRequest", message));
}

#[test]
fn what_is_not_valid_or_may_not_change() {
    let place = Place::new();
    place.config_map("fixed", json!({"immutable": true}));
    let maps = place.core("configmaps");
    let message = "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName \
                   is required";
    refuses(&place, ("POST", &maps, JSON, json!({"metadata": {}})), (422, "Invalid", message));
    let blue = ("PATCH", &*format!("{maps}/fixed"), MERGE, json!({"data": {"colour": "blue"}}));
    let message = "ConfigMap \"fixed\" is invalid: data: Forbidden: field is immutable when \
                   `immutable` is set";
    refuses(&place, blue, (422, "Invalid", message));

    let deployments = place.apps("deployments");
    place.client.create(&deployments, &web(0));
    let other = json!({"spec": {"selector": {"matchLabels": {"app": "db"}},
                                "template": {"metadata": {"labels": {"app": "db"}}}}});
    let message = "Deployment.apps \"web\" is invalid: spec.selector: Invalid value: \
                   {\"matchLabels\":{\"app\":\"db\"}}: field is immutable";
    let web = format!("{deployments}/web");
    refuses(&place, ("PATCH", &web, MERGE, other), (422, "Invalid", message));
    let stray = json!({"metadata": {"name": "stray"}, "spec": {
        "selector": {"matchLabels": {"app": "a"}},
        "template": {"metadata": {"labels": {"app": "b"}},
                     "spec": {"containers": [{"name": "a", "image": "a:1"}]}}}});
    let message = "Deployment.apps \"stray\" is invalid: spec.template.metadata.labels: Invalid \
                   value: {\"app\":\"b\"}: `selector` does not match template `labels`";
    refuses(&place, ("POST", &deployments, JSON, stray), (422, "Invalid", message));
    let refused = place.call("POST", &maps, JSON, &named("Not_A_Name"));
    let cause = &refused.body["details"]["causes"][0];
    assert_eq!((refused.status, &cause["field"]), (422, &json!("metadata.name")), "{refused:?}");
}
