//! Refusals, in the words of the API server: clients decide by reason and causes, people by the text.

use serde_json::{Value, json};

use crate::sandbox::kinds::Kind;
use crate::sandbox::merge::{Conflict, Refusal};

/// What was asked for, unless it is refused.
pub(super) type Granted<T> = Result<T, Refused>;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refused {
    pub(super) code: u16,
    /// Empty where the API server gives none.
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) details: Option<Value>,
}

impl Refused {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    /// A refusal that is about an object, whose name and resource begin the message.
    fn of(code: u16, reason: &'static str, kind: &Kind, name: &str, because: &str) -> Self {
        let message = format!("{} \"{name}\" {because}", kind.resource);
        Self::new(code, reason, message).with(about(kind, name))
    }

    fn with(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// 400
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 403: the namespace is on its way out.
    pub(super) fn terminating(kind: &Kind, name: &str, namespace: &str) -> Self {
        let because = format!(
            "is forbidden: unable to create new content in namespace {namespace} because it is \
             being terminated"
        );
        let cause = json!({
            "reason": "NamespaceTerminating", "field": "metadata.namespace",
            "message": format!("namespace {namespace} is being terminated"),
        });
        let mut details = about(kind, name);
        details["causes"] = json!([cause]);
        Self::of(403, "Forbidden", kind, name, &because).with(details)
    }

    /// 404: the path is not served.
    pub(super) fn not_served() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
            .with(json!({}))
    }

    /// 404: the object is not there.
    pub(super) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::of(404, "NotFound", kind, name, "not found")
    }

    /// 404: its namespace is not there.
    pub(super) fn no_namespace(namespace: &str) -> Self {
        let details = json!({"name": namespace, "kind": "namespaces"});
        Self::new(404, "NotFound", format!("namespaces \"{namespace}\" not found")).with(details)
    }

    /// 405
    pub(super) fn not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message).with(json!({}))
    }

    /// 406
    pub(super) fn not_acceptable() -> Self {
        let message = "406: Not Acceptable\n\nAvailable representations: application/json";
        Self::new(406, "NotAcceptable", message).with(json!({}))
    }

    /// 409: a create of what is there.
    pub(super) fn exists(kind: &Kind, name: &str) -> Self {
        Self::of(409, "AlreadyExists", kind, name, "already exists")
    }

    /// 409: the write was meant for another state of the object.
    pub(super) fn conflict(kind: &Kind, name: &str, because: &str) -> Self {
        Self::unfulfilled(&kind.resource, name, because).with(about(kind, name))
    }

    fn unfulfilled(what: &str, name: &str, because: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {what} \"{name}\": {because}");
        Self::new(409, "Conflict", message)
    }

    /// 409: the object has a newer version than the one that is written back.
    pub(super) fn modified(kind: &Kind, name: &str) -> Self {
        let because = "the object has been modified; please apply your changes to the latest \
                       version and try again";
        Self::conflict(kind, name, because)
    }

    /// 409: a precondition of a deletion.
    pub(super) fn precondition(kind: &Kind, name: &str, because: &str) -> Self {
        Self::unfulfilled(&kind.qualified(), name, because).with(about_kind(kind, name))
    }

    /// 410
    pub(super) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 413
    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit} bytes");
        Self::new(413, "RequestEntityTooLarge", message)
    }

    /// 415
    pub(super) fn unsupported_media(accepted: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: \
             {accepted}"
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// 422: a patch that does not fit.
    pub(super) fn unfit() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self::new(422, "Invalid", message).with(json!({}))
    }

    /// 422: fields that are not valid.
    pub(super) fn invalid(kind: &Kind, name: &str, problems: &[Problem]) -> Self {
        let cause = |one: &Problem| json!({"reason": one.reason, "message": one.message, "field": one.field});
        let texts: Vec<String> =
            problems.iter().map(|one| format!("{}: {}", one.field, one.message)).collect();
        let told = match &texts[..] {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let mut details = about_kind(kind, name);
        details["causes"] = problems.iter().map(cause).collect();
        let message = format!("{} \"{name}\" is invalid: {told}", kind.qualified());
        Self::new(422, "Invalid", message).with(details)
    }

    /// 422: an option of the request.
    pub(super) fn option(options: &str, field: &str, problem: &str, reason: &str) -> Self {
        let cause = json!({"reason": reason, "message": problem, "field": field});
        let message = format!("{options}.meta.k8s.io \"\" is invalid: {field}: {problem}");
        let details = json!({"group": "meta.k8s.io", "kind": options, "causes": [cause]});
        Self::new(422, "Invalid", message).with(details)
    }

    /// 504: a version that is yet to come.
    pub(super) fn too_new(asked: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let cause =
            json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
        Self::new(504, "Timeout", message).with(json!({"causes": [cause], "retryAfterSeconds": 1}))
    }

    /// A code that a test asked for.
    pub(super) fn injected(code: u16) -> Self {
        let (reason, details) = match code {
            429 => ("TooManyRequests", json!({"retryAfterSeconds": 1})),
            500 => ("InternalError", json!({})),
            503 => ("ServiceUnavailable", json!({})),
            _ => ("", json!({})),
        };
        Self::new(code, reason, "a fault on request").with(details)
    }

    /// What merging refused.
    pub(super) fn of_merge(refusal: &Refusal) -> Self {
        let message = refusal.message();
        match refusal {
            Refusal::BadRequest(_) => Self::bad_request(message),
            Refusal::Internal(_) => Self::new(500, "", message),
            Refusal::Conflict(conflicts) => {
                let cause = |one: &Conflict| {
                    json!({"reason": "FieldManagerConflict", "message": one.message,
                           "field": one.field})
                };
                let causes: Vec<Value> = conflicts.iter().map(cause).collect();
                Self::new(409, "Conflict", message).with(json!({"causes": causes}))
            }
        }
    }

    /// The `Status` that is sent.
    pub(super) fn status(&self) -> Value {
        let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {},
                                "status": "Failure", "message": self.message});
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status["code"] = json!(self.code);
        status
    }
}

/// A field that is not valid.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    pub(super) field: String,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Problem {
    /// A value is missing.
    pub(super) fn required(field: &str, message: &str) -> Self {
        let message = match message {
            "" => "Required value".to_owned(),
            message => format!("Required value: {message}"),
        };
        Self { field: field.to_owned(), reason: "FieldValueRequired", message }
    }

    /// A value is wrong.
    pub(super) fn invalid(field: &str, value: &Value, message: &str) -> Self {
        let message = format!("Invalid value: {value}: {message}");
        Self { field: field.to_owned(), reason: "FieldValueInvalid", message }
    }

    /// A value may not be there, or may not change.
    pub(super) fn forbidden(field: &str, message: &str) -> Self {
        let message = format!("Forbidden: {message}");
        Self { field: field.to_owned(), reason: "FieldValueForbidden", message }
    }
}

/// What an answer is about.
pub(super) fn about(kind: &Kind, name: &str) -> Value {
    let mut details = json!({});
    for (field, value) in [("name", name), ("group", &*kind.group), ("kind", &*kind.plural)] {
        if !value.is_empty() {
            details[field] = json!(value);
        }
    }
    details
}

/// The same where the API server names the kind.
fn about_kind(kind: &Kind, name: &str) -> Value {
    let mut details = about(kind, name);
    details["kind"] = json!(kind.kind);
    details
}
