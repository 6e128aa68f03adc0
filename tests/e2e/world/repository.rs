//! A repository on the Git host, written as if somebody had pushed to it.

use std::path::{Path, PathBuf};

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Oid, RepositoryInitOptions, Signature};

/// A path and its new content; none deletes the file.
pub type Change<'a> = (&'a str, Option<&'a str>);

/// One bare repository.
pub struct Repository {
    path: PathBuf,
    /// Where it is served.
    pub url: String,
}

impl Repository {
    /// Makes an empty one whose HEAD is `main`.
    pub fn create(path: &Path, url: String) -> Self {
        let options = &mut RepositoryInitOptions::new();
        git2::Repository::init_opts(path, options.bare(true).initial_head("main")).unwrap();
        Self { path: path.to_owned(), url }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Commits changes on top of `main`; returns the id of the commit.
    pub fn commit(&self, changes: &[Change]) -> String {
        let parent = self.head("main");
        self.commit_to("main", parent.as_deref(), changes)
    }

    /// Commits changes on top of any commit, and moves a branch there, forwards or not.
    pub fn commit_to(&self, branch: &str, parent: Option<&str>, changes: &[Change]) -> String {
        let message = format!("Change {} files\n\nFor a story.", changes.len());
        self.commit_saying(&message, branch, parent, changes)
    }

    /// As [`Self::commit_to`], with words of one's own.
    pub fn commit_saying(
        &self,
        message: &str,
        branch: &str,
        parent: Option<&str>,
        changes: &[Change],
    ) -> String {
        let git = self.open();
        let parent = parent.map(|id| git.find_commit(Oid::from_str(id).unwrap()).unwrap());
        let base = match &parent {
            Some(parent) => parent.tree().unwrap(),
            None => git.find_tree(git.treebuilder(None).unwrap().write().unwrap()).unwrap(),
        };
        let mut update = TreeUpdateBuilder::new();
        for (path, content) in changes {
            match content {
                Some(content) => {
                    let blob = git.blob(content.as_bytes()).unwrap();
                    update.upsert(*path, blob, FileMode::Blob);
                }
                None => {
                    update.remove(*path);
                }
            }
        }
        let tree = git.find_tree(update.create_updated(&git, &base).unwrap()).unwrap();
        let ada = Signature::now("Ada Lovelace", "ada@example.org").unwrap();
        let parents: Vec<_> = parent.iter().collect();
        let commit = git.commit(None, &ada, &ada, message, &tree, &parents).unwrap().to_string();
        self.point(&format!("refs/heads/{branch}"), &commit);
        commit
    }

    /// Moves a branch to any commit, as a forced push does.
    pub fn force_push(&self, branch: &str, commit: &str) {
        self.point(&format!("refs/heads/{branch}"), commit);
    }

    /// Makes or moves an annotated tag.
    pub fn tag(&self, name: &str, commit: &str) {
        let git = self.open();
        let ada = Signature::now("Ada Lovelace", "ada@example.org").unwrap();
        let commit = git.find_object(Oid::from_str(commit).unwrap(), None).unwrap();
        git.tag(name, &commit, &ada, "For a story.", true).unwrap();
    }

    /// Deletes a branch; its commits stay.
    pub fn delete_branch(&self, branch: &str) {
        let git = self.open();
        git.find_reference(&format!("refs/heads/{branch}")).unwrap().delete().unwrap();
    }

    /// The commit that a branch points to.
    pub fn head(&self, branch: &str) -> Option<String> {
        let id = self.open().refname_to_id(&format!("refs/heads/{branch}")).ok()?;
        Some(id.to_string())
    }

    fn point(&self, reference: &str, commit: &str) {
        let commit = Oid::from_str(commit).unwrap();
        self.open().reference(reference, commit, true, "push").unwrap();
    }

    fn open(&self) -> git2::Repository {
        git2::Repository::open_bare(&self.path).unwrap()
    }
}
