//! Git: one bare mirror per repository, fetched from its host, read by commit. Repositories are
//! hostile input: no hooks and no filters run, no symlink leads out, everything has a bound.
//!
//! Every job opens the mirror for itself on a blocking thread. A repository is fetched once at a
//! time; who asks meanwhile waits, and shares what comes of it.

mod attempts;
mod copy;
mod credentials;
mod deltas;
mod endpoint;
mod entry;
pub mod error;
mod fetch_error;
mod footprint;
mod frames;
mod github_app;
mod http;
mod index;
mod link;
mod mirror;
mod objects;
mod pack;
mod packed;
mod pins;
mod place;
mod read;
mod refs;
mod refusals;
mod resolve;
mod rounds;
mod ssh;
mod transport;
pub mod tree;
mod turns;
mod unconfigured;
mod wanted;

pub use crate::source::attempts::{Fetches, Outage};
pub use crate::source::read::Read;

#[cfg(test)]
mod http_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use git2::Repository as Git;
use jiff::Timestamp;
use tokio::task::spawn_blocking;
use tracing::warn;

use crate::config::Repository;
use crate::domain::account::Account;
use crate::domain::commit::{Commit, CommitId, Revision};
use crate::domain::footprint::Paths;
use crate::domain::name::RepositoryName;
use crate::source::error::SourceError;
use crate::source::footprint::Lookup;
use crate::source::github_app::Tokens;
use crate::source::place::Place;
use crate::source::rounds::Question;
use crate::source::turns::Turns;

/// Packs (one per fetch) that a mirror may have before they are made one.
const PACKS_MAX: usize = 50;

/// The repositories of the configuration, as mirrors on disk. Cheap to clone.
#[derive(Clone)]
pub struct Source {
    inner: Arc<Inner>,
}

struct Inner {
    /// Folder of the mirrors.
    folder: PathBuf,
    /// What is known of each repository, until it has left the configuration and nobody needs it.
    places: Mutex<HashMap<RepositoryName, Arc<Place>>>,
    tokens: Tokens,
    turns: Turns,
}

/// What a fetch came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetched {
    /// Whether the remote was asked; if not, an earlier or common fetch was good enough.
    pub performed: bool,
    /// How long it took, waiting included.
    pub duration: Duration,
}

impl Source {
    /// Mirrors go to `<data>/repositories/<name>.git`.
    pub fn new(data: &Path) -> Self {
        Self {
            inner: Arc::new(Inner {
                folder: data.join("repositories"),
                places: Mutex::default(),
                tokens: Tokens::default(),
                turns: Turns::default(),
            }),
        }
    }

    /// Brings the mirror up to date as of `since`: returns at once when a fetch that began at or
    /// after it has brought these revisions; else waits for its turn, and fetches. Callers pass
    /// all revisions of the repository that are in use, so that one fetch serves them all. A
    /// revision that does not exist is no error here; [`resolve`](Self::resolve) says so.
    pub async fn fetch(
        &self,
        repository: &Arc<Repository>,
        revisions: &[Revision],
        since: Timestamp,
    ) -> Result<Fetched, SourceError> {
        let asked_at = Instant::now();
        let place = self.place(&repository.name);
        let question = Question {
            repository: repository.clone(),
            revisions: revisions.iter().cloned().collect(),
            since,
            ended_before: place.ended.load(Ordering::SeqCst),
        };
        let fetched = |performed| Fetched { performed, duration: asked_at.elapsed() };
        let failed = |source| SourceError::Fetch { repository: repository.name.clone(), source };
        let mut rounds = place.rounds.clone().lock_owned().await;
        if !place.damaged.load(Ordering::SeqCst)
            && let Some(answer) = rounds.answer(&question)
        {
            return answer.map(|()| fetched(false)).map_err(failed);
        }
        let (inner, revisions) = (self.inner.clone(), revisions.to_vec());
        // The turn goes with the job: if the caller goes away, the job and its turn go on.
        let job = spawn_blocking(move || {
            let started_at = Timestamp::now();
            let result =
                place.fetch(&question.repository, &revisions, &inner.tokens).map_err(Arc::new);
            let number = place.ended.fetch_add(1, Ordering::SeqCst) + 1;
            let outcome = result.as_ref().map(|_| ()).map_err(Arc::clone);
            rounds.record(question, started_at, number, outcome);
            result
        });
        match job.await {
            Ok(result) => result.map(fetched).map_err(failed),
            Err(_) => Err(SourceError::Stopped { repository: repository.name.clone() }),
        }
    }

    /// The commit that a revision points to, as of the last fetch; asks no host.
    pub async fn resolve(
        &self,
        repository: &Repository,
        revision: &Revision,
    ) -> Result<Commit, SourceError> {
        let (revision, refusals) = (revision.clone(), self.place(&repository.name).refusals());
        self.read_mirror(repository, move |git, name| {
            resolve::resolve(git, name, &revision, &refusals)
        })
        .await
    }

