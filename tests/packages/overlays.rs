//! The plain manifests, and that they are the same as the chart.

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::parts::{Release, assert_good_configuration, kinds, kustomize, one};

const BASE: [&str; 6] =
    ["ConfigMap", "Deployment", "Namespace", "PersistentVolumeClaim", "Service", "ServiceAccount"];

#[test]
fn both_overlays_are_taken_by_an_api_server_and_their_pods_by_its_restricted_profile() {
    let cluster = Cluster::shared();
    for namespace in ["headstay", "shop", "shop-staging"] {
        cluster.namespace(namespace);
    }
    for (overlay, rights) in [
        ("overlays/cluster-wide", &["ClusterRole", "ClusterRoleBinding"][..]),
        ("overlays/namespaces", &["Role", "Role", "RoleBinding", "RoleBinding"]),
    ] {
        let objects = kustomize(overlay);
        let mut expected = [&BASE[..], rights].concat();
        expected.sort_unstable();
        assert_eq!(kinds(&objects), expected, "{overlay}");
        for object in &objects {
            cluster.apply(object);
        }
        assert_good_configuration(one(&objects, "ConfigMap"));
        let pod = json!({
            "metadata": {"name": "headstay"},
            "spec": one(&objects, "Deployment")["spec"]["template"]["spec"],
        });
        cluster.admin.create("/api/v1/namespaces/headstay/pods?dryRun=All", &pod);
    }
}

#[test]
fn they_run_the_same_pod_with_the_same_rights_as_the_chart() {
    let settings = &[
        "image.repository=registry.example.org/headstay",
        "existingSecret=headstay",
        "rbac.profile=clusterWide",
    ];
    let release = Release { name: "headstay", namespace: "headstay", file: None, settings };
    let chart = release.objects().unwrap();
    let plain = kustomize("overlays/cluster-wide");
    let spec = |objects: &[Value], kind| one(objects, kind)["spec"].clone();
    assert_eq!(
        spec(&chart, "Deployment")["template"]["spec"],
        spec(&plain, "Deployment")["template"]["spec"]
    );
    for key in ["replicas", "strategy"] {
        assert_eq!(spec(&chart, "Deployment")[key], spec(&plain, "Deployment")[key]);
    }
    assert_eq!(spec(&chart, "Service")["ports"], spec(&plain, "Service")["ports"]);
    let claim = "PersistentVolumeClaim";
    assert_eq!(spec(&chart, claim), spec(&plain, claim));
    let rules = &one(&plain, "ClusterRole")["rules"];
    assert_eq!(&one(&chart, "ClusterRole")["rules"], rules);
    let namespaces = kustomize("overlays/namespaces");
    for role in namespaces.iter().filter(|object| object["kind"] == "Role") {
        assert_eq!(&role["rules"], rules);
    }
}
