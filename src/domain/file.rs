//! Files of a commit.

use std::sync::Arc;

/// One file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path from the root of the repository.
    pub path: Arc<str>,
    /// Its content.
    pub bytes: Vec<u8>,
}
