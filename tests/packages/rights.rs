//! Headstay with nothing but the rights that the chart's profile `namespaces` gives it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::parts::Release;
use crate::world::api_server::User;
use crate::world::git_host::GitHost;
use crate::world::headstay::Headstay;
use crate::world::manifests::{config_map, deployment};
use crate::world::repository::Repository;
use crate::world::wait::{DEADLINE, wait_until};
use crate::world::webhook::Webhook;
use crate::world::{assert_tells, leash};

const HOME: &str = "rights-home";
const LISTED: &str = "rights-listed";
const ELSEWHERE: &str = "rights-elsewhere";

#[test]
fn it_does_its_job_in_a_listed_namespace_and_is_refused_elsewhere_by_name() {
    let cluster = install();
    let git = GitHost::start();
    let repository = git.create("acme/fleet");
    repository.commit(&[
        ("apps/shop/settings.yaml", Some(&config_map("settings", "blue"))),
        ("apps/shop/web.yaml", Some(&deployment("web", "web:1"))),
        ("apps/stock/settings.yaml", Some(&config_map("settings", "blue"))),
        (
            "apps/tenant/namespace.yaml",
            Some("{apiVersion: v1, kind: Namespace, metadata: {name: rights-new}}\n"),
        ),
    ]);
    let headstay = Headstay::start(&configuration(&cluster, &repository));

    // Applied, and watched until it is healthy.
    let path = |namespace: &str, rest: &str| format!("/api/v1/namespaces/{namespace}/{rest}");
    cluster.admin.run_pod(&path(LISTED, "pods"));
    let first = headstay.wait_for_sync("the first commit to work", |sync| {
        sync["application"] == "shop" && sync["state"] == "Succeeded"
    });
    assert_eq!(first["summary"]["created"], 2, "{first:#}");
    assert_eq!(headstay.application()["health"], "Healthy");

    // Put back.
    let settings = path(LISTED, "configmaps/settings");
    cluster.admin.edit(&settings, &json!({"data": {"colour": "by hand"}}));
    headstay.wait_for_state(&headstay.request_sync(), "Succeeded");
    assert_eq!(cluster.admin.get(&settings).unwrap()["data"]["colour"], "blue");

    // Pruned.
    repository.commit(&[("apps/shop/settings.yaml", None)]);
    let answer = headstay.deliver(&Webhook::push(&repository, "main"));
    assert_eq!(answer.status, 202, "{answer:?}");
    wait_until("the ConfigMap to be pruned", DEADLINE, || cluster.admin.get(&settings).is_none());

    // Refused: another namespace, and what is in none.
    for (application, resource, namespace) in
        [("stock", "configmaps", ELSEWHERE), ("tenant", "namespaces", "rights-new")]
    {
        let account = format!("system:serviceaccount:{HOME}:headstay");
        let refusal = format!(
            r#"User \"{account}\" cannot get resource \"{resource}\" in API group \"\" in the namespace \"{namespace}\""#
        );
        let refused = headstay.wait_for_sync("a refusal", |sync| {
            sync["application"] == application && sync["state"] == "Retrying"
        });
        assert_tells(&refused, &refusal);
        let told = headstay.get(&format!("/api/v1/applications/{application}"));
        assert_eq!(told["syncState"], "Failed", "{told:#}");
        assert_eq!(told["conditions"][0]["type"], "SyncFailed");
        let conditions = told["conditions"].to_string();
        assert!(conditions.contains(&refusal), "{conditions}");
    }
    assert_eq!(cluster.admin.get(&path(ELSEWHERE, "configmaps/settings")), None);
    assert_eq!(cluster.admin.get("/api/v1/namespaces/rights-new"), None);
    headstay.terminate();
    headstay.assert_clean(&[]);
}

/// Applies the chart, with rights in one namespace.
fn install() -> Cluster {
    let cluster = Cluster::shared();
    for namespace in [HOME, LISTED, ELSEWHERE] {
        cluster.namespace(namespace);
    }
    let listed = format!("rbac.namespaces={{{LISTED}}}");
    let settings = &["image.repository=registry.example.org/headstay", &*listed, "replicas=0"];
    let release = Release { name: "headstay", namespace: HOME, file: None, settings };
    for object in release.objects().unwrap() {
        cluster.apply(&object);
    }
    cluster
}

/// A token of the chart's `ServiceAccount`, in a file as a Pod has it.
fn token(cluster: &Cluster) -> PathBuf {
    let path = format!("/api/v1/namespaces/{HOME}/serviceaccounts/headstay/token");
    let request =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let token: Value = cluster.admin.create(&path, &request);
    let file = leash::folder("service-account").join("token");
    std::fs::write(&file, token["status"]["token"].as_str().unwrap()).unwrap();
    file
}

fn configuration(cluster: &Cluster, repository: &Repository) -> String {
    let kubeconfig = cluster.server.kubeconfig(User::Admin);
    let authority = kubeconfig.parent().unwrap().join(Path::new("certificates/apiserver.crt"));
    let application = |name: &str, namespace: &str| {
        format!(
            "  - {{name: {name}, repository: fleet, revision: main, path: apps/{name}, \
             namespace: {namespace}, sync: {{retry: {{initial: 1h, max: 1h}}}}}}\n"
        )
    };
    format!(
        "\
server:
  listen: 127.0.0.1:0
  instance: rights
  data: FOLDER/data
  tokens: [{{name: tests, role: operator, secret: {{env: HEADSTAY_TOKEN}}}}]
store: {{url: \"sqlite://FOLDER/headstay.db\"}}
receivers: [{{name: github, provider: github, secrets: [{{env: GITHUB_WEBHOOK_SECRET}}]}}]
clusters:
  - name: here
    server: {server}
    token: {{file: {token}}}
    ca: {authority}
repositories: [{{name: fleet, url: \"{url}\", auth: {{token: {{env: GIT_TOKEN}}}}}}]
applications:
{shop}{stock}{tenant}",
        server = cluster.server.url(),
        token = token(cluster).display(),
        authority = authority.display(),
        url = repository.url,
        shop = application("shop", LISTED),
        stock = application("stock", ELSEWHERE),
        tenant = application("tenant", LISTED),
    )
}
