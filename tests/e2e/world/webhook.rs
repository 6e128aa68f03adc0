//! Deliveries as GitHub sends them.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use uuid::Uuid;

use crate::world::WEBHOOK_SECRET;
use crate::world::repository::Repository;

/// What hosts send for "no commit".
pub const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// One request, ready to be sent; a story breaks what it wants broken.
#[derive(Clone)]
pub struct Webhook {
    /// Last segment of the URL.
    pub receiver: String,
    /// `X-GitHub-Event`
    pub event: String,
    /// `X-GitHub-Delivery`
    pub id: String,
    /// The body.
    pub body: Vec<u8>,
    /// `X-Hub-Signature-256`; none leaves the header out.
    pub signature: Option<String>,
}

impl Webhook {
    /// The push of a branch to where it points now; a deletion when it is not there.
    pub fn push(repository: &Repository, branch: &str) -> Self {
        let after = repository.head(branch);
        let body = json!({
            "ref": format!("refs/heads/{branch}"),
            "before": NO_COMMIT,
            "after": after.as_deref().unwrap_or(NO_COMMIT),
            "created": false,
            "deleted": after.is_none(),
            "forced": false,
            "repository": {
                "full_name": "acme/fleet",
                "clone_url": repository.url,
                "html_url": repository.url.trim_end_matches(".git"),
                "default_branch": "main",
            },
            "pusher": {"name": "ada", "email": "ada@example.org"},
            "sender": {"login": "ada"},
            "commits": [],
        });
        Self::signed("push", body.to_string().as_bytes())
    }

    /// What GitHub sends when the webhook is made.
    pub fn ping() -> Self {
        let body = json!({"zen": "Keep it logically awesome.", "hook_id": 1, "hook": {}});
        Self::signed("ping", body.to_string().as_bytes())
    }

    /// Any body, signed with the secret.
    pub fn signed(event: &str, body: &[u8]) -> Self {
        Self {
            receiver: "github".to_owned(),
            event: event.to_owned(),
            id: Uuid::now_v7().to_string(),
            body: body.to_owned(),
            signature: Some(sign(WEBHOOK_SECRET, body)),
        }
    }
}

/// Value of `X-Hub-Signature-256`.
pub fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}
