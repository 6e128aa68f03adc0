//! Webhook deliveries at the door: is it from who it says, and what does it say.
//!
//! A receiver is bound by the configuration to one Git host and its secrets; nothing in a request
//! chooses how it is verified. [`verify`] works on the raw bytes before anything of them is read,
//! and [`read`] takes from the payload only which repository and which refs are worth a look.
//! So a forged, replayed or reordered delivery can at worst move the moment of a fetch.
//!
//! Payloads are read leniently: what is missing, null or of an unexpected type is absent. Hosts
//! add, drop and template fields, and a delivery that cannot be used fully is still a hint.

mod azure_devops;
mod bitbucket_cloud;
mod bitbucket_data_center;
mod generic;
mod gitea;
mod github;
mod gitlab;
mod payload;
mod refs;
mod signature;
mod token;

#[cfg(test)]
mod tests;

use http::HeaderMap;
use jiff::Timestamp;
use secrecy::SecretString;

use crate::config::secret::{Secret, SecretError};
use crate::config::{Provider, ReceiverAuth};
use crate::domain::delivery::{Event, Push, RefUpdate};

/// Most bytes of names of refs that are read of one delivery: they are journalled with it.
const REF_BYTES_MAX: usize = 256 << 10;

/// The values by which deliveries of a receiver are verified. `Debug` shows none of them.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Any one of these secrets: several during a rotation.
    Secrets(Vec<SecretString>),
    /// Basic authentication.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: SecretString,
    },
    /// A header that must have a value.
    Header {
        /// Its name.
        name: String,
        /// The value.
        value: SecretString,
    },
}

impl Credentials {
    /// Reads the values from where the configuration says, files included: this blocks. One that
    /// cannot be read is an error even where another could do, so that a rotation that went wrong
    /// is seen at once.
    pub fn read(auth: &ReceiverAuth) -> Result<Self, SecretError> {
        Ok(match auth {
            ReceiverAuth::Secrets(secrets) => {
                Self::Secrets(secrets.iter().map(Secret::read).collect::<Result<_, _>>()?)
            }
            ReceiverAuth::Basic { username, password } => {
                Self::Basic { username: username.clone(), password: password.read()? }
            }
            ReceiverAuth::Header { name, value } => {
                Self::Header { name: name.clone(), value: value.read()? }
            }
        })
    }
}

/// Why a delivery could not be verified. The sender is told too, which helps whoever sets the
/// webhook up at the Git host: it names a header and the form expected of it, never a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// What would prove the sender is not there. Hosts without a secret send empty signatures.
    #[error("header `{header}` is missing or empty: set the receiver's secret at the Git host")]
    Missing {
        /// The header.
        header: String,
    },
    /// It is there, but not of the one form that is accepted.
    #[error("header `{header}` is not of the form `{expected}`")]
    Unreadable {
        /// The header.
        header: &'static str,
        /// The form.
        expected: String,
    },
    /// It was made with another secret, or for other bytes.
    #[error(
        "header `{header}` fits none of the receiver's secrets: compare them with the Git host's"
    )]
    Mismatch {
        /// The header.
        header: String,
    },
    /// It was made too long ago, or by a clock that is far from this one.
    #[error("header `webhook-timestamp` is {seconds} s from this clock, more than {max} s")]
    Stale {
        /// The distance, in seconds.
        seconds: u64,
        /// The longest distance, in seconds.
        max: u64,
    },
    /// It is signed with a signing token, and the receiver has none. The plain token beside it
    /// proves less and is no way around.
    #[error(
        "the delivery is signed, but none of the receiver's secrets is a signing token \
         (`whsec_` and base64): add it to the receiver's secrets"
    )]
    NoSigningToken,
    /// The host signs the field `payload` of form bodies, and there is none.
    #[error("the form body has no field `payload`, which is what the Git host signs")]
    NoPayload,
    /// A secret alone cannot verify the host's deliveries.
    #[error(
        "the Git host signs nothing: configure `username` and `password`, or `header` and `value`"
    )]
    Unsigned,
}

/// Why a verified delivery could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// Nothing says what happened.
    #[error(
        "the delivery does not name its event as the Git host does: is it the receiver's provider?"
    )]
    NoEvent,
    /// A form body must have its JSON in the field `payload`.
    #[error("the form body has no field `payload`")]
    NoPayload,
    /// The body is not JSON, or not an object.
    #[error("the body is not a JSON object")]
    NotJson(#[source] serde_json::Error),
}

/// What a verified delivery says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The host's id of the delivery; the same when the host sends it again.
    pub host_id: Option<String>,
    /// The event as the host names it.
    pub event_name: String,
    /// What is made of it.
    pub event: Event,
}

