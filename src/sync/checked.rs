//! What the cluster said of an object, and what has to be done to it.

use serde_json::Value;

use crate::domain::diff::FieldChange;
use crate::domain::health::{self, Health};
use crate::domain::manifest::Desired;
use crate::domain::object::Resource;
use crate::domain::obstacle::Obstacle;
use crate::domain::prune::Deletion;
use crate::domain::sync::{Action, ObjectResult};
use crate::sync::scene::Scene;

/// An object that the cluster was asked about.
pub struct Checked {
    /// What Git wants.
    pub desired: Desired,
    /// What has to be done to what there is.
    pub change: Change,
    /// Field by field.
    pub fields: Vec<FieldChange>,
    /// What the API server warned of.
    pub warnings: Vec<String>,
    /// What has to be cleared out of the way first.
    pub(super) obstacles: Vec<Obstacle>,
}

impl Checked {
    /// An object of which no field and no warning is told.
    pub(super) fn new(desired: Desired, change: Change) -> Self {
        let (fields, obstacles) = (Vec::new(), Vec::new());
        let warnings = desired.warnings.clone();
        Self { desired, change, fields, warnings, obstacles }
    }

    /// Whether it has to be written.
    pub(super) fn is_written(&self) -> bool {
        !matches!(self.change, Change::None(_) | Change::Leave(..) | Change::Rest(..))
    }

    /// The paths of the fields that differ, for an object that was there before.
    pub(super) fn paths(&self) -> Vec<String> {
        self.fields.iter().map(|field| field.path.clone()).collect()
    }

    /// The line of the object in the results of a sync that only asks.
    pub(super) fn intention(&self) -> ObjectResult {
        let (action, message) = self.change.told();
        ObjectResult { object: self.desired.key.clone(), action, fields: self.paths(), message }
    }
}

impl Change {
    /// What is told of it by those who only ask.
    pub fn told(&self) -> (Action, Option<String>) {
        match self {
            Self::None(_) => (Action::Unchanged, None),
            Self::Leave(why, _) | Self::Rest(why) => (Action::Skipped, Some(why.clone())),
            Self::Create => (Action::Created, None),
            Self::Adopt(_) | Self::Configure(_) => (Action::Configured, None),
            Self::Recreate(..) => (Action::Configured, Some("it would be made anew".to_owned())),
        }
    }
}

/// What counts of a live object that is not written. Of many that are as wanted the whole is not kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub(super) uid: Option<String>,
    pub(super) resource_version: Option<String>,
    pub(super) generation: Option<i64>,
    pub(super) health: Health,
    /// Whether it is deleted already, and not gone yet: it will have to be made again.
    pub(super) terminating: bool,
    /// Whether its marks say that an application of this installation has applied it.
    pub(super) ours: bool,
}

impl Seen {
    /// What a live object shows.
    pub(super) async fn of(scene: &Scene<'_>, resource: &Resource, live: &Value) -> Self {
        let metadata = &live["metadata"];
        let text = |name: &str| metadata[name].as_str().map(str::to_owned);
        let generation = metadata["generation"].as_i64();
        let expectation = scene.cluster.expectation(resource, live).await;
        Self {
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            generation,
            health: health::assess(live, generation, expectation).at(scene.context.store.now()),
            terminating: metadata["deletionTimestamp"].is_string(),
            ours: scene.installation.may_own(live),
        }
    }
}

/// What has to be done to an object, with the live one where it is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Nothing: it is as wanted.
    None(Seen),
    /// Nothing: it is to be left alone, for this reason.
    Leave(String, Option<Seen>),
    /// Nothing now: it was put back again and again, and is looked at anew later.
    Rest(String),
    /// It is not there.
    Create,
    /// It differs, in value or in who holds its fields.
    Configure(Value),
    /// We made it, and were stopped before its fields were ours.
    Adopt(Value),
    /// It differs in what cannot be changed, and may be deleted and made anew.
    Recreate(Box<Deletion>, Value),
}

impl Change {
    /// The live object, if it is to be changed as it is.
    pub fn live(&self) -> Option<&Value> {
        match self {
            Self::Adopt(live) | Self::Configure(live) | Self::Recreate(_, live) => Some(live),
            _ => None,
        }
    }

    /// Whether the object is as wanted.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None(_))
    }
}
