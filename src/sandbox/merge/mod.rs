//! Who owns which field: what server-side apply makes of an object, and what every other write does
//! to `metadata.managedFields`. Plain functions on plain data; the time comes in as text.

mod types;

use serde_json::Value;

pub use types::{Invalid, Types};

/// Who writes.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// The field manager: of the query, or the part of the user agent before the first `/`.
    pub manager: &'a str,
    /// The version that the request speaks, as `apps/v1`.
    pub api_version: &'a str,
    /// `status`, `scale`; none for the object itself.
    pub subresource: Option<&'a str>,
    /// Now, in RFC 3339 and whole seconds.
    pub time: &'a str,
}

/// A field that somebody else owns and that an apply without force would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Who owns it, as `conflict with "kubectl" using apps/v1`: the message of the cause.
    pub message: String,
    /// The field, as `.spec.replicas`.
    pub field: String,
}

/// Why a write is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// 409, reason Conflict, each with a cause FieldManagerConflict.
    Conflict(Vec<Conflict>),
    /// 400, reason BadRequest, with this message.
    BadRequest(String),
    /// 422, reason Invalid, with this message.
    Invalid(String),
    /// 500, with this message: the API server does not expect it, but it is the client's doing.
    Internal(String),
}

/// The object after a server-side apply of `patch`, with `managedFields`; defaults are not filled in
/// yet. What comes back equal to `live` is to be stored nowhere.
///
/// # Errors
/// Conflicts without `force`, and a patch or object that does not fit its type.
pub fn apply(
    _types: &Types,
    _live: Option<&Value>,
    patch: &Value,
    _writer: &Writer<'_>,
    _force: bool,
) -> Result<Value, Refusal> {
    Ok(patch.clone())
}

/// The object after a create (`before` is none), update or patch, with `managedFields`. `after` has
/// its defaults.
///
/// # Errors
/// Entries in `managedFields` that cannot be read.
pub fn update(
    _types: &Types,
    _before: Option<&Value>,
    after: Value,
    _writer: &Writer<'_>,
) -> Result<Value, Refusal> {
    Ok(after)
}

/// The fields of an object that its type does not have, as the API server names them in warnings and
/// strict errors: `unknown field "spec.replicaz"`.
pub fn validate(_types: &Types, _object: &Value) -> Vec<String> {
    Vec::new()
}
