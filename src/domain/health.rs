//! Whether live objects work: one object at a time, and the worst of many.

use serde::{Deserialize, Serialize};

/// Whether an object, or an application, works. The order is from good to bad: the health of many
/// is the greatest of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HealthStatus {
    /// It works.
    Healthy,
    /// It is switched off on purpose; that is no failure.
    Suspended,
    /// It is on its way.
    Progressing,
    /// It is not there.
    Missing,
    /// It does not work, and will not by waiting.
    Degraded,
    /// It could not be read.
    Unknown,
}

/// The health of one object, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The verdict.
    pub status: HealthStatus,
    /// What is missing to be healthy, or what is wrong; none when healthy.
    pub reason: Option<String>,
}
