//! Whether a commit has the same as another where it matters: at the paths that were looked at.

use std::collections::HashMap;

use git2::{Oid, Repository as Git, Tree};

use crate::domain::account::{Account, Bound};
use crate::domain::footprint::{Paths, TreeEntry};
use crate::source::entry::{Entry, entry_of, folder_entry, tree_entry};
use crate::source::objects::{Unreadable, unreadable};

/// Finds what is at paths of a tree. Folders are read once, whoever's paths lead through them.
pub(super) struct Lookup<'g> {
    git: &'g Git,
    account: &'g Account,
    root: Oid,
    folders: HashMap<Oid, Tree<'g>>,
}

impl<'g> Lookup<'g> {
    /// Looks in the tree of a commit. What is read of it is charged to the account.
    pub(super) fn new(git: &'g Git, root: Oid, account: &'g Account) -> Self {
        Self { git, account, root, folders: HashMap::new() }
    }

    /// Whether all of these paths have there what they had. What cannot be looked at, because it
    /// is too large, is not the same.
    pub(super) fn has(&mut self, paths: &Paths) -> Result<bool, git2::Error> {
        let mut any = false;
        for (path, entry) in paths.iter() {
            any = true;
            match self.find(path)? {
                Found::There(found) if Some(&found) == entry => {}
                Found::Nothing if entry.is_none() => {}
                _ => return Ok(false),
            }
        }
        // Of what looked at nothing, nothing is known.
        Ok(any)
    }

    /// What is at a path, without symlinks on the way.
    fn find(&mut self, path: &str) -> Result<Found, git2::Error> {
        let mut here = self.root;
        let mut steps = path.split('/').filter(|step| !step.is_empty()).peekable();
        while let Some(step) = steps.next() {
            let Some(folder) = self.folder(here)? else { return Ok(Found::Unknown) };
            let Some(entry) = folder.get_name_bytes(step.as_bytes()) else {
                return Ok(Found::Nothing);
            };
            match entry_of(entry.filemode_raw()) {
                _ if steps.peek().is_none() => {
                    return Ok(Found::There(tree_entry(entry.filemode_raw(), entry.id())));
                }
                Entry::Folder => here = entry.id(),
                Entry::File | Entry::Submodule => return Ok(Found::Nothing),
                // Before, there was none on the way.
                Entry::Link => return Ok(Found::Unknown),
            }
        }
        Ok(Found::There(folder_entry(here)))
    }

    /// A folder; none if it is too large to be read, or not as Git writes it.
    fn folder(&mut self, id: Oid) -> Result<Option<&Tree<'g>>, git2::Error> {
        if !self.folders.contains_key(&id) {
            let bytes = self.git.odb()?.read_header(id)?.0;
            let charged = self
                .account
                .hold(Bound::FolderBytes, bytes)
                .and_then(|()| self.account.charge(Bound::Unpacked, bytes))
                // The list of its entries beside its bytes is no longer than they are.
                .and_then(|()| self.account.charge(Bound::Memory, 2 * bytes));
            if charged.is_err() {
                return Ok(None);
            }
            let tree = match self.git.find_tree(id) {
                Ok(tree) => tree,
                Err(error) => match unreadable(self.git, id, error) {
                    Unreadable::Malformed(_) => return Ok(None),
                    Unreadable::Mirror(error) => return Err(error),
                },
            };
            self.folders.insert(id, tree);
        }
        Ok(self.folders.get(&id))
    }
}

/// What is at a path.
enum Found {
    There(TreeEntry),
    Nothing,
    /// That cannot be said without following a symlink, or reading more than may be read.
    Unknown,
}
