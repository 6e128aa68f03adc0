//! The tree of a commit: what is at a path, and which manifests are below it. Trees are hostile
//! input; no symlink leads out of them, and everything has a bound. What decided the answer is taken
//! down, also of one that failed.

use std::collections::HashMap;
use std::rc::Rc;

use git2::{Oid, Repository as Git, Tree};

use crate::domain::account::{Account, Bound, Refusal};
use crate::domain::footprint::Seen;
use crate::source::entry::{Entry, entry_of, folder_entry, tree_entry};
use crate::source::error::TreeProblem;
use crate::source::objects::{Unreadable, unreadable};

/// Most symlinks on the way to one entry, as in Linux.
const LINKS_MAX: usize = 40;
/// Longest path and target of a symlink, in bytes, as in Linux.
const PATH_BYTES_MAX: usize = 4096;
/// As much of a path that is too long as an error shows, in characters.
const SHOWN_CHARACTERS_MAX: usize = 200;
/// Names that end in one of these are manifests.
const EXTENSIONS: [&str; 3] = [".yaml", ".yml", ".json"];
/// What an entry of a list takes beside its path, in bytes.
const LISTED_BYTES: usize = 64;

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
    /// The manifests, sorted by path.
    pub(super) files: Vec<(String, Oid)>,
    /// The symlinks of no use that can only have been other files.
    pub(super) passed_over: Vec<TreeProblem>,
}

/// Lists the manifests below a path; if the path is a file, that file. Files and folders whose names
/// begin with a dot are passed over. What it takes is charged to the account of the render.
pub(super) fn list(
    git: &Git,
    root: Oid,
    path: &str,
    account: &Account,
    seen: &mut Seen,
) -> Result<Listing, Failure> {
    let mut walk = Walk::new(git, account, seen);
    let root = Rc::new(Place { path: String::new(), id: root, above: None });
    let found = match walk.locate(&root, path, 0)? {
        Located::Found(found) => found,
        Located::Nothing | Located::Outside => {
            return Err(TreeProblem::PathNotFound { path: path.to_owned() }.into());
        }
        Located::Nowhere(problem) => return Err(problem.into()),
    };
    match &found {
        Found::Folder(place) => walk.folder(path, place, &mut Vec::new())?,
        Found::File(id) => walk.files.push((path.to_owned(), *id)),
    }
    walk.files.sort();
    let Walk { files, passed_over, .. } = walk;
    Ok(Listing { files, passed_over })
}

/// A folder: its path without symlinks, and the folder that it is in.
struct Place {
    path: String,
    id: Oid,
    above: Option<Rc<Place>>,
}

/// What is at a path, symlinks followed.
#[derive(Clone)]
enum Found {
    Folder(Rc<Place>),
    File(Oid),
}

/// What comes of looking for a path.
#[derive(Clone)]
enum Located {
    Found(Found),
    /// It is not there.
    Nothing,
    /// It is above the root.
    Outside,
    /// A symlink on the way is of no use.
    Nowhere(TreeProblem),
}

struct Walk<'g> {
    git: &'g Git,
    account: &'g Account,
    /// What decides where the path and symlinks lead.
    seen: &'g mut Seen,
    files: Vec<(String, Oid)>,
    passed_over: Vec<TreeProblem>,
    /// What symlinks lead to, by their true path, so that none is followed twice.
    resolved: HashMap<String, Located>,
}

impl<'g> Walk<'g> {
    fn new(git: &'g Git, account: &'g Account, seen: &'g mut Seen) -> Self {
        let (files, passed_over) = (Vec::new(), Vec::new());
        Self { git, account, seen, files, passed_over, resolved: HashMap::new() }
    }

