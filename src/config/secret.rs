//! Secrets: where a value is to be read, never the value itself.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::domain::quoted::{NOT_SHOWN, Quoted};

/// Longest secret in bytes; a private key has a few thousand.
const SECRET_BYTES_MAX: u64 = 1 << 20;

/// Shortest token of the API, in bytes: what is shorter can be guessed.
pub const TOKEN_BYTES_MIN: usize = 16;

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
    #[error("environment variable {} is not set: export it for the headstay process", named(.0))]
    Env(String),
    /// The file cannot be read.
    #[error("secret file {} cannot be read", located(path))]
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
            Self::File(path) => read_bounded(path)
                .map_err(|source| SecretError::File { path: path.clone(), source })?,
        };
        let value = value.trim_end_matches(['\n', '\r']);
        if value.is_empty() {
            return Err(SecretError::Empty(self.to_string()));
        }
        Ok(SecretString::from(value))
    }
}

/// The name of a variable that is not there, unless it may be the secret itself, which somebody put
/// where its name belongs.
fn named(variable: &str) -> String {
    let digits = variable.bytes().filter(u8::is_ascii_digit).count();
    let like_a_name =
        !variable.bytes().any(|b| b.is_ascii_lowercase()) && digits * 4 <= variable.len();
    unless_hidden(like_a_name, variable)
}

/// The path of a file that cannot be read, unless it may be the secret itself.
fn located(path: &Path) -> String {
    let like_a_path = path.components().count() > 1 || path.extension().is_some();
    unless_hidden(like_a_path, &path.to_string_lossy())
}

fn unless_hidden(shown: bool, text: &str) -> String {
    if shown { Quoted(text).to_string() } else { NOT_SHOWN.to_owned() }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut value = String::new();
    let length = File::open(path)?.take(SECRET_BYTES_MAX + 1).read_to_string(&mut value)?;
    if u64::try_from(length).is_ok_and(|length| length <= SECRET_BYTES_MAX) {
        Ok(value)
    } else {
        Err(io::ErrorKind::FileTooLarge.into())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable {}", Quoted(name)),
            Self::File(path) => write!(f, "file {}", Quoted(&path.to_string_lossy())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_file_is_read_at_each_use_without_its_last_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let secret = Secret::File(path.clone());
        for (content, value) in [("one\n", "one"), ("two\nlines\r\n", "two\nlines")] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(secret.read().unwrap().expose_secret(), value);
        }
    }

    #[test]
    fn what_is_empty_missing_or_too_long_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let secret = Secret::File(path.clone());
        assert!(secret.read().unwrap_err().source().is_some());
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(secret.read(), Err(SecretError::Empty(_))));
        std::fs::write(&path, "x".repeat(2 << 20)).unwrap();
        assert!(matches!(secret.read(), Err(SecretError::File { .. })));
    }
}
