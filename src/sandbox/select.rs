//! Selectors by label and by field.

use serde_json::Value;

use crate::sandbox::kinds::Kind;
use crate::sandbox::refusal::Refused;

/// Fields that can be selected by, beside name and namespace: resource and JSON pointers.
const FIELDS: [(&str, &[&str]); 5] = [
    (
        "pods",
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
    ),
    (
        "events",
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
    ),
    ("secrets", &["type"]),
    ("namespaces", &["status.phase"]),
    ("jobs.batch", &["status.successful"]),
];

/// What a request selects.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    /// Pointer, value, and whether it is to be equal.
    fields: Vec<(String, String, bool)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Requirement {
    Exists(String),
    Missing(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

impl Selector {
    /// Reads the two parameters of a request.
    pub(super) fn parse(kind: &Kind, labels: &str, fields: &str) -> Result<Self, Refused> {
        let labels = split(labels).into_iter().map(requirement).collect::<Result<_, _>>()?;
        let fields = fields.split(',').filter(|one| !one.is_empty());
        let fields = fields.map(|one| field(kind, one)).collect::<Result<_, _>>()?;
        Ok(Self { labels, fields })
    }

    /// Selects by labels that are all wanted.
    pub(super) fn of_labels<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let requirement =
            |(key, value): (&str, &str)| Requirement::In(key.to_owned(), vec![value.to_owned()]);
        Self { labels: labels.map(requirement).collect(), fields: Vec::new() }
    }

    /// Whether it selects everything.
    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether it selects an object.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let label = |key: &String| object["metadata"]["labels"].get(key).and_then(Value::as_str);
        let has = |values: &[String], value: &str| values.iter().any(|one| one == value);
        let labels = self.labels.iter().all(|requirement| match requirement {
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Missing(key) => label(key).is_none(),
            Requirement::In(key, values) => label(key).is_some_and(|value| has(values, value)),
            Requirement::NotIn(key, values) => label(key).is_none_or(|value| !has(values, value)),
        });
        labels
            && self.fields.iter().all(|(pointer, wanted, equal)| {
                let found = match object.pointer(pointer) {
                    Some(Value::String(text)) => text.clone(),
                    None | Some(Value::Null) => String::new(),
                    Some(other) => other.to_string(),
                };
                (found == *wanted) == *equal
            })
    }
}

/// Splits at commas outside of parentheses.
fn split(labels: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut parts) = (0, 0, Vec::new());
    for (at, char) in labels.char_indices() {
        match char {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&labels[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&labels[begin..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn requirement(text: &str) -> Result<Requirement, Refused> {
    let unable = || Refused::bad_request(format!("unable to parse requirement: {text}"));
    let key = |text: &str| {
        let text = text.trim();
        let fits = |char: char| char.is_ascii_alphanumeric() || "-_./".contains(char);
        (!text.is_empty() && text.chars().all(fits)).then(|| text.to_owned()).ok_or_else(unable)
    };
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some((left, right)) = text.split_once("!=") {
        return Ok(Requirement::NotIn(key(left)?, one(right)));
    }
    if let Some((left, right)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(Requirement::In(key(left)?, one(right)));
    }
    if let Some(rest) = text.strip_prefix('!') {
        return Ok(Requirement::Missing(key(rest)?));
    }
    let Some((left, values)) = text.split_once('(') else {
        return Ok(Requirement::Exists(key(text)?));
    };
    let values = values.strip_suffix(')').ok_or_else(unable)?;
    let values = values.split(',').map(|value| value.trim().to_owned()).collect();
    match left.trim().rsplit_once(char::is_whitespace) {
        Some((left, "in")) => Ok(Requirement::In(key(left)?, values)),
        Some((left, "notin")) => Ok(Requirement::NotIn(key(left)?, values)),
        _ => Err(unable()),
    }
}

fn field(kind: &Kind, text: &str) -> Result<(String, String, bool), Refused> {
    let (name, value, equal) = match (text.split_once("!="), text.split_once('=')) {
        (Some((name, value)), _) => (name, value, false),
        (None, Some((name, value))) => (name, value.strip_prefix('=').unwrap_or(value), true),
        (None, None) => {
            let message = format!("invalid selector: '{text}'; can't understand '{text}'");
            return Err(Refused::bad_request(message));
        }
    };
    let resource = kind.resource();
    let more = FIELDS.iter().find(|(one, _)| *one == resource).map_or(&[][..], |(_, more)| more);
    if !["metadata.name", "metadata.namespace"].iter().chain(more).any(|known| *known == name) {
        let known = "only \"metadata.name\", \"metadata.namespace\"";
        let message = format!("\"{name}\" is not a known field selector: {known}");
        return Err(Refused::bad_request(message));
    }
    Ok((format!("/{}", name.replace('.', "/")), value.to_owned(), equal))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sandbox::kinds::Kinds;

    fn selects(labels: &str, fields: &str) -> Result<bool, String> {
        let kinds = Kinds::built_in();
        let pods = kinds.find("", "v1", "pods").unwrap();
        let pod = json!({"metadata": {"name": "web", "labels": {"app": "web", "ex.org/tier": "1"}},
                         "status": {"phase": "Pending"}});
        let selector = Selector::parse(pods, labels, fields).map_err(|refused| refused.message)?;
        Ok(selector.matches(&pod))
    }

    #[test]
    fn labels_and_fields_are_selected_as_kubernetes_does() {
        let cases = [
            ("", "", true),
            ("app", "", true),
            ("app=web,ex.org/tier==1", "", true),
            ("app!=web", "", false),
            ("none!=web", "", true),
            ("app in (web, db),!none", "", true),
            ("app notin (web)", "", false),
            ("none notin (web)", "", true),
            ("!app", "", false),
            ("", "metadata.name=web,status.phase!=Running", true),
            ("", "spec.nodeName=", true),
            ("", "metadata.name=db", false),
        ];
        for (labels, fields, expected) in cases {
            assert_eq!(selects(labels, fields), Ok(expected), "`{labels}` `{fields}`");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for (labels, fields) in
            [("app in web", ""), ("app in (web", ""), ("=x", ""), ("", "spec.x=y"), ("", "name")]
        {
            assert!(selects(labels, fields).is_err(), "`{labels}` `{fields}`");
        }
    }
}
