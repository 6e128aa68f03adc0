//! The fields of a diff, as far as an answer has room for them: a value may be a megabyte, and there
//! may be thousands.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::domain::diff::FieldChange;

/// Longest value that is shown whole, in bytes of JSON.
const VALUE_BYTES: usize = 4 << 10;
/// Of a longer one so much is shown, in characters.
const BEGINNING: usize = 1000;
/// What stands before the first difference of two long texts, in characters.
const BEFORE: usize = 40;
/// All fields of one answer, in bytes of JSON.
const FIELDS_BYTES: usize = 8 << 20;

/// One field that differs.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "FieldChange")]
pub(super) struct Shown {
    /// JSON pointer; of list items: the index in what is wanted, or in the live list if it goes.
    path: String,
    /// The live value; null: it is new. Values of a Secret are masked.
    from: Option<Value>,
    /// The wanted value; null: it goes. Values of a Secret are masked.
    to: Option<Value>,
    /// Whether one of them is longer than what is shown: then both are texts, which begin shortly before
    /// the first difference. Not given: no.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    shortened: bool,
}

/// The room that is left in an answer.
pub(super) struct Room {
    bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { bytes: FIELDS_BYTES }
    }
}

impl Room {
    /// The fields for which there is room, and how many more there are.
    pub(super) fn take(&mut self, fields: Vec<FieldChange>) -> (Vec<Shown>, u32) {
        let all = fields.len();
        let mut shown = Vec::new();
        for field in fields.into_iter().map(Shown::of) {
            let bytes = field.path.len() + length(field.from.as_ref()) + length(field.to.as_ref());
            let Some(left) = self.bytes.checked_sub(bytes) else {
                self.bytes = 0;
                break;
            };
            self.bytes = left;
            shown.push(field);
        }
        let more = u32::try_from(all - shown.len()).unwrap_or(u32::MAX);
        (shown, more)
    }
}

impl Shown {
    fn of(change: FieldChange) -> Self {
        let FieldChange { path, from, to } = change;
        if [&from, &to].iter().all(|value| length(value.as_ref()) <= VALUE_BYTES) {
            return Self { path, from, to, shortened: false };
        }
        let (from, to) = (from.map(text), to.map(text));
        let same = match (&from, &to) {
            (Some(from), Some(to)) => {
                from.chars().zip(to.chars()).take_while(|(a, b)| a == b).count()
            }
            _ => 0,
        };
        let begin = same.saturating_sub(BEFORE);
        let [from, to] = [from, to].map(|text| text.map(|text| part(&text, begin).into()));
        Self { path, from, to, shortened: true }
    }
}

/// A text as it is, any other value as JSON.
fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn part(text: &str, begin: usize) -> String {
    let before = if begin > 0 { "…" } else { "" };
    let mut rest = text.chars().skip(begin);
    let shown: String = rest.by_ref().take(BEGINNING).collect();
    let after = if rest.next().is_some() { "…" } else { "" };
    format!("{before}{shown}{after}")
}

/// The bytes of a value as JSON.
fn length(value: Option<&Value>) -> usize {
    /// Counts what is written.
    struct Count(usize);

    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    // Nothing in a value cannot be written.
    _ = serde_json::to_writer(&mut count, &value);
    count.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(from: Value, to: Value) -> FieldChange {
        FieldChange { path: "/data/a".to_owned(), from: Some(from), to: Some(to) }
    }

    #[test]
    fn of_long_values_the_part_that_differs_is_shown() {
        let long = "é".repeat(9000);
        let [from, to] = ["Good morning", "Welcome"].map(|text| format!("{long}{text}{long}"));
        let shown = Shown::of(change(json!(from), json!(to)));
        assert!(shown.shortened);
        let [Some(Value::String(from)), Some(Value::String(to))] = [shown.from, shown.to] else {
            panic!("no texts");
        };
        let before = format!("…{}", "é".repeat(BEFORE));
        assert!(from.starts_with(&format!("{before}Good morning")) && from.ends_with("é…"));
        assert!(to.starts_with(&format!("{before}Welcome")) && to.chars().count() == BEGINNING + 2);

        let lists = change(json!([1, 2]), json!(vec![7; 4000]));
        let shown = Shown::of(lists);
        assert_eq!(shown.from, Some(json!("[1,2]")));
        assert!(shown.to.unwrap().as_str().unwrap().starts_with("[7,7,"));
        let short = change(json!([1]), json!("x".repeat(4000)));
        assert_eq!(Shown::of(short.clone()).to, short.to);
    }

    #[test]
    fn what_an_answer_has_no_room_for_is_counted() {
        let field = || change(Value::Null, json!("x".repeat(4000)));
        let mut room = Room { bytes: 10_000 };
        let (shown, more) = room.take(vec![field(), field(), field()]);
        assert_eq!((shown.len(), more), (2, 1));
        let (shown, more) = room.take(vec![change(json!(1), json!(2))]);
        assert_eq!((shown.len(), more), (0, 1), "from where there is no room, nothing is shown");
    }
}
