//! What a sync will do, decided before anything is written.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::footprint::digest_of;
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
pub fn possible_keys<'a>(
    manifests: impl IntoIterator<Item = &'a Manifest>,
    namespace: Option<&str>,
) -> HashSet<ObjectKey> {
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

/// Everything that decides what a commit means for an application: two that are the same lead to
/// equal objects at the same place, and to the same refusals. What is not known of one is empty: what
/// a commit renders to before it was rendered, both in what an earlier version wrote down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Inputs {
    /// The digest of what the render is made from.
    footprint: String,
    /// The digest of the settings that go into the objects, or into what is done with them.
    settings: String,
}

impl Inputs {
    /// What is known before the render.
    pub fn before_the_render(settings: &[&str]) -> Self {
        Self { footprint: String::new(), settings: digest_of(settings) }
    }

    /// The same, with what the render is made from.
    #[must_use]
    pub fn made_from(&self, footprint: String) -> Self {
        Self { footprint, settings: self.settings.clone() }
    }

    /// The digest of the footprint; empty: it is not known.
    pub fn footprint(&self) -> &str {
        &self.footprint
    }

    /// Whether they are known to be the same.
    pub fn are(&self, other: &Self) -> bool {
        !self.footprint.is_empty() && !self.settings.is_empty() && self == other
    }

    /// Whether they are not known to differ.
    pub fn may_be(&self, other: &Self) -> bool {
        self.may_be_of_the_same_files(other) && may_be_same(&self.settings, &other.settings)
    }

    /// Whether what Git says is not known to differ, whatever the settings are.
    pub fn may_be_of_the_same_files(&self, other: &Self) -> bool {
        may_be_same(&self.footprint, &other.footprint)
    }
}

fn may_be_same(a: &str, b: &str) -> bool {
    a.is_empty() || b.is_empty() || a == b
}

impl fmt::Display for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.footprint, self.settings)
    }
}

impl From<Inputs> for String {
    fn from(inputs: Inputs) -> Self {
        inputs.to_string()
    }
}

impl From<String> for Inputs {
    fn from(text: String) -> Self {
        // Earlier versions have one digest of everything, which nothing can be compared with.
        let (footprint, settings) = text.split_once(':').unwrap_or_default();
        Self { footprint: footprint.to_owned(), settings: settings.to_owned() }
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
    fn settings_do_not_run_into_each_other() {
        let (one, other) = (["ab", "c"], ["a", "bc"]);
        assert_ne!(Inputs::before_the_render(&one), Inputs::before_the_render(&other));
    }

    #[test]
    fn inputs_are_the_same_if_all_is_known_of_both() {
        let (pruning, keeping) = (["prune"], ["keep"]);
        let of = |settings: &[&str], footprint: &str| {
            let made = Inputs::before_the_render(settings).made_from(footprint.to_owned());
            Inputs::from(made.to_string())
        };
        let earlier = Inputs::from("a digest of everything".to_owned());
        let made = of(&pruning, "a");
        for (other, are, may_be) in [
            (of(&pruning, "a"), true, true),
            (of(&pruning, "b"), false, false),
            (of(&keeping, "a"), false, false),
            (of(&pruning, ""), false, true),
            (of(&keeping, ""), false, false),
            (earlier, false, true),
        ] {
            assert_eq!((made.are(&other), made.may_be(&other)), (are, may_be), "{other:?}");
        }
        let unknown = of(&pruning, "");
        assert!(!unknown.are(&unknown), "nobody knows what they render to");
    }
}
