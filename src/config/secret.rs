//! Secrets: where a value is to be read, never the value itself.

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

/// Where a secret value is read: `{env: NAME}` or `{file: PATH}`. Read at each use, so that a
/// changed file counts at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Secret {
    /// An environment variable.
    Env(String),
    /// A file; line breaks at its end are no part of the value.
    File(PathBuf),
}

/// A secret could not be read. Names where, never what.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or not UTF-8.
    #[error("environment variable `{0}` is not set: export it for the headstay process")]
    Env(String),
    /// The file cannot be read.
    #[error("secret file `{path}` cannot be read")]
    File {
        /// Its path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It is there, but empty.
    #[error("the secret in {0} is empty")]
    Empty(String),
}

impl Secret {
    /// Reads the value. An empty one is an error: it would let anyone in.
    pub fn read(&self) -> Result<SecretString, SecretError> {
        let value = match self {
            Self::Env(name) => std::env::var(name).map_err(|_| SecretError::Env(name.clone()))?,
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|source| SecretError::File { path: path.clone(), source })?,
        };
        let value = value.trim_end_matches(['\n', '\r']);
        if value.is_empty() {
            return Err(SecretError::Empty(self.to_string()));
        }
        Ok(SecretString::from(value))
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable `{name}`"),
            Self::File(path) => write!(f, "file `{}`", path.display()),
        }
    }
}
