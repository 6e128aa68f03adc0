//! `receivers` as they are typed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::raw::{Name, Secret};
use crate::domain::name::ReceiverName;

/// A named endpoint for the webhooks of one Git host: `POST /webhooks/NAME`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Receiver {
    /// Last segment of its URL, `/webhooks/NAME`.
    #[schemars(with = "Name")]
    pub(in crate::config) name: ReceiverName,
    /// Whose deliveries it takes.
    pub(in crate::config) provider: Provider,
    /// How a delivery proves where it comes from: by any one of these, so that a secret can be
    /// changed without a gap. All must be readable. `azureDevops` takes one, which is `{username,
    /// password}` or `{header, value}`; the others take secrets.
    pub(in crate::config) secrets: Proofs,
}

/// The Git host that a receiver takes deliveries of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::config) enum Provider {
    /// GitHub, also Enterprise.
    Github,
    /// GitLab, by signing token (`whsec_…`) or secret token.
    Gitlab,
    /// Gitea.
    Gitea,
    /// Forgejo.
    Forgejo,
    /// Gogs.
    Gogs,
    /// Bitbucket Cloud.
    BitbucketCloud,
    /// Bitbucket Data Center.
    BitbucketDataCenter,
    /// Azure DevOps.
    AzureDevops,
    /// Anything that sends HMAC-SHA256 over the body as `X-Signature: sha256=<hex>`.
    Generic,
}

/// How deliveries prove where they come from.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum Proofs {
    /// A list.
    Many(Vec<Proof>),
    /// The same as a list of one.
    One(Proof),
}

/// How a delivery proves where it comes from.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum Proof {
    /// By a secret that both sides know.
    Secret(Secret),
    /// By basic authentication.
    Basic(BasicProof),
    /// By a header of the operator's choice.
    Header(HeaderProof),
}

/// Basic authentication of Azure DevOps.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct BasicProof {
    /// User name, as in the service hook.
    #[schemars(extend("x-rule" = "user"))]
    pub(in crate::config) username: String,
    /// Password, as in the service hook.
    pub(in crate::config) password: Secret,
}

/// A header that Azure DevOps sends with each delivery.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct HeaderProof {
    /// Name of the header, in either case of letters.
    #[schemars(extend("x-rule" = "header"))]
    pub(in crate::config) header: String,
    /// Its value.
    pub(in crate::config) value: Secret,
}
