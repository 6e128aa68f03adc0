//! Texts of the configuration that stand for something: durations, sizes, paths, revisions. Each
//! is read and written here and nowhere else.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::KindName;
use crate::domain::commit::Revision;

/// Longest duration that is taken: ten years of 365 days, so that adding one to a time never
/// overflows.
const DURATION_MAX: Duration = Duration::from_hours(10 * 365 * 24);

pub(super) const DURATION: &str = "a duration like 30s, 10m or 1h";
pub(super) const SIZE: &str = "a size like 64KiB, 25MiB or 1GiB";
pub(super) const REVISION: &str = "a branch, a tag, a full commit id or a range like `>=1.2, <2`";
pub(super) const KIND: &str = "a kind like `Namespace`, or with its group like `Deployment.apps`";

/// Why a text was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// What was expected; the refused text may be shown beside it.
    Expected(&'static str),
    /// What is wrong and what to do. The refused text is not shown: it may hold a secret.
    Because(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected(expected) => write!(f, "expected {expected}"),
            Self::Because(reason) => f.write_str(reason),
        }
    }
}

macro_rules! serde_as_text {
    ($($type:ident)*) => {$(
        impl TryFrom<String> for $type {
            type Error = Refusal;

            fn try_from(text: String) -> Result<Self, Refusal> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        }
    )*};
}

serde_as_text!(Span Size FolderPath FollowedRevision Kind StoreUrl);

/// A duration: whole numbers with `ms`, `s`, `m`, `h` or `d`, the largest first: `10m`, `1h30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("x-rule" = "duration", "pattern" = "^([0-9]+(ms|s|m|h|d))+$"))]
pub struct Span(pub Duration);

/// The units of a [`Span`] in milliseconds, the largest first.
const DURATION_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl FromStr for Span {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let expected = Refusal::Expected(DURATION);
        match milliseconds(text).map(Duration::from_millis) {
            None => Err(expected),
            Some(Duration::ZERO) => Err(Refusal::Expected("a duration longer than nothing")),
            Some(long) if long > DURATION_MAX => Err(Refusal::Expected("at most 3650d")),
            Some(duration) => Ok(Self(duration)),
        }
    }
}

fn milliseconds(text: &str) -> Option<u64> {
    let (mut rest, mut sum, mut units) = (text, 0_u64, &DURATION_UNITS[..]);
    while !rest.is_empty() || units.len() == DURATION_UNITS.len() {
        let (number, after) = split_number(rest)?;
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let index = units.iter().position(|(name, _)| *name == unit)?;
        sum = sum.checked_add(number.checked_mul(units[index].1)?)?;
        (rest, units) = (after, &units[index + 1..]);
    }
    Some(sum)
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        for (unit, length) in DURATION_UNITS {
            let count = rest / length;
            rest %= length;
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

/// A number of bytes: `512B`, `64KiB`, `25MiB`, `1GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("x-rule" = "size", "pattern" = "^[0-9]+(B|KiB|MiB|GiB)$"))]
pub struct Size(pub u64);

/// The units of a [`Size`] in bytes, the largest first.
const SIZE_UNITS: [(&str, u64); 4] =
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl FromStr for Size {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let bytes = split_number(text).and_then(|(number, unit)| {
            let (_, length) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
            number.checked_mul(*length)
        });
        match bytes {
            Some(bytes) if bytes > 0 => Ok(Self(bytes)),
            _ => Err(Refusal::Expected(SIZE)),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, length) = SIZE_UNITS
            .into_iter()
            .find(|(_, length)| self.0.is_multiple_of(*length))
            .unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / length)
    }
}

/// A folder or file of a repository, from its root. `./a//b/` is kept as `a/b`, the root as
/// nothing; what leads out of the repository is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("x-rule" = "path"))]
pub struct FolderPath(pub String);

impl FromStr for FolderPath {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if text.starts_with('/') {
            return Err(Refusal::Expected(
                "a path from the repository's root, without `/` before it",
            ));
        }
        if parts.contains(&"..") {
            return Err(Refusal::Expected("a path inside of the repository, without `..`"));
        }
        if text.contains(char::is_control) {
            return Err(Refusal::Expected("a path without control characters"));
        }
        Ok(Self(parts.join("/")))
    }
}

impl fmt::Display for FolderPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an application follows: a branch, a tag, a commit, a range of versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("x-rule" = "revision"))]
pub struct FollowedRevision(pub Revision);

impl FromStr for FollowedRevision {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let revision = Revision::parse(text);
        match &revision {
            Revision::Named(name) | Revision::Branch(name) | Revision::Tag(name)
                if !is_ref_name(name) =>
            {
                Err(Refusal::Expected(REVISION))
            }
            _ => Ok(Self(revision)),
        }
    }
}

