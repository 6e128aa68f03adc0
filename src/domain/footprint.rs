//! What a render was made from: with what is the same there, another commit renders to the same
//! manifests, and need not be rendered to know it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::object::ObjectKey;
use crate::domain::sync::Failure;

/// Most paths of one footprint; what needs more is decided by the whole tree. Of two thousand
/// public kustomizations the widest reaches 138 files.
const PATHS_MAX: usize = 1000;
/// Most bytes of all its paths.
const PATH_BYTES_MAX: usize = 64 << 10;

/// What Git has at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeEntry {
    /// Folder, file, symlink or submodule, as Git writes it.
    pub mode: u32,
    /// The id of the object, in hex.
    pub id: String,
}

impl TreeEntry {
    /// Whether all that is below the path goes with it.
    fn is_folder(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }
}

/// The paths of a commit that decided something, each with what is there: a folder with all that is
/// in it, a file, a symlink itself. Nothing is there as well: what appears can change the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Paths(BTreeMap<String, Option<TreeEntry>>);

impl Paths {
    /// Those that were looked at in a tree, which is given by its root.
    pub fn seen(root: TreeEntry) -> Seen {
        Seen { root, paths: BTreeMap::new(), bytes: 0 }
    }

    /// Each path with what is there.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&TreeEntry>)> {
        self.0.iter().map(|(path, entry)| (path.as_str(), entry.as_ref()))
    }
}

/// The paths that are looked at in a tree.
#[derive(Debug)]
pub struct Seen {
    root: TreeEntry,
    paths: BTreeMap<String, Option<TreeEntry>>,
    bytes: usize,
}

impl Seen {
    /// Takes down what is at a path, from the root and without symlinks on the way.
    pub fn note(&mut self, path: &str, entry: Option<TreeEntry>) {
        if self.paths.contains_key(path) || self.is_in_a_folder(path) {
            return;
        }
        self.bytes += path.len();
        if self.paths.len() >= PATHS_MAX || self.bytes > PATH_BYTES_MAX {
            self.paths = BTreeMap::from([(String::new(), Some(self.root.clone()))]);
            return;
        }
        if entry.as_ref().is_some_and(TreeEntry::is_folder) {
            self.paths.retain(|below, _| !is_below(below, path));
        }
        self.paths.insert(path.to_owned(), entry);
    }

    /// All of them.
    pub fn paths(self) -> Paths {
        Paths(self.paths)
    }

    /// Whether a folder that was taken down has the path in it.
    fn is_in_a_folder(&self, path: &str) -> bool {
        let slashes = path.match_indices('/').map(|(at, _)| &path[..at]);
        let mut above = slashes.chain((!path.is_empty()).then_some(""));
        above.any(|above| {
            self.paths.get(above).is_some_and(|e| e.as_ref().is_some_and(TreeEntry::is_folder))
        })
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// All that decided a render. Two renders with the same footprint have the same result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// The renderer with its version.
    pub renderer: String,
    /// What it read of the commit.
    pub paths: Paths,
    /// What it used beside Git, by name, each with a digest of what that was.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub external: BTreeMap<String, String>,
}

impl Footprint {
    /// The digest of it, in hex.
    pub fn digest(&self) -> String {
        let mut digest = Framed::default();
        digest.add(&self.renderer);
        digest.count(self.paths.0.len());
        for (path, entry) in &self.paths.0 {
            digest.add(path);
            digest.count(usize::from(entry.is_some()));
            if let Some(TreeEntry { mode, id }) = entry {
                digest.add(&mode.to_string());
                digest.add(id);
            }
        }
        for part in self.external.iter().flat_map(|(name, value)| [name, value]) {
            digest.add(part);
        }
        hex::encode(digest.0.finalize())
    }
}

/// What is kept of a render, so that neither who asks for the same again nor a neighbour that
/// prunes has to render.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Render {
    /// The settings of the application that went into it, in one digest.
    pub settings: String,
    /// What it was made from.
    pub footprint: Footprint,
    /// What it names; none: it cannot be read, and may name anything.
    pub names: Option<Names>,
    /// Why it failed, if the bytes of the commit alone decide that, and it does not name the commit.
    pub failure: Option<Failure>,
}

/// Names of objects, eight bytes each. Of two that differ one in 2⁶⁴ is taken for the other: then an
/// object is kept that might go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(Vec<u64>);

impl Names {
    /// Whether an object is among them.
    pub fn has(&self, key: &ObjectKey) -> bool {
        self.0.binary_search(&short(key)).is_ok()
    }

    /// The names as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|name| name.to_be_bytes()).collect()
    }

    /// The names that were made bytes; what is beyond a whole one is none.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let (names, _) = bytes.as_chunks();
        names.iter().map(|name| u64::from_be_bytes(*name)).collect()
    }
}

