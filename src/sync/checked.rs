//! What the cluster said of an object, and what has to be done to it.

use serde_json::Value;

use crate::domain::diff::FieldChange;
use crate::domain::manifest::Desired;
use crate::domain::obstacle::Obstacle;
use crate::domain::prune::Deletion;
use crate::domain::sync::{Action, ObjectResult};

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
        let (action, message) = match &self.change {
            Change::None(_) => (Action::Unchanged, None),
            Change::Leave(why, _) | Change::Rest(why, _) => (Action::Skipped, Some(why.clone())),
            Change::Create => (Action::Created, None),
            Change::Adopt(_) | Change::Configure(_) => (Action::Configured, None),
            Change::Recreate(_) => (Action::Configured, Some("it would be recreated".to_owned())),
        };
        ObjectResult { object: self.desired.key.clone(), action, fields: self.paths(), message }
    }
}

/// What has to be done to an object, with the live one where there is one.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Nothing: it is as wanted.
    None(Value),
    /// Nothing: it is to be left alone, for this reason.
    Leave(String, Option<Value>),
    /// Nothing now: it was put back again and again, and is looked at anew later.
    Rest(String, Option<Value>),
    /// It is not there.
    Create,
    /// It differs, in value or in who holds its fields.
    Configure(Value),
    /// We made it, and were stopped before its fields were ours.
    Adopt(Value),
    /// It differs in what cannot be changed, and may be deleted and made anew.
    Recreate(Deletion),
}

impl Change {
    /// The live object.
    pub fn live(&self) -> Option<&Value> {
        match self {
            Self::None(live) | Self::Adopt(live) | Self::Configure(live) => Some(live),
            Self::Leave(_, live) | Self::Rest(_, live) => live.as_ref(),
            Self::Create | Self::Recreate(_) => None,
        }
    }

    /// Whether the object is as wanted.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None(_))
    }
}
