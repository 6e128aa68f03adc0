//! A delivery as a Git host sends it after a push: GitHub's, signed.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use uuid::Uuid;

use crate::cli::demo::folder::CLONE_URL;

/// One request for the receiver of the demo.
pub(super) struct Delivery {
    /// `X-GitHub-Delivery`
    pub(super) id: String,
    /// `X-Hub-Signature-256`
    pub(super) signature: String,
    /// The bytes that are signed.
    pub(super) body: String,
}

impl Delivery {
    /// Tells of a push that moved a ref to a commit.
    pub(super) fn of_push(reference: &str, before: &str, after: &str, secret: &str) -> Self {
        let body = json!({
            "ref": reference,
            "before": before,
            "after": after,
            "deleted": after.bytes().all(|digit| digit == b'0'),
            "repository": {"full_name": "acme/shop", "clone_url": CLONE_URL},
            "pusher": {"name": "ada", "email": "ada@example.org"},
        })
        .to_string();
        let signature = sign(secret, &body);
        Self { id: Uuid::now_v7().to_string(), signature, body }
    }
}

fn sign(secret: &str, body: &str) -> String {
    // A key of any length will do, so that this never fails.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of GitHub's documentation.
    #[test]
    fn the_signature_is_that_of_github() {
        let signature = sign("It's a Secret to Everybody", "Hello, World!");
        assert_eq!(
            signature,
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}
