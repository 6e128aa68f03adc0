//! Why a write must not be sent any more.

/// What ends the right to write to a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// Another worker may have the application by now.
    #[error("the claim on the application was lost")]
    LeaseLost,
    /// A person cancelled the sync.
    #[error("the sync was cancelled")]
    Cancelled,
    /// The process ends, or writes were switched off.
    #[error("the sync was released: headstay is shutting down or suspended")]
    Released,
}
