//! Who owns which field: what server-side apply makes of an object, and what every other write does
//! to `metadata.managedFields`. Plain functions on plain data; the time comes in as text.
//!
//! | file | what it holds |
//! |---|---|
//! | `types.rs`, `builtin.txt`, `crd.rs` | the type of every field: of built-in kinds, and by definitions |
//! | `fields.rs` | sets of fields, as `fieldsV1` has them |
//! | `shape.rs` | a value by its type: what it is, and which fields it has |
//! | `fit.rs` | a value by its type: whether it fits, in the words of the API server |
//! | `complete.rs`, `defaults/` | a value by its type: as the API server stores it |
//! | `combine.rs` | two values of one type: what differs, what they are together |
//! | `managed.rs`, `ownership.rs` | the entries of `managedFields`, and who loses fields by a write |
//! | `apply.rs`, `update.rs` | the two ways to write |

mod apply;
mod combine;
mod complete;
mod crd;
mod defaults;
mod fields;
mod fit;
mod managed;
mod ownership;
mod shape;
pub(in crate::sandbox) mod types;
mod update;

pub use apply::apply;
pub use complete::complete;
pub use crd::Invalid;
pub use fit::validate;
pub use types::Types;
pub use update::update;

use serde_json::Value;

use crate::sandbox::object::text;

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
    /// 409, reason Conflict, each with a cause `FieldManagerConflict`.
    Conflict(Vec<Conflict>),
    /// 400, reason `BadRequest`, with this message.
    BadRequest(String),
    /// 500, with this message: the API server does not expect it, but it is the client's doing.
    Internal(String),
}

impl Refusal {
    /// A patch to be applied is of another kind, or of another version of it.
    pub(in crate::sandbox) fn invalid_type(patch: &Value) -> Self {
        let found = described(text(&patch["apiVersion"]), text(&patch["kind"]));
        Self::BadRequest(format!("invalid object type: {found}"))
    }

    /// The `message` of the answer.
    pub fn message(&self) -> String {
        match self {
            Self::BadRequest(message) | Self::Internal(message) => message.clone(),
            Self::Conflict(conflicts) => conflict_message(conflicts),
        }
    }
}

/// A kind as the API server names it in errors: a version without a group is shown with an empty one.
fn described(api_version: &str, kind: &str) -> String {
    let slash = if api_version.contains('/') { "" } else { "/" };
    format!("{slash}{api_version}, Kind={kind}")
}

/// All conflicts in one text, by owner.
fn conflict_message(conflicts: &[Conflict]) -> String {
    if let [Conflict { message, field }] = conflicts {
        return format!("Apply failed with 1 conflict: {message}: {field}");
    }
    let mut lines = Vec::new();
    for group in conflicts.chunk_by(|a, b| a.message == b.message) {
        let owner = group.first().map_or("", |first| first.message.as_str());
        lines.push(format!("conflicts{}:", owner.trim_start_matches("conflict")));
        lines.extend(group.iter().map(|conflict| format!("- {}", conflict.field)));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}
