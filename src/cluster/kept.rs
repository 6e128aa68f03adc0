//! Answers that are kept for a while: who asks first looks, and all who ask meanwhile wait for that.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

/// Answers that are kept; beyond it all are forgotten.
const MAX_KEPT: usize = 1000;

/// The last answers to questions of one sort.
pub(super) struct Kept<Question, Answer> {
    answers: Mutex<HashMap<Question, Arc<Once<Answer>>>>,
}

/// Set by who asks first, with the time until which it is believed.
type Once<Answer> = OnceCell<(Answer, Instant)>;

impl<Question, Answer> Default for Kept<Question, Answer> {
    fn default() -> Self {
        Self { answers: Mutex::default() }
    }
}

impl<Question: Clone + Eq + Hash, Answer: Clone> Kept<Question, Answer> {
    /// Makes each next question be asked anew.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    /// The answer that is kept, or else what `ask` finds, kept for as long as it says. An error is not
    /// kept: who waited for it asks again.
    pub(super) async fn answer<E, Asked>(
        &self,
        question: &Question,
        ask: impl FnOnce() -> Asked,
    ) -> Result<Answer, E>
    where
        Asked: Future<Output = Result<(Answer, Duration), E>>,
    {
        let once = self.once(question, Instant::now());
        // Most find an answer, and need no room for the question.
        let asked = || async {
            let (answer, fresh) = Box::pin(ask()).await?;
            Ok((answer, Instant::now() + fresh))
        };
        once.get_or_try_init(asked).await.map(|(answer, _)| answer.clone())
    }

    fn once(&self, question: &Question, now: Instant) -> Arc<Once<Answer>> {
        let mut answers = self.lock();
        if answers.len() >= MAX_KEPT && !answers.contains_key(question) {
            answers.clear();
        }
        let once = answers.entry(question.clone()).or_default();
        if once.get().is_some_and(|(_, until)| *until <= now) {
            *once = Arc::default();
        }
        Arc::clone(once)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Question, Arc<Once<Answer>>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
