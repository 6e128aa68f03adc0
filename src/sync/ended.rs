//! How a sync ended, between those who bring it there and those who record it.

use std::time::Duration;

use crate::domain::health::HealthStatus;
use crate::domain::inventory::{InventoryItem, Kept};
use crate::domain::sync::{BlockedPlan, WaitingFor};
use crate::sync::fetch::Target;

/// How a sync that did not fail ended.
pub(super) enum Ended {
    /// It is as wanted, or was brought there: health decides the rest.
    Applied(Applied),
    /// It would prune beyond the limit.
    Blocked(BlockedPlan),
    /// It was only asked what it would do.
    DryRun,
    /// What Git no longer names is gone.
    Pruned,
    /// It was to prune for a state that Git or the configuration has left: a newer sync decides.
    Overtaken,
    /// It may not go further: nobody asked for this commit to be applied, or it is known to wait for a
    /// person or a newer one, or another sync has yet to end its work. What is applied was held.
    Held {
        /// All objects were compared by these settings.
        settings: String,
        /// Whether what is applied is what this commit says.
        at_its_commit: bool,
    },
}

/// All objects of a commit are as wanted.
pub(super) struct Applied {
    pub(super) target: Target,
    pub(super) stale: Vec<InventoryItem>,
    /// Those of them of which something else is known now.
    pub(super) newly_kept: Vec<InventoryItem>,
    /// The worst health of what is owned now.
    pub(super) health: HealthStatus,
    /// What is not healthy yet.
    pub(super) waiting_for: Vec<WaitingFor>,
    /// How long health may take.
    pub(super) timeout: Duration,
    /// Whether it may delete: it may write at all, and nothing that is owned holds on to what was.
    pub(super) may_prune: bool,
    /// The settings by which all objects were compared.
    pub(super) settings: String,
    /// Whether Git and the cluster were compared in full.
    pub(super) looked: bool,
}

impl Applied {
    /// Whether something is deleted as soon as all is healthy.
    pub(super) fn prunes_next(&self) -> bool {
        let is_due = |item: &InventoryItem| item.kept.is_some_and(Kept::is_due);
        self.may_prune && self.stale.iter().any(is_due)
    }
}
