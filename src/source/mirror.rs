//! The bare mirror of a repository on disk. What is at its place is always whole: a new one is
//! made beside it and takes its place when it is complete.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use git2::{Oid, Repository as Git, RepositoryInitOptions};
use tracing::{info, warn};

use crate::domain::commit::Revision;
use crate::source::copy::copy;
use crate::source::error::FetchError;
use crate::source::link::{Connected, Link};
use crate::source::objects::{self, Unusable};
use crate::source::refs::{HEADS, PINS, Refs, TAGS, refs, vanished};
use crate::source::refusals::{Parts, Refusals};
use crate::source::resolve;
use crate::source::transport::ready;
use crate::source::wanted::{Plan, plan};

/// Where the mirror's own configuration says of what it is a mirror.
pub(super) const URL_KEY: &str = "headstay.url";
/// Mode of a folder that nobody else may enter.
const PRIVATE: u32 = 0o700;
/// From this number of refs on that moved at once, all refs are packed into one file.
const PACK_REFS_FROM: usize = 50;

/// A mirror's place on disk.
#[derive(Debug)]
pub(super) struct Mirror {
    /// Its folder.
    path: PathBuf,
    /// Held for reading while a repository at the path is open; for writing while another takes
    /// its place.
    place: RwLock<()>,
}

