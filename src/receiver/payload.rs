//! Payloads as JSON, read leniently: what is missing, null or of another type is absent.

use std::borrow::Cow;
use std::fmt;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{Malformed, signature};

/// Longest text that is taken from a payload, in bytes; a longer one is absent. Git hosts end far
/// below it, and what is taken is journalled.
const TEXT_BYTES_MAX: usize = 4096;

/// Lists at the top of a payload that can be most of its bytes and are never read: what changed is
/// asked of Git, since hosts cut these lists short.
const SKIPPED: [&str; 1] = ["commits"];

/// The JSON of a body: the body itself, or the field `payload` of a form. None when a form has no
/// such field.
pub(super) fn json<'a>(headers: &HeaderMap, body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    if !is_form(headers) {
        return Some(Cow::Borrowed(body));
    }
    let (_, payload) = form_urlencoded::parse(body).find(|(name, _)| name == "payload")?;
    Some(match payload {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

/// The payload as an object without what is never read of it.
pub(super) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Value, Malformed> {
    let json = json(headers, body).ok_or(Malformed::NoPayload)?;
    let mut deserializer = serde_json::Deserializer::from_slice(&json);
    let object = deserializer.deserialize_map(Lean).map_err(Malformed::NotJson)?;
    deserializer.end().map_err(Malformed::NotJson)?;
    Ok(Value::Object(object))
}

/// The text at a JSON pointer.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    let text = value.pointer(pointer)?.as_str()?;
    (1..=TEXT_BYTES_MAX).contains(&text.len()).then_some(text)
}

/// The first of several texts that is there.
pub(super) fn first_text(value: &Value, pointers: &[&str]) -> Option<String> {
    pointers.iter().find_map(|pointer| text(value, pointer)).map(str::to_owned)
}

/// Every text that is there, each once.
pub(super) fn texts(value: &Value, pointers: &[&str]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for found in pointers.iter().filter_map(|pointer| text(value, pointer)) {
        if !texts.iter().any(|text| text == found) {
            texts.push(found.to_owned());
        }
    }
    texts
}

/// The items of the array at a JSON pointer.
pub(super) fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether there is a `true` at a JSON pointer.
pub(super) fn is_true(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool).unwrap_or_default()
}

fn is_form(headers: &HeaderMap) -> bool {
    signature::text(headers, CONTENT_TYPE.as_str())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// Reads an object and passes over [`SKIPPED`] without keeping it.
struct Lean;

impl<'de> Visitor<'de> for Lean {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if SKIPPED.contains(&key.as_str()) {
                entries.next_value::<IgnoredAny>()?;
            } else {
                object.insert(key, entries.next_value()?);
            }
        }
        Ok(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_passed_over_and_all_else_is_kept() {
        let body = br#"{"ref": "a", "commits": [{"id": 1}], "repository": {"commits": 2}}"#;
        let value = parse(&HeaderMap::new(), body).unwrap();
        assert_eq!(value, serde_json::json!({"ref": "a", "repository": {"commits": 2}}));
    }

    #[test]
    fn only_a_json_object_is_a_payload() {
        let deep = "[".repeat(100_000);
        let deep_in_object = format!("{{\"a\": {deep}");
        for bad in
            ["", " ", "null", "[]", "\"a\"", "{", "{}x", "{\"a\":1e999}", &deep, &deep_in_object]
        {
            let read = parse(&HeaderMap::new(), bad.as_bytes());
            assert!(matches!(read, Err(Malformed::NotJson(_))), "{bad:.20} was taken");
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_absent() {
        let long = serde_json::json!({"a": "x".repeat(TEXT_BYTES_MAX + 1), "b": ""});
        assert_eq!((text(&long, "/a"), text(&long, "/b")), (None, None));
    }
}
