//! Refs and ids of commits as hosts write them.

use crate::domain::commit::CommitId;
use crate::domain::delivery::{RefKind, RefUpdate};

/// Splits a full ref into its kind and its name. The prefix is taken off once: a branch may itself
/// be called `refs/heads/x`. What is neither branch nor tag (notes, pull requests) is none.
pub(super) fn split(full: &str) -> Option<(RefKind, &str)> {
    let branch = full.strip_prefix("refs/heads/").map(|name| (RefKind::Branch, name));
    let tag = || full.strip_prefix("refs/tags/").map(|name| (RefKind::Tag, name));
    branch.or_else(tag).filter(|(_, name)| !name.is_empty())
}

/// The kind that a host calls `branch` or `tag`, in whatever case; some versions use the plural.
pub(super) fn kind(name: &str) -> Option<RefKind> {
    match name.to_ascii_lowercase().as_str() {
        "branch" | "branches" => Some(RefKind::Branch),
        "tag" | "tags" => Some(RefKind::Tag),
        _ => None,
    }
}

/// The move of a ref from one commit to another; an id of zeros stands for none.
pub(super) fn moved(
    (kind, name): (RefKind, &str),
    before: Option<&str>,
    after: Option<&str>,
) -> RefUpdate {
    RefUpdate {
        kind,
        name: name.to_owned(),
        before: before.and_then(commit),
        after: after.and_then(commit),
        deleted: after.is_some_and(is_zero),
    }
}

/// The deletion of a ref.
pub(super) fn deleted(named: (RefKind, &str), before: Option<&str>) -> RefUpdate {
    RefUpdate { deleted: true, ..moved(named, before, None) }
}

fn commit(id: &str) -> Option<CommitId> {
    id.parse().ok().filter(|id: &CommitId| !id.is_zero())
}

/// The number of zeros depends on the hash that the repository uses.
fn is_zero(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|b| b == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_taken_off_once_and_only_of_branches_and_tags() {
        for (full, expected) in [
            ("refs/heads/main", Some((RefKind::Branch, "main"))),
            ("refs/heads/feature/a", Some((RefKind::Branch, "feature/a"))),
            ("refs/heads/refs/heads/x", Some((RefKind::Branch, "refs/heads/x"))),
            ("refs/heads/größe 100%", Some((RefKind::Branch, "größe 100%"))),
            ("refs/tags/v1", Some((RefKind::Tag, "v1"))),
            ("refs/heads/", None),
            ("refs/notes/commits", None),
            ("refs/pull/1/head", None),
            ("main", None),
            ("", None),
        ] {
            assert_eq!(split(full), expected, "{full}");
        }
    }

    #[test]
    fn zeros_of_any_hash_mean_no_commit() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        for zeros in ["0".repeat(40), "0".repeat(64)] {
            let created = moved((RefKind::Branch, "a"), Some(&zeros), Some(id));
            assert_eq!((created.before, created.deleted), (None, false));
            let gone = moved((RefKind::Branch, "a"), Some(id), Some(&zeros));
            assert_eq!((gone.after, gone.deleted), (None, true));
        }
        let unknown = moved((RefKind::Branch, "a"), Some("x"), Some(""));
        assert_eq!((unknown.before, unknown.after, unknown.deleted), (None, None, false));
    }
}
