//! Whether a command printed what the page says.
//!
//! Words are compared, so that the width of lines and columns is free; what is JSON on both sides, as
//! JSON. `…` stands for anything: in JSON for further keys, for further items, for a value. What is
//! another one in each run is compared by its shape.

use std::sync::OnceLock;

use regex::{Captures, Regex};
use serde_json::Value;

/// What is another one in each run: how it is called, and how it looks. A group that is named `is`
/// stays.
const SHAPES: [(&str, &str); 9] = [
    ("id", r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"),
    ("hash", r"\b([0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{16}|[0-9a-f]{12}|[0-9a-f]{7})\b"),
    (
        "time",
        r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} GMT",
    ),
    ("clock", r"\b\d\d:\d\d:\d\d\b"),
    ("duration", r"\b(\d+(\.\d+)? ?(µs|ms|s|m|h))+\b|(?<is>\w+Ms\W{2,3})[\d.]+"),
    ("bar", "▪+"),
    ("port", r"(?<is>127\.0\.0\.1:)\d+"),
    ("version", r"(?<is>resourceVersion\W{1,4})\d+"),
    ("length", r"(?<is>content-length: |bodyBytes\W{2,3})\d+"),
];

/// Whether the expected text is what came.
pub fn same(expected: &str, came: &str) -> bool {
    match (json(expected), serde_json::from_str(came)) {
        (Some(expected), Ok(came)) => same_json("", &expected, &came),
        _ => same_words(expected, came),
    }
}

fn same_words(expected: &str, came: &str) -> bool {
    let expected = by_shape(expected);
    let mut rest = &*by_shape(came);
    let mut parts = expected.split('…').map(str::trim);
    let Some(after) = rest.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    rest = after;
    let mut last = None;
    for part in parts {
        if let Some(part) = last.replace(part) {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
    }
    last.map_or(rest.is_empty(), |part| rest.ends_with(part))
}

/// The text in single blanks, with the names of what is another one in each run.
fn by_shape(text: &str) -> String {
    static SHAPED: OnceLock<Vec<(&str, Regex)>> = OnceLock::new();
    let shapes = SHAPED
        .get_or_init(|| SHAPES.map(|(name, shape)| (name, Regex::new(shape).unwrap())).to_vec());
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    shapes.iter().fold(text, |text, (name, shape)| {
        let named = |found: &Captures| {
            format!("{}<{name}>", found.name("is").map_or("", |kept| kept.as_str()))
        };
        shape.replace_all(&text, named).into_owned()
    })
}

fn same_json(key: &str, expected: &Value, came: &Value) -> bool {
    match (expected, came) {
        (Value::String(any), _) if any == "…" => true,
        (Value::Object(expected), Value::Object(came)) => {
            let open = expected.contains_key("…");
            let mut keys = expected.iter().filter(|(key, _)| *key != "…");
            (open || expected.len() == came.len())
                && keys.all(|(key, value)| {
                    came.get(key).is_some_and(|came| same_json(key, value, came))
                })
        }
        (Value::Array(expected), Value::Array(came)) => {
            let open = expected.last().is_some_and(|last| last == "…");
            let items = &expected[..expected.len() - usize::from(open)];
            (open || items.len() == came.len())
                && items.len() <= came.len()
                && items.iter().zip(came).all(|(item, came)| same_json(key, item, came))
        }
        (expected, came) => {
            same_words(&format!("{key}\": {expected}"), &format!("{key}\": {came}"))
        }
    }
}

/// Reads JSON in which `…` may stand for members, items and values.
fn json(text: &str) -> Option<Value> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let mut valid = String::new();
    let (mut quoted, mut escaped) = (false, false);
    // Whether the innermost bracket is a brace, and what came last in it.
    let mut braces = Vec::new();
    let mut last = ' ';
    for c in text.chars() {
        match c {
            '…' if !quoted && braces.last() == Some(&true) && last != ':' => {
                valid.push_str(r#""…": "…""#);
            }
            '…' if !quoted => valid.push_str(r#""…""#),
            _ => valid.push(c),
        }
        match c {
            '{' | '[' if !quoted => braces.push(c == '{'),
            '}' | ']' if !quoted => drop(braces.pop()),
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        if !c.is_whitespace() {
            last = c;
        }
    }
    serde_json::from_str(&valid).ok()
}

#[test]
fn what_differs_in_each_run_and_what_is_left_out_is_no_difference() {
    for (expected, came) in [
        (
            "sync 01a209e4-f6e2-713c-9833-ee1f05d4a057: Succeeded",
            "sync 01a209e5-f6e2-713c-9833-ee1f05d4a058:  Succeeded\n",
        ),
        ("queue     1.6 ms ▪▪▪", "queue    12.6 ms ▪"),
        ("a … c", "a b c"),
        ("… c", "a b c"),
        (
            r#"{"a": {"b": 1, …}, "c": [1, …], "d": …, …}"#,
            r#"{"a":{"b":1,"x":2},"c":[1,2],"d":[],"e":0}"#,
        ),
        (r#"{"durationMs": 1.5}"#, r#"{"durationMs":2}"#),
        (r#"{"from": "no … is"}"#, r#"{"from": "no one is"}"#),
    ] {
        assert!(same(expected, came), "{expected} is not {came}");
    }
}

#[test]
fn any_other_difference_is_one() {
    for (expected, came) in [
        ("Succeeded", "Failed"),
        ("", "something"),
        ("a … c", "a b c d"),
        (r#"{"a": 1}"#, r#"{"a":2}"#),
        (r#"{"a": 1}"#, r#"{"a":1,"b":2}"#),
        (r#"{"a": 1, …}"#, r#"{"b":2}"#),
        (r#"{"c": [1, 2]}"#, r#"{"c":[1]}"#),
        (r#"{"id": "01a209e4-f6e2-713c-9833-ee1f05d4a057"}"#, r#"{"id":null}"#),
    ] {
        assert!(!same(expected, came), "{expected} is {came}");
    }
}