    /// Whether a commit has the same as another one at the paths that were looked at there, for each
    /// of many.
    pub async fn have_stayed(
        &self,
        repository: &Repository,
        commit: &CommitId,
        looked_at: Vec<Paths>,
    ) -> Result<Vec<bool>, SourceError> {
        let looked_at = Arc::new(looked_at);
        self.account(async |account| {
            let (commit, looked_at) = (commit.clone(), looked_at.clone());
            self.read_mirror(repository, move |git, name| {
                let root = resolve::commit(git, name, &commit)?.tree_id();
                let mut lookup = Lookup::new(git, root, &account);
                let have = looked_at.iter().map(|paths| lookup.has(paths));
                have.collect::<Result<_, _>>().map_err(|error| resolve::damaged(name, &error))
            })
            .await
        })
        .await
    }

    /// The manifests (`.yaml`, `.yml`, `.json`) below a path at a commit, sorted by path; if the
    /// path is a file, that file. What is hidden is passed over, symlinks are followed inside the
    /// repository. What it takes is charged to the account of the render; when nobody waits for
    /// that any longer, reading ends.
    pub async fn read(
        &self,
        repository: &Repository,
        commit: &CommitId,
        path: &str,
        account: &Arc<Account>,
    ) -> Result<Read, SourceError> {
        let (commit, path, account) = (commit.clone(), path.to_owned(), account.clone());
        self.read_mirror(repository, move |git, name| {
            read::read(git, name, commit, &path, &account)
        })
        .await
    }

    /// Whether `descendant` has `ancestor` in its history, or is it. An ancestor that the mirror
    /// does not have is in nobody's history.
    pub async fn contains(
        &self,
        repository: &Repository,
        descendant: &CommitId,
        ancestor: &CommitId,
    ) -> Result<bool, SourceError> {
        self.account(async |account| {
            let (descendant, ancestor) = (descendant.clone(), ancestor.clone());
            self.read_mirror(repository, move |git, name| {
                resolve::contains(git, name, &descendant, &ancestor, &account)
            })
            .await
        })
        .await
    }

    /// Whether a commit is on a branch or tag, as of the last fetch of all of them
    /// ([`Revision::every`]); an error where it is not.
    pub async fn must_be_published(
        &self,
        repository: &Repository,
        commit: &CommitId,
    ) -> Result<(), SourceError> {
        self.account(async |account| {
            let commit = commit.clone();
            self.read_mirror(repository, move |git, name| {
                if resolve::is_published(git, name, &commit, &account)? {
                    return Ok(());
                }
                Err(SourceError::Unpublished { repository: name.clone(), commit })
            })
            .await
        })
        .await
    }

    /// Keeps commits in the mirror, whatever becomes of the branches that they came with.
    pub async fn pin(
        &self,
        repository: &Repository,
        commits: &[CommitId],
    ) -> Result<(), SourceError> {
        let (place, commits) = (self.place(&repository.name), commits.to_vec());
        self.read_mirror(repository, move |git, name| {
            let mut recent = place.pins.lock().unwrap_or_else(PoisonError::into_inner);
            pins::pin(git, name, &commits, &mut recent)
        })
        .await
    }

    /// Keeps these commits and what was pinned lately, and no longer any other; tidies the mirror up
    /// where that is due. A mirror that is being fetched into is left for the next time.
    pub async fn retain(
        &self,
        repository: &Repository,
        commits: &BTreeSet<CommitId>,
    ) -> Result<(), SourceError> {
        let (commits, place) = (commits.clone(), self.place(&repository.name));
        let Ok(turn) = place.rounds.clone().try_lock_owned() else { return Ok(()) };
        let pinning = Arc::clone(&place);
        self.read_mirror(repository, move |git, name| {
            let mut recent = pinning.pins.lock().unwrap_or_else(PoisonError::into_inner);
            pins::retain(git, name, &commits, &mut recent)
        })
        .await?;
        let job = spawn_blocking(move || {
            let compacted = place.mirror.compact(PACKS_MAX);
            drop(turn);
            compacted
        });
        if let Ok(Err(error)) = job.await {
            warn!(repository = %repository.name, %error, "the mirror could not be tidied up");
        }
        Ok(())
    }

    /// How often the remotes were asked since the process started.
    pub fn fetches(&self) -> Vec<(RepositoryName, Fetches)> {
        let places = self.inner.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.iter().map(|(name, place)| (name.clone(), place.attempts().fetches())).collect()
    }

    /// Since when a repository cannot be fetched, as far as fetches were tried, and why; none: it can.
    pub fn outage(&self, repository: &RepositoryName) -> Option<Outage> {
        let places = self.inner.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.get(repository)?.attempts().outage(Timestamp::now())
    }

    fn place(&self, name: &RepositoryName) -> Arc<Place> {
        let mut places = self.inner.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(name.clone()).or_insert_with(|| {
            let path = self.inner.folder.join(format!("{name}.git"));
            Arc::new(Place::new(path))
        });
        place.clone()
    }

    /// Runs a job on the mirror on a blocking thread.
    async fn read_mirror<T: Send + 'static>(
        &self,
        repository: &Repository,
        read: impl FnOnce(&Git, &RepositoryName) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let (place, name) = (self.place(&repository.name), repository.name.clone());
        let job = spawn_blocking(move || {
            let result = place.mirror.read(|git| match git {
                Ok(git) => read(&git, &name),
                Err(error) => Err(resolve::damaged(&name, &error)),
            });
            if matches!(result, Err(SourceError::Mirror { .. })) {
                place.damaged.store(true, Ordering::SeqCst);
            }
            result
        });
        job.await
            .unwrap_or_else(|_| Err(SourceError::Stopped { repository: repository.name.clone() }))
    }
}
