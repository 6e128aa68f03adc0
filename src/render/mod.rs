//! From the files of a commit to manifests: plain data in, plain data out.

pub mod plain;

use crate::domain::account::Refusal;
use crate::domain::manifest::Origin;

/// Names what a rendering depends on beside its input: to be raised whenever the same files render
/// to other objects, so that every application is rendered anew.
pub const VERSION: &str = "plain-2";

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
    #[error(
        "{origin}: expected an object: a mapping with apiVersion, kind and metadata.name; a file of \
         another kind belongs outside of the application's path, or into a folder whose name begins \
         with a dot, which is passed over"
    )]
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
    /// The files would take more than a render may.
    #[error("{origin}: {refusal}")]
    TooMuch {
        /// Where it would have been taken.
        origin: Origin,
        /// What is too much.
        refusal: Refusal,
    },
    /// More is wrong than is worth telling.
    #[error("more is wrong: these are the first {told} places")]
    More {
        /// How many are told.
        told: usize,
    },
}
