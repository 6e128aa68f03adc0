//! The repository of the demo: bare, in the demo's folder, made and written without a git program.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, RepositoryInitOptions, Signature};

/// The branch that both applications follow.
pub(super) const BRANCH: &str = "main";

/// The repository of the shop.
pub(super) struct Repository {
    path: PathBuf,
    git: git2::Repository,
}

/// A commit of it.
#[derive(Debug, Clone)]
pub(super) struct Commit {
    /// The full id.
    pub(super) id: String,
    /// The first line of the message.
    pub(super) subject: String,
}

impl Commit {
    /// The first digits of the id.
    pub(super) fn short(&self) -> &str {
        self.id.get(..7).unwrap_or(&self.id)
    }
}

impl Repository {
    /// Makes an empty one.
    pub(super) fn create(path: &Path) -> Result<Self, git2::Error> {
        let mut options = RepositoryInitOptions::new();
        options.bare(true).initial_head(BRANCH);
        let git = git2::Repository::init_opts(path, &options)?;
        Ok(Self { path: path.to_owned(), git })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Commits all files of the branch anew, and moves it there.
    pub(super) fn commit<'a>(
        &self,
        subject: &str,
        files: impl Iterator<Item = (&'static str, &'a str)>,
    ) -> Result<Commit, git2::Error> {
        let git = &self.git;
        let mut update = TreeUpdateBuilder::new();
        for (path, text) in files {
            update.upsert(path, git.blob(text.as_bytes())?, FileMode::Blob);
        }
        let nothing = git.find_tree(git.treebuilder(None)?.write()?)?;
        let tree = git.find_tree(update.create_updated(git, &nothing)?)?;
        let reference = format!("refs/heads/{BRANCH}");
        let parent = match git.refname_to_id(&reference) {
            Ok(id) => Some(git.find_commit(id)?),
            Err(_) => None,
        };
        let parents: Vec<_> = parent.iter().collect();
        let ada = Signature::now("Ada Lovelace", "ada@example.org")?;
        let id = git.commit(Some(&reference), &ada, &ada, subject, &tree, &parents)?;
        Ok(Commit { id: id.to_string(), subject: subject.to_owned() })
    }

    /// Has git run a command after every push, with what was pushed on its standard input. This
    /// library runs no hooks, so what [`commit`](Self::commit) does is not told by it.
    pub(super) fn after_push(&self, command: &[impl AsRef<str>]) -> io::Result<()> {
        let hooks = self.path.join("hooks");
        fs::create_dir_all(&hooks)?;
        let words: Vec<_> = command.iter().map(|word| quoted(word.as_ref())).collect();
        let script = format!(
            "#!/bin/sh\n# Delivers the push to Headstay, as a Git host does.\nexec {}\n",
            words.join(" ")
        );
        let hook = hooks.join("post-receive");
        fs::write(&hook, script)?;
        fs::set_permissions(&hook, Permissions::from_mode(0o755))
    }
}

/// One word for a shell, whatever is in it.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_commit_has_exactly_the_files_it_was_given_and_the_one_before_as_parent() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::create(&folder.path().join("shop.git")).unwrap();
        let first = [("a/one", "1"), ("a/two", "2")];
        let first = repository.commit("First", first.into_iter()).unwrap();
        let second = repository.commit("Second", [("a/two", "3")].into_iter()).unwrap();

        let git = git2::Repository::open_bare(repository.path()).unwrap();
        let head = git.head().unwrap().peel_to_commit().unwrap();
        assert_eq!(head.id().to_string(), second.id);
        assert_eq!(head.parent_id(0).unwrap().to_string(), first.id);
        let tree = head.tree().unwrap();
        assert!(tree.get_path(Path::new("a/one")).is_err());
        let blob = tree.get_path(Path::new("a/two")).unwrap().to_object(&git).unwrap();
        assert_eq!(blob.as_blob().unwrap().content(), b"3");
    }

    #[test]
    fn a_hook_gets_its_words_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::create(&folder.path().join("shop.git")).unwrap();
        repository.after_push(&["printf", "%s|", "it's", "$HOME `x`"]).unwrap();
        let output = Command::new(repository.path().join("hooks/post-receive")).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "it's|$HOME `x`|");
    }
}