impl FromIterator<u64> for Names {
    fn from_iter<I: IntoIterator<Item = u64>>(names: I) -> Self {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        Self(names)
    }
}

impl<'a> FromIterator<&'a ObjectKey> for Names {
    fn from_iter<I: IntoIterator<Item = &'a ObjectKey>>(keys: I) -> Self {
        keys.into_iter().map(short).collect()
    }
}

/// The first eight bytes of the digest of a name.
fn short(key: &ObjectKey) -> u64 {
    let mut digest = Framed::default();
    for part in [&key.group, &key.kind, key.namespace.as_deref().unwrap_or_default(), &key.name] {
        digest.add(part);
    }
    let digest: [u8; 32] = digest.0.finalize().into();
    digest.iter().take(8).fold(0, |name, byte| name << 8 | u64::from(*byte))
}

/// The digest of parts that do not run into each other, in hex.
pub fn digest_of(parts: &[&str]) -> String {
    let mut digest = Framed::default();
    for part in parts {
        digest.add(part);
    }
    hex::encode(digest.0.finalize())
}

#[derive(Default)]
struct Framed(Sha256);

impl Framed {
    fn add(&mut self, part: &str) {
        self.count(part.len());
        self.0.update(part);
    }

    fn count(&mut self, number: usize) {
        self.0.update((number as u64).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(mode: u32, id: &str) -> TreeEntry {
        TreeEntry { mode, id: id.to_owned() }
    }

    fn seen(paths: &[(&str, Option<TreeEntry>)]) -> Paths {
        let mut seen = Paths::seen(TreeEntry { mode: 0o040_000, id: "root".to_owned() });
        for (path, entry) in paths {
            seen.note(path, entry.clone());
        }
        seen.paths()
    }

    #[test]
    fn a_folder_stands_for_all_that_is_in_it() {
        let (folder, file) = (Some(entry(0o040_000, "f")), Some(entry(0o100_644, "a")));
        let paths = seen(&[
            ("app/base/x.yaml", file.clone()),
            ("application", file.clone()),
            ("app", folder.clone()),
            ("app/gone.yaml", None),
            ("lib", None),
            ("app", None),
        ]);
        let kept: Vec<_> = paths.iter().collect();
        let (folder, file) = (folder.as_ref(), file.as_ref());
        assert_eq!(kept, [("app", folder), ("application", file), ("lib", None)]);
        let all = seen(&[("a", None), ("", Some(entry(0o040_000, "root"))), ("b/c", None)]);
        assert_eq!(all.iter().count(), 1);
    }

    #[test]
    fn what_is_made_from_too_many_paths_is_made_from_the_whole_tree() {
        let many: Vec<_> = (0..=PATHS_MAX).map(|number| (number.to_string(), None)).collect();
        let long = ["a", "b"].map(|name| (name.repeat(PATH_BYTES_MAX - 1), None));
        for noted in [many.as_slice(), &long] {
            let noted: Vec<_> = noted.iter().map(|(path, e)| (path.as_str(), e.clone())).collect();
            let whole = seen(&noted);
            let root = entry(0o040_000, "root");
            assert_eq!(whole.iter().collect::<Vec<_>>(), [("", Some(&root))]);
        }
    }

    #[test]
    fn each_part_of_a_footprint_is_in_its_digest() {
        let made =
            |renderer: &str, path: &str, entry: Option<TreeEntry>, external: &[(&str, &str)]| {
                let external =
                    external.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
                let paths = seen(&[(path, entry)]);
                Footprint { renderer: renderer.to_owned(), paths, external }.digest()
            };
        let file = |mode, id| Some(entry(mode, id));
        let all = [
            made("plain-1", "a", None, &[]),
            made("plain-2", "a", None, &[]),
            made("plain-1", "b", None, &[]),
            made("plain-1", "a", file(0o100_644, "1"), &[]),
            made("plain-1", "a", file(0o100_755, "1"), &[]),
            made("plain-1", "a", file(0o100_644, "2"), &[]),
            made("plain-1", "a", None, &[("helm", "4")]),
            made("plain-1", "a", None, &[("hel", "m4")]),
        ];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(all[0], made("plain-1", "a", None, &[]));
    }

    #[test]
    fn names_are_found_again_after_they_were_bytes() {
        let key = |namespace: Option<&str>, name: &str| ObjectKey {
            group: String::new(),
            kind: "ConfigMap".to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        };
        let (ours, other) = (key(Some("shop"), "a"), key(None, "a"));
        let names: Names = [&ours, &key(Some("shop"), "b"), &ours].into_iter().collect();
        let read = Names::from_bytes(&names.to_bytes());
        assert_eq!((read.has(&ours), read.has(&other), names.to_bytes().len()), (true, false, 16));
    }
}
