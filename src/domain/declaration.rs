//! What declares applications.

use crate::domain::name::{ApplicationName, ClusterName};

/// A source of applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeclaredBy {
    /// The configuration.
    Configuration,
}

impl DeclaredBy {
    /// Its name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
        }
    }
}

/// All that one source declares at a time. Of what others declare it says nothing; and one that cannot be
/// read declares nothing, so that none of its applications has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// Whose it is.
    pub by: DeclaredBy,
    /// Its applications, each with the cluster that it is kept on.
    pub applications: Vec<(ApplicationName, ClusterName)>,
}
