//! What the histories are about: a handful of objects, and what each of them is in a file, in a request
//! and on the cluster. Nothing here asks the engine.

use std::fmt;

use serde_json::{Value, json};

use crate::settings::{App, Instance};

/// An object that files can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Thing {
    /// One of some `ConfigMap`s.
    Config(u8),
    /// A Secret.
    Password,
    /// A Deployment, healthy when its controller says so.
    Web,
    /// A `PersistentVolumeClaim`: of a guarded kind.
    Disk,
    /// A Namespace: of a guarded kind.
    Place,
    /// The definition of [`Gear`](Self::Gear).
    Gears,
    /// A custom resource.
    Gear,
}

/// The group of the custom resource.
pub const GROUP: &str = "ex.org";

impl Thing {
    pub const ALL: [Self; 11] = [
        Self::Config(0),
        Self::Config(1),
        Self::Config(2),
        Self::Config(3),
        Self::Config(4),
        Self::Password,
        Self::Web,
        Self::Disk,
        Self::Place,
        Self::Gears,
        Self::Gear,
    ];

    /// `apiVersion`, plural and kind.
    fn kind(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Config(_) => ("v1", "configmaps", "ConfigMap"),
            Self::Password => ("v1", "secrets", "Secret"),
            Self::Web => ("apps/v1", "deployments", "Deployment"),
            Self::Disk => ("v1", "persistentvolumeclaims", "PersistentVolumeClaim"),
            Self::Place => ("v1", "namespaces", "Namespace"),
            Self::Gears => {
                ("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition")
            }
            Self::Gear => ("ex.org/v1", "gears", "Gear"),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Config(number) => ["ants", "bees", "cats", "dogs", "eels"][usize::from(number)],
            Self::Password => "password",
            Self::Web => "web",
            Self::Disk => "disk",
            Self::Place => "extra",
            Self::Gears => "gears.ex.org",
            Self::Gear => "gear",
        }
    }

    pub fn is_namespaced(self) -> bool {
        !matches!(self, Self::Place | Self::Gears)
    }

    /// Whether the prune limit guards its kind.
    pub fn is_guarded(self) -> bool {
        matches!(self, Self::Disk | Self::Place | Self::Gears)
    }
}

/// A namespace that objects go to which name none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    East,
    West,
}

impl Space {
    pub fn name(self) -> &'static str {
        match self {
            Self::East => "east",
            Self::West => "west",
        }
    }
}

/// One object of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub thing: Thing,
    /// None: it is of the cluster.
    pub space: Option<Space>,
}

impl Key {
    pub fn new(thing: Thing, space: Space) -> Self {
        Self { thing, space: thing.is_namespaced().then_some(space) }
    }

    /// Which of ours a live object is.
    pub fn of(live: &Value) -> Option<Self> {
        let (kind, metadata) = (live["kind"].as_str()?, &live["metadata"]);
        let thing = Thing::ALL
            .into_iter()
            .find(|thing| thing.kind().2 == kind && metadata["name"] == thing.name())?;
        let space = [Space::East, Space::West]
            .into_iter()
            .find(|space| metadata["namespace"] == space.name());
        (thing.is_namespaced() == space.is_some()).then_some(Self { thing, space })
    }

    /// Where the API server has it.
    pub fn path(self) -> String {
        let (api_version, plural, _) = self.thing.kind();
        let root = if api_version.contains('/') { "apis" } else { "api" };
        let space = self.space.map(|space| format!("/namespaces/{}", space.name()));
        let space = space.unwrap_or_default();
        format!("/{root}/{api_version}{space}/{plural}/{}", self.thing.name())
    }
}

/// As the engine names it, so that plans and inventories can be compared.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (api_version, _, kind) = self.thing.kind();
        f.write_str(kind)?;
        if let Some((group, _)) = api_version.split_once('/') {
            write!(f, ".{group}")?;
        }
        match self.space {
            Some(space) => write!(f, " {}/{}", space.name(), self.thing.name()),
            None => write!(f, " {}", self.thing.name()),
        }
    }
}

/// What a file says of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Tells one content from another.
    pub shade: u16,
    pub note: Note,
}

/// What is special about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    Nothing,
    /// `headstay.dev/prune: disabled`
    Stays,
    /// `headstay.dev/apply: if-not-present`
    Once,
    /// `headstay.dev/apply: ignore`
    LeftAlone,
    /// `headstay.dev/drift: ignore`
    MayDrift,
    /// A finalizer that somebody has to take off.
    Held,
    /// A field that its kind does not have.
    Wrong,
}

impl Note {
    fn annotation(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Stays => Some((STAYS, "disabled")),
            Self::Once => Some(("headstay.dev/apply", "if-not-present")),
            Self::LeftAlone => Some(("headstay.dev/apply", "ignore")),
            Self::MayDrift => Some(("headstay.dev/drift", "ignore")),
            Self::Nothing | Self::Held | Self::Wrong => None,
        }
    }
}