    /// Gathers what is in a folder. `shown` is its path with symlinks as they are written; `above`
    /// are the folders around it.
    fn folder(
        &mut self,
        shown: &str,
        folder: &Rc<Place>,
        above: &mut Vec<Rc<Place>>,
    ) -> Result<(), Failure> {
        if above.iter().any(|place| place.path == folder.path) {
            return Err(TreeProblem::SymlinkLoop { path: shown.to_owned() }.into());
        }
        let refused = |refusal| too_much(shown, refusal);
        self.account.hold(Bound::Folders, above.len()).map_err(refused)?;
        above.push(folder.clone());
        let (tree, bytes) = self.tree(folder.id, shown)?;
        self.account.charge(Bound::Entries, tree.len()).map_err(refused)?;
        for entry in &tree {
            let kind = entry_of(entry.filemode_raw());
            let manifest = is_manifest(entry.name_bytes());
            if entry.name_bytes().starts_with(b".")
                || matches!(kind, Entry::Submodule)
                || matches!(kind, Entry::File) && !manifest
            {
                continue;
            }
            let name = String::from_utf8_lossy(entry.name_bytes());
            let path = joined(shown, &name)?;
            if entry.name().is_err() {
                return Err(TreeProblem::NotUtf8 { path }.into());
            }
            let found = match kind {
                Entry::File | Entry::Submodule => Found::File(entry.id()),
                Entry::Folder => Found::Folder(below(folder, &name, entry.id())?),
                Entry::Link => match self.follow(folder, &path, &name, entry.id())? {
                    Some(found) => found,
                    None => continue,
                },
            };
            match found {
                Found::Folder(place) => self.folder(&path, &place, above)?,
                Found::File(id) if manifest => {
                    self.account.charge(Bound::Files, 1).map_err(refused)?;
                    self.listed(&path)?;
                    self.files.push((path, id));
                }
                Found::File(_) => {}
            }
        }
        self.account.give_back(Bound::Memory, bytes);
        above.pop();
        Ok(())
    }

    /// What a symlink in a folder leads to; none if it is of no use and may be passed over. One that
    /// may have brought manifests must lead somewhere, or they would count as deleted.
    fn follow(
        &mut self,
        folder: &Rc<Place>,
        shown: &str,
        name: &str,
        id: Oid,
    ) -> Result<Option<Found>, Failure> {
        let problem = match self.link(folder, name, id, 1)? {
            Located::Found(found) => {
                self.listed(shown)?;
                return Ok(Some(found));
            }
            Located::Nothing | Located::Outside => {
                let target = self.target(shown, id)?;
                TreeProblem::SymlinkDangles { path: shown.to_owned(), target }
            }
            Located::Nowhere(problem) => problem,
        };
        if may_bring_manifests(name) {
            return Err(problem.into());
        }
        self.listed(&problem.to_string())?;
        self.passed_over.push(problem);
        Ok(None)
    }

    /// Finds what is at a path that begins in a folder, following symlinks; `links` of them led
    /// here.
    fn locate(&mut self, from: &Rc<Place>, path: &str, links: usize) -> Result<Located, Failure> {
        let mut here = from.clone();
        let mut steps = path.split('/').filter(|step| !matches!(*step, "" | ".")).peekable();
        let mut entered = 0_usize;
        while let Some(step) = steps.next() {
            self.account.charge(Bound::Steps, 1).map_err(|refusal| too_much(path, refusal))?;
            if step == ".." {
                if entered > 0 {
                    // There is a way out of it only as long as it is there.
                    self.seen.note(&here.path, Some(folder_entry(here.id)));
                    entered -= 1;
                }
                match here.above.clone() {
                    Some(above) => here = above,
                    None => return Ok(Located::Outside),
                }
                continue;
            }
            let found = match self.step(&here, step)? {
                None | Some((Entry::Submodule, _)) => return Ok(Located::Nothing),
                Some((Entry::Folder, id)) => {
                    entered += 1;
                    Found::Folder(below(&here, step, id)?)
                }
                Some((Entry::File, id)) => Found::File(id),
                Some((Entry::Link, id)) => match self.link(&here, step, id, links + 1)? {
                    Located::Found(found) => found,
                    nowhere => return Ok(nowhere),
                },
            };
            here = match found {
                Found::Folder(place) => place,
                Found::File(_) if steps.peek().is_some() => return Ok(Located::Nothing),
                file @ Found::File(_) => return Ok(Located::Found(file)),
            };
        }
        self.seen.note(&here.path, Some(folder_entry(here.id)));
        Ok(Located::Found(Found::Folder(here)))
    }

    /// What a folder has by a name. Folders are on the way to something else, all else is taken down.
    fn step(&mut self, here: &Place, name: &str) -> Result<Option<(Entry, Oid)>, Failure> {
        let (tree, bytes) = self.tree(here.id, &here.path)?;
        let entry = tree.get_name_bytes(name.as_bytes());
        let entry = entry.map(|entry| (entry.filemode_raw(), entry.id()));
        drop(tree);
        self.account.give_back(Bound::Memory, bytes);
        let found = entry.map(|(mode, id)| (entry_of(mode), id));
        if !matches!(found, Some((Entry::Folder, _))) {
            let entry = entry.map(|(mode, id)| tree_entry(mode, id));
            self.seen.note(&joined(&here.path, name)?, entry);
        }
        Ok(found)
    }

