use super::*;

fn at(field: &str) -> Vec<Obstacle> {
    vec![Obstacle::of_refusal(field, "FieldValueForbidden")]
}

#[expect(clippy::needless_pass_by_value, reason = "always called with json!")]
fn entry(manager: &str, operation: &str, fields: Value) -> Value {
    json!({"manager": manager, "operation": operation, "fieldsType": "FieldsV1",
           "apiVersion": "v1", "fieldsV1": fields})
}

#[expect(clippy::needless_pass_by_value, reason = "always called with json!")]
fn live(spec: Value, entries: &[Value]) -> Value {
    json!({"metadata": {"resourceVersion": "7", "managedFields": entries}, "spec": spec})
}

/// The fields of each manager after the way was cleared.
fn taken(live: &Value, wanted: &Value, obstacles: &[Obstacle]) -> Option<Vec<Value>> {
    let patch = clear(live, &json!({"spec": wanted}), obstacles)?;
    let entries = patch[1]["value"].as_array()?.iter();
    Some(entries.map(|entry| entry["fieldsV1"]["f:spec"].clone()).collect())
}

#[test]
fn a_path_of_a_refusal_is_read_without_positions() {
    for (field, path) in [
        ("spec.ports[1].name", vec!["spec", "ports", "name"]),
        ("data[a.b]", vec!["data", "a.b"]),
        ("spec", vec!["spec"]),
        ("", vec![]),
    ] {
        assert_eq!(steps(field), path);
    }
}

#[test]
fn what_the_api_server_filled_in_goes_when_it_refuses_it() {
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}});
    let ours = entry("headstay", "Apply", json!({"f:spec": {"f:replicas": {}}}));
    let object = live(json!({"strategy": strategy, "replicas": 1}), std::slice::from_ref(&ours));
    let wanted = json!({"replicas": 1, "strategy": {"type": "Recreate"}});
    let after = taken(&object, &wanted, &at("spec.strategy.rollingUpdate"));
    let rolling = json!({".": {}, "f:maxSurge": {}});
    let expected = json!({"f:replicas": {}, "f:strategy": {"f:rollingUpdate": rolling}});
    assert_eq!(after.unwrap(), [expected]);
    let asked = cleared(&object, &json!({"spec": wanted}), &at("spec.strategy.rollingUpdate"));
    let strategy = json!({"type": "Recreate", "rollingUpdate": null});
    assert_eq!(asked["spec"], json!({"replicas": 1, "strategy": strategy}));

    let controller = entry(
        "tuner",
        "Update",
        json!({"f:spec": {"f:strategy": {
        "f:rollingUpdate": {"f:maxSurge": {}}}}}),
    );
    let object = live(object["spec"].clone(), &[ours.clone(), controller]);
    let kept = taken(&object, &wanted, &at("spec.strategy.rollingUpdate"));
    assert_eq!(kept, None, "a controller keeps its fields");

    let person = entry(
        "kubectl-edit",
        "Update",
        json!({"f:spec": {"f:strategy": {
        "f:rollingUpdate": {"f:maxSurge": {}}}}}),
    );
    let object = live(object["spec"].clone(), &[ours, person]);
    let after = taken(&object, &wanted, &at("spec.strategy.rollingUpdate")).unwrap();
    assert_eq!(after.len(), 1, "a person does not");
}

#[test]
fn what_stands_beside_a_refused_field_goes_where_that_is_named_by_git() {
    let item = json!({"f:volumes": {"k:{\"name\":\"v\"}": {".": {}, "f:name": {}}}});
    let ours = entry("headstay", "Apply", json!({"f:spec": item}));
    let object = live(json!({"volumes": [{"name": "v", "emptyDir": {}}]}), &[ours]);
    let wanted = json!({"volumes": [{"name": "v", "configMap": {"name": "a"}}]});
    let after = taken(&object, &wanted, &at("spec.volumes[0].configMap")).unwrap();
    assert_eq!(after[0]["f:volumes"]["k:{\"name\":\"v\"}"]["f:emptyDir"], json!({".": {}}));
}

fn ports(manager: &str, operation: &str, numbers: &[u16]) -> Value {
    let item = |port: &u16| {
        (format!("k:{{\"port\":{port},\"protocol\":\"TCP\"}}"), json!({".": {}, "f:port": {}}))
    };
    let items: Fields = numbers.iter().map(item).collect();
    entry(manager, operation, json!({"f:spec": {"f:ports": items}}))
}

#[test]
fn an_item_whose_key_a_person_changed_becomes_ours_again() {
    let port = |number: u16| json!({"port": number, "protocol": "TCP"});
    let wanted = json!({"ports": [{"name": "http", "port": 80}]});
    let twice = [Obstacle::of_refusal("spec.ports[1].name", "FieldValueDuplicate")];
    let edited = live(
        json!({"ports": [port(8080)]}),
        &[
            entry("headstay", "Apply", json!({"f:spec": {"f:selector": {}}})),
            ports("kubectl-edit", "Update", &[8080]),
        ],
    );
    for obstacles in [&twice[..], &[Obstacle::Rekeyed]] {
        let after = taken(&edited, &wanted, obstacles).unwrap();
        let mut ours = ports("", "", &[8080])["fieldsV1"]["f:spec"].clone();
        ours["f:selector"] = json!({});
        assert_eq!(after, [ours]);
    }
    let added = live(
        json!({"ports": [port(80), port(9090)]}),
        &[ports("headstay", "Apply", &[80]), ports("kubectl-edit", "Update", &[9090])],
    );
    assert_eq!(taken(&added, &wanted, &[Obstacle::Rekeyed]), None, "an addition stays");
    // What was refused is claimed with the item that it is in, where Git has no such item.
    let refused = [Obstacle::of_refusal("spec.ports[0].name", "FieldValueRequired")];
    let ours = taken(&edited, &wanted, &refused).unwrap();
    assert!(ours[0]["f:ports"]["k:{\"port\":8080,\"protocol\":\"TCP\"}"]["."].is_object());
    let udp = json!({"port": 80, "protocol": "UDP"});
    let other =
        json!({"f:ports": {"k:{\"port\":80,\"protocol\":\"UDP\"}": {".": {}, "f:port": {}}}});
    let person = entry("kubectl-edit", "Update", json!({"f:spec": other}));
    let other_protocol =
        live(json!({"ports": [udp]}), &[ports("headstay", "Apply", &[80]), person]);
    let ours = taken(&other_protocol, &wanted, &[Obstacle::Rekeyed]).unwrap();
    assert_eq!(
        ours[0]["f:ports"].as_object().unwrap().len(),
        2,
        "that of Git has another protocol"
    );

    let elsewhere = [Obstacle::of_refusal("spec.rules[0]", "FieldValueDuplicate")];
    assert_eq!(taken(&added, &wanted, &elsewhere), None);
}
