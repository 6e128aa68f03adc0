//! Who needs no fetch of their own: plain decisions on plain data.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::Repository;
use crate::domain::commit::Revision;
use crate::source::error::FetchError;

/// What someone wants of a repository.
pub(super) struct Question {
    /// The repository as configured.
    pub(super) repository: Arc<Repository>,
    /// The revisions of it.
    pub(super) revisions: HashSet<Revision>,
    /// How new the answer must be.
    pub(super) since: Timestamp,
    /// How many rounds had ended when it was asked.
    pub(super) ended_before: u64,
}

/// The last rounds of a repository.
#[derive(Default)]
pub(super) struct Rounds {
    success: Option<Round>,
    failure: Option<(Round, Arc<FetchError>)>,
}

/// A fetch that has ended.
struct Round {
    /// Its number, from 1.
    number: u64,
    started_at: Timestamp,
    repository: Arc<Repository>,
    revisions: HashSet<Revision>,
}

impl Rounds {
    /// The answer of an earlier round, if that is good enough. A success answers all who ask for
    /// no more than it brought. A failure answers those only who waited while it happened: who
    /// asks later wants another try.
    pub(super) fn answer(&self, question: &Question) -> Option<Result<(), Arc<FetchError>>> {
        if self.success.as_ref().is_some_and(|round| round.covers(question)) {
            return Some(Ok(()));
        }
        let (round, error) = self.failure.as_ref()?;
        let waited = round.number > question.ended_before;
        (waited && round.covers(question)).then(|| Err(error.clone()))
    }

    /// Records a round.
    pub(super) fn record(
        &mut self,
        question: Question,
        started_at: Timestamp,
        number: u64,
        outcome: Result<(), Arc<FetchError>>,
    ) {
        let Question { repository, revisions, .. } = question;
        let round = Round { number, started_at, repository, revisions };
        match outcome {
            Ok(()) => *self = Self { success: Some(round), failure: None },
            Err(error) => self.failure = Some((round, error)),
        }
    }
}

impl Round {
    fn covers(&self, question: &Question) -> bool {
        self.started_at >= question.since
            && self.repository == question.repository
            && question.revisions.is_subset(&self.revisions)
    }
}
