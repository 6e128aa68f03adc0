//! What a sync will do, decided before anything is written.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::domain::inventory::InventoryItem;
use crate::domain::manifest::{Desired, Manifest};
use crate::domain::object::{GroupVersionKind, ObjectKey};

/// The objects that need a look at the cluster, and how many do not.
#[derive(Debug, Default, PartialEq)]
pub struct Selection {
    /// Those whose rendering changed since their last apply, that were never applied, or that
    /// were named as drifted.
    pub candidates: Vec<Desired>,
    /// How many are as they were last applied.
    pub unchanged: u32,
}

/// Selects the objects that a sync has to compare with the cluster.
pub fn select(
    desired: Vec<Desired>,
    inventory: &HashMap<&ObjectKey, &InventoryItem>,
    drifted: &HashSet<ObjectKey>,
) -> Selection {
    let mut selection = Selection::default();
    for object in desired {
        let settled = inventory.get(&object.key).is_some_and(|item| {
            item.hash.as_ref() == Some(&object.hash)
                && item.version == object.resource.version
                && item.kept.is_none()
        });
        if settled && !drifted.contains(&object.key) {
            selection.unchanged += 1;
        } else {
            selection.candidates.push(object);
        }
    }
    selection
}

/// The objects of an inventory that Git no longer names.
pub fn stale<'a>(
    inventory: &'a [InventoryItem],
    desired: &HashSet<ObjectKey>,
) -> Vec<&'a InventoryItem> {
    inventory.iter().filter(|item| !desired.contains(&item.object)).collect()
}

/// Every name that these manifests can have on a cluster, where `namespace` is for those that name
/// none. Whether a kind lives in namespaces only the cluster knows: so each has both names.
pub fn possible_keys(manifests: &[Manifest], namespace: Option<&str>) -> HashSet<ObjectKey> {
    let mut keys = HashSet::new();
    for manifest in manifests {
        let GroupVersionKind { group, kind, .. } = manifest.group_version_kind();
        let own = manifest.value.pointer("/metadata/namespace").and_then(Value::as_str);
        let own = own.filter(|own| !own.is_empty()).or(namespace).map(str::to_owned);
        let bare = ObjectKey { group, kind, namespace: None, name: manifest.name().to_owned() };
        keys.insert(ObjectKey { namespace: own, ..bare.clone() });
        keys.insert(bare);
    }
    keys
}

/// Everything that decides what a commit means for an application, in one digest. Two equal
/// digests render to equal objects for the same place.
pub struct Inputs<'a> {
    /// The tree that the application reads.
    pub tree: &'a str,
    /// The settings of the application that go into its objects or into what is done with them.
    pub settings: &'a [&'a str],
    /// The version of the renderer.
    pub renderer: &'a str,
}

impl Inputs<'_> {
    /// The digest, in hex.
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for part in [&self.tree, &self.renderer].into_iter().chain(self.settings) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        hex::encode(digest.finalize())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::manifest::Origin;

    #[test]
    fn a_manifest_names_an_object_in_its_namespace_or_in_none() {
        let manifest = |namespace: Option<&str>| Manifest {
            origin: Origin { file: "web.yaml".into(), line: 1 },
            value: json!({
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "web", "namespace": namespace},
            }),
        };
        let key = |namespace: Option<&str>| ObjectKey {
            group: "apps".into(),
            kind: "Deployment".into(),
            namespace: namespace.map(Into::into),
            name: "web".into(),
        };
        for (own, default, named) in [
            (Some("shop"), Some("stock"), &[Some("shop"), None][..]),
            (None, Some("stock"), &[Some("stock"), None]),
            (Some(""), Some("stock"), &[Some("stock"), None]),
            (None, None, &[None]),
        ] {
            let keys = possible_keys(&[manifest(own)], default);
            let named: HashSet<_> = named.iter().copied().map(key).collect();
            assert_eq!(keys, named, "{own:?} {default:?}");
        }
    }

    #[test]
    fn inputs_do_not_run_into_each_other() {
        let digest = |settings: &[&str]| Inputs { tree: "t", settings, renderer: "1" }.digest();
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }
}
