//! What Git says in a history: the repository, and the same once more as plain data.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::repository::Repository;
use crate::settings::{App, Instance, Policy};
use crate::things::{Key, Note, Spec, Thing, manifest, rendered};

/// A branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Branch {
    Main,
    Side,
}

impl Branch {
    pub const ALL: [Self; 2] = [Self::Main, Self::Side];

    pub fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Side => "side",
        }
    }
}

/// A folder that an application can have for its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Folder(pub u8);

impl Folder {
    pub const ALL: [Self; 5] = [Self(0), Self(1), Self(2), Self(3), Self(4)];

    pub fn name(self) -> &'static str {
        ["one", "two", "three", "four", "five"][usize::from(self.0)]
    }
}

/// What is in a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    pub things: BTreeMap<Thing, Spec>,
    /// One of them is no YAML.
    pub broken: bool,
}

/// What is in a commit.
pub type Tree = BTreeMap<Folder, Files>;

/// A change of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    Put(Folder, Thing, Spec),
    Remove(Folder, Thing),
    Move(Folder, Folder, Thing),
    Empty(Folder),
    Break(Folder, bool),
}

/// Why a commit has no objects for an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoObjects {
    Broken,
    Empty,
}

/// The objects of an application, as they are to be sent.
pub type Objects = BTreeMap<Key, Value>;

/// What a commit says for an application.
pub fn render(
    tree: &Tree,
    app: App,
    policy: &Policy,
    instance: Instance,
) -> Result<Objects, NoObjects> {
    let nothing = Files::default();
    let files = tree.get(&policy.folder).unwrap_or(&nothing);
    if files.broken {
        return Err(NoObjects::Broken);
    }
    if files.things.is_empty() && !policy.allow_empty {
        return Err(NoObjects::Empty);
    }
    let objects = files.things.iter().map(|(thing, spec)| {
        let key = Key::new(*thing, policy.space);
        (key, rendered(*thing, *spec, policy.space, app, instance))
    });
    Ok(objects.collect())
}

/// A commit.
#[derive(Debug, Clone)]
pub struct Commit {
    pub id: String,
    pub tree: Tree,
    parent: Option<usize>,
}

/// The repository.
pub struct Git {
    repository: Repository,
    folder: PathBuf,
    pub commits: Vec<Commit>,
    heads: BTreeMap<Branch, usize>,
    /// Whether it answers.
    pub up: bool,
}

impl Git {
    /// A repository with one commit, which has every folder.
    pub fn new(folder: &Path) -> Self {
        let path = folder.join("fleet.git");
        let repository = Repository::create(&path, path.display().to_string());
        let (commits, heads) = (Vec::new(), BTreeMap::new());
        let mut git = Self { repository, folder: path, commits, heads, up: true };
        let readmes = Folder::ALL.map(|folder| format!("{}/README.md", folder.name()));
        let changes: Vec<_> = readmes.iter().map(|path| (&**path, Some("a folder"))).collect();
        let id = git.repository.commit_to("main", None, &changes);
        git.repository.force_push("side", &id);
        git.commits.push(Commit { id, tree: Tree::new(), parent: None });
        git.heads = Branch::ALL.map(|branch| (branch, 0)).into();
        git
    }

    pub fn head(&self, branch: Branch) -> &Commit {
        &self.commits[self.heads[&branch]]
    }

    /// A commit by its id.
    pub fn commit(&self, id: &str) -> Option<&Commit> {
        self.commits.iter().find(|commit| commit.id == id)
    }

    /// What the mirror of the process has: the commit that was asked for, or the one that a branch
    /// pointed to when it was last fetched. None: it was never fetched, or there is no such commit.
    pub fn told(&self, revision: Option<&str>, branch: Branch) -> Option<&Commit> {
        if let Some(revision) = revision {
            return self.commit(revision);
        }
        let mirror = self.folder.with_file_name("repositories").join("fleet.git");
        let mirror = git2::Repository::open_bare(mirror).ok()?;
        let id = mirror.refname_to_id(&format!("refs/heads/{}", branch.name())).ok()?;
        self.commit(&id.to_string())
    }

