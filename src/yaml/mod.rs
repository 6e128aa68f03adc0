//! YAML read the way kubectl reads it (`sigs.k8s.io/yaml`, that is go-yaml v2 rules), with the line
//! of every value kept, and with a bound on everything.

#[cfg(test)]
mod cases;
mod json;
mod load;
mod scalar;
mod split;

use serde_json::Value;

use crate::yaml::load::load;
use crate::yaml::split::{Chunk, split};

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads the documents of a file; those that are empty, null or of comments only are left out.
/// Every broken document adds its first error.
pub fn parse(file: &[u8], limits: &Limits) -> Result<Vec<Document>, Vec<YamlError>> {
    let text = decode(file, limits).map_err(|error| vec![error])?;
    let mut documents = Vec::new();
    let mut errors = Vec::new();
    for chunk in split(text) {
        match chunk.and_then(|chunk| read(chunk, limits)) {
            Ok(roots) => documents.extend(roots.into_iter().map(|root| Document { root })),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(documents) } else { Err(errors) }
}

/// Reads one document as YAML, or as JSON where only that works.
fn read(chunk: Chunk<'_>, limits: &Limits) -> Result<Vec<Node>, YamlError> {
    match load(chunk, limits) {
        Ok(root) => Ok(root.into_iter().collect()),
        Err(error) => json::read(chunk, limits).ok_or(error),
    }
}

/// The text of a file without its byte order mark.
fn decode<'a>(file: &'a [u8], limits: &Limits) -> Result<&'a str, YamlError> {
    if file.len() > limits.bytes {
        let message =
            format!("the file has {} bytes; at most {} are read", file.len(), limits.bytes);
        return Err(YamlError { line: 1, message });
    }
    let at = |offset: usize, message: &str| {
        let line = file[..offset].split(|byte| *byte == b'\n').count();
        YamlError { line, message: message.to_owned() }
    };
    let text = std::str::from_utf8(file)
        .map_err(|error| at(error.valid_up_to(), "the text is not UTF-8"))?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    match text.char_indices().find(|(_, char)| !is_printable(*char)) {
        None => Ok(text),
        Some((offset, char)) => {
            let offset = offset + file.len() - text.len();
            Err(at(
                offset,
                &format!("the character U+{:04X} may only stand as an escape", u32::from(char)),
            ))
        }
    }
}

/// What YAML lets stand in a file as it is.
fn is_printable(char: char) -> bool {
    match char {
        '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' => true,
        BYTE_ORDER_MARK | '\u{fffe}' | '\u{ffff}' => false,
        _ => char >= '\u{a0}',
    }
}

/// Bounds on one file, so that hostile input ends in an error.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest file in bytes.
    pub bytes: usize,
    /// Deepest nesting.
    pub depth: usize,
    /// Most nodes after aliases are expanded.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 16 << 20, depth: 100, nodes: 1_000_000 }
    }
}

/// One document of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its content; a document of comments only is left out.
    pub root: Node,
}

/// A value and the line on which it begins, from 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The line.
    pub line: usize,
    /// The value.
    pub content: Content,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Null, a boolean, a number or a text.
    Scalar(Value),
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping in the order of the file, merge keys resolved.
    Mapping(Vec<Entry>),
}

/// One key of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key as text, as JSON has it.
    pub key: String,
    /// The line of the key, from 1.
    pub line: usize,
    /// The value.
    pub value: Node,
}

/// Something in a file that is not YAML as kubectl reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct YamlError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl Node {
    /// The value without its lines.
    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::Sequence(items) => items.iter().map(Self::to_json).collect(),
            Content::Mapping(entries) => {
                entries.iter().map(|e| (e.key.clone(), e.value.to_json())).collect()
            }
        }
    }

    /// The value behind a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.content {
            Content::Mapping(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.value),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn json(text: &str) -> Vec<Value> {
        parse(text.as_bytes(), &Limits::default())
            .unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
            .iter()
            .map(|document| document.root.to_json())
            .collect()
    }

    fn errors(text: &str) -> Vec<String> {
        parse(text.as_bytes(), &Limits::default())
            .expect_err(text)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn documents_of_nothing_are_left_out() {
        assert_eq!(
            json("# a\n---\na: 1\n---\n---\nnull\n---\nb: [x]\n"),
            [json!({"a": 1}), json!({"b": ["x"]})]
        );
        assert_eq!(json(""), [] as [Value; 0]);
        assert_eq!(json("\u{feff}a: 1"), [json!({"a": 1})]);
    }

    #[test]
    fn aliases_count_as_what_they_stand_for() {
        let limits = Limits { bytes: 1000, depth: 8, nodes: 200 };
        let tripled = |n: usize| format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}]\n", n - 1);
        let lines: Vec<String> = (1..20).map(tripled).collect();
        let bomb = format!("a0: &a0 [x, x, x]\n{}", lines.concat());
        for (text, expected) in [
            (bomb.as_str(), "line 5: more than 200 values, aliases expanded"),
            ("[[[[[[[[[]]]]]]]]]", "line 1: nested more than 8 levels deep"),
            ("- &a [[[[[x]]]]]\n- [[[*a]]]", "line 2: nested more than 8 levels deep"),
            (&format!("[{}]", "x,".repeat(200)), "line 1: more than 200 values, aliases expanded"),
            (
                &format!("a: &a {}\nb: [{}]", "x".repeat(500), "*a, ".repeat(9)),
                "line 2: more than 2000 bytes, aliases expanded",
            ),
            (&"#".repeat(1001), "line 1: the file has 1001 bytes; at most 1000 are read"),
        ] {
            let errors = parse(text.as_bytes(), &limits).expect_err(text);
            assert_eq!(errors[0].to_string(), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(
            text in "([a-c:\\-?!&*|>'\"%@`#{}\\[\\], \t\n\r0.~<]|<<: |- |: |---\n|\\.\\.\\.\n|&a |\\*a |!!|\\PC){0,40}",
        ) {
            let _ = parse(text.as_bytes(), &Limits::default());
        }

        #[test]
        fn what_is_written_as_json_reads_back_the_same(texts in proptest::collection::vec("\\PC*", 0..4)) {
            let value = serde_json::json!({"a": texts});
            for text in [value.to_string(), format!("{value:#}")] {
                proptest::prop_assert_eq!(json(&text), [value.clone()]);
            }
        }
    }

    #[test]
    fn every_broken_document_is_named_with_its_line_in_the_file() {
        assert_eq!(errors("a: 1\na: 2\n---\nb: 1\n---\nc: {\n---\nd: .nan\n").len(), 3);
        assert_eq!(
            errors("x: 1\n---\na: 1\nb: 2\na: 3\n"),
            ["line 5: the key `a` is already set in line 3"]
        );
    }
}
