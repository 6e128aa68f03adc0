//! The tree of a commit: what is at a path, and which manifests are below it. Trees are hostile
//! input; no symlink leads out of them, and everything has a bound.

use std::collections::VecDeque;

use git2::{Oid, Repository as Git};

use crate::source::error::TreeProblem;

/// Bounds on what is read of a commit for one application.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most entries (of any kind) that are looked at.
    pub entries: usize,
    /// Most manifests.
    pub files: usize,
    /// Largest manifest, in bytes.
    pub file_bytes: usize,
    /// Most bytes of all manifests.
    pub total_bytes: usize,
    /// Deepest nesting of folders below the path.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 200_000,
            files: 10_000,
            file_bytes: 16 << 20,
            total_bytes: 128 << 20,
            depth: 50,
        }
    }
}

/// Most symlinks on the way to one entry, as in Linux.
const LINKS_MAX: usize = 40;
/// Longest target of a symlink, in bytes, as in Linux.
const TARGET_BYTES_MAX: usize = 4096;
/// Names that end in one of these are manifests.
const EXTENSIONS: [&str; 3] = [".yaml", ".yml", ".json"];

/// Why a tree cannot be used: by what is in it, or because the mirror fails.
#[derive(Debug)]
pub(super) enum Failure {
    /// By what is in it.
    Tree(TreeProblem),
    /// The mirror fails.
    Mirror(git2::Error),
}

impl From<TreeProblem> for Failure {
    fn from(problem: TreeProblem) -> Self {
        Self::Tree(problem)
    }
}

impl From<git2::Error> for Failure {
    fn from(error: git2::Error) -> Self {
        Self::Mirror(error)
    }
}

/// What is below a path.
#[derive(Debug)]
pub(super) struct Listing {
    /// The folder or file itself.
    pub(super) id: Oid,
    /// The manifests, sorted by path.
    pub(super) files: Vec<(String, Oid)>,
    /// What the symlinks on the way led to.
    pub(super) links: Vec<(String, Oid)>,
}

/// Lists the manifests below a path; if the path is a file, that file.
pub(super) fn list(git: &Git, root: Oid, path: &str, limits: &Limits) -> Result<Listing, Failure> {
    let mut walk = Walk { git, root, limits, entries: 0, files: Vec::new(), links: Vec::new() };
    let absent = || TreeProblem::PathNotFound { path: path.to_owned() };
    let found = walk.locate("", path)?.ok_or_else(absent)?;
    match found.kind {
        Kind::Folder => walk.folder(path, &found, &mut Vec::new())?,
        Kind::File => walk.files.push((path.to_owned(), found.id)),
    }
    walk.files.sort();
    Ok(Listing { id: found.id, files: walk.files, links: walk.links })
}

/// What is at a path, symlinks followed.
struct Found {
    /// The path without symlinks.
    path: String,
    kind: Kind,
    id: Oid,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    File,
}

/// What an entry of a tree is, by its mode.
enum Entry {
    Folder,
    File,
    Link,
    Submodule,
}

fn entry_of(mode: i32) -> Entry {
    match mode & 0o170_000 {
        0o040_000 => Entry::Folder,
        0o120_000 => Entry::Link,
        0o160_000 => Entry::Submodule,
        _ => Entry::File,
    }
}

struct Walk<'g> {
    git: &'g Git,
    root: Oid,
    limits: &'g Limits,
    entries: usize,
    files: Vec<(String, Oid)>,
    links: Vec<(String, Oid)>,
}

