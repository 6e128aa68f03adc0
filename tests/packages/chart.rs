//! The chart: what its values lead to, and what they may not be.

use std::path::Path;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::parts::{ROOT, Release, assert_good_configuration, kinds, one};
use crate::world::leash;

const IMAGE: &str = "image.repository=registry.example.org/headstay";
/// What there is in any case.
const CORE: [&str; 2] = ["Deployment", "Service"];
/// What there is unless it is the user's own.
const OWN: [&str; 3] = ["ConfigMap", "PersistentVolumeClaim", "ServiceAccount"];

#[test]
fn every_way_to_set_it_up_makes_objects_that_an_api_server_takes() {
    let cluster = Cluster::shared();
    for namespace in ["ops", "shop", "shop-staging"] {
        cluster.namespace(namespace);
    }
    let release = |name, settings| Release { name, namespace: "ops", file: None, settings };
    let cases = [
        (release("plain", &[IMAGE]), &OWN[..]),
        (
            release("listed", &[IMAGE, "rbac.namespaces={shop,shop-staging}"]),
            &[&OWN[..], &["Role", "Role", "RoleBinding", "RoleBinding"]].concat(),
        ),
        (
            release("wide", &[IMAGE, "rbac.profile=clusterWide"]),
            &[&OWN[..], &["ClusterRole", "ClusterRoleBinding"]].concat(),
        ),
        (
            release("open", &[IMAGE, "ingress.enabled=true", "ingress.hosts={a.example.org}"]),
            &[&OWN[..], &["Ingress"]].concat(),
        ),
        (
            release(
                "own",
                &[
                    IMAGE,
                    "existingSecret=mine",
                    "existingConfigMap=mine",
                    "persistence.existingClaim=mine",
                    "serviceAccount.create=false",
                    "serviceAccount.name=mine",
                ],
            ),
            &[],
        ),
        (
            Release { file: Some("everything.yaml"), ..release("prod", &[]) },
            &[
                &OWN[..],
                &["ClusterRole", "ClusterRoleBinding", "ConfigMap", "HTTPRoute", "Ingress"],
                &["NetworkPolicy", "PodDisruptionBudget", "PrometheusRule", "ServiceMonitor"],
            ]
            .concat(),
        ),
    ];
    for (release, extra) in cases {
        release.lint().unwrap();
        let objects = release.objects().unwrap();
        let mut expected = [&CORE[..], extra].concat();
        expected.sort_unstable();
        assert_eq!(kinds(&objects), expected, "{}", release.name);
        for object in &objects {
            cluster.apply(object);
            assert_grants_no_more_than_it_says(object);
        }
    }
}

/// No binding is to a role that is not the chart's, and no rule of its own lifts Headstay above
/// what it was given.
fn assert_grants_no_more_than_it_says(object: &Value) {
    if let Some(role) = object["roleRef"]["name"].as_str() {
        assert_eq!(object["metadata"]["name"], role, "{object:#}");
    }
    let by_default = object["metadata"]["labels"]["app.kubernetes.io/instance"] != "prod";
    for rule in object["rules"].as_array().into_iter().flatten().filter(|_| by_default) {
        let verbs = json!(["get", "list", "watch", "create", "patch", "update", "delete"]);
        assert_eq!(rule["verbs"], verbs);
    }
}

#[test]
fn only_webhooks_can_be_reached_from_outside() {
    let file = Some("everything.yaml");
    let release = Release { name: "prod", namespace: "ops", file, settings: &[] };
    let objects = release.objects().unwrap();
    let ingress = &one(&objects, "Ingress")["spec"]["rules"];
    let paths = &ingress[0]["http"]["paths"];
    assert_eq!(paths[0]["path"], "/webhooks/");
    assert_eq!(paths.as_array().unwrap().len(), 1);
    let rules = &one(&objects, "HTTPRoute")["spec"]["rules"];
    assert_eq!(
        rules[0]["matches"],
        json!([{"path": {"type": "PathPrefix", "value": "/webhooks/"}}])
    );
    assert_eq!(rules.as_array().unwrap().len(), 1);
}

