//! Webhook deliveries, from the verified bytes to what is journalled of them.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::commit::CommitId;
use crate::domain::name::{ApplicationName, DeliveryId, ReceiverName, SyncId};

/// Whether a ref is a branch or a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RefKind {
    /// `refs/heads/…`
    Branch,
    /// `refs/tags/…`
    Tag,
}

/// One ref that a host says has moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefUpdate {
    /// Branch or tag.
    pub kind: RefKind,
    /// Its name without `refs/heads/` or `refs/tags/`.
    pub name: String,
    /// What it pointed to; none when it was created, or when the host does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<CommitId>,
    /// What it points to now, as the host claims; none when it was deleted. Only ever a hint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<CommitId>,
    /// Whether the ref was deleted.
    pub deleted: bool,
}

/// A push as a host reports it: a hint that a repository is worth a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// Every way in which the payload names the repository: clone URLs (https, ssh), web URL.
    pub urls: Vec<String>,
    /// `owner/name`, `group/subgroup/name`, `KEY/slug`; only used where no URL is given.
    pub full_name: Option<String>,
    /// The refs of the delivery, also when there are several.
    pub refs: Vec<RefUpdate>,
    /// How many refs more it tells of, which are not among these; any of them may have moved.
    pub further_refs: u64,
    /// Who pushed, as the host names them.
    pub pusher: Option<String>,
}

/// What a verified delivery says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Refs moved.
    Push(Push),
    /// The host tests the webhook.
    Ping,
    /// An event that moves no ref; its name as the host spells it.
    Other(String),
}

/// What became of a delivery. Forged ones are counted and sampled, not journalled one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DeliveryOutcome")]
pub enum Outcome {
    /// It queued or joined at least one sync.
    Accepted,
    /// It was verified, but nothing follows from it; the reason says why.
    Ignored,
    /// It could not be verified (a sample of such).
    Rejected,
    /// It was verified, but could not be read.
    Malformed,
}

/// One delivery as it is journalled and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Our id.
    pub id: DeliveryId,
    /// The receiver that took it.
    pub receiver: ReceiverName,
    /// The host's id of it, the same when the host sends it again; null: it has none.
    pub host_id: Option<String>,
    /// The event as the host names it.
    pub event: String,
    /// When its last byte was read.
    pub received_at: Timestamp,
    /// The repository as the payload names it; null: it names none.
    pub repository: Option<String>,
    /// The refs it names.
    pub refs: Vec<RefUpdate>,
    /// Who pushed; null: that is not said.
    pub pusher: Option<String>,
    /// Size of the body, in bytes.
    pub body_bytes: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// Why nothing was queued, or which part was left aside; null: nothing was.
    pub reason: Option<String>,
    /// Whether this host id was seen before at this receiver.
    pub repeated: bool,
    /// The syncs that cover it.
    pub syncs: Vec<CoveringSync>,
}

/// A sync that a delivery queued or joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CoveringSync {
    /// The sync.
    pub id: SyncId,
    /// Its application.
    pub application: ApplicationName,
}
