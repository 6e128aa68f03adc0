//! The kinds that are served: the built-in ones from a table, and those of custom resources.

use std::cmp::Reverse;
use std::sync::Arc;

use kube::core::Version;
use serde_json::{Map, Value, json};

use crate::sandbox::object::{is_true, items, text};

/// One line per kind: group and version, plural, singular, kind, scope, short names, categories and
/// subresources. Held to the discovery of a real API server by `tests/e2e/sandbox_kinds.rs`.
const BUILT_IN: &str = include_str!("kinds.txt");

/// Reviews are answered and not stored.
pub(super) const REVIEWS: &str = "selfsubjectaccessreviews.authorization.k8s.io";
const REVIEW: &str = "authorization.k8s.io/v1 selfsubjectaccessreviews selfsubjectaccessreview \
    SelfSubjectAccessReview Cluster - - -";

/// What more there is to know of them; its head says how it is to be read.
const FACTS: &str = include_str!("facts.txt");

/// The resource of definitions of custom resources.
pub(super) const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// A kind in one of its versions.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts of a kind")]
#[expect(clippy::struct_field_names, reason = "`kind` is what the API calls it")]
pub(super) struct Kind {
    pub(super) group: String,
    pub(super) version: String,
    /// `apps/v1`
    pub(super) api_version: String,
    pub(super) plural: String,
    /// Plural and group, as errors and the store name it: `deployments.apps`.
    pub(super) resource: String,
    pub(super) singular: String,
    pub(super) kind: String,
    pub(super) list_kind: String,
    pub(super) namespaced: bool,
    pub(super) short_names: Vec<String>,
    pub(super) categories: Vec<String>,
    /// Whether it has the subresource `status`.
    pub(super) status: bool,
    pub(super) scale: Option<Scale>,
    pub(super) generation: bool,
    /// Whether it is of a custom resource.
    pub(super) custom: bool,
    /// The `additionalPrinterColumns` of a custom resource.
    pub(super) columns: Vec<Value>,
}

/// Where the subresource `scale` finds its fields, as JSON pointers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    pub(super) replicas: String,
    pub(super) status_replicas: String,
    /// The selector: a text in custom resources, an object in built-in ones.
    pub(super) selector: Option<String>,
}

impl Kind {
    /// Kind and group, as errors of validation name it: `Deployment.apps`.
    pub(super) fn qualified(&self) -> String {
        dotted(&self.kind, &self.group)
    }

