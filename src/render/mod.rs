//! From the files of a commit to manifests: plain data in, plain data out.

pub mod plain;

use crate::domain::manifest::Origin;
use crate::yaml;

/// Names what a rendering depends on beside its input: to be raised whenever the same files render
/// to other objects, so that every application is rendered anew.
pub const VERSION: &str = "plain-1";

/// Bounds on one application's files, so that a hostile repository ends in an error.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most objects.
    pub objects: usize,
    /// Most bytes of all manifests together.
    pub bytes: usize,
    /// Bounds on each file.
    pub file: yaml::Limits,
}

impl Default for Limits {
    /// Ten times what the largest known applications have.
    fn default() -> Self {
        Self { objects: 50_000, bytes: 256 << 20, file: yaml::Limits::default() }
    }
}

/// Files that do not make manifests. Each of these is permanent: only another commit cures it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Text that is not YAML as kubectl reads it.
    #[error("{origin}: {message}")]
    Syntax {
        /// The place.
        origin: Origin,
        /// What is wrong.
        message: String,
    },
    /// A document or an item of a list that is no mapping.
    #[error("{origin}: expected an object: a mapping with apiVersion, kind and metadata.name")]
    NotAnObject {
        /// The place.
        origin: Origin,
    },
    /// A field that every object needs is not there, or is not what it must be.
    #[error("{origin}: `{field}` must be {expected}")]
    Field {
        /// The place of the field, or of the object that lacks it.
        origin: Origin,
        /// Its path.
        field: String,
        /// What it must be.
        expected: &'static str,
    },
    /// An object that gets its name from the API server.
    #[error(
        "{origin}: `metadata.generateName` cannot be applied, because each apply would make \
         another object; set `metadata.name`"
    )]
    GenerateName {
        /// The place.
        origin: Origin,
    },
    /// A file of another tool, whose folder cannot be read as plain manifests.
    #[error(
        "{origin}: this belongs to {tool}, which is not rendered yet; commit the rendered \
         manifests, or point the application's path elsewhere"
    )]
    OtherTool {
        /// The file.
        origin: Origin,
        /// Whose it is.
        tool: &'static str,
    },
    /// More objects than the limit.
    #[error("more than {limit} objects; split the application")]
    TooManyObjects {
        /// The limit.
        limit: usize,
    },
    /// More bytes than the limit.
    #[error("more than {limit} bytes of manifests; split the application")]
    TooManyBytes {
        /// The limit in bytes.
        limit: usize,
    },
}
