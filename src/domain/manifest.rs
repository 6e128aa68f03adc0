//! Manifests: objects as Git says them, and what is made of them before they meet a cluster.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::domain::object::{ObjectKey, Resource};

/// Where in Git an object was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The file, from the root of the repository.
    pub file: Arc<str>,
    /// The line on which the object begins, from 1.
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One object as Git says it, with `apiVersion`, `kind` and `metadata.name`.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Where it was read.
    pub origin: Origin,
    /// The object.
    pub value: Value,
}

/// One object as it is sent: its kind known, its namespace filled in, our label and annotation on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// Its name in the cluster.
    pub key: ObjectKey,
    /// Its kind, as the API server (or a `CustomResourceDefinition` beside it) describes it.
    pub resource: Resource,
    /// Where it was read.
    pub origin: Origin,
    /// What is sent.
    pub value: Value,
    /// SHA-256 (hex) of `value` with sorted keys.
    pub hash: String,
}
