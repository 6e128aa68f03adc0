//! Holds a YAML document against the JSON Schema of the configuration, and reports everything
//! that does not fit. It knows the words of JSON Schema that `schema.rs` makes use of, and two
//! of our own: `x-rule` names the rule of a text, `x-secret` marks where a secret is read.

use serde_json::{Map, Value};

use crate::config::problem::{Place, Problem};
use crate::config::rule::{self, Surroundings};
use crate::config::value::Refusal;
use crate::domain::quoted::{NOT_SHOWN, Quoted, may_be_secret};
use crate::yaml::{Content, Entry};

const INLINE_SECRET: &str = "a secret is never written into the configuration: name where it is \
                             read, as {env: NAME} or {file: PATH}";

/// Everything about the document at `place` that does not fit the schema.
pub(super) fn check(schema: &Value, place: &Place<'_>, around: &dyn Surroundings) -> Vec<Problem> {
    let mut checker = Checker { root: schema, around, problems: Vec::new() };
    checker.value(schema, place);
    checker.problems
}

struct Checker<'a> {
    root: &'a Value,
    around: &'a dyn Surroundings,
    problems: Vec<Problem>,
}

impl<'a> Checker<'a> {
    fn value<'p>(&mut self, schema: &'a Value, place: &Place<'p>) {
        let schema = self.resolve(schema);
        let Some(content) = place.node.map(|node| &node.content) else { return };
        if let Some(branches) = branches(schema) {
            if matches!(content, Content::Scalar(_)) && self.takes_secret(schema) {
                return self.report(place, INLINE_SECRET);
            }
            return self.alternatives(&branches, place, content);
        }
        if let Some(allowed) = constants(schema) {
            return self.constant(&allowed, place, content);
        }
        match (kind(schema), content) {
            ("object", Content::Mapping(entries)) => self.mapping(schema, place, entries),
            ("array", Content::Sequence(_)) => {
                for item in place.items() {
                    self.value(&schema["items"], &item);
                }
            }
            ("string", Content::Scalar(Value::String(text))) => self.text(schema, place, text),
            ("boolean", Content::Scalar(Value::Bool(_))) => {}
            ("integer", Content::Scalar(Value::Number(number))) => {
                self.number(schema, place, number);
            }
            _ => self.mismatch(schema, place, content),
        }
    }

    fn mismatch(&mut self, schema: &'a Value, place: &Place<'_>, content: &Content) {
        // A text where a mapping or a list belongs may be a secret at the wrong place.
        let found = if matches!(kind(schema), "object" | "array") {
            outline(content)
        } else {
            found(content)
        };
        let in_quotes = schema["x-rule"]
            .as_str()
            .is_none_or(|rule| rule::check(rule, &found, self.around).is_ok());
        let unquoted = matches!(content, Content::Scalar(Value::Number(_) | Value::Bool(_)));
        let cure = if kind(schema) == "string" && unquoted && in_quotes {
            " (put it in quotes)"
        } else {
            ""
        };
        self.report(place, &format!("expected {}, found {found}{cure}", self.describe(schema)));
    }

    fn report(&mut self, place: &Place<'_>, message: &str) {
        self.problems.push(place.problem(message));
    }

    /// Follows references. What stands beside one (a description) says nothing of the value.
    fn resolve(&self, mut schema: &'a Value) -> &'a Value {
        while let Some(reference) = schema["$ref"].as_str() {
            let target = reference.strip_prefix('#').and_then(|path| self.root.pointer(path));
            schema = target.unwrap_or(&Value::Null);
        }
        schema
    }

    fn mapping<'p>(&mut self, schema: &'a Value, place: &Place<'p>, entries: &'p [Entry]) {
        let properties = schema["properties"].as_object();
        let names = &schema["propertyNames"];
        let mut suggested = Vec::new();
        for entry in entries {
            let here = place.entry(entry);
            if let Some(rule) = names["x-rule"].as_str() {
                self.text_rule(rule, &here, &entry.key);
            }
            if let Some(property) = properties.and_then(|known| known.get(&entry.key)) {
                // A key without a value is the same as no key.
                if entry.value.content != Content::Scalar(Value::Null) {
                    self.value(property, &here);
                }
            } else if schema["additionalProperties"].is_object() {
                self.value(&schema["additionalProperties"], &here);
            } else {
                let near = properties
                    .and_then(|known| nearest(&entry.key, known.keys().map(String::as_str)));
                suggested.extend(near);
                let message = self.unknown_key(properties, near, &entry.key);
                self.report(&here, &message);
            }
        }
        for required in strings(&schema["required"]) {
            // A key that is there, but mistyped, is not missing as well.
            if suggested.contains(&required) {
                continue;
            }
            let given = entries.iter().find(|entry| entry.key == required);
            if given.is_none_or(|entry| entry.value.content == Content::Scalar(Value::Null)) {
                let expected = self.describe(&schema["properties"][required]);
                self.report(&place.key(required), &format!("is missing: expected {expected}"));
            }
        }
    }

    fn unknown_key(
        &self,
        properties: Option<&'a Map<String, Value>>,
        near: Option<&str>,
        key: &str,
    ) -> String {
        if let Some(near) = near {
            return format!("unknown key; did you mean `{near}`?");
        }
        let Some(properties) = properties else { return "unknown key".to_owned() };
        let inside = properties
            .iter()
            .find(|(_, schema)| self.resolve(schema)["properties"].get(key).is_some());
        if let Some((parent, _)) = inside {
            return format!("unknown key; did you mean `{parent}.{key}`?");
        }
        let known: Vec<&str> = properties.keys().map(String::as_str).collect();
        format!("unknown key; this version knows here: {}", known.join(", "))
    }

    fn text(&mut self, schema: &Value, place: &Place<'_>, text: &str) {
        if let Some(rule) = schema["x-rule"].as_str() {
            self.text_rule(rule, place, text);
        }
    }

    fn text_rule(&mut self, rule: &str, place: &Place<'_>, text: &str) {
        match rule::check(rule, text, self.around) {
            Ok(()) => {}
            Err(Refusal::Expected(expected)) => {
                self.report(place, &format!("expected {expected}, found {}", Quoted(text)));
            }
            Err(Refusal::Because(reason)) => self.report(place, &reason),
        }
    }

    fn number(&mut self, schema: &Value, place: &Place<'_>, number: &serde_json::Number) {
        let value = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
        let bound = |name: &str| schema[name].as_i64().map(i128::from);
        let most = bound("maximum").or(match schema["format"].as_str() {
            Some("uint32") => Some(i128::from(u32::MAX)),
            _ => None,
        });
        let fits = value.is_some_and(|value| {
            bound("minimum").is_none_or(|least| least <= value)
                && most.is_none_or(|most| value <= most)
        });
        if !fits {
            let found = bare(number);
            self.report(place, &format!("expected {}, found {found}", whole_number(schema)));
        }
    }

    fn constant(&mut self, allowed: &[&str], place: &Place<'_>, content: &Content) {
        let list = allowed.join(", ");
        match content {
            Content::Scalar(Value::String(text)) if allowed.contains(&text.as_str()) => {}
            Content::Scalar(Value::String(text)) => {
                let near = nearest(text, allowed.iter().copied());
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                self.report(
                    place,
                    &format!("expected one of {list}, found {}{hint}", Quoted(text)),
                );
            }
            other => self.report(place, &format!("expected one of {list}, found {}", found(other))),
        }
    }

    /// Reports what is wrong with the branch that was most likely meant.
    fn alternatives(&mut self, branches: &[&'a Value], place: &Place<'_>, content: &Content) {
        let mut best: Option<(usize, Vec<Problem>)> = None;
        for branch in branches {
            let mut attempt =
                Checker { root: self.root, around: self.around, problems: Vec::new() };
            attempt.value(branch, place);
            if attempt.problems.is_empty() {
                return;
            }
            let known = self.known_keys(branch, content);
            let better = best.as_ref().is_none_or(|(most, fewest)| {
                known > *most || (known == *most && attempt.problems.len() < fewest.len())
            });
            if better {
                best = Some((known, attempt.problems));
            }
        }
        match best {
            Some((known, problems)) if known > 0 => self.problems.extend(problems),
            _ => {
                let names: Vec<String> = branches.iter().map(|b| self.describe(b)).collect();
                self.report(
                    place,
                    &format!("expected {}, found {}", names.join(" or "), outline(content)),
                );
            }
        }
    }

    fn takes_secret(&self, schema: &'a Value) -> bool {
        let schema = self.resolve(schema);
        schema["x-secret"] == true
            || branches(schema)
                .is_some_and(|all| all.iter().any(|branch| self.takes_secret(branch)))
    }

    /// How much of a value a branch knows: its kind counts one, and each known key one more.
    fn known_keys(&self, schema: &'a Value, content: &Content) -> usize {
        let schema = self.resolve(schema);
        if let Some(branches) = branches(schema) {
            let known = branches.iter().map(|branch| self.known_keys(branch, content));
            return known.max().unwrap_or(0);
        }
        match content {
            Content::Mapping(entries) => {
                entries.iter().filter(|e| schema["properties"].get(&e.key).is_some()).count()
            }
            Content::Sequence(_) => usize::from(kind(schema) == "array"),
            Content::Scalar(_) => 0,
        }
    }

    /// What a schema wants, in a few words.
    fn describe(&self, schema: &'a Value) -> String {
        let schema = self.resolve(schema);
        if let Some(branches) = branches(schema) {
            let names: Vec<String> = branches.iter().map(|b| self.describe(b)).collect();
            return names.join(" or ");
        }
        if let Some(allowed) = constants(schema) {
            return format!("one of {}", allowed.join(", "));
        }
        match kind(schema) {
            "object" => match strings(&schema["required"]).collect::<Vec<_>>().as_slice() {
                [] => "a mapping".to_owned(),
                required => format!("{{{}: …}}", required.join(": …, ")),
            },
            "array" => "a list".to_owned(),
            "integer" => whole_number(schema),
            "boolean" => "true or false".to_owned(),
            _ => schema["x-rule"].as_str().map_or("a text", rule::noun).to_owned(),
        }
    }
}

