//! How long the parts of a sync took.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of a sync that is timed; in the order in which they are shown.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// From the request to a worker.
    Queue,
    /// Bringing the mirror up to date and finding the commit.
    Fetch,
    /// Reading the manifests.
    Render,
    /// Asking the cluster what would change.
    Diff,
    /// Writing.
    Apply,
    /// Waiting for health.
    Health,
    /// Deleting what Git no longer names.
    Prune,
}

impl Phase {
    /// The name as the API shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Fetch => "fetch",
            Self::Render => "render",
            Self::Diff => "diff",
            Self::Apply => "apply",
            Self::Health => "health",
            Self::Prune => "prune",
        }
    }
}

/// How long a phase took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhaseDuration {
    /// Which.
    pub phase: Phase,
    /// Milliseconds, in thousandths.
    #[schemars(with = "f64")]
    pub duration_ms: f64_ms::Ms,
}

/// Milliseconds that keep microseconds and still compare.
pub mod f64_ms {
    use serde::{Deserialize, Serialize};

    /// A duration in whole microseconds, shown as milliseconds.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    #[serde(from = "f64", into = "f64")]
    pub struct Ms(pub u64);

    impl From<f64> for Ms {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        fn from(ms: f64) -> Self {
            Self((ms * 1000.0).round() as u64)
        }
    }

    impl From<Ms> for f64 {
        #[expect(clippy::cast_precision_loss, reason = "exact for 285 years")]
        fn from(ms: Ms) -> f64 {
            ms.0 as f64 / 1000.0
        }
    }
}
