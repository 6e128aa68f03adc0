//! From manifests to what is sent: every kind known, every object marked, none twice.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::domain::installation::Installation;
use crate::domain::manifest::{Desired, Manifest, ManifestError, Origin};
use crate::domain::name::ApplicationName;
use crate::domain::object::{GroupVersionKind, ObjectKey, Resource};
use crate::domain::stamp::{Owner, stamp};

/// The kinds that a cluster must know for these manifests.
pub fn kinds(manifests: &[Manifest]) -> BTreeSet<GroupVersionKind> {
    manifests.iter().map(Manifest::group_version_kind).collect()
}

/// The kinds that `CustomResourceDefinitions` among the manifests bring, in every version that they
/// serve, so that their objects can come in the same commit.
pub fn declared_resources(manifests: &[Manifest]) -> HashMap<GroupVersionKind, Resource> {
    manifests
        .iter()
        .filter(|manifest| {
            let kind = manifest.group_version_kind();
            kind.group == "apiextensions.k8s.io" && kind.kind == "CustomResourceDefinition"
        })
        .flat_map(|definition| served(&definition.value).unwrap_or_default())
        .map(|resource| {
            let Resource { group, version, kind, .. } = resource.clone();
            (GroupVersionKind { group, version, kind }, resource)
        })
        .collect()
}

fn served(definition: &Value) -> Option<Vec<Resource>> {
    let text = |path: &str| definition.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let group = text("/spec/group")?;
    let kind = text("/spec/names/kind")?;
    let plural = text("/spec/names/plural")?;
    let namespaced = text("/spec/scope")? == "Namespaced";
    let versions = definition.pointer("/spec/versions")?.as_array()?;
    let served = versions.iter().filter(|version| version["served"] == true);
    let names = served.filter_map(|version| version["name"].as_str());
    let resource = |version: &str| Resource {
        group: group.clone(),
        version: version.to_owned(),
        kind: kind.clone(),
        plural: plural.clone(),
        namespaced,
    };
    Some(names.map(resource).collect())
}

/// Makes of manifests what is sent to the cluster, in the same order: `namespace` filled in where a
/// namespaced object names none, our label and annotation put on, what is the server's taken out.
///
/// `resource_of` knows a kind by group, version and kind. All errors are given at once.
pub fn resolve(
    manifests: Vec<Manifest>,
    resource_of: impl Fn(&str, &str, &str) -> Option<Resource>,
    namespace: Option<&str>,
    application: &ApplicationName,
    installation: &Installation,
) -> Result<Vec<Desired>, Vec<ManifestError>> {
    let owner = Owner { application, installation };
    let mut all: Vec<Desired> = Vec::with_capacity(manifests.len());
    let mut places: HashMap<ObjectKey, Origin> = HashMap::new();
    let mut errors = Vec::new();
    for manifest in manifests {
        let GroupVersionKind { group, version, kind } = manifest.group_version_kind();
        let Some(resource) = resource_of(&group, &version, &kind) else {
            errors.push(manifest.unknown_kind());
            continue;
        };
        let desired = match stamp(manifest, resource, namespace, &owner) {
            Ok(desired) => desired,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        if let Some(first) = places.get(&desired.key) {
            errors.push(ManifestError::Duplicate {
                object: Box::new(desired.key),
                first: first.clone(),
                second: desired.origin,
            });
        } else {
            places.insert(desired.key.clone(), desired.origin.clone());
            all.push(desired);
        }
    }
    if errors.is_empty() { Ok(all) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::name::InstallationId;
    use crate::domain::sync::FailureCause;

    fn manifest(file: &str, value: Value) -> Manifest {
        Manifest { origin: Origin { file: file.into(), line: 1 }, value }
    }

    fn known(group: &str, version: &str, kind: &str) -> Option<Resource> {
        let plural = format!("{}s", kind.to_lowercase());
        matches!(kind, "ConfigMap" | "Namespace").then(|| Resource {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural,
            namespaced: kind != "Namespace",
        })
    }

    fn shop() -> ApplicationName {
        "shop".parse().unwrap()
    }

    fn resolved(
        manifests: Vec<Manifest>,
        namespace: Option<&str>,
    ) -> Result<Vec<Desired>, Vec<ManifestError>> {
        let id = InstallationId::from_uuid(Uuid::nil());
        let installation = Installation { id, instance: "main".into(), former: Vec::new() };
        resolve(manifests, known, namespace, &shop(), &installation)
    }

    fn config_map(name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
    }

    #[test]
    fn every_error_is_given_at_once_with_its_place_and_cure() {
        let gadget = json!({"apiVersion": "x.org/v1", "kind": "Gadget", "metadata": {"name": "g"}});
        let mut wave = config_map("w");
        wave["metadata"]["annotations"] = json!({"headstay.dev/wave": "soon"});
        let errors = resolved(
            vec![
                manifest("a.yaml", config_map("a")),
                manifest("b.yaml", config_map("a")),
                manifest("c.yaml", gadget),
                manifest("d.yaml", wave),
            ],
            Some("shop"),
        )
        .unwrap_err();
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "b.yaml:1: `ConfigMap shop/a` is also in a.yaml:1; keep one of them",
                "c.yaml:1: the cluster knows no kind `Gadget` of `x.org/v1` (object `g`); install \
                 its CustomResourceDefinition or correct the apiVersion",
                "d.yaml:1: `ConfigMap shop/w`: the annotation `headstay.dev/wave` is `soon`; \
                 expected an integer of 32 bits, quoted",
            ]
        );
        let causes: Vec<_> = errors.iter().map(ManifestError::cause).collect();
        let (commit, environment) = (FailureCause::Commit, FailureCause::Environment);
        assert_eq!(causes, [commit, environment, commit]);
    }

    #[test]
    fn a_namespaced_object_needs_a_namespace_from_somewhere() {
        let errors = resolved(vec![manifest("a.yaml", config_map("a"))], None).unwrap_err();
        assert!(matches!(errors[..], [ManifestError::NoNamespace { .. }]));
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}});
        assert!(resolved(vec![manifest("n.yaml", namespace)], None).is_ok());
    }

    #[test]
    fn definitions_beside_their_objects_make_the_kind_known() {
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "gadgets.x.org"},
            "spec": {
                "group": "x.org",
                "scope": "Namespaced",
                "names": {"kind": "Gadget", "plural": "gadgets"},
                "versions": [{"name": "v1", "served": true}, {"name": "v1beta1", "served": false}],
            },
        });
        let declared = declared_resources(&[manifest("crd.yaml", definition)]);
        let resource = Resource {
            group: "x.org".to_owned(),
            version: "v1".to_owned(),
            kind: "Gadget".to_owned(),
            plural: "gadgets".to_owned(),
            namespaced: true,
        };
        let kind = GroupVersionKind {
            group: "x.org".to_owned(),
            version: "v1".to_owned(),
            kind: "Gadget".to_owned(),
        };
        assert_eq!(declared, HashMap::from([(kind, resource)]));
    }
}