    /// The commit that is so many before the head of a branch.
    pub fn back(&self, branch: Branch, steps: u8) -> &Commit {
        let mut at = self.heads[&branch];
        for _ in 0..steps {
            at = self.commits[at].parent.unwrap_or(at);
        }
        &self.commits[at]
    }

    /// Commits edits; those that change nothing are left out.
    pub fn push(&mut self, branch: Branch, edits: &[Edit]) {
        let parent = self.heads[&branch];
        let mut tree = self.commits[parent].tree.clone();
        for edit in edits {
            change(&mut tree, *edit);
        }
        let before = files(&self.commits[parent].tree);
        let after = files(&tree);
        let mut changes: Vec<(&str, Option<&str>)> =
            after.iter().map(|(path, text)| (&**path, Some(&**text))).collect();
        let gone = before.keys().filter(|path| !after.contains_key(*path));
        changes.extend(gone.map(|path| (&**path, None)));
        let parent_id = self.commits[parent].id.clone();
        let message = format!("commit {}", self.commits.len());
        let name = branch.name();
        let id = self.repository.commit_saying(&message, name, Some(&parent_id), &changes);
        self.commits.push(Commit { id, tree, parent: Some(parent) });
        self.heads.insert(branch, self.commits.len() - 1);
    }

    /// Moves a branch back.
    pub fn force_back(&mut self, branch: Branch, steps: u8) {
        let id = self.back(branch, steps).id.clone();
        self.repository.force_push(branch.name(), &id);
        if let Some(at) = self.commits.iter().position(|commit| commit.id == id) {
            self.heads.insert(branch, at);
        }
    }

    /// Has the host go away, or come back.
    pub fn set_up(&mut self, up: bool) {
        let away = self.folder.with_extension("away");
        if self.up && !up {
            std::fs::rename(&self.folder, away).unwrap();
        } else if up && !self.up {
            std::fs::rename(away, &self.folder).unwrap();
        }
        self.up = up;
    }
}

fn change(tree: &mut Tree, edit: Edit) {
    match edit {
        Edit::Put(folder, thing, spec) => {
            tree.entry(folder).or_default().things.insert(thing, spec);
        }
        Edit::Remove(folder, thing) => {
            tree.entry(folder).or_default().things.remove(&thing);
        }
        Edit::Move(from, to, thing) => {
            if let Some(spec) = tree.entry(from).or_default().things.remove(&thing) {
                tree.entry(to).or_default().things.insert(thing, spec);
            }
        }
        Edit::Empty(folder) => tree.entry(folder).or_default().things.clear(),
        Edit::Break(folder, broken) => tree.entry(folder).or_default().broken = broken,
    }
}

fn files(tree: &Tree) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for (folder, content) in tree {
        let folder = folder.name();
        for (thing, spec) in &content.things {
            let text = manifest(*thing, *spec).to_string();
            files.insert(format!("{folder}/{}.yaml", thing.name()), text);
        }
        if content.broken {
            files.insert(format!("{folder}/broken.yaml"), "{".to_owned());
        }
    }
    files
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(folder, thing, Spec { shade, note: Note::Nothing }) => {
                write!(f, "{}/{} = {shade}", folder.name(), thing.name())
            }
            Self::Put(folder, thing, Spec { shade, note }) => {
                write!(f, "{}/{} = {shade} ({note:?})", folder.name(), thing.name())
            }
            Self::Remove(folder, thing) => write!(f, "no {}/{}", folder.name(), thing.name()),
            Self::Move(from, to, thing) => {
                write!(f, "{}/{} moves to {}", from.name(), thing.name(), to.name())
            }
            Self::Empty(folder) => write!(f, "{} is empty", folder.name()),
            Self::Break(folder, true) => write!(f, "{} has a broken file", folder.name()),
            Self::Break(folder, false) => write!(f, "{} has no broken file", folder.name()),
        }
    }
}
