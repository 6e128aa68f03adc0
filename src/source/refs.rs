//! The refs of a mirror: those of its remote, and our own.

use std::collections::BTreeMap;

use git2::{Oid, Repository as Git};

/// Prefix of branches.
pub(super) const HEADS: &str = "refs/heads/";
/// Prefix of tags.
pub(super) const TAGS: &str = "refs/tags/";
/// Prefix of the refs that keep commits of the history.
pub(super) const PINS: &str = "refs/headstay/commits/";
/// Prefix of the refs that remember what a branch or tag pointed to before it vanished.
const VANISHED: &str = "refs/headstay/vanished/";

/// Refs by name.
pub(super) type Refs = BTreeMap<String, Oid>;

/// The refs with these prefixes.
pub(super) fn refs(git: &Git, prefixes: &[&str]) -> Result<Refs, git2::Error> {
    let mut refs = Refs::new();
    for prefix in prefixes {
        for reference in git.references_glob(&format!("{prefix}*"))? {
            let reference = reference?;
            if let (Ok(name), Some(id)) = (reference.name(), reference.target()) {
                refs.insert(name.to_owned(), id);
            }
        }
    }
    Ok(refs)
}

/// Where it is remembered that a ref was there.
pub(super) fn vanished(name: &str) -> String {
    format!("{VANISHED}{}", name.trim_start_matches("refs/"))
}
