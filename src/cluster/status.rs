//! From the `Status` with which an API server refuses to the [`ClusterError`] that it means.

use std::time::Duration;

use kube::core::Status;
use kube::core::response::{StatusCause, StatusDetails};

use crate::cluster::error::{ClusterError, FieldOwner, InvalidField};
use crate::domain::object::ObjectKey;

/// Longest line of the API server that is passed on, in bytes; some quote the whole object.
const MAX_LINE: usize = 400;
/// Most lines of one text that are passed on.
const MAX_LINES: usize = 20;
/// Most refused fields or conflicts that are passed on.
const MAX_CAUSES: usize = 20;

/// Says what a refusal means for `object`. The rules were read off a real kube-apiserver 1.36;
/// the tests below hold its answers.
pub fn classify(status: &Status, object: &ObjectKey) -> ClusterError {
    let message = shown(object, &status.message);
    if let Some(error) = by_words(status, object, &message) {
        return error;
    }
    let object = || Box::new(object.clone());
    let retry_after = status
        .details
        .as_ref()
        .map(|details| Duration::from_secs(details.retry_after_seconds.into()))
        .filter(|after| !after.is_zero());
    match status.code {
        401 => ClusterError::Unauthorized { object: object() },
        403 => forbidden(status, object(), message),
        404 => not_found(status, object()),
        409 if status.is_already_exists() => ClusterError::AlreadyExists { object: object() },
        409 => conflict(status, object(), message),
        410 => ClusterError::Expired { object: object() },
        413 if is_told(status) => ClusterError::TooLarge { object: object(), message },
        422 => invalid(status, object(), message),
        429 => ClusterError::Throttled { object: object(), retry_after },
        400 if is_unreadable(&status.message) => {
            ClusterError::Malformed { object: object(), message }
        }
        code @ 500.. => ClusterError::ServerBusy { object: object(), code, message, retry_after },
        code => ClusterError::Refused { object: object(), code, message },
    }
}

/// What only the words of the message tell: these come with codes that mean something else.
fn by_words(status: &Status, object: &ObjectKey, message: &str) -> Option<ClusterError> {
    let words = status.message.as_str();
    let boxed = || Box::new(object.clone());
    let text = || message.to_owned();
    if is_denial(words) {
        // A webhook that denies chooses the code itself; 400 when it does not.
        return Some(ClusterError::Denied { object: boxed(), message: text() });
    }
    if words.contains("does not support dry run") {
        return Some(ClusterError::NoDryRun { object: boxed(), message: text() });
    }
    if words.contains("failed calling webhook") || words.contains("conversion webhook for") {
        return Some(ClusterError::WebhookFailed { object: boxed(), message: text() });
    }
    if words.starts_with("request to convert CR to an invalid") {
        return Some(ClusterError::StaleFields { object: boxed(), message: text() });
    }
    if let Some(missing) = dangling(words) {
        return Some(ClusterError::Dangling { object: boxed(), missing });
    }
    if let Some(fields) = unknown_fields(words) {
        return Some(ClusterError::UnknownField { object: boxed(), fields });
    }
    // The API server answers these with 500 although the manifest alone is to blame.
    let unreadable = ["failed to create typed patch object", "failed to convert new object"];
    unreadable
        .iter()
        .any(|start| words.starts_with(start))
        .then(|| ClusterError::Malformed { object: boxed(), message: text() })
}

/// Whether the API server itself refused: a proxy has no reason of its list.
fn is_told(status: &Status) -> bool {
    !status.reason.is_empty()
}

/// Whether an answer of 400 is about the form of what was sent. Everything else that comes with this
/// code is somebody else's: of a proxy, of a webhook, of the moment.
fn is_unreadable(words: &str) -> bool {
    const WORDS: [&str; 7] = [
        "strict decoding",
        "cannot be handled as",
        "error decoding",
        "unable to decode",
        "cannot unmarshal",
        "does not match the",
        "couldn't get version/kind",
    ];
    WORDS.iter().any(|part| words.contains(part))
}

fn is_denial(words: &str) -> bool {
    (words.contains("admission webhook") && words.contains("denied the request"))
        || (words.contains("ValidatingAdmissionPolicy") && words.contains("denied request"))
}

/// What a Pod names and the admission of Pods did not find: `serviceaccount "robot"`.
fn dangling(words: &str) -> Option<String> {
    for kind in ["serviceaccount", "RuntimeClass"] {
        let found = words.split_once(&format!("{kind} \""));
        if let Some((name, "not found")) = found.and_then(|(_, rest)| rest.split_once("\" ")) {
            return Some(format!("{kind} {name}"));
        }
    }
    let (_, rest) = words.split_once("no PriorityClass with name ")?;
    Some(format!("PriorityClass {}", rest.split_once(" was found")?.0))
}

/// The fields of an object that are not there, if that is all that is wrong with it. An apply:
/// `failed to create typed patch object (…): .spec.x: field not declared in schema`, or with several
/// `… (…): errors:` and a line for each; a create: `… strict decoding error: unknown field "spec.x"`.
fn unknown_fields(words: &str) -> Option<Vec<String>> {
    const UNDECLARED: &str = ": field not declared in schema";
    if let Some((_, decoding)) = words.split_once("strict decoding error: ") {
        let named =
            |part: &str| Some(part.strip_prefix("unknown field \"")?.strip_suffix('"')?.into());
        return decoding.split(", ").take(MAX_CAUSES).map(named).collect();
    }
    let (_, errors) = words.split_once("): ").filter(|_| words.contains(UNDECLARED))?;
    let lines = errors.lines().map(str::trim).filter(|line| !matches!(*line, "" | "errors:"));
    let named = |line: &str| Some(line.strip_suffix(UNDECLARED)?.to_owned());
    lines.take(MAX_CAUSES).map(named).collect()
}

