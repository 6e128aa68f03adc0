//! Whether the state that a prune is for is still wanted: asked of Git and the configuration for as long
//! as objects are deleted on its account.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::domain::commit::{Commit, CommitId};
use crate::domain::stop::Stop;
use crate::domain::sync::Attempt;
use crate::sync::error::SyncError;
use crate::sync::fetch::{self, Target};
use crate::sync::scene::Scene;

/// How old the answer of Git may be when an object is deleted on its account.
const ASKED_MAX_AGE: SignedDuration = SignedDuration::from_secs(2);

/// What Git and the configuration said of a prune when they were last asked.
pub(super) struct Wanted<'a> {
    scene: &'a Scene<'a>,
    answer: Mutex<Answer>,
}

/// What they said last.
struct Answer {
    asked_at: Timestamp,
    /// The commit that is pruned for, once it was asked for.
    commit: Option<CommitId>,
}

impl<'a> Wanted<'a> {
    /// They were last asked then.
    pub(super) fn since(scene: &'a Scene<'a>, asked_at: Timestamp) -> Self {
        Self { scene, answer: Mutex::new(Answer { asked_at, commit: None }) }
    }

    /// The commit that is pruned for, as long as it is wanted.
    pub(super) async fn target(&self) -> Result<Option<Target>, SyncError> {
        let mut answer = self.answer.lock().await;
        self.renew(&mut answer.asked_at);
        let target = target(self.scene, answer.asked_at).await?;
        answer.commit = target.as_ref().map(|target| target.commit.id.clone());
        Ok(target)
    }

    /// Whether it is still wanted, by an answer that is young enough.
    pub(super) async fn confirm(&self) -> Result<bool, SyncError> {
        // Whatever has changed in it, the next claim decides by the one that is in force.
        if !Arc::ptr_eq(&self.scene.config, &self.scene.context.config.load()) {
            return Err(Stop::Released.into());
        }
        let mut answer = self.answer.lock().await;
        if !self.renew(&mut answer.asked_at) {
            return Ok(true);
        }
        match target(self.scene, answer.asked_at).await? {
            // For us it means the same. What it gives to another application, the next claim finds out.
            Some(target) if answer.commit.as_ref() != Some(&target.commit.id) => {
                Err(Stop::Released.into())
            }
            target => Ok(target.is_some()),
        }
    }

    /// Whether they have to be asked again, which is then done.
    fn renew(&self, asked_at: &mut Timestamp) -> bool {
        let now = self.scene.context.store.now();
        let old = now.duration_since(*asked_at) > ASKED_MAX_AGE;
        if old {
            *asked_at = now;
        }
        old
    }
}

/// The commit that a prune is for, if what Git and the configuration say is what its sync has applied, in
/// full and last. Else its prune would be that of a state which nobody wants any more.
pub(super) async fn target(
    scene: &Scene<'_>,
    since: Timestamp,
) -> Result<Option<Target>, SyncError> {
    match fetch::find(scene, since).await {
        // Whatever this was applied from, Git or the configuration does not lead there any more.
        Err(error) if !error.cause().admits(Attempt::Retry) => Ok(None),
        found => Ok(Some(found?).filter(|target| is_applied_last(scene, target))),
    }
}

fn is_applied_last(scene: &Scene<'_>, target: &Target) -> bool {
    let (sync, state) = (&scene.claim.sync, &scene.state);
    let of_another = |wanted: &Commit| wanted.id != target.commit.id;
    sync.inputs.as_ref().is_some_and(|inputs| inputs.are(&target.inputs))
        && state.was_made_from(&target.inputs)
        // Whoever named a revision for one sync has it until the next one comes.
        && !(sync.options.revision.is_some() && state.wanted.as_ref().is_some_and(of_another))
}
