use serde_json::{Value, json};

use super::*;
use crate::domain::sync::FailureCause;

fn object(kind: &str, group: &str) -> ObjectKey {
    ObjectKey {
        group: group.into(),
        kind: kind.into(),
        namespace: Some("a".into()),
        name: "web".into(),
    }
}

fn deployment() -> ObjectKey {
    object("Deployment", "apps")
}

fn refused(object: &ObjectKey, status: Value) -> ClusterError {
    classify(&serde_json::from_value(status).unwrap(), object)
}

fn by_commit(error: &ClusterError) -> bool {
    error.cause() == FailureCause::Commit
}

fn invalid_with(cause: &Value) -> Value {
    json!({"status": "Failure", "message": "it is invalid", "reason": "Invalid", "code": 422,
           "details": {"name": "web", "causes": [cause]}})
}

#[test]
fn fields_that_cannot_change_are_told_apart_from_bad_values() {
    let immutable = [
        (
            "spec.selector",
            "FieldValueInvalid",
            r#"Invalid value: {"matchLabels":{"app":"z"}}: field is immutable"#,
        ),
        (
            "spec.clusterIPs[0]",
            "FieldValueInvalid",
            r#"Invalid value: ["10.0.0.51"]: may not change once set"#,
        ),
        (
            "spec",
            "FieldValueForbidden",
            "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
        ),
        (
            "spec",
            "FieldValueForbidden",
            "Forbidden: spec is immutable after creation except resources.requests\n@@ -10,7 +10,7 @@\n",
        ),
        (
            "spec",
            "FieldValueForbidden",
            "Forbidden: pod updates may not change fields other than `spec.containers[*].image`\n@@ -6",
        ),
        ("roleRef", "FieldValueInvalid", r#"Invalid value: {"Name":"y"}: cannot change roleRef"#),
        ("data", "FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set"),
    ];
    for (at, reason, message) in immutable {
        let cause = json!({"field": at, "reason": reason, "message": message});
        let error = refused(&deployment(), invalid_with(&cause));
        assert!(matches!(&error, ClusterError::Immutable { field, .. } if field == at), "{error}");
        assert!(!by_commit(&error) && !error.is_transient());
        let text = error.to_string();
        assert!(text.contains("headstay.dev/force: enabled") && !text.contains('\n'), "{text}");
    }
    let port = json!({"field": "spec.template.spec.containers[0].ports[0].containerPort",
        "reason": "FieldValueInvalid",
        "message": "Invalid value: 99999: must be between 1 and 65535, inclusive"});
    let error = refused(&deployment(), invalid_with(&port));
    insta::assert_snapshot!(error, @"Deployment.apps a/web: not valid: `spec.template.spec.containers[0].ports[0].containerPort`: Invalid value: 99999: must be between 1 and 65535, inclusive");
}

#[test]
fn only_what_the_manifest_decides_of_a_built_in_kind_waits_for_a_commit() {
    let gear = object("Gear", "ex.org");
    for (object, reason, decided) in [
        (deployment(), "FieldValueRequired", true),
        (deployment(), "FieldValueInvalid", false),
        (gear.clone(), "FieldValueRequired", false),
    ] {
        let cause = json!({"field": "spec", "reason": reason, "message": "x"});
        assert_eq!(
            by_commit(&refused(&object, invalid_with(&cause))),
            decided,
            "{object} {reason}"
        );
    }
    // The definition may be on its way, in another application.
    let field = json!({"code": 500, "message": "failed to create typed patch object (a/web; ex.org/v1, \
        Kind=Gear): .spec.teeth: field not declared in schema"});
    for (object, decided) in [(gear, false), (deployment(), true)] {
        assert_eq!(by_commit(&refused(&object, field.clone())), decided, "{object}");
    }
}

#[test]
fn what_is_refused_on_the_way_says_nothing_of_the_commit() {
    let webhook = "admission webhook \"p.ex.org\" does not support dry run";
    let cases = [
        (json!({"code": 400, "message": "<html>Bad Request</html>"}), "Refused"),
        (json!({"code": 413, "message": "<html>Request Entity Too Large</html>"}), "Refused"),
        (json!({"code": 418, "message": "no"}), "Refused"),
        (json!({"code": 400, "reason": "BadRequest", "message": webhook}), "NoDryRun"),
    ];
    for (status, expected) in cases {
        let error = refused(&deployment(), status);
        assert!(format!("{error:?}").starts_with(expected) && !by_commit(&error), "{error:?}");
    }
    let large =
        json!({"code": 413, "reason": "RequestEntityTooLarge", "message": "limit is 3145728"});
    assert!(by_commit(&refused(&deployment(), large)));
}

#[test]
fn failures_of_form_come_as_500_or_400_and_wait_for_a_commit() {
    let apply = refused(
        &deployment(),
        json!({"code": 500, "message":
        "failed to create typed patch object (a/web; apps/v1, Kind=Deployment): \
         .spec.template.spec.containers[name=\"c\"].bar: field not declared in schema"}),
    );
    insta::assert_snapshot!(apply, @r#"Deployment.apps a/web: its kind has no field `.spec.template.spec.containers[name="c"].bar`: remove it or correct its spelling"#);
    let create = refused(
        &deployment(),
        json!({"code": 400, "reason": "BadRequest", "message":
        "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: \
         unknown field \"spec.template.spec.containers[0].imagee\""}),
    );
    assert!(matches!(&create, ClusterError::UnknownField { fields, .. }
        if *fields == ["spec.template.spec.containers[0].imagee"]));
    let others = [
        (
            500,
            "failed to create typed patch object (a/web; apps/v1, Kind=Deployment): .spec.template.spec.containers[name=\"c\"].ports: expected list, got &{x}",
        ),
        (
            500,
            "failed to convert new object (a/web; apps/v1, Kind=Deployment) to proper version: quantities must match the regular expression",
        ),
        (
            400,
            "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 1: key \"image\" already set in map",
        ),
    ];
    for (code, message) in others {
        let error = refused(&deployment(), json!({"code": code, "message": message}));
        assert!(matches!(error, ClusterError::Malformed { .. }), "{error}");
        assert!(by_commit(&error));
    }
    assert!(by_commit(&apply) && by_commit(&create));
}

#[test]
fn a_missing_namespace_a_missing_kind_and_a_missing_object_differ() {
    let namespace = refused(
        &deployment(),
        json!({"code": 404, "reason": "NotFound",
        "message": "namespaces \"nope\" not found", "details": {"name": "nope", "kind": "namespaces"}}),
    );
    assert!(
        matches!(namespace, ClusterError::NamespaceMissing { namespace, .. } if namespace == "nope")
    );
    let kind = refused(
        &deployment(),
        json!({"code": 404, "reason": "NotFound",
        "message": "the server could not find the requested resource", "details": {}}),
    );
    assert!(matches!(kind, ClusterError::KindMissing { .. }));
    let plain = refused(&deployment(), json!({"code": 404, "message": "404 page not found"}));
    assert!(matches!(plain, ClusterError::KindMissing { .. }));
    let gone = refused(
        &deployment(),
        json!({"code": 404, "reason": "NotFound",
        "message": "deployments.apps \"web\" not found", "details": {"name": "web", "kind": "deployments"}}),
    );
    assert!(matches!(gone, ClusterError::NotFound { .. }));
    let role = json!({"name": "reader", "group": "rbac.authorization.k8s.io", "kind": "roles"});
    let mut binding = object("RoleBinding", "rbac.authorization.k8s.io");
    for name in ["web", "reader"] {
        name.clone_into(&mut binding.name);
        let role = refused(&binding, json!({"code": 404, "reason": "NotFound", "details": role}));
        let text = role.to_string();
        assert!(
            text.ends_with("it needs roles.rbac.authorization.k8s.io reader, which is not there")
        );
    }
    let pod = object("Pod", "");
    for (words, missing) in [
        (
            r#"error looking up service account a/robot: serviceaccount "robot" not found"#,
            "serviceaccount robot",
        ),
        ("no PriorityClass with name urgent was found", "PriorityClass urgent"),
        (r#"pod rejected: RuntimeClass "gvisor" not found"#, "RuntimeClass gvisor"),
    ] {
        let message = format!(r#"pods "web" is forbidden: {words}"#);
        let status = json!({"code": 403, "reason": "Forbidden", "message": message});
        let text = refused(&pod, status).to_string();
        assert!(text.ends_with(&format!("it needs {missing}, which is not there")), "{text}");
    }
    let itself = refused(
        &object("Namespace", ""),
        json!({"code": 404, "reason": "NotFound",
        "details": {"name": "web", "kind": "namespaces"}}),
    );
    assert!(matches!(itself, ClusterError::NotFound { .. }));
}

#[test]
fn refusals_by_others_wait_for_them() {
    let cases = [
        (
            json!({"code": 403, "reason": "Forbidden", "message": "configmaps \"over\" is forbidden: exceeded quota: q"}),
            "Forbidden",
        ),
        (
            json!({"code": 403, "reason": "Forbidden", "message": "configmaps \"g\" is forbidden", "details": {"causes": [
            {"reason": "NamespaceTerminating", "message": "namespace a is being terminated", "field": "metadata.namespace"}]}}),
            "NamespaceTerminating",
        ),
        (
            json!({"code": 422, "reason": "Invalid", "message": "secrets \"no\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: no"}),
            "Denied",
        ),
        (
            json!({"code": 400, "message": "admission webhook \"p.ex.org\" denied the request: no"}),
            "Denied",
        ),
        (
            json!({"code": 500, "reason": "InternalError", "message": "Internal error occurred: failed calling webhook \"hook.ex.org\": failed to call webhook: connection refused"}),
            "WebhookFailed",
        ),
        (json!({"code": 401, "reason": "Unauthorized", "message": "Unauthorized"}), "Unauthorized"),
        (
            json!({"code": 500, "message": "request to convert CR to an invalid group/version: ex.org/v1"}),
            "StaleFields",
        ),
    ];
    for (status, expected) in cases {
        let error = refused(&deployment(), status);
        assert!(format!("{error:?}").starts_with(expected), "{error:?}");
        assert!(!by_commit(&error) && !error.is_transient(), "{error:?}");
    }
}

#[test]
fn what_passes_by_itself_is_transient() {
    let cases = [
        (json!({"code": 429, "details": {"retryAfterSeconds": 2}}), Some(2)),
        (
            json!({"code": 503, "message": "shutting down", "details": {"retryAfterSeconds": 1}}),
            Some(1),
        ),
        (json!({"code": 500, "message": "etcdserver: leader changed"}), None),
        (
            json!({"code": 409, "reason": "Conflict", "message": "the object has been modified"}),
            None,
        ),
        (json!({"code": 410, "reason": "Expired"}), None),
    ];
    for (status, after) in cases {
        let error = refused(&deployment(), status);
        assert!(error.is_transient() && !by_commit(&error), "{error:?}");
        assert_eq!(error.retry_after(), after.map(Duration::from_secs));
    }
}

#[test]
fn conflicts_name_fields_and_managers() {
    let error = refused(
        &deployment(),
        json!({"code": 409, "reason": "Conflict",
        "message": "Apply failed with 1 conflict", "details": {"causes": [
            {"reason": "FieldManagerConflict", "message": "conflict with \"kubectl-scale\" using apps/v1", "field": ".spec.replicas"}]}}),
    );
    insta::assert_snapshot!(error, @"Deployment.apps a/web: fields belong to others: `.spec.replicas` to `kubectl-scale`");
    let exists = refused(&deployment(), json!({"code": 409, "reason": "AlreadyExists"}));
    assert!(matches!(exists, ClusterError::AlreadyExists { .. }));
}

#[test]
fn every_line_of_a_refusal_is_told() {
    let refused = |object: &ObjectKey, errors: &str| {
        let message = format!("failed to create typed patch object (a/web; /v1, Kind=X): {errors}");
        refused(object, json!({"code": 500, "message": message})).to_string()
    };
    let typed = "errors:\n  .data.debug: expected string, got &value.valueUnstructured{Value:true}\n  \
        .data.port: expected string, got &value.valueUnstructured{Value:8080}";
    insta::assert_snapshot!(refused(&object("ConfigMap", ""), typed), @"ConfigMap a/web: cannot be read as its kind: failed to create typed patch object (a/web; /v1, Kind=X): errors: .data.debug: expected string, got true (put it into quotes); .data.port: expected string, got 8080 (put it into quotes)");
    let secret = refused(&object("Secret", ""), typed);
    assert!(secret.contains(".data.port") && !secret.contains("8080"), "{secret}");
    let undeclared =
        "errors:\n  .spec.a: field not declared in schema\n  .spec.b: field not declared in schema";
    insta::assert_snapshot!(refused(&deployment(), undeclared), @"Deployment.apps a/web: its kind has no field `.spec.a`, `.spec.b`: remove it or correct its spelling");
    let mixed = format!("{undeclared}\n  .spec.c: expected list, got &x");
    let mixed = refused(&deployment(), &mixed);
    assert!(mixed.contains("cannot be read as its kind") && mixed.contains(".spec.c"), "{mixed}");
    let many = "x: no\n".repeat(1000);
    let many = refused(&deployment(), &format!("errors:\n{many}"));
    assert!(many.len() < 1000 && many.ends_with("lines more"), "{many}");
}

#[test]
fn values_of_a_secret_and_long_values_are_left_out() {
    let secret = object("Secret", "");
    let typed = refused(
        &secret,
        json!({"code": 500, "message":
        "failed to create typed patch object (/cr; /v1, Kind=Secret): .data.x: expected string, got &value.valueUnstructured{Value:12345}"}),
    );
    assert!(!typed.to_string().contains("12345"), "{typed}");
    let value = json!({"field": "data[k]", "reason": "FieldValueInvalid",
        "message": "Invalid value: \"hunter2: hunter3\": must be nice"});
    let value = refused(&secret, invalid_with(&value)).to_string();
    assert!(!value.contains("hunter") && value.contains("must be nice"), "{value}");
    let long = format!("Invalid value: {{{}}}: field is immutable", "x".repeat(5000));
    let long = json!({"field": "spec.template", "reason": "FieldValueInvalid", "message": long});
    let long = refused(&object("Job", "batch"), invalid_with(&long)).to_string();
    assert!(long.len() < 400 && long.contains("field is immutable"), "{long}");
}
