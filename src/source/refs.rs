//! The refs of a mirror: those of its remote, and our own.

use std::collections::BTreeMap;

use git2::{Oid, Repository as Git};

use crate::source::error::FetchError;

/// Most branches and tags of a repository: libgit2 takes some 350 bytes for each.
const REFS_MAX: usize = 100_000;

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

/// Makes sure that there are not too many branches and tags.
pub(super) fn few(refs: usize) -> Result<(), FetchError> {
    if refs <= REFS_MAX {
        return Ok(());
    }
    Err(FetchError::ManyRefs { bound: "branches and tags", limit: REFS_MAX as u64 })
}

/// Leaves of what a server lists (`gitprotocol-pack(5)`) the branches and tags: hosts list each pull
/// request, too, and what a tag leads to. What is no such list is left as it is, for libgit2 to say so.
pub(super) fn needed(mut list: Vec<u8>) -> Result<Vec<u8>, FetchError> {
    let (mut read, mut written, mut found) = (0, 0, 0);
    while let Some(bytes) = line_bytes(&list[read..]) {
        let line = &list[read + 4..read + bytes];
        let is_first = line.contains(&0);
        let name = line.get(41..).filter(|_| line[40] == b' ');
        let is_needed = name.is_none_or(|name| {
            let is_ours = name.starts_with(HEADS.as_bytes()) || name.starts_with(TAGS.as_bytes());
            is_ours && !name.trim_ascii_end().ends_with(b"^{}")
        });
        if is_needed || is_first {
            found += usize::from(name.is_some());
            few(found)?;
            list.copy_within(read..read + bytes, written);
            written += bytes;
        }
        read += bytes;
    }
    list.copy_within(read.., written);
    list.truncate(written + list.len() - read);
    Ok(list)
}

/// How long the line is that begins here, its length included, if all of it is there.
fn line_bytes(list: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(list.get(..4)?).ok()?;
    let bytes = usize::from_str_radix(digits, 16).ok()?.max(4);
    (bytes <= list.len()).then_some(bytes)
}

/// Where it is remembered that a ref was there.
pub(super) fn vanished(name: &str) -> String {
    format!("{VANISHED}{}", name.trim_start_matches("refs/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        format!("{:04x}{text}", text.len() + 4)
    }

    #[test]
    fn of_a_list_only_branches_and_tags_are_needed() {
        let id = "1".repeat(40);
        let first = line(&format!("{id} HEAD\0multi_ack ofs-delta\n"));
        let of = |name: &str| line(&format!("{id} {name}\n"));
        let begin = format!("{}0000{first}", line("# service=git-upload-pack\n"));
        let [main, tag] = ["refs/heads/main", "refs/tags/v1"].map(of);
        let others = ["refs/pull/1/head", "refs/pull/1/merge", "refs/tags/v1^{}"].map(of).concat();
        let list = format!("{begin}{others}{main}{others}{tag}{others}0000");
        let needed = |list: &str| String::from_utf8(needed(list.into()).unwrap()).unwrap();
        assert_eq!(needed(&list), format!("{begin}{main}{tag}0000"));
        for odd in ["", "<html>", "00", "zzzz", "fffe1", &format!("{begin}00")] {
            assert_eq!(needed(odd), odd);
        }
        let many: String = (0..=REFS_MAX).map(|n| of(&format!("refs/heads/{n}"))).collect();
        let error = super::needed(many.into()).unwrap_err().to_string();
        assert_eq!(error, "the repository has more than 100000 branches and tags");
    }
}
