//! Payloads as JSON, of which no more is read than is asked for.
//!
//! A push of a large repository is megabytes, of which we need a few texts. So a payload is gone
//! through once, what is named is taken out of it, and all the rest is only passed over: it costs no
//! memory, and what is wrong in it (half of a surrogate pair, a number that nobody can hold, bytes
//! that are no text) is nobody's concern. Of what is named, whatever is null, too long, or of another
//! type than is asked for is absent. Of a key that is there twice the last one counts.

use std::borrow::Cow;
use std::fmt;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Malformed, signature};

/// Longest text that is taken from a payload, in bytes; a longer one is absent. Git hosts end far
/// below it, and what is taken is journalled.
const TEXT_BYTES_MAX: usize = 4096;
/// Longest spelling of such a text in JSON, where each byte may be `\u00xx`, between quotes.
const SPELLED_BYTES_MAX: usize = 6 * TEXT_BYTES_MAX + 2;
/// Most items that are read of a list; the others are counted. One push of that many refs is rare.
pub(super) const ITEMS_MAX: usize = 1000;
/// Some programs put this before what they write as UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A part of a payload, as far as it was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// It is not there, or nothing of what was asked for.
    Nothing,
    /// `true`
    True,
    /// A text that is not empty.
    Text(String),
    /// An object, with the fields that were asked for and are there.
    Object(Vec<(&'static str, Self)>),
    /// A list: its first items, and how many more there are.
    List(Vec<Self>, u64),
}

/// What is asked for of an object, or of each object of a list.
#[derive(Debug, Default)]
struct Wanted {
    fields: Vec<(&'static str, Self)>,
}

/// The field of a form that has the JSON in it.
const PAYLOAD: &[u8] = b"payload";

/// The JSON of a body: the body itself, or the field `payload` of a form. None when a form has no
/// such field.
pub(super) fn json<'a>(headers: &HeaderMap, body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    if !is_form(headers) {
        return Some(Cow::Borrowed(body));
    }
    let fields = body.split(|byte| *byte == b'&').map(|field| {
        let end = field.iter().position(|byte| *byte == b'=');
        end.map_or((field, &[][..]), |end| (&field[..end], &field[end + 1..]))
    });
    // Of millions of fields, few are worth a look.
    let may_be = |name: &[u8]| (PAYLOAD.len()..=3 * PAYLOAD.len()).contains(&name.len());
    let is_payload = |name: &[u8]| may_be(name) && decode(name) == PAYLOAD;
    let (_, payload) = fields.into_iter().find(|(name, _)| is_payload(name))?;
    Some(Cow::Owned(decode(payload)))
}

/// A part of a form as the bytes that it stands for, which are never more.
fn decode(encoded: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(encoded.len());
    for (number, part) in encoded.split(|byte| *byte == b'+').enumerate() {
        if number > 0 {
            decoded.push(b' ');
        }
        decoded.extend(percent_encoding::percent_decode(part));
    }
    decoded
}

/// Reads what JSON pointers lead to; where one leads through a list, it is read of each item.
pub(super) fn parse(
    headers: &HeaderMap,
    body: &[u8],
    pointers: &[&[&'static str]],
) -> Result<Payload, Malformed> {
    let json = json(headers, body).ok_or(Malformed::NoPayload)?;
    let text = text_of(&json);
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    let wanted = Wanted::of(pointers.iter().copied().flatten().copied());
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let fields = deserializer.deserialize_map(ReadObject(&wanted)).map_err(Malformed::NotJson)?;
    deserializer.end().map_err(Malformed::NotJson)?;
    Ok(Payload::Object(fields))
}

/// The bytes as text of the same length: JSON is UTF-8, and where it is not, a `?` stands for each
/// byte that is none.
fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    Cow::Owned(text)
}

/// The text at a JSON pointer.
pub(super) fn text<'a>(payload: &'a Payload, pointer: &str) -> Option<&'a str> {
    match payload.at(pointer) {
        Payload::Text(text) => Some(text),
        _ => None,
    }
}

/// The first of several texts that is there.
pub(super) fn first_text(payload: &Payload, pointers: &[&str]) -> Option<String> {
    pointers.iter().find_map(|pointer| text(payload, pointer)).map(str::to_owned)
}

/// Every text that is there, each once.
pub(super) fn texts(payload: &Payload, pointers: &[&str]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for found in pointers.iter().filter_map(|pointer| text(payload, pointer)) {
        if !texts.iter().any(|text| text == found) {
            texts.push(found.to_owned());
        }
    }
    texts
}

