//! Commits and the revisions that point to them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The full id of a commit: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^([0-9a-f]{40}|[0-9a-f]{64})$"))]
pub struct CommitId(String);

impl CommitId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }

    /// Whether all digits are zero: what hosts send for "no commit".
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|b| b == b'0')
    }
}

/// The text is not the full id of a commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a full commit id (40 or 64 hexadecimal digits)")]
pub struct InvalidCommitId(pub String);

impl FromStr for CommitId {
    type Err = InvalidCommitId;

    fn from_str(value: &str) -> Result<Self, InvalidCommitId> {
        if matches!(value.len(), 40 | 64) && value.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(value.to_ascii_lowercase()))
        } else {
            Err(InvalidCommitId(value.to_owned()))
        }
    }
}

impl TryFrom<String> for CommitId {
    type Error = InvalidCommitId;

    fn try_from(value: String) -> Result<Self, InvalidCommitId> {
        value.parse()
    }
}

impl From<CommitId> for String {
    fn from(id: CommitId) -> String {
        id.0
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the history tells of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Commit {
    /// Its full id.
    pub id: CommitId,
    /// Name and address of the author: `Ada <ada@example.org>`.
    pub author: String,
    /// The first line of the message.
    pub message: String,
    /// When it was committed.
    pub committed_at: Timestamp,
}

/// What an application follows: the value of its `revision`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Revision {
    /// `refs/heads/…`, written in full or as what is neither of the others; a tag of that name is
    /// taken where no branch has it.
    Named(String),
    /// `refs/heads/<name>`, written in full.
    Branch(String),
    /// `refs/tags/<name>`, written in full.
    Tag(String),
    /// A full commit id.
    Commit(CommitId),
    /// The highest tag in a range of semantic versions (`>=1.2, <2`, `^1`, `1.x`).
    Semver(semver::VersionReq),
}

impl Revision {
    /// Every branch and every tag, for a fetch: `*` is the name of none.
    pub fn every() -> Self {
        Self::Named("*".to_owned())
    }

    /// Reads the text of a `revision`. Never fails: what is no commit id, no full ref and no range
    /// is the name of a branch or tag. A bare `1.2.3` is a name; a range starts with one of
    /// `= < > ^ ~ *` or has a wildcard part.
    pub fn parse(text: &str) -> Self {
        if let Ok(id) = text.parse() {
            return Self::Commit(id);
        }
        if let Some(name) = text.strip_prefix("refs/heads/") {
            return Self::Branch(name.to_owned());
        }
        if let Some(name) = text.strip_prefix("refs/tags/") {
            return Self::Tag(name.to_owned());
        }
        let range = text.starts_with(['=', '<', '>', '^', '~', '*'])
            || text.split('.').any(|part| matches!(part, "x" | "X" | "*"));
        match semver::VersionReq::parse(text) {
            Ok(requirement) if range => Self::Semver(requirement),
            _ => Self::Named(text.to_owned()),
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Branch(name) => write!(f, "refs/heads/{name}"),
            Self::Tag(name) => write!(f, "refs/tags/{name}"),
            Self::Commit(id) => id.fmt(f),
            Self::Semver(range) => range.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_says_what_it_is() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        assert!(matches!(Revision::parse(id), Revision::Commit(_)));
        assert_eq!(Revision::parse("main"), Revision::Named("main".into()));
        assert_eq!(Revision::parse("1.2.3"), Revision::Named("1.2.3".into()));
        assert_eq!(Revision::parse("refs/heads/x/y"), Revision::Branch("x/y".into()));
        assert_eq!(Revision::parse("refs/tags/v1"), Revision::Tag("v1".into()));
        for range in [">=1.2, <2", "^1", "1.x", "~1.4", "*"] {
            assert!(matches!(Revision::parse(range), Revision::Semver(_)), "{range}");
        }
    }
}
