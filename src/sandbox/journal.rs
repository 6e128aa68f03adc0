//! What clients wrote, for tests that judge who wrote what.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::sandbox::route::Call;
use crate::sandbox::state::State;

/// A write of a client that was not refused, and no dry run.
#[derive(Debug, Clone)]
pub struct Write {
    /// Method, a space, path and query.
    pub request: String,
    /// The program, as its `User-Agent` names it before the first `/`.
    pub client: String,
    /// What was sent; null when that was no JSON.
    pub body: Value,
    /// The object before; none: it was not there.
    pub before: Option<Arc<Value>>,
    /// The object after; none: it is gone.
    pub after: Option<Arc<Value>>,
}

/// The writes since it was last read. It is closed at first, and then keeps nothing.
#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<Option<Vec<Write>>>);

impl Journal {
    /// Takes what was written since the last call, and keeps what is written from now on.
    pub(super) fn read(&self) -> Vec<Write> {
        let mut writes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writes.replace(Vec::new()).unwrap_or_default()
    }

    /// Takes down a request that was carried out when the state had this version.
    pub(super) fn note(&self, state: &State, since: u64, call: &Call, line: &str) {
        let mut writes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(writes) = writes.as_mut() else { return };
        let change = state.store.since(since).ok().and_then(|mut changes| changes.next());
        let (before, after) =
            change.map(|change| (change.before.clone(), change.after.clone())).unwrap_or_default();
        writes.push(Write {
            request: line.to_owned(),
            client: call.agent.clone(),
            body: serde_json::from_slice(&call.body).unwrap_or_default(),
            before,
            after,
        });
    }
}
