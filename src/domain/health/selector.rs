//! Label selectors, as an object has them and as a list call takes them.

use serde_json::Value;

use crate::domain::health::field;
use crate::domain::object::split_api_version;

/// The label selector (`app=web,tier in (a,b)`) of the Pods that a workload runs. None for other
/// kinds, for a selector that we can't say in full, and for one that is empty: each would select
/// Pods of others.
pub fn selects_pods(object: &Value) -> Option<String> {
    let (group, _) = split_api_version(field::text(object, "/apiVersion")?);
    match (group, field::text(object, "/kind")?) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") | ("batch", "Job") => {}
        _ => return None,
    }
    let selector = object.pointer("/spec/selector")?;
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    let equal =
        labels.into_iter().flatten().map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    let expressions = field::list(selector, "/matchExpressions").iter().map(requirement);
    let mut terms: Vec<String> = equal.chain(expressions).collect::<Option<_>>()?;
    terms.sort();
    (!terms.is_empty()).then(|| terms.join(","))
}

/// One entry of `matchExpressions`.
fn requirement(expression: &Value) -> Option<String> {
    let key = field::text(expression, "/key")?;
    let values: Option<Vec<&str>> =
        field::list(expression, "/values").iter().map(Value::as_str).collect();
    let values = values?.join(",");
    match field::text(expression, "/operator")? {
        "In" => Some(format!("{key} in ({values})")),
        "NotIn" => Some(format!("{key} notin ({values})")),
        "Exists" => Some(key.to_owned()),
        "DoesNotExist" => Some(format!("!{key}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_selector_of_a_workload_as_text() {
        let all = json!({"matchLabels": {"app": "web"}, "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["a", "b"]},
            {"key": "env", "operator": "NotIn", "values": ["test"]},
            {"key": "old", "operator": "DoesNotExist"},
            {"key": "track", "operator": "Exists"}]});
        let text = "!old,app=web,env notin (test),tier in (a,b),track";
        let odd = json!({"matchExpressions": [{"key": "n", "operator": "Gt", "values": ["1"]}]});
        for (api_version, kind, selector, expected) in [
            ("apps/v1", "Deployment", all.clone(), Some(text)),
            ("batch/v1", "Job", json!({"matchLabels": {"uid": "1"}}), Some("uid=1")),
            ("apps/v1", "StatefulSet", json!({}), None),
            ("apps/v1", "DaemonSet", odd, None),
            ("policy/v1", "PodDisruptionBudget", all, None),
        ] {
            let object =
                json!({"apiVersion": api_version, "kind": kind, "spec": {"selector": selector}});
            assert_eq!(selects_pods(&object).as_deref(), expected, "{object}");
        }
    }
}
