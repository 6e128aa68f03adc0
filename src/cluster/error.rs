//! What can go wrong with a call to a cluster. The variant decides whether it is tried again.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use crate::config::secret::SecretError;
use crate::domain::name::ClusterName;
use crate::domain::object::ObjectKey;
use crate::domain::stop::Stop;

/// A call to a cluster failed. `object` is what it was about; its name is `*` when it was about
/// every object of a kind.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The access to the cluster cannot be set up.
    #[error("cluster `{cluster}`: {what} cannot be used")]
    Access {
        /// The cluster.
        cluster: ClusterName,
        /// The part of the configuration that cannot be used.
        what: String,
        /// Why not.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The token that the configuration names cannot be read.
    #[error("the token for the API server cannot be read")]
    Credentials(#[source] SecretError),
    /// No answer: no connection, or it broke.
    #[error("{object}: the API server cannot be reached")]
    Unreachable {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// What broke.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// No answer in time.
    #[error("{object}: no answer from the API server within {} s", after.as_secs())]
    Timeout {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// The time that it had.
        after: Duration,
    },
    /// It was deleted, to be made anew, and does not go.
    #[error("{object} cannot be made anew yet: {why}")]
    Terminating {
        /// The object.
        object: Box<ObjectKey>,
        /// What holds it.
        why: String,
    },
    /// No answer, or none but a failure, when the API server was asked whether it can serve.
    #[error(transparent)]
    Silent(Arc<Self>),
    /// It was not sent: the calls before it took too long.
    #[error(
        "{object}: not asked within {} s, because earlier calls to the API server are slow: see \
         to the API server, or raise `server.limits.callsPerCluster`",
        after.as_secs()
    )]
    NoTurn {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// How long it waited for its turn.
        after: Duration,
    },
    /// A write was not sent: who asked for it must not write any more.
    #[error(transparent)]
    Stopped(Stop),
    /// 429: the API server has too much to do for us.
    #[error("{object}: the API server asks for fewer calls")]
    Throttled {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// 5xx for which no other variant stands.
    #[error("{object}: the API server failed ({code}): {message}")]
    ServerBusy {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// The HTTP status.
        code: u16,
        /// Its words.
        message: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// 401.
    #[error(
        "{object}: the API server does not accept our credentials: renew the token or certificate"
    )]
    Unauthorized {
        /// What the call was about.
        object: Box<ObjectKey>,
    },
    /// 403: permissions, quota or policy.
    #[error("{object}: forbidden: {message}")]
    Forbidden {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// Its words, which name user and verb, or the quota.
        message: String,
    },
    /// Its namespace is being deleted.
    #[error(
        "{object}: namespace `{namespace}` is being deleted: it can be applied when that is done"
    )]
    NamespaceTerminating {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// The namespace.
        namespace: String,
    },
    /// Its namespace is not there.
    #[error(
        "{object}: namespace `{namespace}` does not exist: add it to the repository or set \
         `createNamespace`"
    )]
    NamespaceMissing {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// The namespace.
        namespace: String,
    },
    /// The cluster does not serve its kind in this version.
    #[error(
        "{object}: the cluster does not serve this kind in this version: install its \
         CustomResourceDefinition or correct `apiVersion`"
    )]
    KindMissing {
        /// What the call was about.
        object: Box<ObjectKey>,
    },
    /// It is not there.
    #[error("{object}: not found")]
    NotFound {
        /// What the call was about.
        object: Box<ObjectKey>,
    },
    /// It is there already.
    #[error("{object}: exists already")]
    AlreadyExists {
        /// What the call was about.
        object: Box<ObjectKey>,
    },
    /// It was changed or recreated between a read and this write.
    #[error("{object}: changed meanwhile: {message}")]
    Conflict {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// What did not match.
        message: String,
    },
    /// Others own fields that are not to be taken by force.
    #[error("{object}: fields belong to others: {}", listed(conflicts))]
    FieldConflict {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// Each field and who has it.
        conflicts: Vec<FieldOwner>,
    },
    /// A field cannot be changed in place.
    #[error(
        "{object}: `{field}` cannot be changed on a live object ({message}): undo the change, or \
         annotate the object with `headstay.dev/force: enabled` to have it deleted and created again"
    )]
    Immutable {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// The field.
        field: String,
        /// Why not.
        message: String,
    },
    /// 422: validation refused it.
    #[error("{object}: not valid: {}", listed(causes))]
    Invalid {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// Each field that was refused.
        causes: Vec<InvalidField>,
    },
    /// It names a field that its kind does not have.
    #[error(
        "{object}: its kind has no field {}: remove it or correct its spelling",
        quoted(fields)
    )]
    UnknownField {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// The fields that the API server names; of those of one map it may name the first only.
        fields: Vec<String>,
    },
    /// It does not have the form of its kind: a wrong type, a key twice.
    #[error("{object}: cannot be read as its kind: {message}")]
    Malformed {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// The API server's words.
        message: String,
    },
    /// Its name would lead elsewhere.
    #[error("{object}: {message}")]
    Unnameable {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// What is wrong with the name.
        message: String,
    },
    /// A 4xx for which no other variant stands, or one that is not the API server's own: a proxy or
    /// a webhook on the way may have refused.
    #[error("{object}: refused ({code}): {message}")]
    Refused {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// The HTTP status.
        code: u16,
        /// The words that came with it.
        message: String,
    },
    /// An admission webhook does not support dry runs.
    #[error("{object}: it cannot be asked first what would change: {message}")]
    NoDryRun {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// The API server's words, which name the webhook.
        message: String,
    },
    /// 404 for something else, which the object names.
    #[error("{object}: it needs {missing}, which is not there")]
    Dangling {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// What it names, as the API server does: `roles.rbac.authorization.k8s.io reader`.
        missing: String,
    },
    /// 413.
    #[error("{object}: larger than the API server takes: {message}")]
    TooLarge {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// Its words, which name the limit.
        message: String,
    },
    /// An admission policy or webhook said no.
    #[error("{object}: refused by a policy of the cluster: {message}")]
    Denied {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// Its words, which name the policy.
        message: String,
    },
    /// An admission or conversion webhook did not answer.
    #[error("{object}: a webhook of the cluster failed: {message}")]
    WebhookFailed {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// Its words, which name the webhook.
        message: String,
    },
    /// The live object's managed fields name a version that is no longer served;
    /// [`Writer::take_over`](super::Writer::take_over) cures it.
    #[error("{object}: its managed fields name a version that is no longer served: {message}")]
    StaleFields {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// Its words, which name the version.
        message: String,
    },
    /// 410: a list was read too slowly and has to begin again.
    #[error("{object}: the list changed too much while it was read")]
    Expired {
        /// What the call was about.
        object: Box<ObjectKey>,
    },
    /// More than we take in one answer.
    #[error("{object}: the API server answers with more than {bytes} bytes")]
    AnswerTooLarge {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// How many are taken.
        bytes: usize,
    },
    /// An answer that makes no sense here.
    #[error("{object}: unexpected answer of the API server: {message}")]
    Unexpected {
        /// What the call was about.
        object: Box<ObjectKey>,
        /// What is wrong with it.
        message: String,
    },
}

