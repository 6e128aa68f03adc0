//! What else a cluster brings along: volumes, addresses, and the budgets that count Pods.

use serde_json::{Value, json};

use crate::sandbox::object::{namespace_of, uid_of};
use crate::sandbox::select::{Selector, as_text};
use crate::sandbox::world::pods::is_ready;
use crate::sandbox::world::{Hand, say};

/// One step of all of them.
pub(super) fn step(hand: &mut Hand<'_>) {
    claims(hand);
    balancers(hand);
    budgets(hand);
    autoscalers(hand);
}

/// Binds volume claims, to volumes that are names only.
fn claims(hand: &mut Hand<'_>) {
    let claims = "persistentvolumeclaims";
    for claim in hand.list(claims).iter().filter(|claim| claim["status"]["phase"] != "Bound") {
        if claim["spec"]["volumeName"].is_null() {
            let volume = json!(format!("pvc-{}", uid_of(claim)));
            hand.change(claims, claim, |claim| {
                claim["spec"]["volumeName"] = volume;
            });
        }
        let spec = &claim["spec"];
        let status = json!({"phase": "Bound", "accessModes": spec["accessModes"],
                            "capacity": spec["resources"]["requests"]});
        hand.set_status(claims, claim, status);
    }
}

fn balancers(hand: &mut Hand<'_>) {
    for service in hand.list("services") {
        let waits = service["status"]["loadBalancer"]["ingress"].is_null();
        if service["spec"]["type"] == "LoadBalancer" && waits {
            let status =
                json!({"loadBalancer": {"ingress": [{"ip": "127.0.0.1", "ipMode": "VIP"}]}});
            hand.set_status("services", &service, status);
        }
    }
}

/// Counts the Pods of disruption budgets.
fn budgets(hand: &mut Hand<'_>) {
    let resource = "poddisruptionbudgets.policy";
    for budget in hand.list(resource) {
        let selector = as_text(&budget["spec"]["selector"]);
        let Ok(selector) = Selector::of_labels(&selector) else { continue };
        let namespace = namespace_of(&budget);
        let pods = hand.state.store.list("pods", Some(namespace)).map(|(_, pod)| pod);
        let pods: Vec<_> = pods.filter(|pod| selector.matches(pod)).collect();
        let (expected, healthy) = (pods.len(), pods.iter().filter(|pod| is_ready(pod)).count());
        let spec = &budget["spec"];
        let share = |field: &str| share(&spec[field], expected);
        let desired = share("minAvailable")
            .unwrap_or_else(|| expected.saturating_sub(share("maxUnavailable").unwrap_or(1)));
        let allowed = healthy.saturating_sub(desired);
        let mut status = json!({
            "observedGeneration": budget["metadata"]["generation"], "expectedPods": expected,
            "currentHealthy": healthy, "desiredHealthy": desired, "disruptionsAllowed": allowed,
            "conditions": budget["status"]["conditions"],
        });
        let (state, reason) =
            if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
        say(&mut status, hand.now, "DisruptionAllowed", state, reason, "");
        hand.set_status(resource, &budget, status);
    }
}

/// A number of Pods, or a percentage of them rounded up.
fn share(value: &Value, of: usize) -> Option<usize> {
    match value {
        Value::Number(number) => usize::try_from(number.as_u64()?).ok(),
        Value::String(text) => {
            let percent: usize = text.strip_suffix('%')?.parse().ok()?;
            Some((of * percent).div_ceil(100))
        }
        _ => None,
    }
}

/// Autoscalers are content: nothing is measured here.
fn autoscalers(hand: &mut Hand<'_>) {
    let resource = "horizontalpodautoscalers.autoscaling";
    for scaler in hand.list(resource) {
        if scaler["status"]["conditions"].is_null() {
            let mut status = scaler["status"].clone();
            let message = "nothing is measured in a sandbox";
            say(&mut status, hand.now, "AbleToScale", "True", "ReadyForNewScale", message);
            hand.set_status(resource, &scaler, status);
        }
    }
}