impl Mirror {
    /// The mirror in this folder, which may not exist yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, place: RwLock::default() }
    }

    /// Whether there is one, of whatever URL.
    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Opens it to read; nothing takes its place meanwhile.
    pub(super) fn read<T>(&self, read: impl FnOnce(Result<Git, git2::Error>) -> T) -> T {
        let _place = self.place.read().unwrap_or_else(PoisonError::into_inner);
        read(self.open())
    }

    /// Does something to it while nobody has it open.
    pub(super) fn alone<T>(&self, work: impl FnOnce(&Self) -> T) -> T {
        let _place = self.place.write().unwrap_or_else(PoisonError::into_inner);
        work(self)
    }

    /// The folders that it may have: itself, and what a change of places may have left.
    pub(super) fn folders(&self) -> [PathBuf; 3] {
        [self.path.clone(), self.old_path(), self.new_path()]
    }

    /// Whether it holds all of these revisions whatever the remote says: commits never change.
    pub(super) fn holds(&self, url: &str, revisions: &[Revision]) -> bool {
        let only_commits = revisions.iter().all(|r| matches!(r, Revision::Commit(_)));
        only_commits
            && self.existing(url).is_some_and(|git| {
                revisions.iter().all(|revision| matches!(readable(&git, revision), Ok(true)))
            })
    }

    /// Brings it up to date with its remote. Where it is missing, damaged (`renew` says that it is
    /// known to be) or of another URL, it is made anew.
    pub(super) fn fetch(
        &self,
        url: &str,
        link: &Link,
        revisions: &[Revision],
        renew: bool,
        refusals: &mut Refusals,
    ) -> Result<(), FetchError> {
        self.recover();
        self.keep_private();
        if let Some(git) = self.existing(url).filter(|_| !renew) {
            match update(&git, link, revisions, refusals) {
                Err(error) if error.is_local() => {
                    warn!(mirror = %self.path.display(), %error, "the mirror is damaged");
                }
                result => return result,
            }
        }
        self.renew(url, link, revisions, refusals)
    }

    fn open(&self) -> Result<Git, git2::Error> {
        ready().map_err(|error| git2::Error::from_str(&error.to_string()))?;
        Git::open_bare(&self.path)
    }

    /// The mirror, if it is one of this URL.
    fn existing(&self, url: &str) -> Option<Git> {
        let git = self.open().ok()?;
        let of = git.config().ok()?.get_string(URL_KEY).ok()?;
        (of == url).then_some(git)
    }

    /// Makes it anew beside the old one, and puts it in its place.
    fn renew(
        &self,
        url: &str,
        link: &Link,
        revisions: &[Revision],
        refusals: &mut Refusals,
    ) -> Result<(), FetchError> {
        let git = create(&self.new_path(), url)?;
        update(&git, link, revisions, refusals)?;
        if self.path.exists() {
            self.carry_pins(&git);
        }
        drop(git);
        info!(mirror = %self.path.display(), "made a new mirror");
        self.replace()
    }

    /// Every fetch leaves a pack; from this many on, they are made one. What no ref leads to any
    /// longer goes. Not to be called during a fetch.
    pub(super) fn compact(&self, packs_max: usize) -> Result<(), FetchError> {
        let git = self.open().map_err(local)?;
        if packs(&git)? <= packs_max {
            return Ok(());
        }
        let url = git.config().and_then(|config| config.get_string(URL_KEY)).map_err(local)?;
        let new = create(&self.new_path(), &url)?;
        let all = refs(&git, &["refs/"]).map_err(local)?;
        copy(&git, &new, &all.values().copied().collect::<Vec<_>>())?;
        for (name, id) in all {
            set(&new, &name, id)?;
        }
        new.refdb_compress().map_err(local)?;
        drop((git, new));
        self.replace()
    }

    /// Puts the new mirror in the place of the old one.
    fn replace(&self) -> Result<(), FetchError> {
        let old = self.old_path();
        let _place = self.place.write().unwrap_or_else(PoisonError::into_inner);
        remove(&old)?;
        if self.path.exists() {
            rename(&self.path, &old)?;
        }
        rename(&self.new_path(), &self.path)?;
        remove(&old)
    }

    /// Takes the commits of the history over from the old mirror, as far as they can be read.
    fn carry_pins(&self, new: &Git) {
        let carry = || -> Result<(), FetchError> {
            let Ok(old) = self.open() else { return Ok(()) };
            let old_refs = refs(&old, &[PINS]).unwrap_or_default();
            copy(&old, new, &old_refs.values().copied().collect::<Vec<_>>())?;
            old_refs.iter().try_for_each(|(name, id)| set(new, name, *id))
        };
        if let Err(error) = carry() {
            warn!(mirror = %self.path.display(), %error, "commits of the history are lost");
        }
    }

    /// Closes the folder of all mirrors to others, whatever made it: what is in it may be secret.
    fn keep_private(&self) {
        let Some(folder) = self.path.parent() else { return };
        let closed = fs::create_dir_all(folder)
            .and_then(|()| fs::set_permissions(folder, Permissions::from_mode(PRIVATE)));
        if let Err(error) = closed {
            warn!(folder = %folder.display(), %error, "others may read the mirrors");
        }
    }

    /// Puts the old mirror back if the process died while a new one took its place.
    fn recover(&self) {
        let old = self.old_path();
        if !self.path.exists() && old.exists() {
            // If it fails, a new mirror is made.
            let _ = fs::rename(old, &self.path);
        }
    }

    fn old_path(&self) -> PathBuf {
        self.path.with_extension("git.old")
    }

    fn new_path(&self) -> PathBuf {
        self.path.with_extension("git.new")
    }
}

/// Makes an empty mirror; what was at the path goes.
fn create(path: &Path, url: &str) -> Result<Git, FetchError> {
    ready()?;
    remove(path)?;
    let disk = |source| FetchError::Disk { path: path.to_owned(), source };
    private_folder(path).map_err(disk)?;
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false);
    let create = || -> Result<Git, git2::Error> {
        let git = Git::init_opts(path, &options)?;
        git.config()?.set_str(URL_KEY, url)?;
        Ok(git)
    };
    create().map_err(local)
}

/// Makes a folder for a mirror. It holds a repository in full, so it is for its owner only.
fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE).create(path)
}

fn packs(git: &Git) -> Result<usize, FetchError> {
    let folder = git.path().join("objects/pack");
    match fs::read_dir(&folder) {
        Ok(entries) => Ok(entries
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "pack"))
            .count()),
        Err(source) => Err(FetchError::Disk { path: folder, source }),
    }
}