/// A field and the manager that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldOwner {
    /// The field, as the API server writes it: `.spec.replicas`.
    pub field: String,
    /// The field manager.
    pub manager: String,
}

impl std::fmt::Display for FieldOwner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` to `{}`", self.field, self.manager)
    }
}

/// A field that validation refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidField {
    /// The field; empty when it is about the object.
    pub field: String,
    /// The API server's reason, such as `FieldValueRequired`.
    pub reason: String,
    /// Its words.
    pub message: String,
}

impl std::fmt::Display for InvalidField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "`{}`: {}", self.field, self.message)
        }
    }
}

impl ClusterError {
    /// Whether the same call may well succeed within seconds. What neither the commit decides nor
    /// passes so soon waits for somebody else: a permission, a quota, a webhook, a namespace.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Timeout { .. }
                | Self::Silent(_)
                | Self::NoTurn { .. }
                | Self::Throttled { .. }
                | Self::ServerBusy { .. }
                | Self::Conflict { .. }
                | Self::Expired { .. }
                | Self::Terminating { .. }
        )
    }

    /// Whether nothing came back at all.
    pub fn is_silence(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Silent(_) | Self::NoTurn { .. }
        )
    }

    /// Whether the API server answered, but only that it cannot serve.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::ServerBusy { .. })
    }

    /// When the API server wants to be asked again, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } | Self::ServerBusy { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }
}

fn quoted(fields: &[String]) -> String {
    fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ")
}

fn listed<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join("; ")
}