    /// The kind of a line of the table.
    fn built_in(line: &'static str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [version, plural, singular, kind, scope, short_names, categories, subresources] =
            words[..]
        else {
            return None;
        };
        let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
        let list = |words: &'static str| words.split(',').filter(|word| *word != "-");
        let spec = json!({"group": group, "scope": scope, "names": {
            "plural": plural, "singular": singular, "kind": kind,
            "shortNames": list(short_names).collect::<Vec<_>>(),
            "categories": list(categories).collect::<Vec<_>>()}});
        let scale = json!({"specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".spec.selector"});
        let subresources: Map<String, Value> =
            list(subresources).map(|name| (name.to_owned(), scale.clone())).collect();
        let version = json!({"name": version, "subresources": subresources});
        let kind = Self::defined(&spec, &version)?;
        let generation = facts(&kind.resource, "generation").next().is_some();
        Some(Self { generation, custom: false, ..kind })
    }

    /// The kind of a served version of a definition.
    fn defined(spec: &Value, version: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let texts =
            |value: &Value| value.as_array().into_iter().flatten().filter_map(text).collect();
        let names = &spec["names"];
        let (group, plural, kind) =
            (text(&spec["group"])?, text(&names["plural"])?, text(&names["kind"])?);
        let name = text(&version["name"])?;
        let pointer = |path: &Value| Some(path.as_str()?.replace('.', "/"));
        let scale = &version["subresources"]["scale"];
        Some(Self {
            api_version: if group.is_empty() { name.clone() } else { format!("{group}/{name}") },
            version: name,
            resource: dotted(&plural, &group),
            group,
            plural,
            singular: text(&names["singular"]).unwrap_or_else(|| kind.to_lowercase()),
            list_kind: text(&names["listKind"]).unwrap_or_else(|| format!("{kind}List")),
            kind,
            namespaced: spec["scope"] == "Namespaced",
            short_names: texts(&names["shortNames"]),
            categories: texts(&names["categories"]),
            status: version["subresources"].get("status").is_some(),
            scale: pointer(&scale["specReplicasPath"]).map(|replicas| Scale {
                replicas,
                status_replicas: pointer(&scale["statusReplicasPath"]).unwrap_or_default(),
                selector: pointer(&scale["labelSelectorPath"]),
            }),
            generation: true,
            custom: true,
            columns: version["additionalPrinterColumns"].as_array().cloned().unwrap_or_default(),
        })
    }
}

fn dotted(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

/// All kinds, in the order of discovery.
pub(super) struct Kinds(Vec<Arc<Kind>>);

impl Kinds {
    /// The built-in kinds.
    pub(super) fn built_in() -> Self {
        let lines = BUILT_IN.lines().chain([REVIEW]);
        Self(lines.filter_map(Kind::built_in).map(Arc::new).collect())
    }

    /// The built-in kinds and those of definitions that are established.
    pub(super) fn with<'a>(definitions: impl Iterator<Item = &'a Value>) -> Self {
        let mut kinds = Self::built_in();
        for definition in definitions.filter(|one| is_true(one, "Established")) {
            let spec = &definition["spec"];
            let mut versions: Vec<&Value> = items(&spec["versions"]).iter().collect();
            let priority = |version: &Value| Version::parse(text(&version["name"])).priority();
            versions.sort_by_cached_key(|version| Reverse(priority(version)));
            let served = versions.into_iter().filter(|version| version["served"] == true);
            kinds.0.extend(served.filter_map(|version| Kind::defined(spec, version)).map(Arc::new));
        }
        kinds
    }

    pub(super) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Kind>> {
        let same = |kind: &&Arc<Kind>| {
            kind.group == group && kind.version == version && kind.plural == plural
        };
        self.0.iter().find(same)
    }

    /// Whether there are kinds of this group and version.
    pub(super) fn serves(&self, group: &str, version: &str) -> bool {
        self.0.iter().any(|kind| kind.group == group && kind.version == version)
    }

    /// The kind behind a resource (`deployments.apps`) in the version that is preferred.
    pub(super) fn of_resource(&self, resource: &str) -> Option<&Arc<Kind>> {
        self.0.iter().find(|kind| kind.resource == resource)
    }

    /// Groups and versions in the order of discovery, each with its kinds.
    pub(super) fn groups(&self) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for kind in &self.0 {
            let at =
                groups.iter().position(|group| group.name == kind.group).unwrap_or_else(|| {
                    groups.push(Group { name: &kind.group, versions: Vec::new() });
                    groups.len() - 1
                });
            let versions = &mut groups[at].versions;
            match versions.iter_mut().find(|(version, _)| *version == kind.version) {
                Some((_, kinds)) => kinds.push(kind),
                None => versions.push((&kind.version, vec![kind])),
            }
        }
        groups
    }
}

/// A group of discovery.
pub(super) struct Group<'a> {
    pub(super) name: &'a str,
    /// The preferred one first.
    pub(super) versions: Vec<(&'a str, Vec<&'a Arc<Kind>>)>,
}

/// What the table of facts says of a resource.
pub(super) fn facts(resource: &str, fact: &str) -> impl Iterator<Item = &'static str> {
    FACTS.lines().filter_map(move |line| {
        let (of, rest) = line.split_once(' ')?;
        let (one, value) = rest.split_once(' ').unwrap_or((rest, ""));
        (of == resource && one == fact).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_kind() {
        let kinds = Kinds::built_in();
        assert_eq!(kinds.0.len(), BUILT_IN.lines().count() + 1);
        let deployment = kinds.find("apps", "v1", "deployments").unwrap();
        assert!(deployment.status && deployment.scale.is_some() && deployment.generation);
        assert_eq!(deployment.short_names, ["deploy"]);
        let secret = kinds.find("", "v1", "secrets").unwrap();
        assert!(!secret.status && !secret.generation && secret.namespaced);
        for line in FACTS.lines().filter(|line| !line.starts_with('#')) {
            let resource = line.split(' ').next().unwrap();
            assert!(kinds.of_resource(resource).is_some(), "{line}");
        }
    }
}