    /// What a symlink in a folder leads to.
    fn link(
        &mut self,
        folder: &Rc<Place>,
        name: &str,
        id: Oid,
        links: usize,
    ) -> Result<Located, Failure> {
        let path = joined(&folder.path, name)?;
        if let Some(located) = self.resolved.get(&path) {
            return Ok(located.clone());
        }
        if links > LINKS_MAX {
            return Ok(Located::Nowhere(TreeProblem::SymlinkLoop { path }));
        }
        let target = self.target(&path, id)?;
        let located = if target.starts_with('/') {
            Located::Nowhere(TreeProblem::SymlinkLeaves { path: path.clone(), target })
        } else {
            match self.locate(folder, &target, links)? {
                Located::Outside => {
                    Located::Nowhere(TreeProblem::SymlinkLeaves { path: path.clone(), target })
                }
                other => other,
            }
        };
        // One that is too far down this way may be near enough by another.
        if !matches!(located, Located::Nowhere(TreeProblem::SymlinkLoop { .. })) {
            self.listed(&path)?;
            self.resolved.insert(path, located.clone());
        }
        Ok(located)
    }

    /// The text of a symlink.
    fn target(&self, path: &str, id: Oid) -> Result<String, Failure> {
        let bytes = self.git.odb()?.read_header(id)?.0;
        if bytes > PATH_BYTES_MAX {
            return Err(too_long(path));
        }
        self.unpack(bytes, path)?;
        Ok(String::from_utf8_lossy(self.git.find_blob(id)?.content()).into_owned())
    }

    /// A folder as Git has it, and the bytes of memory that were charged for it.
    fn tree(&self, id: Oid, path: &str) -> Result<(Tree<'g>, usize), Failure> {
        let bytes = self.git.odb()?.read_header(id)?.0;
        let refused = |refusal| too_much(path, refusal);
        self.account.hold(Bound::FolderBytes, bytes).map_err(refused)?;
        self.unpack(bytes, path)?;
        // The list of its entries beside its bytes is no longer than they are.
        let memory = 2 * bytes;
        self.account.charge(Bound::Memory, memory).map_err(refused)?;
        let malformed = |object| TreeProblem::Malformed { path: path.to_owned(), object };
        let tree =
            self.git.find_tree(id).map_err(|error| match unreadable(self.git, id, error) {
                Unreadable::Malformed(object) => malformed(object).into(),
                Unreadable::Mirror(error) => Failure::Mirror(error),
            })?;
        Ok((tree, memory))
    }

    fn unpack(&self, bytes: usize, path: &str) -> Result<(), Failure> {
        self.account.charge(Bound::Unpacked, bytes).map_err(|refusal| too_much(path, refusal))
    }

    fn listed(&self, path: &str) -> Result<(), Failure> {
        let bytes = LISTED_BYTES + path.len();
        let charged = self.account.charge(Bound::Paths, bytes);
        charged
            .and_then(|()| self.account.charge(Bound::Memory, bytes))
            .map_err(|refusal| too_much(path, refusal))
    }
}

/// A folder in a folder.
fn below(folder: &Rc<Place>, name: &str, id: Oid) -> Result<Rc<Place>, Failure> {
    let path = joined(&folder.path, name)?;
    Ok(Rc::new(Place { path, id, above: Some(folder.clone()) }))
}

pub(super) fn too_much(path: &str, refusal: Refusal) -> Failure {
    TreeProblem::TooMuch { path: path.to_owned(), refusal }.into()
}

fn is_manifest(name: &[u8]) -> bool {
    EXTENSIONS.iter().any(|extension| name.ends_with(extension.as_bytes()))
}

/// Whether a symlink of this name may have been a manifest, or a folder of them: any that does not
/// have the extension of some other file. A version (`v1.2`) has none.
fn may_bring_manifests(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    is_manifest(name.as_bytes())
        || !extension.starts_with(|first: char| first.is_ascii_alphabetic())
}

fn joined(folder: &str, name: &str) -> Result<String, Failure> {
    if folder.len() + name.len() > PATH_BYTES_MAX {
        return Err(too_long(if folder.is_empty() { name } else { folder }));
    }
    Ok(if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") })
}

fn too_long(path: &str) -> Failure {
    let path = path.chars().take(SHOWN_CHARACTERS_MAX).collect();
    TreeProblem::TooLong { path, limit: PATH_BYTES_MAX }.into()
}
