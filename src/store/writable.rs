//! Whether the store can be written to, asked by whoever promises or tells it.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::store::Store;
use crate::store::error::{StoreError, failed};

/// How long an answer is taken for the state of the disk: each question costs a wait for it, and
/// anybody may ask.
const ANSWER_HOLDS: Duration = Duration::from_secs(1);
/// Changes nothing, yet SQLite writes the page that has it.
const TRY: &str = "PRAGMA user_version = 0";

/// What was last found out, and when. Held while asking, so that who comes meanwhile shares it.
#[derive(Default)]
pub(super) struct Writable(Mutex<Option<(Instant, Result<(), StoreError>)>>);

impl Store {
    /// Writes something small, unless that was tried within the last second. The error is that of
    /// the disk: full, failing or too slow.
    pub async fn check_writable(&self) -> Result<(), StoreError> {
        let mut last = self.0.writable.0.lock().await;
        if let Some((at, outcome)) = &*last
            && at.elapsed() < ANSWER_HOLDS
        {
            return outcome.clone();
        }
        let tried = sqlx::query(TRY).execute(self.writer()).await;
        let outcome = tried.map(drop).map_err(failed("write to the store"));
        *last = Some((Instant::now(), outcome.clone()));
        outcome
    }
}