#[test]
fn values_that_cannot_work_are_refused_with_the_reason() {
    for (setting, reason) in [
        ("replicas=2", "'/replicas': maximum: got 2, want 1"),
        ("typo=1", "additional properties 'typo' not allowed"),
        ("rbac.profile=admin", "'clusterWide', 'namespaces'"),
        ("rbac.profile=clusterWide,rbac.namespaces={shop}", "'/rbac/namespaces'"),
        ("rbac.namespaces={ops}", "rbac.namespaces: leave out ops"),
        ("ingress.enabled=true", "'/ingress/hosts'"),
        ("httpRoute.enabled=true", "'/httpRoute/parentRefs'"),
        ("serviceAccount.create=false", "serviceAccount.name: needed"),
        ("image.repository=", "image.repository: the name of the image"),
        ("config.store.url=sqlite://var/headstay.db", "'/config/store/url'"),
        ("config.server.listen=127.0.0.1:8080", "'/config/server/listen'"),
        ("config.receivers[0].name=GitHub", "'/config/receivers/0/name'"),
        ("terminationGracePeriodSeconds=30", "'/terminationGracePeriodSeconds'"),
    ] {
        let settings = &[IMAGE, setting];
        let release = Release { name: "headstay", namespace: "ops", file: None, settings };
        let words = release.objects().expect_err(setting);
        assert!(words.contains(reason), "{setting}: {words}");
    }
}

#[test]
fn the_configuration_becomes_one_that_headstay_takes_and_restarts_it_only_where_it_must() {
    let before = configured("replicas=1");
    assert_good_configuration(one(&before, "ConfigMap"));
    let pods = |objects: &[Value]| one(objects, "Deployment")["spec"]["template"].clone();
    for (setting, restarts) in [
        ("config.applications[0].path=apps/other", false),
        ("config.server.limits.failedVerificationsPerMinute=9", false),
        ("config.server.suspend=true", false),
        ("config.server.limits.workers=9", true),
        ("config.store.url=sqlite:///var/lib/headstay/other.db", true),
    ] {
        let after = configured(setting);
        assert_ne!(one(&before, "ConfigMap"), one(&after, "ConfigMap"), "{setting}");
        assert_eq!(pods(&before) != pods(&after), restarts, "{setting}");
    }
}

#[test]
fn the_values_that_the_page_shows_work() {
    let page = std::fs::read_to_string(Path::new(ROOT).join("deploy/README.md")).unwrap();
    let (_, rest) = page.split_once("```yaml\n# values.yaml\n").unwrap();
    let values = leash::folder("values").join("values.yaml");
    std::fs::write(&values, rest.split_once("```").unwrap().0).unwrap();
    let file = values.to_str();
    let release = Release { name: "headstay", namespace: "headstay", file, settings: &[] };
    release.lint().unwrap();
    assert_good_configuration(one(&release.objects().unwrap(), "ConfigMap"));
}

fn configured(setting: &str) -> Vec<Value> {
    let settings = &["dashboard.enabled=false", setting];
    let file = Some("everything.yaml");
    Release { name: "prod", namespace: "ops", file, settings }.objects().unwrap()
}

#[test]
fn the_values_know_the_configuration_as_it_is() {
    let read = |path: &str| -> Value {
        serde_json::from_slice(&std::fs::read(Path::new(ROOT).join(path)).unwrap()).unwrap()
    };
    let mut configuration = read("config/schema.json");
    let root = configuration.as_object_mut().unwrap();
    let mut definitions = root.remove("$defs").unwrap();
    root.retain(|key, _| key != "$schema" && key != "title");
    definitions["Configuration"] = configuration;
    let values = read("deploy/helm/headstay/values.schema.json");
    assert!(values["$defs"] == definitions, "run scripts/chart-schema");
}
