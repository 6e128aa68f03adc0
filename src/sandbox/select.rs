//! Selectors by label and by field.

use serde_json::Value;

use crate::sandbox::kinds::{Kind, facts};
use crate::sandbox::refusal::{Granted, Refused};

/// What a request selects.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

/// What a label or a field must be.
#[derive(Debug, Clone, PartialEq)]
struct Requirement {
    /// The label, or the JSON pointer of the field.
    of: String,
    /// One of these; none: there at all.
    one_of: Option<Vec<String>>,
    /// Whether that is wanted, or the opposite.
    wanted: bool,
}

impl Requirement {
    fn is_met_by(&self, found: Option<&str>) -> bool {
        let fits = |found| match &self.one_of {
            Some(values) => values.iter().any(|one| one == found),
            None => true,
        };
        found.is_some_and(fits) == self.wanted
    }
}

impl Selector {
    /// Reads the two parameters of a request.
    pub(super) fn parse(kind: &Kind, labels: &str, fields: &str) -> Granted<Self> {
        let fields = fields.split(',').filter(|one| !one.is_empty());
        let fields = fields.map(|one| field(kind, one)).collect::<Result<_, _>>()?;
        Ok(Self { fields, ..Self::of_labels(labels)? })
    }

    /// Reads a selector of labels.
    pub(super) fn of_labels(labels: &str) -> Granted<Self> {
        let labels = split(labels).into_iter().map(requirement).collect::<Result<_, _>>()?;
        Ok(Self { labels, fields: Vec::new() })
    }

    /// Whether it selects everything.
    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether it selects an object.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let field = |pointer: &str| match object.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            None | Some(Value::Null) => String::new(),
            Some(other) => other.to_string(),
        };
        self.labels.iter().all(|one| one.is_met_by(labels.get(&one.of).and_then(Value::as_str)))
            && self.fields.iter().all(|one| one.is_met_by(Some(&field(&one.of))))
    }
}

/// The `matchLabels` of a selector in an object, as a request has them.
pub(super) fn as_text(selector: &Value) -> String {
    let labels = selector.get("matchLabels").unwrap_or(selector).as_object();
    let label =
        |(key, value): (&String, &Value)| format!("{key}={}", value.as_str().unwrap_or_default());
    labels.into_iter().flatten().map(label).collect::<Vec<_>>().join(",")
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

fn requirement(text: &str) -> Granted<Requirement> {
    let unable = || Refused::bad_request(format!("unable to parse requirement: {text}"));
    let key = |text: &str| {
        let text = text.trim();
        let fits = |char: char| char.is_ascii_alphanumeric() || "-_./".contains(char);
        (!text.is_empty() && text.chars().all(fits)).then(|| text.to_owned()).ok_or_else(unable)
    };
    let of = |text: &str, one_of: Option<Vec<&str>>, wanted| {
        let one_of = one_of.map(|all| all.iter().map(|one| one.trim().to_owned()).collect());
        Ok(Requirement { of: key(text)?, one_of, wanted })
    };
    if let Some((left, right)) = text.split_once("!=") {
        return of(left, Some(vec![right]), false);
    }
    if let Some((left, right)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return of(left, Some(vec![right]), true);
    }
    if let Some(rest) = text.strip_prefix('!') {
        return of(rest, None, false);
    }
    let Some((left, values)) = text.split_once('(') else {
        return of(text, None, true);
    };
    let values = values.strip_suffix(')').ok_or_else(unable)?.split(',').collect();
    match left.trim().rsplit_once(char::is_whitespace) {
        Some((left, "in")) => of(left, Some(values), true),
        Some((left, "notin")) => of(left, Some(values), false),
        _ => Err(unable()),
    }
}

fn field(kind: &Kind, text: &str) -> Granted<Requirement> {
    let (name, value, equal) = match (text.split_once("!="), text.split_once('=')) {
        (Some((name, value)), _) => (name, value, false),
        (None, Some((name, value))) => (name, value.strip_prefix('=').unwrap_or(value), true),
        (None, None) => {
            let message = format!("invalid selector: '{text}'; can't understand '{text}'");
            return Err(Refused::bad_request(message));
        }
    };
    let common = ["metadata.name", "metadata.namespace"];
    let more = facts(&kind.resource, "selectable").flat_map(|fields| fields.split(' '));
    if !common.into_iter().chain(more).any(|known| known == name) {
        let known = "only \"metadata.name\", \"metadata.namespace\"";
        let message = format!("\"{name}\" is not a known field selector: {known}");
        return Err(Refused::bad_request(message));
    }
    let of = format!("/{}", name.replace('.', "/"));
    Ok(Requirement { of, one_of: Some(vec![value.to_owned()]), wanted: equal })
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