impl Walk<'_> {
    /// Gathers what is in a folder. `shown` is its path with symlinks as they are written;
    /// `above` are the true paths of the folders around it.
    fn folder(
        &mut self,
        shown: &str,
        folder: &Found,
        above: &mut Vec<String>,
    ) -> Result<(), Failure> {
        if above.contains(&folder.path) {
            return Err(TreeProblem::SymlinkLoop { path: shown.to_owned() }.into());
        }
        check("folders deep", above.len(), self.limits.depth, shown)?;
        above.push(folder.path.clone());
        for entry in &self.git.find_tree(folder.id)? {
            self.entries += 1;
            check("entries", self.entries, self.limits.entries, shown)?;
            let kind = entry_of(entry.filemode_raw());
            let manifest = is_manifest(entry.name_bytes());
            if matches!(kind, Entry::Submodule) || matches!(kind, Entry::File) && !manifest {
                continue;
            }
            let name = String::from_utf8_lossy(entry.name_bytes());
            let path = joined(shown, &name);
            if entry.name().is_err() {
                return Err(TreeProblem::NotUtf8 { path }.into());
            }
            let found = match kind {
                Entry::Link => self.follow(folder, &path, &name)?,
                Entry::Folder => {
                    let kind = Kind::Folder;
                    Found { path: joined(&folder.path, &name), kind, id: entry.id() }
                }
                Entry::File | Entry::Submodule => {
                    Found { path: String::new(), kind: Kind::File, id: entry.id() }
                }
            };
            match found.kind {
                Kind::Folder => self.folder(&path, &found, above)?,
                Kind::File if manifest => {
                    self.files.push((path, found.id));
                    check("manifests", self.files.len(), self.limits.files, shown)?;
                }
                Kind::File => {}
            }
        }
        above.pop();
        Ok(())
    }

    /// What a symlink in a folder leads to. One that leads to nothing is an error: what it was
    /// meant to bring would count as deleted.
    fn follow(&mut self, folder: &Found, shown: &str, name: &str) -> Result<Found, Failure> {
        let Some(found) = self.locate(&folder.path, name)? else {
            let target = self.target(folder.id, name)?;
            return Err(TreeProblem::SymlinkDangles { path: shown.to_owned(), target }.into());
        };
        self.links.push((shown.to_owned(), found.id));
        Ok(found)
    }

    /// Finds what is at a path that begins in a folder (a true path), following symlinks.
    fn locate(&self, from: &str, path: &str) -> Result<Option<Found>, Failure> {
        let mut stack = vec![(String::new(), self.root)];
        let mut steps: VecDeque<String> =
            from.split('/').chain(path.split('/')).map(str::to_owned).collect();
        let mut last_link: Option<(String, String)> = None;
        let mut links = 0;
        while let Some(step) = steps.pop_front() {
            let Some((here, tree)) = stack.last().cloned() else { return Ok(None) };
            match step.as_str() {
                "" | "." => continue,
                ".." if stack.len() == 1 => {
                    return match last_link {
                        Some((path, target)) => {
                            Err(TreeProblem::SymlinkLeaves { path, target }.into())
                        }
                        None => Ok(None),
                    };
                }
                ".." => {
                    stack.pop();
                    continue;
                }
                _ => {}
            }
            let tree = self.git.find_tree(tree)?;
            let Some(entry) = tree.get_name_bytes(step.as_bytes()) else { return Ok(None) };
            let path = joined(&here, &step);
            match entry_of(entry.filemode_raw()) {
                Entry::Folder => stack.push((path, entry.id())),
                Entry::File if steps.iter().all(|step| matches!(step.as_str(), "" | ".")) => {
                    return Ok(Some(Found { path, kind: Kind::File, id: entry.id() }));
                }
                Entry::File | Entry::Submodule => return Ok(None),
                Entry::Link => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(TreeProblem::SymlinkLoop { path }.into());
                    }
                    let target = self.target(tree.id(), &step)?;
                    if target.starts_with('/') {
                        return Err(TreeProblem::SymlinkLeaves { path, target }.into());
                    }
                    for step in target.rsplit('/') {
                        steps.push_front(step.to_owned());
                    }
                    last_link = Some((path, target));
                }
            }
        }
        Ok(stack.pop().map(|(path, id)| Found { path, kind: Kind::Folder, id }))
    }

    /// The text of a symlink.
    fn target(&self, tree: Oid, name: &str) -> Result<String, Failure> {
        let tree = self.git.find_tree(tree)?;
        let Some(entry) = tree.get_name_bytes(name.as_bytes()) else { return Ok(String::new()) };
        let bytes = self.git.odb()?.read_header(entry.id())?.0;
        check("bytes in the target of a symlink", bytes, TARGET_BYTES_MAX, name)?;
        let blob = self.git.find_blob(entry.id())?;
        Ok(String::from_utf8_lossy(blob.content()).into_owned())
    }
}

/// Reads a manifest, within the limits; `read` are the bytes of those before.
pub(super) fn read(
    git: &Git,
    path: &str,
    id: Oid,
    read: usize,
    limits: &Limits,
) -> Result<Vec<u8>, Failure> {
    // The size is looked at first, so that nothing is unpacked that would not be taken.
    let bytes = git.odb()?.read_header(id)?.0;
    check("bytes in one file", bytes, limits.file_bytes, path)?;
    check("bytes in all files", read.saturating_add(bytes), limits.total_bytes, path)?;
    Ok(git.find_blob(id)?.content().to_vec())
}

fn check(bound: &'static str, value: usize, limit: usize, path: &str) -> Result<(), TreeProblem> {
    if value > limit {
        Err(TreeProblem::TooLarge { path: path.to_owned(), bound, limit })
    } else {
        Ok(())
    }
}

fn is_manifest(name: &[u8]) -> bool {
    EXTENSIONS.iter().any(|extension| name.ends_with(extension.as_bytes()))
}

fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
