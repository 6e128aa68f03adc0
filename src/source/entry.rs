//! What a folder of a commit has by a name.

use git2::Oid;

use crate::domain::footprint::TreeEntry;

/// The mode of a folder.
const FOLDER: u32 = 0o040_000;

/// What an entry of a tree is, by its mode.
#[derive(Clone, Copy)]
pub(super) enum Entry {
    Folder,
    File,
    Link,
    Submodule,
}

pub(super) fn entry_of(mode: i32) -> Entry {
    match mode & 0o170_000 {
        0o040_000 => Entry::Folder,
        0o120_000 => Entry::Link,
        0o160_000 => Entry::Submodule,
        _ => Entry::File,
    }
}

/// An entry as it is taken down.
pub(super) fn tree_entry(mode: i32, id: Oid) -> TreeEntry {
    match entry_of(mode) {
        Entry::Folder => folder_entry(id),
        _ => TreeEntry { mode: mode.unsigned_abs(), id: id.to_string() },
    }
}

/// A folder as it is taken down.
pub(super) fn folder_entry(id: Oid) -> TreeEntry {
    TreeEntry { mode: FOLDER, id: id.to_string() }
}