/// The first items of the list at a JSON pointer, at most [`ITEMS_MAX`].
pub(super) fn items<'a>(payload: &'a Payload, pointer: &str) -> &'a [Payload] {
    match payload.at(pointer) {
        Payload::List(items, _) => items,
        _ => &[],
    }
}

/// How many more items than those the list at a JSON pointer has.
pub(super) fn further(payload: &Payload, pointer: &str) -> u64 {
    match payload.at(pointer) {
        Payload::List(_, further) => *further,
        _ => 0,
    }
}

/// Whether there is a `true` at a JSON pointer.
pub(super) fn is_true(payload: &Payload, pointer: &str) -> bool {
    *payload.at(pointer) == Payload::True
}

fn is_form(headers: &HeaderMap) -> bool {
    signature::text(headers, CONTENT_TYPE.as_str())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

impl Payload {
    /// What is at a JSON pointer, which does not lead into lists.
    pub(super) fn at(&self, pointer: &str) -> &Self {
        pointer.split('/').skip(1).fold(self, |payload, key| {
            let Self::Object(fields) = payload else { return &Self::Nothing };
            let field = fields.iter().find(|(name, _)| *name == key);
            field.map_or(&Self::Nothing, |(_, value)| value)
        })
    }

    /// Reads a value, of which it is known that it is JSON.
    fn read(raw: &RawValue, wanted: &Wanted) -> Self {
        let json = raw.get();
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let read = match json.as_bytes().first() {
            Some(b'"') if json.len() <= SPELLED_BYTES_MAX => {
                let text = serde_json::from_str::<String>(json).ok();
                let fits = |text: &String| (1..=TEXT_BYTES_MAX).contains(&text.len());
                return text.filter(fits).map_or(Self::Nothing, Self::Text);
            }
            Some(b't') => return Self::True,
            Some(b'{') => deserializer.deserialize_map(ReadObject(wanted)).map(Self::Object),
            Some(b'[') => deserializer.deserialize_seq(ReadList(wanted)),
            _ => return Self::Nothing,
        };
        read.unwrap_or(Self::Nothing)
    }
}

impl Wanted {
    fn of(pointers: impl Iterator<Item = &'static str>) -> Self {
        let mut root = Self::default();
        for pointer in pointers {
            let mut at = &mut root;
            for key in pointer.split('/').skip(1) {
                let known = at.fields.iter().position(|(name, _)| *name == key);
                let index = known.unwrap_or_else(|| {
                    at.fields.push((key, Self::default()));
                    at.fields.len() - 1
                });
                at = &mut at.fields[index].1;
            }
        }
        root
    }
}

/// Reads the fields of an object that are wanted.
struct ReadObject<'w>(&'w Wanted);

impl<'de> Visitor<'de> for ReadObject<'_> {
    type Value = Vec<(&'static str, Payload)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut fields: Self::Value = Vec::new();
        while let Some(known) = entries.next_key_seed(Key(self.0))? {
            let Some((name, wanted)) = known else {
                entries.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = Payload::read(entries.next_value()?, wanted);
            match fields.iter_mut().find(|(known, _)| known == name) {
                Some(field) => field.1 = value,
                None => fields.push((*name, value)),
            }
        }
        Ok(fields)
    }
}

/// Finds a key among those that are wanted. It is taken as bytes, which any key is.
struct Key<'w>(&'w Wanted);

impl<'de, 'w> DeserializeSeed<'de> for Key<'w> {
    type Value = Option<&'w (&'static str, Wanted)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<'w> Visitor<'_> for Key<'w> {
    type Value = Option<&'w (&'static str, Wanted)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.fields.iter().find(|(name, _)| name.as_bytes() == key))
    }
}

/// Reads the items of a list as far as they are wanted. Lists in it are absent.
struct ReadList<'w>(&'w Wanted);

