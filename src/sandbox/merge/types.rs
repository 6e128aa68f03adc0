//! The type of every field: what a list's items are known by, and what is replaced as a whole.

use serde_json::Value;

/// A definition that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema of {version} at {at} {problem}")]
pub struct Invalid {
    /// The version of the definition.
    pub version: String,
    /// Where in the schema.
    pub at: String,
    /// What is wrong there.
    pub problem: String,
}

/// The types of all kinds that are served. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Types {}

impl Types {
    /// The built-in kinds.
    pub fn builtin() -> Self {
        Self {}
    }

    /// These and the kind of a CustomResourceDefinition, in each of its versions. It takes the place
    /// of an older definition of the kind.
    ///
    /// # Errors
    /// A schema that cannot be read.
    pub fn with_definition(&self, _crd: &Value) -> Result<Self, Invalid> {
        Ok(self.clone())
    }

    /// These without the kind of a CustomResourceDefinition.
    #[must_use]
    pub fn without_definition(&self, _crd: &Value) -> Self {
        self.clone()
    }
}