/// Brings the mirror's refs and objects up to date, but for what is not taken.
fn update(
    git: &Git,
    link: &Link,
    revisions: &[Revision],
    refusals: &mut Refusals,
) -> Result<(), FetchError> {
    let (mut parts, mut by_id, mut begun) = (Parts::new(), true, false);
    while let Some(part) = parts.next() {
        let mut remote = link.connect(git)?;
        let (remote_refs, local_refs) = (remote.refs()?, refs(git, &[HEADS, TAGS]).map_err(local)?);
        if !std::mem::replace(&mut begun, true) {
            refusals.begin(&remote_refs);
        }
        let has = |id| objects::has_commit(git, id);
        let mut plan = plan(revisions, &remote_refs, &local_refs, by_id, has);
        part.limit(&mut plan, refusals);
        match bring(git, &mut remote, &plan) {
            Err(error) if error.is_of_objects() => parts.refuse(plan.names(), error, refusals),
            // Many servers give out only what a branch or tag points to, and end the connection.
            Err(FetchError::UnknownCommit | FetchError::Remote(_) | FetchError::Mirror(_))
                if by_id && !plan.commits.is_empty() =>
            {
                (parts, by_id) = (Parts::new(), false);
            }
            brought => {
                brought?;
                apply(git, &plan, &local_refs).map_err(local)?;
            }
        }
    }
    revisions.iter().try_for_each(|revision| readable(git, revision).map(drop).map_err(local))
}

/// Brings the objects of a plan.
fn bring(git: &Git, remote: &mut Connected<'_, '_>, plan: &Plan) -> Result<(), FetchError> {
    if !plan.ids().is_empty() {
        remote.download(plan)?;
    }
    // A folder says nothing about ids that it does not know.
    if plan.commits.iter().all(|id| objects::has_commit(git, *id)) {
        Ok(())
    } else {
        Err(FetchError::UnknownCommit)
    }
}

fn apply(git: &Git, plan: &Plan, before: &Refs) -> Result<(), git2::Error> {
    // First what goes: a branch `a` is in the way of a branch `a/b`.
    for name in &plan.remove {
        if let Some(id) = before.get(name) {
            // Only for a better error message, so it may fail.
            let _ = git.reference(&vanished(name), *id, true, "");
        }
        git.find_reference(name)?.delete()?;
    }
    for (name, id) in &plan.update {
        git.reference(name, *id, true, "")?;
        if let Ok(mut reference) = git.find_reference(&vanished(name)) {
            reference.delete()?;
        }
    }
    for id in &plan.commits {
        git.reference(&format!("{PINS}{id}"), *id, true, "")?;
    }
    if plan.update.len() >= PACK_REFS_FROM {
        git.refdb_compress()?;
    }
    Ok(())
}

/// Reads the commit of a revision and its tree, to see that the mirror is no ruin. Whether there is
/// such a revision.
fn readable(git: &Git, revision: &Revision) -> Result<bool, git2::Error> {
    let Some(id) = resolve::find(git, revision)? else { return Ok(false) };
    let read = objects::peel(git, id).and_then(|commit| objects::tree(git, commit.tree_id()));
    match read {
        Ok(_) => Ok(true),
        // A tag of a file, and what is too large or not as Git writes it, is no damage.
        Err(Unusable::Other | Unusable::TooLarge(_) | Unusable::Malformed(_)) => Ok(false),
        Err(Unusable::Mirror(error)) => Err(error),
    }
}

fn set(git: &Git, name: &str, id: Oid) -> Result<(), FetchError> {
    git.reference(name, id, true, "").map(drop).map_err(local)
}

/// An error of libgit2 that is the mirror's fault.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn local(error: git2::Error) -> FetchError {
    FetchError::Mirror(error.message().to_owned())
}

/// Removes a folder with all that is in it, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), FetchError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FetchError::Disk { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), FetchError> {
    fs::rename(from, to).map_err(|source| FetchError::Disk { path: to.to_owned(), source })
}