/// Checks that a delivery was sent by who holds the receiver's secret. The kind of the credentials
/// decides how; an empty secret verifies nothing, and no secret is left untried, so that the time
/// taken does not tell which one fits.
pub fn verify(
    provider: Provider,
    credentials: &Credentials,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Rejection> {
    let secrets = match credentials {
        Credentials::Secrets(secrets) => secrets,
        Credentials::Basic { username, password } => {
            return token::verify_basic(username, password, headers);
        }
        Credentials::Header { name, value } => return token::verify(name, [value], headers),
    };
    match provider {
        Provider::GitHub => github::verify(secrets, headers, body),
        Provider::GitLab => gitlab::verify(secrets, headers, body, now),
        Provider::Gitea => gitea::verify("x-gitea-signature", secrets, headers, body),
        Provider::Forgejo => gitea::verify("x-forgejo-signature", secrets, headers, body),
        Provider::Gogs => gitea::verify("x-gogs-signature", secrets, headers, body),
        Provider::BitbucketCloud => bitbucket_cloud::verify(secrets, headers, body),
        Provider::BitbucketDataCenter => bitbucket_data_center::verify(secrets, headers, body),
        Provider::AzureDevOps => Err(Rejection::Unsigned),
        Provider::Generic => generic::verify(secrets, headers, body),
    }
}

/// Reads a delivery. Call it with verified bytes only. It takes no more memory than the body has,
/// beside what is read.
pub fn read(provider: Provider, headers: &HeaderMap, body: &[u8]) -> Result<Reading, Malformed> {
    let mut reading = read_all(provider, headers, body)?;
    if let Event::Push(push) = &mut reading.event {
        bound(push);
    }
    Ok(reading)
}

/// Keeps the first refs of a push, and counts the others.
fn bound(push: &mut Push) {
    let mut bytes = 0;
    let fits = |update: &&RefUpdate| {
        bytes += update.name.len();
        bytes <= REF_BYTES_MAX
    };
    let kept = push.refs.iter().take(payload::ITEMS_MAX).take_while(fits).count();
    push.further_refs += (push.refs.len() - kept) as u64;
    push.refs.truncate(kept);
}

fn read_all(provider: Provider, headers: &HeaderMap, body: &[u8]) -> Result<Reading, Malformed> {
    let by_name = |event_of: fn(&str, &HeaderMap, &[u8]) -> Result<Event, Malformed>| {
        let event_name = event_name(provider, headers).ok_or(Malformed::NoEvent)?;
        let event = event_of(&event_name, headers, body)?;
        Ok(Reading { host_id: host_id(provider, headers), event_name, event })
    };
    match provider {
        Provider::GitHub => by_name(github::event),
        Provider::GitLab => by_name(gitlab::event),
        Provider::Gitea | Provider::Forgejo | Provider::Gogs => by_name(gitea::event),
        Provider::BitbucketCloud => by_name(bitbucket_cloud::event),
        Provider::BitbucketDataCenter => by_name(bitbucket_data_center::event),
        Provider::AzureDevOps => azure_devops::read(headers, body),
        Provider::Generic => by_name(generic::event),
    }
}

/// The event of a delivery as far as its headers tell it, for journalling one that was rejected or
/// malformed. Azure DevOps has it in the body only.
pub fn event_name(provider: Provider, headers: &HeaderMap) -> Option<String> {
    let name = match provider {
        Provider::GitHub => "x-github-event",
        Provider::GitLab => "x-gitlab-event",
        Provider::Gitea => "x-gitea-event",
        Provider::Forgejo => "x-forgejo-event",
        Provider::Gogs => "x-gogs-event",
        Provider::BitbucketCloud | Provider::BitbucketDataCenter => "x-event-key",
        Provider::AzureDevOps => return None,
        Provider::Generic => return Some(generic::EVENT.to_owned()),
    };
    signature::text(headers, name).map(str::to_owned)
}

/// The host's id of a delivery as far as its headers tell it, for journalling one that was
/// rejected or malformed. Azure DevOps has it in the body only.
pub fn host_id(provider: Provider, headers: &HeaderMap) -> Option<String> {
    let names: &[_] = match provider {
        Provider::GitHub => &["x-github-delivery"],
        // The first is signed; the last is another one at each attempt.
        Provider::GitLab => &["webhook-id", "idempotency-key", "x-gitlab-webhook-uuid"],
        Provider::Gitea => &["x-gitea-delivery"],
        Provider::Forgejo => &["x-forgejo-delivery"],
        Provider::Gogs => &["x-gogs-delivery"],
        Provider::BitbucketCloud => &["x-request-uuid"],
        Provider::BitbucketDataCenter => &["x-request-id"],
        Provider::AzureDevOps => &[],
        Provider::Generic => &["idempotency-key"],
    };
    names.iter().find_map(|name| signature::text(headers, name)).map(str::to_owned)
}
