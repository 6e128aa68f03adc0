//! What stands in the way of an apply on the live object is cleared away, and holds up nobody else.

use serde_json::{Value, json};

use crate::world::manifests::{config_map, deployment};
use crate::world::wait::{DEADLINE, wait_until};
use crate::world::{Setup, World};

const WEB: &str = "apps/shop/web.yaml";

/// A Service, its spec in YAML's flow style.
fn service(spec: &str) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec: {{{spec}}}\n")
}

fn live(world: &World, api_version: &str, plural: &str) -> Value {
    world.kubernetes.get(&format!("{}/web", world.path(api_version, plural))).unwrap()
}

/// Pushes a Deployment, and waits until it is applied; nobody waits for its Pods here.
fn apply_unhealthy(world: &World, text: &str) {
    let pushed = world.push(&[(WEB, Some(text))]);
    wait_until("it to be applied", DEADLINE, || {
        let sync = world.headstay.sync(&pushed.sync);
        assert_ne!(sync["state"], "Failed", "{sync:#}");
        sync["appliedAt"].is_string()
    });
}

#[test]
fn a_port_that_a_person_changed_is_put_back_and_holds_up_nothing() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();
    world.apply(&[(WEB, Some(&service("ports: [{name: http, port: 80}]")))]);
    let path = format!("{}/web", world.path("v1", "services"));
    let ports = || live(&world, "v1", "services")["spec"]["ports"].clone();
    let edited = json!({"spec": {"ports": [{"name": "http", "port": 8080, "targetPort": 8080}]}});
    world.kubernetes.edit(&path, &edited);
    wait_until("the port to be put back", DEADLINE, || {
        let ports = ports();
        ports.as_array().unwrap().len() == 1 && ports[0]["port"] == 80
    });

    world.kubernetes.edit(&path, &edited);
    let pushed = world.push(&[("apps/shop/settings.yaml", Some(&config_map("settings", "red")))]);
    world.headstay.wait_until_through(&pushed.sync);
    wait_until("the port to be put back", DEADLINE, || ports()[0]["port"] == 80);
    world.finish();
}

#[test]
fn a_port_is_put_back_whatever_of_it_a_person_changed() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();
    let path = format!("{}/web", world.path("v1", "services"));
    for (wanted, edited) in [
        ("ports: [{port: 80}]", json!({"port": 8080, "targetPort": 80})),
        (
            "type: NodePort, ports: [{port: 80, nodePort: 30180}]",
            json!({"port": 8080, "targetPort": 80, "nodePort": 30180}),
        ),
        (
            "ports: [{name: dns, port: 53}]",
            json!({"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"}),
        ),
    ] {
        world.apply(&[(WEB, Some(&service(wanted)))]);
        let ports = || live(&world, "v1", "services")["spec"]["ports"].clone();
        let (before, uid) = (ports(), live(&world, "v1", "services")["metadata"]["uid"].clone());
        world.kubernetes.edit(&path, &json!({"spec": {"ports": [edited]}}));
        assert_ne!(ports(), before);
        wait_until("the port to be put back", DEADLINE, || ports() == before);
        assert_eq!(live(&world, "v1", "services")["metadata"]["uid"], uid, "{wanted}");
    }
    world.finish();
}

#[test]
fn what_was_filled_in_beside_another_strategy_goes_with_it() {
    let world = World::start();
    apply_unhealthy(&world, &deployment("web", "web:1"));
    let strategy = || live(&world, "apps/v1", "deployments")["spec"]["strategy"].clone();
    assert_eq!(strategy()["type"], "RollingUpdate");
    let recreated = |more: &str| {
        deployment("web", "web:1").replace("  replicas: 1", &format!("  replicas: 1\n{more}"))
    };
    apply_unhealthy(&world, &recreated("  strategy: {type: Recreate}"));
    assert_eq!(strategy(), json!({"type": "Recreate"}));

    let volumes = |volume: &str| {
        recreated("  strategy: {type: Recreate}") + &format!("      volumes: [{volume}]\n")
    };
    apply_unhealthy(&world, &volumes("{name: files}"));
    apply_unhealthy(&world, &volumes("{name: files, configMap: {name: settings}}"));
    let volume = &live(&world, "apps/v1", "deployments")["spec"]["template"]["spec"]["volumes"][0];
    assert!(volume.get("emptyDir").is_none() && volume["configMap"].is_object(), "{volume}");

    // A mistake of the commit is still one, and nothing is written.
    let wrong = recreated("  strategy: {type: Recreate, rollingUpdate: {maxSurge: 1}}");
    let changes =
        [(WEB, Some(&*wrong)), ("apps/shop/settings.yaml", Some(&*config_map("settings", "red")))];
    let pushed = world.push(&changes.map(|(path, text)| (path, text)));
    world.headstay.wait_for_state(&pushed.sync, "Retrying");
    assert_eq!(world.colour("settings").as_deref(), Some("blue"));
    world.finish();
}

#[test]
fn a_service_without_an_address_gets_one_when_it_may_be_made_anew() {
    let world = World::start();
    world.apply(&[(WEB, Some(&service("clusterIP: None, ports: [{port: 80}]")))]);
    let uid = live(&world, "v1", "services")["metadata"]["uid"].clone();
    let addressed = service("clusterIP: 10.0.77.7, ports: [{port: 80}]")
        .replace("{name: web}", "{name: web, annotations: {headstay.dev/force: enabled}}");
    world.apply(&[(WEB, Some(&addressed))]);
    let service = live(&world, "v1", "services");
    assert_eq!(service["spec"]["clusterIP"], "10.0.77.7");
    assert_ne!(service["metadata"]["uid"], uid);
    world.finish();
}
