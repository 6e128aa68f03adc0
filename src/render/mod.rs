//! From the files of a commit to manifests: plain data in, plain data out. Each renderer is a file.

mod plain;

use std::collections::BTreeMap;

use crate::domain::account::{Account, Refusal};
use crate::domain::file::File;
use crate::domain::footprint::{Footprint, Paths};
use crate::domain::manifest::{Manifest, Origin};
use crate::domain::sync::FailureCause;

/// What makes manifests of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renderer {
    /// The files are the manifests.
    Plain,
}

/// What came of a render.
#[derive(Debug)]
pub struct Rendered {
    /// The manifests, or what is wrong with the files.
    pub manifests: Result<Vec<Manifest>, Vec<RenderError>>,
    /// What decided that.
    pub footprint: Footprint,
}

impl Renderer {
    /// Every renderer.
    const ALL: [Self; 1] = [Self::Plain];

    /// Its name and version. That is to be raised whenever the same files render to other objects, or
    /// to another failure, so that every application is rendered anew.
    fn version(self) -> &'static str {
        match self {
            Self::Plain => "plain-3",
        }
    }

    /// Renders files that were read at these paths. What it takes is charged to the account.
    pub fn render(self, files: Vec<File>, paths: Paths, account: &Account) -> Rendered {
        let manifests = match self {
            Self::Plain => plain::render(files, account),
        };
        Rendered { manifests, footprint: self.footprint(paths) }
    }

    /// What decides a render that has read these paths, and no more.
    pub fn footprint(self, paths: Paths) -> Footprint {
        Footprint { renderer: self.version().to_owned(), paths, external: BTreeMap::new() }
    }
}

/// Whether a render would still be made by the same renderer, of the same version, and from the same
/// beside Git. Nothing beside it is used yet: what was, by a later version, nobody can compare.
pub fn is_current(footprint: &Footprint) -> bool {
    footprint.external.is_empty()
        && Renderer::ALL.iter().any(|renderer| renderer.version() == footprint.renderer)
}

/// Files that do not make manifests.
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

impl RenderError {
    /// What decides it: Git's bytes alone, so that only another commit cures it, or more.
    pub fn cause(&self) -> FailureCause {
        match self {
            Self::TooMuch { refusal: Refusal::Abandoned, .. } => FailureCause::Environment,
            Self::Syntax { .. }
            | Self::NotAnObject { .. }
            | Self::Field { .. }
            | Self::GenerateName { .. }
            | Self::OtherTool { .. }
            | Self::TooMuch { refusal: Refusal::Beyond { .. }, .. }
            | Self::More { .. } => FailureCause::Commit,
        }
    }
}
