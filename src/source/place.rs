//! One repository: its mirror, and what is known of its fetches.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Mutex as AsyncMutex;
use tracing::debug;

use crate::config::Repository;
use crate::domain::commit::Revision;
use crate::source::attempts::Attempts;
use crate::source::endpoint::Endpoint;
use crate::source::error::FetchError;
use crate::source::github_app::Tokens;
use crate::source::http::Client;
use crate::source::link::{self, Link};
use crate::source::mirror::Mirror;
use crate::source::pins::Recent;
use crate::source::refusals::Refusals;
use crate::source::rounds::Rounds;

/// One repository.
pub(super) struct Place {
    pub(super) mirror: Mirror,
    /// Held during a fetch.
    pub(super) rounds: Arc<AsyncMutex<Rounds>>,
    /// Fetches that have ended, whatever came of them.
    pub(super) ended: AtomicU64,
    /// Those of them for which the remote was asked.
    pub(super) attempts: Mutex<Attempts>,
    /// Something in the mirror could not be read: the next fetch makes it anew.
    pub(super) damaged: AtomicBool,
    /// What the last fetch did not take.
    pub(super) refusals: Mutex<Arc<Refusals>>,
    /// Held while pins are written: refs are locked by files, and who finds one does not wait.
    pub(super) pins: Mutex<Recent>,
    /// The HTTP client of the last fetch, with its open connections.
    pub(super) client: Mutex<Option<Client>>,
}

impl Place {
    /// One whose mirror is, or comes to be, at a path.
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            mirror: Mirror::new(path),
            rounds: Arc::default(),
            ended: AtomicU64::new(0),
            attempts: Mutex::default(),
            damaged: AtomicBool::new(false),
            refusals: Mutex::default(),
            pins: Mutex::default(),
            client: Mutex::default(),
        }
    }

    pub(super) fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn refusals(&self) -> Arc<Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches; whether the remote had to be asked.
    pub(super) fn fetch(
        &self,
        repository: &Repository,
        revisions: &[Revision],
        tokens: &Tokens,
    ) -> Result<bool, FetchError> {
        let endpoint = Endpoint::parse(&repository.url)?;
        let url = endpoint.url();
        let damaged = self.damaged.load(Ordering::SeqCst);
        if !damaged && self.mirror.holds(&url, revisions) {
            return Ok(false);
        }
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let link = Link::open(repository, endpoint.clone(), &mut client, tokens);
        drop(client);
        let begun = Timestamp::now();
        self.attempts().begin(begun, !self.mirror.exists());
        let mut refusals = Refusals::clone(&self.refusals());
        let result =
            link.and_then(|link| self.mirror.fetch(&url, &link, revisions, damaged, &mut refusals));
        *self.refusals.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(refusals);
        self.attempts().end(begun, result.as_ref().err());
        match &result {
            Ok(()) => {
                self.damaged.store(false, Ordering::SeqCst);
                // A commit that was brought by its id hangs on its pin alone.
                let mut recent = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
                for revision in revisions {
                    if let Revision::Commit(id) = revision {
                        recent.note(id, Timestamp::now());
                    }
                }
            }
            Err(error) if error.is_refusal() => {
                link::forget_token(repository, &endpoint, tokens);
            }
            Err(error) => debug!(repository = %repository.name, %error, "fetch failed"),
        }
        result.map(|()| true)
    }
}