/// Set to `disabled`, an object is never pruned.
pub const STAYS: &str = "headstay.dev/prune";
/// The label with the application of an object.
pub const APPLICATION: &str = "headstay.dev/application";
/// The annotation with the id of the installation of an object.
pub const INSTALLATION: &str = "headstay.dev/installation";
/// The id of another installation, which has the name of ours.
const ELSEWHERE: &str = "01a209e4-e79b-71c2-92da-330b4772b233";
/// The annotation with the name of the installation of an object.
pub const INSTANCE: &str = "headstay.dev/instance";
/// The finalizer of what is [held](Note::Held).
pub const FINALIZER: &str = "ex.org/held";

/// What a file holds: JSON is YAML.
pub fn manifest(thing: Thing, spec: Spec) -> Value {
    let (api_version, _, kind) = thing.kind();
    let mut object =
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": thing.name()}});
    merge(&mut object, &content(thing, spec.shade));
    if thing == Thing::Gears {
        merge(&mut object, &json!({"spec": definition()}));
    }
    if let Some((key, value)) = spec.note.annotation() {
        object["metadata"]["annotations"][key] = json!(value);
    }
    match spec.note {
        Note::Held => object["metadata"]["finalizers"] = json!([FINALIZER]),
        Note::Wrong => object["shadow"] = json!("unknown"),
        _ => {}
    }
    object
}

/// What is to be sent of it.
pub fn rendered(thing: Thing, spec: Spec, space: Space, app: App, instance: Instance) -> Value {
    let mut object = manifest(thing, spec);
    let metadata = &mut object["metadata"];
    if thing.is_namespaced() {
        metadata["namespace"] = json!(space.name());
    }
    metadata["labels"][APPLICATION] = json!(app.name());
    metadata["annotations"][INSTANCE] = json!(instance.name());
    object
}

/// What another installation applies.
pub fn elsewhere(app: App, key: Key, shade: u16) -> Value {
    let mut object = manifest(key.thing, Spec { shade, note: Note::Nothing });
    let metadata = &mut object["metadata"];
    if let Some(space) = key.space {
        metadata["namespace"] = json!(space.name());
    }
    metadata["labels"][APPLICATION] = json!(app.name());
    metadata["annotations"][INSTANCE] = json!(Instance(false).name());
    metadata["annotations"][INSTALLATION] = json!(ELSEWHERE);
    object
}

/// The part of an object that its shade decides, as a merge patch.
pub fn content(thing: Thing, shade: u16) -> Value {
    let text = format!("{shade:04}");
    match thing {
        // Four digits are base64 as well.
        Thing::Config(_) | Thing::Password => json!({"data": {"shade": text}}),
        Thing::Web => {
            let labels = json!({"app": "web"});
            let container = json!({"name": "web", "image": format!("web:{text}")});
            json!({"spec": {"replicas": 1, "selector": {"matchLabels": labels},
                   "template": {"metadata": {"labels": labels},
                                "spec": {"containers": [container]}}}})
        }
        Thing::Disk => {
            json!({"metadata": {"annotations": {"shade": text}},
                   "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
                            "resources": {"requests": {"storage": "1Gi"}}}})
        }
        Thing::Place | Thing::Gears => json!({"metadata": {"annotations": {"shade": text}}}),
        Thing::Gear => json!({"spec": {"shade": text}}),
    }
}

fn definition() -> Value {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object",
                        "properties": {"shade": {"type": "string"}}}}});
    json!({"group": GROUP, "scope": "Namespaced",
           "names": {"plural": "gears", "singular": "gear", "kind": "Gear", "listKind": "GearList"},
           "versions": [{"name": "v1", "served": true, "storage": true,
                         "schema": {"openAPIV3Schema": schema}}]})
}

/// Whether a live object says what is wanted, whatever else it says.
pub fn says(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| says(live.get(key).unwrap_or(&Value::Null), wanted))
        }
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() >= wanted.len() && live.iter().zip(wanted).all(|(a, b)| says(a, b))
        }
        (live, wanted) => live == wanted,
    }
}

/// What its controller says of an object that works, as a merge patch of its status.
pub fn working(live: &Value) -> Option<Value> {
    let generation = &live["metadata"]["generation"];
    let status = match live["kind"].as_str()? {
        "Deployment" => json!({"observedGeneration": generation, "replicas": 1,
            "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}),
        "PersistentVolumeClaim" => json!({"phase": "Bound"}),
        _ => return None,
    };
    (!says(&live["status"], &status)).then(|| json!({"status": status}))
}

fn merge(object: &mut Value, more: &Value) {
    match (object, more) {
        (Value::Object(object), Value::Object(more)) => {
            for (key, value) in more {
                merge(object.entry(key).or_insert(Value::Null), value);
            }
        }
        (object, more) => *object = more.clone(),
    }
}
