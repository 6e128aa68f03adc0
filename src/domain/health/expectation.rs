//! What may be expected of an object before it is believed to work, as its kind or its class tells.
//!
//! A custom object that was just made has no status. With most kinds a controller will write one; with
//! many there is none that ever will (a `ServiceMonitor`, a `VirtualService`). The schema does not
//! tell them apart, but the columns that `kubectl get` prints do: who has a column made for a
//! condition or a phase means it to be filled.

use jiff::SignedDuration;
use serde_json::Value;

use crate::domain::health::generic::states::is_named_alike;
use crate::domain::health::{field, is_watched};
use crate::domain::object::Resource;

/// How long a new object may be without the status that its kind promises. After that nobody looks
/// after it, as far as can be seen, and nothing waits for it.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// What the rest of the cluster says of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Expectation {
    /// Nothing, or nobody could be asked.
    #[default]
    Nothing,
    /// Somebody will write its status.
    Status,
    /// Somebody will say whether it is `Ready`.
    Readiness,
    /// It is a claim that is bound at once, without waiting for its first consumer.
    Binding,
}

/// Where it is said what to expect of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// In the definition of its kind.
    Definition {
        /// The name of the definition.
        name: String,
        /// The version of the object.
        version: String,
    },
    /// In a storage class.
    StorageClass {
        /// The name of the class.
        name: String,
    },
}

/// Where it is said what to expect of an object of a kind; none: its rule needs nothing more. A group
/// without a dot in its name is one of Kubernetes' own; others may turn out not to be of a definition.
pub fn source(resource: &Resource, object: &Value) -> Option<Source> {
    let Resource { group, version, kind, plural, .. } = resource;
    if (group.as_str(), kind.as_str()) == ("", "PersistentVolumeClaim") {
        let name = field::text(object, "/spec/storageClassName")?.to_owned();
        return Some(Source::StorageClass { name });
    }
    let is_custom = group.contains('.') && is_watched(&resource.group_kind());
    let name = format!("{plural}.{group}");
    is_custom.then(|| Source::Definition { name, version: version.clone() })
}

/// What a `CustomResourceDefinition` lets expect of the objects of a version.
pub fn of_definition(definition: &Value, version: &str) -> Expectation {
    let versions = field::list(definition, "/spec/versions");
    let version = versions.iter().find(|one| field::text(one, "/name") == Some(version));
    let columns = version.map_or(&[][..], |one| field::list(one, "/additionalPrinterColumns"));
    let paths = columns.iter().filter_map(|column| field::text(column, "/jsonPath"));
    let paths = paths.map(promise);
    paths.max_by_key(|promise| *promise as u8).unwrap_or_default()
}

/// What the class of a claim lets expect of it. A claim of a class that is not there is bound at once
/// as well, to a volume that is made by hand.
pub fn of_storage_class(class: Option<&Value>) -> Expectation {
    let mode = class.and_then(|class| field::text(class, "/volumeBindingMode"));
    match mode {
        Some("WaitForFirstConsumer") => Expectation::Nothing,
        _ => Expectation::Binding,
    }
}

/// What a column promises, by the path that it reads: `.status.conditions[?(@.type=="Ready")].status`.
fn promise(path: &str) -> Expectation {
    let path: String = path.chars().filter(|c| !c.is_whitespace()).collect();
    let Some(field) = path.trim_start_matches('.').strip_prefix("status.") else {
        return Expectation::Nothing;
    };
    if field.contains("conditions[") {
        let ready = ["'Ready'", "\"Ready\""].iter().any(|ready| field.contains(ready));
        return if ready { Expectation::Readiness } else { Expectation::Status };
    }
    let name = field.split(['.', '[']).next().unwrap_or_default();
    let told = is_named_alike(name) || matches!(name, "ready" | "healthy" | "readyToUse");
    if told { Expectation::Status } else { Expectation::Nothing }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_columns_of_a_kind_tell_whether_a_status_will_come() {
        use Expectation::{Nothing, Readiness, Status};
        for (paths, expected) in [
            (vec![], Nothing),
            (vec![".metadata.creationTimestamp", ".spec.hosts"], Nothing),
            (vec![".status.conditions[?(@.type==\"Ready\")].status", ".status.phase"], Readiness),
            (vec![".status.conditions[?(@.type == 'Ready')].reason"], Readiness),
            (vec![".status.conditions[?(@.type=='Synced')].status"], Status),
            (vec![".status.conditions[-1:].type"], Status),
            (vec![".status.parents[*].conditions[0].status"], Status),
            (vec![".spec.x", ".status.phase"], Status),
            (vec![".status.state"], Status),
            (vec![".status.health.status"], Status),
            (vec![".status.readyToUse"], Status),
            (vec![".status.lastState"], Nothing),
            (vec![".status.loadBalancer.ingress[*].ip"], Nothing),
            (vec![".statusless.phase"], Nothing),
        ] {
            let columns: Vec<_> = paths.iter().map(|path| json!({"jsonPath": path})).collect();
            let definition = json!({"spec": {"versions": [
                {"name": "v1", "additionalPrinterColumns": columns}, {"name": "v2"}]}});
            assert_eq!(of_definition(&definition, "v1"), expected, "{paths:?}");
            assert_eq!(of_definition(&definition, "v2"), Nothing);
            assert_eq!(of_definition(&definition, "v3"), Nothing);
        }
    }

    #[test]
    fn the_class_of_a_claim_tells_when_it_is_bound() {
        let class = |mode: &str| json!({"volumeBindingMode": mode});
        let waits = of_storage_class(Some(&class("WaitForFirstConsumer")));
        assert_eq!(waits, Expectation::Nothing);
        assert_eq!(of_storage_class(Some(&class("Immediate"))), Expectation::Binding);
        assert_eq!(of_storage_class(None), Expectation::Binding);
    }
}
