//! Who may do what is the business of the API server, and told when it says no.

use serde_json::json;

use crate::world::api_server::{ApiServer, User};
use crate::world::kubernetes::Kubernetes;
use crate::world::manifests::secret;
use crate::world::{SECRET_VALUE, Setup, assert_tells};

#[test]
fn the_api_server_knows_its_users() {
    let server = ApiServer::shared();
    let status = |token: &str| {
        let client = Kubernetes::new(server.url(), token);
        client.call("GET", "/api/v1/nodes", None).unwrap().status
    };
    assert_eq!(status(User::Admin.token()), 200);
    assert_eq!(status(User::Deployer.token()), 403);
    assert_eq!(status("stranger"), 401);
}

#[test]
fn what_is_forbidden_arrives_when_it_is_allowed() {
    let api_server = ApiServer::shared();
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let allow = |resources: &[&str]| json!({"rules": [{"apiGroups": ["*"], "resources": resources, "verbs": ["*"]}]});
    let mut role = allow(&["configmaps", "namespaces", "services"]);
    role["metadata"] = json!({"name": "deployer"});
    api_server.client().create(roles, &role);
    api_server.client().create(
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        &json!({
            "metadata": {"name": "deployer"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "deployer"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "deployer"}],
        }),
    );
    let world = Setup { user: User::Deployer, ..Setup::default() }.start();

    let pushed = world.push(&[("apps/shop/login.yaml", Some(&secret("login", SECRET_VALUE)))]);
    let sync = world.headstay.wait_for_state(&pushed.sync, "Retrying");
    assert_tells(&sync, "login");
    assert_tells(&sync, "forbidden");

    let more = allow(&["configmaps", "namespaces", "services", "secrets"]);
    world.kubernetes.edit(&format!("{roles}/deployer"), &more);
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    assert!(world.kubernetes.get(&format!("{}/login", world.path("v1", "secrets"))).is_some());
    world.finish();
}

#[test]
fn a_role_and_its_binding_arrive_together_without_the_right_to_bind() {
    let world = Setup { user: User::Deployer, ..Setup::default() }.start_unapplied();
    // What the packages grant: everything but `bind` and `escalate`.
    let verbs = ["get", "list", "watch", "create", "patch", "update", "delete"];
    let roles = world.path("rbac.authorization.k8s.io/v1", "roles");
    let bindings = world.path("rbac.authorization.k8s.io/v1", "rolebindings");
    let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": verbs}]);
    world.kubernetes.create(&roles, &json!({"metadata": {"name": "headstay"}, "rules": all}));
    world.kubernetes.create(
        &bindings,
        &json!({
            "metadata": {"name": "headstay"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "headstay"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "deployer"}],
        }),
    );
    let rights = "\
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: reader}, roleRef: \
{apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}, subjects: [{apiGroup: \
rbac.authorization.k8s.io, kind: User, name: robot}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: reader}, rules: \
[{apiGroups: [\"\"], resources: [pods], verbs: [get]}]}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: robot}}
";
    world.apply(&[("apps/shop/rights.yaml", Some(rights))]);
    assert!(world.kubernetes.get(&format!("{bindings}/reader")).is_some());
    world.finish();
}