/// The alternatives of a schema, those that are no constants; `null` is none, because a key
/// without a value never comes here.
fn branches(schema: &Value) -> Option<Vec<&Value>> {
    let all = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array())?;
    let branches: Vec<&Value> = all.iter().filter(|branch| branch["type"] != "null").collect();
    let constant = |branch: &&Value| constants(branch).is_some();
    if branches.iter().all(constant) { None } else { Some(branches) }
}

/// The texts that a schema allows, if it names them one by one.
fn constants(schema: &Value) -> Option<Vec<&str>> {
    if let Some(constant) = schema["const"].as_str() {
        return Some(vec![constant]);
    }
    if schema["enum"].is_array() {
        return Some(strings(&schema["enum"]).collect());
    }
    let all: Option<Vec<Vec<&str>>> = schema["oneOf"].as_array()?.iter().map(constants).collect();
    all.map(|lists| lists.concat())
}

/// The type of a schema; `null` beside another is passed over.
fn kind(schema: &Value) -> &str {
    match &schema["type"] {
        Value::Array(_) => strings(&schema["type"]).find(|kind| *kind != "null").unwrap_or(""),
        other => other.as_str().unwrap_or(""),
    }
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn whole_number(schema: &Value) -> String {
    match (schema["minimum"].as_u64(), schema["maximum"].as_u64()) {
        (least, Some(most)) => format!("a whole number from {} to {most}", least.unwrap_or(0)),
        (Some(least), None) => format!("a whole number from {least} on"),
        (None, None) => "a whole number".to_owned(),
    }
}

fn found(content: &Content) -> String {
    match content {
        Content::Scalar(Value::String(text)) => Quoted(text).to_string(),
        Content::Scalar(value @ (Value::Number(_) | Value::Bool(_))) => bare(value),
        other => outline(other),
    }
}

fn outline(content: &Content) -> String {
    let outline = match content {
        Content::Mapping(entries) if entries.is_empty() => "an empty mapping",
        Content::Mapping(_) => "a mapping",
        Content::Sequence(_) => "a list",
        Content::Scalar(Value::String(_)) => "a text",
        Content::Scalar(Value::Number(_)) => "a number",
        Content::Scalar(Value::Bool(_)) => "true or false",
        Content::Scalar(_) => "nothing",
    };
    outline.to_owned()
}

/// What is no text, as it is written.
fn bare(value: &impl ToString) -> String {
    let text = value.to_string();
    if may_be_secret(&text) { NOT_SHOWN.to_owned() } else { text }
}

/// The known word that was most likely meant: the same but for case, or at most two letters off.
pub(super) fn nearest<'a>(text: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |word: &str| {
        if word.eq_ignore_ascii_case(text) { 0 } else { strsim::damerau_levenshtein(word, text) }
    };
    let near = known.map(|word| (distance(word), word)).min_by_key(|(distance, _)| *distance);
    near.filter(|(distance, word)| *distance <= 2 && *distance * 2 < word.chars().count())
        .map(|(_, word)| word)
}
