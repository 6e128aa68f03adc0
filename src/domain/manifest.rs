//! Manifests: objects as Git says them, and as they are sent.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::domain::directives::{self, Directives, InvalidDirective};
use crate::domain::object::{GroupVersionKind, ObjectKey, Resource, split_api_version};
use crate::domain::sync::FailureCause;

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
    /// What of the manifest is not sent, and why.
    pub warnings: Vec<String>,
}

/// A manifest cannot become an object of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The cluster does not know the kind (yet).
    #[error(
        "{origin}: the cluster knows no kind `{kind}` of `{api_version}` (object `{name}`); \
         install its CustomResourceDefinition or correct the apiVersion"
    )]
    UnknownKind {
        /// Where the object was read.
        origin: Origin,
        /// Its `apiVersion`.
        api_version: String,
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// A namespaced object for which nothing names a namespace.
    #[error(
        "{origin}: `{kind}` `{name}` has no namespace; set metadata.namespace or the \
         application's namespace"
    )]
    NoNamespace {
        /// Where the object was read.
        origin: Origin,
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The same object twice.
    #[error("{second}: `{object}` is also in {first}; keep one of them")]
    Duplicate {
        /// The object.
        object: Box<ObjectKey>,
        /// Where it was read first.
        first: Origin,
        /// Where it was read again.
        second: Origin,
    },
    /// An annotation of ours has a value that means nothing.
    #[error("{origin}: `{object}`: {directive}")]
    Directive {
        /// Where the object was read.
        origin: Origin,
        /// The object.
        object: Box<ObjectKey>,
        /// What is wrong.
        directive: InvalidDirective,
    },
    /// A field is not of its type.
    #[error("{origin}: `{field}` must be {expected}")]
    Field {
        /// Where the object was read.
        origin: Origin,
        /// The path of the field.
        field: String,
        /// Its type.
        expected: &'static str,
    },
}

impl ManifestError {
    /// What decides it. An unknown kind may become known.
    pub fn cause(&self) -> FailureCause {
        match self {
            Self::UnknownKind { .. } => FailureCause::Environment,
            _ => FailureCause::Commit,
        }
    }
}

impl Manifest {
    /// Its kind in the version that it is written in.
    pub fn group_version_kind(&self) -> GroupVersionKind {
        let text = |key: &str| self.value.get(key).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = split_api_version(text("apiVersion"));
        GroupVersionKind {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: text("kind").to_owned(),
        }
    }

    /// Its `metadata.name`.
    pub fn name(&self) -> &str {
        self.value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
    }

    /// That the cluster does not know its kind.
    pub(super) fn unknown_kind(&self) -> ManifestError {
        let text = |key: &str| self.value.get(key).and_then(Value::as_str).unwrap_or_default();
        ManifestError::UnknownKind {
            origin: self.origin.clone(),
            api_version: text("apiVersion").to_owned(),
            kind: text("kind").to_owned(),
            name: self.name().to_owned(),
        }
    }
}

impl Desired {
    /// What the object's annotations ask for. They were checked when the object was resolved; one
    /// that makes no sense would count as the default.
    pub fn directives(&self) -> Directives {
        directives::read(&self.value).unwrap_or_default()
    }
}