/// The rules of `git check-ref-format`, and no sign of comparison before it, so that a mistyped
/// range is not taken for a branch that never appears.
fn is_ref_name(name: &str) -> bool {
    let forbidden = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let good_part = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && part.strip_suffix(".lock").is_none()
    };
    name.split('/').all(good_part)
        && !name.contains(forbidden)
        && !name.starts_with(['-', '=', '<', '>'])
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.contains("@{")
        && name != "@"
}

impl fmt::Display for FollowedRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A kind with or without its group: `Namespace`, `Deployment.apps`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("x-rule" = "kind"))]
pub struct Kind(pub KindName);

impl FromStr for Kind {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let (kind, group) = match text.split_once('.') {
            Some((kind, group)) => (kind, Some(group)),
            None => (text, None),
        };
        let good_kind = kind.starts_with(|c: char| c.is_ascii_uppercase())
            && kind.bytes().all(|b| b.is_ascii_alphanumeric());
        let good_group = group.is_none_or(|group| {
            !group.is_empty()
                && group.bytes().all(|b| {
                    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.')
                })
        });
        if good_kind && good_group {
            Ok(Self(KindName { kind: kind.to_owned(), group: group.map(str::to_owned) }))
        } else {
            Err(Refusal::Expected(KIND))
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.kind)?;
        self.0.group.as_ref().map_or(Ok(()), |group| write!(f, ".{group}"))
    }
}

/// Where state is kept: `sqlite://PATH`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("x-rule" = "store-url"))]
pub struct StoreUrl(pub PathBuf);

impl FromStr for StoreUrl {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Err(Refusal::Because(
                "PostgreSQL is not supported by this version: use sqlite://PATH".to_owned(),
            ));
        }
        match text.strip_prefix("sqlite://") {
            Some(path) if is_file_path(path) => Ok(Self(path.into())),
            _ => Err(Refusal::Because(
                "expected sqlite://PATH, where PATH names a file and has no `?`".to_owned(),
            )),
        }
    }
}

fn is_file_path(path: &str) -> bool {
    !path.is_empty() && !path.ends_with('/') && !path.starts_with(':') && !path.contains('?')
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sqlite://{}", self.0.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: FromStr<Err = Refusal> + fmt::Display>(text: &str) -> Option<String> {
        text.parse::<T>().ok().map(|value| value.to_string())
    }

    #[test]
    fn durations_are_numbers_with_units() {
        for good in ["30s", "10m", "1h", "90d", "1h30m", "1d2h3m4s5ms", "500ms", "3650d"] {
            assert_eq!(read::<Span>(good).as_deref(), Some(good));
        }
        assert_eq!(read::<Span>("90m").as_deref(), Some("1h30m"));
        for bad in ["", "ten", "10", "0s", "-1s", "1.5h", "1m1h", "1s1s", "1 h", "3651d", "ü"] {
            assert_eq!(read::<Span>(bad), None, "{bad}");
        }
        assert_eq!(read::<Span>("18446744073709551615d"), None);
    }

    #[test]
    fn sizes_are_numbers_with_binary_units() {
        for good in ["1B", "64KiB", "25MiB", "3GiB"] {
            assert_eq!(read::<Size>(good).as_deref(), Some(good));
        }
        assert_eq!("1KiB".parse(), Ok(Size(1024)));
        for bad in ["", "25", "25MB", "0MiB", "MiB", "99999999999GiB"] {
            assert_eq!(read::<Size>(bad), None, "{bad}");
        }
    }

    #[test]
    fn paths_are_normal_and_stay_inside() {
        for (text, path) in [("", ""), (".", ""), ("./a//b/", "a/b"), ("a/.b", "a/.b")] {
            assert_eq!(read::<FolderPath>(text).as_deref(), Some(path));
        }
        for bad in ["/a", "..", "a/../b", "a\nb"] {
            assert_eq!(read::<FolderPath>(bad), None, "{bad}");
        }
    }

    #[test]
    fn revisions_are_refs_commits_or_ranges() {
        for good in ["main", "feature/x", "refs/tags/v1", "1.2.3", ">=1.2, <2", "1.x"] {
            assert!(good.parse::<FollowedRevision>().is_ok(), "{good}");
        }
        for bad in ["", ">=one", "a b", "a..b", "-x", "/a", "a/", "refs/heads/", "x.lock", "^1.y"] {
            assert_eq!(read::<FollowedRevision>(bad), None, "{bad}");
        }
    }

    #[test]
    fn kinds_may_name_their_group() {
        for good in ["Namespace", "Deployment.apps", "Certificate.cert-manager.io"] {
            assert_eq!(read::<Kind>(good).as_deref(), Some(good));
        }
        for bad in ["", "pods", "apps/Deployment", "Deployment.", "A b"] {
            assert_eq!(read::<Kind>(bad), None, "{bad}");
        }
    }
}