fn forbidden(status: &Status, object: Box<ObjectKey>, message: String) -> ClusterError {
    if causes(status).iter().any(|cause| cause.reason == "NamespaceTerminating") {
        let namespace = object.namespace.clone().unwrap_or_default();
        return ClusterError::NamespaceTerminating { object, namespace };
    }
    ClusterError::Forbidden { object, message }
}

fn not_found(status: &Status, object: Box<ObjectKey>) -> ClusterError {
    // A path that is not served answers without a name, or with a plain text.
    let missing = status.details.as_ref().filter(|details| !details.name.is_empty());
    match missing {
        None => ClusterError::KindMissing { object },
        Some(missing) if missing.kind == "namespaces" && !object.is("", "Namespace") => {
            ClusterError::NamespaceMissing { object, namespace: missing.name.clone() }
        }
        Some(missing) if missing.name != object.name || is_role(missing, &object) => {
            let (kind, name) = (&missing.kind, &missing.name);
            let dot = if missing.group.is_empty() { "" } else { "." };
            let missing = format!("{kind}{dot}{} {name}", missing.group);
            ClusterError::Dangling { object, missing }
        }
        Some(_) => ClusterError::NotFound { object },
    }
}

/// Whether it is the role of a binding that is missing, and not the binding, be it of the same name.
fn is_role(missing: &StatusDetails, object: &ObjectKey) -> bool {
    object.kind.ends_with("Binding") && missing.kind.ends_with("roles")
}

fn conflict(status: &Status, object: Box<ObjectKey>, message: String) -> ClusterError {
    let owner = |cause: &StatusCause| FieldOwner {
        field: cause.field.clone(),
        // `conflict with "kubectl-client-side-apply" using apps/v1`
        manager: cause.message.split('"').nth(1).unwrap_or("unknown").to_owned(),
    };
    let fields = causes(status).iter().filter(|cause| cause.reason == "FieldManagerConflict");
    let conflicts: Vec<_> = fields.take(MAX_CAUSES).map(owner).collect();
    if conflicts.is_empty() {
        return ClusterError::Conflict { object, message };
    }
    ClusterError::FieldConflict { object, conflicts }
}

fn invalid(status: &Status, object: Box<ObjectKey>, message: String) -> ClusterError {
    if let Some(cause) = causes(status).iter().find(|cause| is_immutable(cause)) {
        let message = shown(&object, &cause.message);
        return ClusterError::Immutable { object, field: cause.field.clone(), message };
    }
    let refused = |cause: &StatusCause| InvalidField {
        field: cause.field.clone(),
        reason: cause.reason.clone(),
        message: shown(&object, &cause.message),
    };
    let mut refused: Vec<_> = causes(status).iter().take(MAX_CAUSES).map(refused).collect();
    if refused.is_empty() {
        refused.push(InvalidField { field: String::new(), reason: String::new(), message });
    }
    ClusterError::Invalid { object, causes: refused }
}

/// Each kind has words of its own for a field that cannot change.
fn is_immutable(cause: &StatusCause) -> bool {
    const WORDS: [&str; 6] = [
        "immutable",
        "may not change once set",
        "cannot change roleRef",
        "updates to statefulset spec",
        "pod updates may not change",
        "may not be changed",
    ];
    WORDS.iter().any(|words| cause.message.contains(words))
}

fn causes(status: &Status) -> &[StatusCause] {
    status.details.as_ref().map_or(&[], |details| &details.causes)
}

/// A text of the API server as it may be passed on: in one line, of bounded length, and of a Secret
/// without the values that it quotes. A comparison of two objects at its end is left out.
fn shown(object: &ObjectKey, text: &str) -> String {
    let lines = text.split(['\n', '\r']).take_while(|line| !line.starts_with("@@"));
    let mut lines = lines.map(str::trim).filter(|line| !line.is_empty());
    let mut all = String::new();
    for line in lines.by_ref().take(MAX_LINES) {
        // A heading goes on with what is below it.
        let between = if all.is_empty() {
            ""
        } else if all.ends_with(':') {
            " "
        } else {
            "; "
        };
        all = all + between + &shown_line(object, line);
    }
    match lines.count() {
        0 => all,
        more => format!("{all}; and {more} lines more"),
    }
}

fn shown_line(object: &ObjectKey, line: &str) -> String {
    let secret = object.is("", "Secret");
    if let Some((before, quoted)) = line.split_once("Invalid value: ")
        && (secret || line.len() > MAX_LINE)
    {
        // Only what follows the quoted value is said: `field is immutable`.
        let reason = quoted.rsplit_once(": ").map_or("", |(_, reason)| reason);
        return cut(&format!("{before}invalid value: {reason}"));
    }
    let Some((before, got)) = line.split_once(", got ") else { return cut(line) };
    if secret {
        return cut(before);
    }
    // As it is written in Go, a value has its type around it.
    let value =
        got.strip_prefix("&value.valueUnstructured{Value:").and_then(|v| v.strip_suffix('}'));
    match value {
        Some(value) if before.ends_with("expected string") => {
            cut(&format!("{before}, got {value} (put it into quotes)"))
        }
        value => cut(&format!("{before}, got {}", value.unwrap_or(got))),
    }
}

fn cut(text: &str) -> String {
    if text.len() <= MAX_LINE {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(MAX_LINE)])
}

#[cfg(test)]
mod tests;
