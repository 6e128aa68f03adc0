//! What a running sync has to tell so far.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::cluster::error::ClusterError;
use crate::domain::commit::{Commit, CommitId};
use crate::domain::error::chain;
use crate::domain::footprint::Render;
use crate::domain::inventory::InventoryItem;
use crate::domain::manifest::Desired;
use crate::domain::name::ClusterName;
use crate::domain::object::ObjectKey;
use crate::domain::plan::Inputs;
use crate::domain::sync::f64_ms::Ms;
use crate::domain::sync::failure::DETAILS_MAX;
use crate::domain::sync::{Action, FailureCause, ObjectResult, Phase, PhaseDuration};
use crate::store::Claim;
use crate::sync::error::SyncError;

/// An object was refused.
pub(super) struct Refused {
    pub(super) object: ObjectKey,
    pub(super) message: String,
    pub(super) cause: FailureCause,
    /// Whether it was applied like this before: that it cannot be put back is no reason to hold what
    /// the commit brings.
    pub(super) as_applied: bool,
}

impl Refused {
    /// Something else than its bytes and the cluster keeps an object from being applied.
    pub(super) fn beside_the_cluster(object: ObjectKey, message: String) -> Self {
        Self { object, message, cause: FailureCause::Environment, as_applied: false }
    }

    /// What the cluster refused of an object, and where in Git that is.
    pub(super) fn by_cluster(desired: &Desired, error: &ClusterError, as_applied: bool) -> Self {
        Self {
            object: desired.key.clone(),
            message: format!("{}: {}", desired.origin, chain(error)),
            cause: error.cause(),
            as_applied,
        }
    }

    /// Nothing was asked about it, for the API server did not answer about another one.
    pub(super) fn unasked(object: ObjectKey) -> Self {
        let message = "not asked: the API server did not answer about another object".to_owned();
        Self { object, message, cause: FailureCause::Environment, as_applied: false }
    }
}

/// The phases, commit and results of a sync while it runs.
pub(super) struct Record {
    /// Durations, each phase once, in the order of their first beginning.
    pub(super) phases: Vec<PhaseDuration>,
    /// The phase that runs, for errors.
    pub(super) phase: Phase,
    /// The cluster, once known.
    pub(super) cluster: Option<ClusterName>,
    /// The commit that was wanted before.
    pub(super) wanted_before: Option<CommitId>,
    /// What was applied before, and what that was made from.
    pub(super) applied_before: Option<(CommitId, Inputs)>,
    /// The commit, once known.
    pub(super) commit: Option<Commit>,
    /// Whether the branch went back.
    pub(super) rewind: bool,
    /// Objects that were touched, refused or left alone; unchanged ones are only counted.
    pub(super) results: Vec<ObjectResult>,
    /// How many needed nothing.
    pub(super) unchanged: u32,
    /// When all was written.
    pub(super) applied_at: Option<Timestamp>,
    /// What the commit means for the application, as far as that is known.
    pub(super) inputs: Option<Inputs>,
    /// What is to be kept of its render.
    pub(super) render: Option<Render>,
    /// What decided the refusals so far.
    causes: Vec<FailureCause>,
    /// Whether one of them is of something that the commit brings.
    pub(super) holds: bool,
    /// Rows that leave the inventory.
    pub(super) forget: Vec<ObjectKey>,
    /// Rows of the inventory that stay although Git no longer names them.
    pub(super) kept: Vec<InventoryItem>,
}

impl Record {
    /// The record of a claim that was just made.
    pub(super) fn new(claim: &Claim) -> Self {
        let mut record = Self {
            phases: Vec::new(),
            phase: Phase::Queue,
            cluster: None,
            wanted_before: None,
            applied_before: None,
            commit: claim.sync.commit.clone(),
            rewind: claim.sync.rewind,
            results: Vec::new(),
            unchanged: 0,
            applied_at: claim.sync.applied_at,
            inputs: None,
            render: None,
            causes: Vec::new(),
            holds: false,
            forget: Vec::new(),
            kept: Vec::new(),
        };
        record.add(Phase::Queue, claim.waited);
        record
    }

    /// Times a piece of a phase; pieces of one phase add up.
    pub(super) async fn time<T>(&mut self, phase: Phase, work: impl Future<Output = T>) -> T {
        self.phase = phase;
        let begun = Instant::now();
        let done = work.await;
        self.add(phase, begun.elapsed());
        done
    }

    fn add(&mut self, phase: Phase, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        match self.phases.iter_mut().find(|known| known.phase == phase) {
            Some(known) => known.duration_ms.0 += micros,
            None => self.phases.push(PhaseDuration { phase, duration_ms: Ms(micros) }),
        }
    }

    /// Takes down that an object was refused.
    pub(super) fn refuse(&mut self, refused: Refused) {
        self.causes.push(refused.cause);
        self.holds |= !refused.as_applied;
        self.results.push(ObjectResult {
            object: refused.object,
            action: Action::Failed,
            fields: Vec::new(),
            message: Some(refused.message),
        });
    }

    /// An error when any object failed.
    pub(super) fn fail_on_failed_objects(&self) -> Result<(), SyncError> {
        let failed = self.results.iter().filter(|result| result.action == Action::Failed);
        let number = failed.clone().count();
        let details: Vec<_> = failed
            .take(DETAILS_MAX)
            .map(|result| {
                let (object, message) = (result.object.to_string(), result.message.as_deref());
                match message.unwrap_or_default() {
                    // The errors of a cluster name the object themselves.
                    named if named.contains(&object) => named.to_owned(),
                    message => format!("{object}: {message}"),
                }
            })
            .collect();
        if details.is_empty() {
            return Ok(());
        }
        let cause = FailureCause::of_all(self.causes.iter().copied());
        Err(SyncError::Objects { failed: number, cause, details })
    }

    /// Whether the commit is another than the one that was wanted before.
    pub(super) fn moved(&self) -> bool {
        let ids = self.wanted_before.as_ref().zip(self.commit.as_ref());
        ids.is_some_and(|(before, commit)| *before != commit.id)
    }

    /// Whether the commit is the one that was applied, and means something else by now: the settings
    /// were changed.
    pub(super) fn means_something_else(&self) -> bool {
        let ids = (&self.applied_before, &self.commit, &self.inputs);
        let (Some((applied, made)), Some(commit), Some(inputs)) = ids else { return false };
        *applied == commit.id && !made.may_be(inputs)
    }

    /// Whether anything was written.
    pub(super) fn wrote(&self) -> bool {
        self.results
            .iter()
            .any(|result| matches!(result.action, Action::Created | Action::Configured))
    }
}
