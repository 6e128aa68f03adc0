//! What decides a refusal, and what can be done about it.

use crate::cluster::error::{ClusterError, InvalidField};
use crate::domain::obstacle::Obstacle;
use crate::domain::sync::FailureCause;

/// Reasons of a refused field that the manifest alone decides. `FieldValueInvalid` is none of
/// them: a port that another Service has is one, too.
const DECIDED_BY_MANIFEST: [&str; 5] = [
    "FieldValueRequired",
    "FieldValueNotSupported",
    "FieldValueTypeInvalid",
    "FieldValueTooLong",
    "FieldValueTooMany",
];

impl ClusterError {
    /// What decides it. Only of a built-in kind can the manifest alone: the definition of another kind
    /// may come to say something else, and may be on its way.
    pub fn cause(&self) -> FailureCause {
        let by_manifest = match self {
            Self::Unnameable { .. } | Self::TooLarge { .. } => true,
            Self::UnknownField { object, .. } | Self::Malformed { object, .. } => {
                object.is_built_in()
            }
            Self::Invalid { object, causes } => {
                let decided =
                    |cause: &InvalidField| DECIDED_BY_MANIFEST.contains(&cause.reason.as_str());
                object.is_built_in() && !causes.is_empty() && causes.iter().all(decided)
            }
            _ => false,
        };
        if by_manifest { FailureCause::Commit } else { FailureCause::Environment }
    }

    /// Whether it is about the object as it is and as it is to be. Some of these are told as a failure of
    /// the API server: a key that is there twice, a port that two items have.
    pub fn is_of_the_object(&self) -> bool {
        matches!(self, Self::Invalid { .. } | Self::ServerBusy { code: 500, .. })
    }

    /// What may be in the way of an apply that was refused.
    pub fn obstacles(&self) -> Vec<Obstacle> {
        let Self::Invalid { causes, .. } = self else { return Vec::new() };
        causes.iter().map(|cause| Obstacle::of_refusal(&cause.field, &cause.reason)).collect()
    }

    /// What a refused value is when the object could be made anew with it: a field that cannot be
    /// changed.
    #[must_use]
    pub fn of_a_change(self) -> Self {
        match self {
            Self::Invalid { object, causes } if !causes.is_empty() => {
                let field = causes[0].field.clone();
                let messages: Vec<_> = causes.into_iter().map(|cause| cause.message).collect();
                Self::Immutable { object, field, message: messages.join("; ") }
            }
            other => other,
        }
    }
}
