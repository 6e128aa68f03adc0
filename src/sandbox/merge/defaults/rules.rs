//! Defaults that depend on more than a field beside them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

type Fields = Map<String, Value>;

/// Fills in what the API server derives from the other fields of a struct.
pub(super) fn apply(of: &str, fields: &mut Fields) {
    match of {
        "core.v1.Container" | "core.v1.EphemeralContainer" => {
            pull_policy(fields, "image", "imagePullPolicy");
        }
        "core.v1.ImageVolumeSource" => pull_policy(fields, "reference", "pullPolicy"),
        "core.v1.ServicePort" => target_port(fields),
        "core.v1.Volume" if fields.len() < 2 => set(fields, "emptyDir", json!({})),
        "core.v1.Pod" => pod(fields),
        "core.v1.Secret" => secret(fields),
        "core.v1.Namespace" => namespace(fields),
        "batch.v1.Job" => job(fields),
        "apps.v1.StatefulSetSpec" => claim_templates(fields),
        "autoscaling.v2.HorizontalPodAutoscalerBehavior" => scaling(fields),
        "core.v1.Service" => balancer(fields),
        "networking.v1.NetworkPolicySpec" => network_policy(fields),
        "apiextensions.v1.CustomResourceDefinitionNames" => definition_names(fields),
        "apiextensions.v1.CustomResourceDefinition" => stored_versions(fields),
        _ => {}
    }
}

fn set(fields: &mut Fields, name: &str, value: Value) {
    if fields.get(name).is_none_or(Value::is_null) {
        fields.insert(name.to_owned(), value);
    }
}

fn text<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn child<'a>(fields: &'a mut Fields, name: &str) -> Option<&'a mut Fields> {
    fields.get_mut(name)?.as_object_mut()
}

fn children<'a>(fields: &'a mut Fields, list: &str) -> impl Iterator<Item = &'a mut Fields> {
    let items = fields.get_mut(list).and_then(Value::as_array_mut);
    items.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// `latest` may be another image tomorrow.
fn pull_policy(fields: &mut Fields, image: &str, policy: &str) {
    let image = text(fields, image);
    let name = image.rsplit('/').next().unwrap_or(image);
    let latest = !image.contains('@') && (!name.contains(':') || name.ends_with(":latest"));
    let always = if latest { "Always" } else { "IfNotPresent" };
    set(fields, policy, json!(always));
}

fn target_port(fields: &mut Fields) {
    let missing = |port: &Value| *port == 0 || *port == "";
    if fields.get("targetPort").is_none_or(missing) {
        let port = fields.get("port").cloned().unwrap_or_else(|| json!(0));
        fields.insert("targetPort".to_owned(), port);
    }
}

fn pod(fields: &mut Fields) {
    let Some(spec) = child(fields, "spec") else { return };
    set(spec, "enableServiceLinks", json!(true));
    let host_network = spec.get("hostNetwork") == Some(&json!(true));
    for list in ["containers", "initContainers"] {
        for container in children(spec, list) {
            if let Some(resources) = child(container, "resources")
                && let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned()
            {
                set(resources, "requests", json!({}));
                for (name, limit) in limits {
                    if let Some(requests) = child(resources, "requests") {
                        set(requests, &name, limit);
                    }
                }
            }
            for port in children(container, "ports") {
                if host_network && let Some(number) = port.get("containerPort").cloned() {
                    set(port, "hostPort", number);
                }
            }
        }
    }
}

/// `stringData` is for writing only.
fn secret(fields: &mut Fields) {
    let Some(Value::Object(texts)) = fields.remove("stringData") else { return };
    set(fields, "data", json!({}));
    let Some(data) = child(fields, "data") else { return };
    for (name, value) in texts {
        let value = STANDARD.encode(value.as_str().unwrap_or_default());
        data.insert(name, value.into());
    }
}

fn namespace(fields: &mut Fields) {
    let Some(metadata) = child(fields, "metadata") else { return };
    let name = text(metadata, "name").to_owned();
    if !name.is_empty() {
        set(metadata, "labels", json!({}));
        if let Some(labels) = child(metadata, "labels") {
            labels.insert("kubernetes.io/metadata.name".to_owned(), name.into());
        }
    }
    set(fields, "spec", json!({}));
    if let Some(spec) = child(fields, "spec") {
        set(spec, "finalizers", json!(["kubernetes"]));
    }
    set(fields, "status", json!({}));
}

/// The template in a `CronJob` stays as it is.
fn job(fields: &mut Fields) {
    let template = fields.get("spec").map(|spec| &spec["template"]["metadata"]["labels"]);
    let labels = template.filter(|labels| labels.is_object()).cloned();
    if let Some(labels) = labels
        && let Some(metadata) = child(fields, "metadata")
    {
        set(metadata, "labels", labels);
    }
    let Some(spec) = child(fields, "spec") else { return };
    let fresh = !spec.contains_key("completions") && !spec.contains_key("parallelism");
    let limit = if spec.contains_key("backoffLimitPerIndex") { i32::MAX } else { 6 };
    let with_policy = spec.contains_key("podFailurePolicy");
    let replacement = if with_policy { "Failed" } else { "TerminatingOrFailed" };
    if fresh {
        set(spec, "completions", json!(1));
    }
    for (field, value) in [
        ("completionMode", json!("NonIndexed")),
        ("manualSelector", json!(false)),
        ("suspend", json!(false)),
        ("parallelism", json!(1)),
        ("backoffLimit", json!(limit)),
        ("podReplacementPolicy", json!(replacement)),
    ] {
        set(spec, field, value);
    }
}

fn network_policy(fields: &mut Fields) {
    let egress = fields.contains_key("egress");
    let types = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    set(fields, "policyTypes", types);
}

fn definition_names(fields: &mut Fields) {
    let kind = text(fields, "kind").to_owned();
    if !kind.is_empty() {
        set(fields, "singular", kind.to_lowercase().into());
        set(fields, "listKind", format!("{kind}List").into());
    }
}

fn stored_versions(fields: &mut Fields) {
    let versions = fields.get("spec").and_then(|spec| spec["versions"].as_array());
    let stored = versions.into_iter().flatten().find(|version| version["storage"] == true);
    let Some(name) = stored.map(|version| version["name"].clone()) else { return };
    set(fields, "status", json!({}));
    let status = child(fields, "status");
    if let Some(status) = status {
        set(status, "storedVersions", json!([name]));
    }
}

fn claim_templates(fields: &mut Fields) {
    for template in children(fields, "volumeClaimTemplates") {
        set(template, "apiVersion", json!("v1"));
        set(template, "kind", json!("PersistentVolumeClaim"));
    }
}

fn scaling(fields: &mut Fields) {
    let percent = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
    if let Some(down) = child(fields, "scaleDown") {
        set(down, "policies", json!([percent]));
    }
    if let Some(up) = child(fields, "scaleUp") {
        set(up, "stabilizationWindowSeconds", json!(0));
        set(up, "policies", json!([{"type": "Pods", "value": 4, "periodSeconds": 15}, percent]));
    }
}

fn balancer(fields: &mut Fields) {
    let is_balancer = fields.get("spec").is_some_and(|spec| spec["type"] == "LoadBalancer");
    let status = child(fields, "status").and_then(|status| child(status, "loadBalancer"));
    for address in status.into_iter().flat_map(|status| children(status, "ingress")) {
        if is_balancer && address.contains_key("ip") {
            set(address, "ipMode", json!("VIP"));
        }
    }
}