impl<'de> Visitor<'de> for ReadList<'_> {
    type Value = Payload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Payload, A::Error> {
        let mut items = Vec::new();
        while items.len() < ITEMS_MAX {
            let Some(raw) = values.next_element::<&RawValue>()? else { break };
            let is_list = raw.get().starts_with('[');
            items.push(if is_list { Payload::Nothing } else { Payload::read(raw, self.0) });
        }
        let mut further = 0;
        while values.next_element::<IgnoredAny>()?.is_some() {
            further += 1;
        }
        Ok(Payload::List(items, further))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: &[&[&str]] = &[&["/ref", "/repository", "/repository/url"], &["/changes/ref"]];

    fn read(json: &[u8]) -> Result<Payload, Malformed> {
        parse(&HeaderMap::new(), json, WANTED)
    }

    #[test]
    fn what_is_asked_for_is_read_whatever_is_around_it() {
        let nested = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let long = format!("\"{}\"", "x".repeat(1 << 20));
        for around in [
            "1",
            r#""\ud83d""#,
            r#"{"\udc00": "\ud83d", "ref": "b"}"#,
            "1e999",
            "-99999999999999999999999999",
            r#"[{"id": 1}, {"ref": "b"}]"#,
            &nested,
            &long,
        ] {
            let body = format!(
                r#"{{"a": {around}, "ref": "a", "commits": {around}, "\ud800": 0,
                    "repository": {{"b": {around}, "\u0075rl": "u\ud83d\ude00"}}, "c": {around}}}"#
            );
            let payload = read(body.as_bytes()).unwrap();
            let texts = texts(&payload, &["/ref", "/repository", "/repository/url", "/commits"]);
            assert_eq!(texts, ["a", "u😀"], "{around:.30}");
        }
        for (body, expected) in [
            (&b"{\"a\": \"\xff\xfe\", \"\xff\": 1, \"ref\": \"a\"}"[..], Some("a")),
            (b"{\"ref\": \"a\xff\"}", Some("a?")),
            (b"\xef\xbb\xbf{\"ref\": \"a\"}", Some("a")),
            (br#"{"ref": "b", "ref": "a"}"#, Some("a")),
            (br#"{"ref": "a", "ref": null}"#, None),
            (br#"{"ref": "\ud83d"}"#, None),
            (br#"{"ref": ["a"]}"#, None),
            (br#"{"ref": 1e999}"#, None),
        ] {
            let payload = read(body).unwrap();
            assert_eq!(text(&payload, "/ref"), expected, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn only_a_json_object_is_a_payload() {
        let deep = "[".repeat(100_000);
        let deep_in_object = format!("{{\"ref\": {deep}");
        for bad in [
            "",
            " ",
            "null",
            "[]",
            "\"a\"",
            "{",
            "{}x",
            "{\"a\":}",
            "{\"a\":\"\n\"}",
            &deep,
            &deep_in_object,
        ] {
            assert!(matches!(read(bad.as_bytes()), Err(Malformed::NotJson(_))), "{bad:.20}");
        }
    }

    #[test]
    fn of_a_long_list_the_first_items_are_read_and_the_others_counted() {
        let items: Vec<_> = (0..ITEMS_MAX + 7).map(|n| format!(r#"{{"ref": "{n}"}}"#)).collect();
        let lists = "[[[{\"ref\": 1}]]],";
        let body = format!(r#"{{"changes": [{lists}{}]}}"#, items.join(","));
        let payload = read(body.as_bytes()).unwrap();
        let read: Vec<_> =
            items_of(&payload).iter().filter_map(|item| text(item, "/ref")).collect();
        assert_eq!((read.len(), read[0], read.last()), (ITEMS_MAX - 1, "0", Some(&"998")));
        assert_eq!(further(&payload, "/changes"), 8);
    }

    fn items_of(payload: &Payload) -> &[Payload] {
        items(payload, "/changes")
    }

    #[test]
    fn a_text_that_is_too_long_is_absent() {
        for (text_of, there) in [
            ("x".repeat(TEXT_BYTES_MAX), true),
            ("x".repeat(TEXT_BYTES_MAX + 1), false),
            ("\\u0041".repeat(TEXT_BYTES_MAX), true),
            ("\\u0041".repeat(TEXT_BYTES_MAX + 1), false),
            (String::new(), false),
        ] {
            let payload = read(format!(r#"{{"ref": "{text_of}"}}"#).as_bytes()).unwrap();
            assert_eq!(text(&payload, "/ref").is_some(), there, "{text_of:.20}");
        }
    }

    #[test]
    fn a_form_has_the_payload_in_a_field_among_others() {
        let form = HeaderMap::from_iter([(
            CONTENT_TYPE,
            "application/x-www-form-urlencoded".parse().unwrap(),
        )]);
        let many = "a=%7B&b&=&".repeat(10_000);
        for (body, expected) in [
            ("payload={}", Some("{}")),
            ("%70ayload=%7B+%22a%2B%22%3A1}", Some("{ \"a+\":1}")),
            (&*format!("{many}payload=1&payload=2"), Some("1")),
            ("payload", Some("")),
            ("payload=%zz%", Some("%zz%")),
            ("a=payload&Payload=1", None),
            ("", None),
        ] {
            let json = json(&form, body.as_bytes());
            assert_eq!(json.as_deref(), expected.map(str::as_bytes), "{body:.40}");
        }
    }
}
