//! YAML read the way kubectl reads it (`sigs.k8s.io/yaml`, that is go-yaml v2 rules), with the line
//! of every value kept, and with a bound on everything.

#[cfg(test)]
mod cases;
mod collections;
mod json;
mod load;
mod mapping;
mod scalar;
mod scan;
mod split;

use std::borrow::Cow;
use std::mem::size_of;
use std::sync::Arc;

use serde_json::Value;

use crate::domain::account::{Account, Bound, Refusal};
use crate::yaml::load::load;
use crate::yaml::split::{Chunk, split};

const BYTE_ORDER_MARK: char = '\u{feff}';
/// Makes a unit of UTF-16 of two bytes.
type Unit = fn([u8; 2]) -> u16;
/// How UTF-16 says which byte of two comes first.
const UTF_16: [([u8; 2], Unit); 2] =
    [([0xFF, 0xFE], u16::from_le_bytes), ([0xFE, 0xFF], u16::from_be_bytes)];
/// Longest part of a key or name that an error shows, in characters.
const SHOWN_CHARACTERS_MAX: usize = 80;

/// Reads the documents of a file; those that are empty, null or of comments only are left out.
/// Every broken document adds its first error. What a file may take is that of a whole render.
pub fn parse(file: &[u8]) -> Result<Vec<Document>, Vec<YamlError>> {
    let mut documents = Vec::new();
    let mut errors = Vec::new();
    for_each(file, &Account::default(), |document| match document {
        Ok(document) => documents.push(document),
        Err(error) => errors.push(error),
    });
    if errors.is_empty() { Ok(documents) } else { Err(errors) }
}

/// Reads one document of a file after the other, or says what is wrong with it; those that are
/// empty, null or of comments only are left out. What was charged for the memory of a document is
/// given back after it was looked at. Ends where the account has no more to give.
pub fn for_each(file: &[u8], account: &Account, mut look: impl FnMut(Result<Document, YamlError>)) {
    let text = match decode(file, account) {
        Ok(text) => text,
        Err(error) => return look(Err(error)),
    };
    for chunk in split(&text) {
        let before = account.taken(Bound::Memory);
        let read = chunk.and_then(|chunk| read(chunk, account));
        let nodes = account.taken(Bound::Memory) - before;
        match read {
            Ok(roots) => roots.into_iter().for_each(|root| look(Ok(Document { root }))),
            Err(error) => look(Err(error)),
        }
        account.give_back(Bound::Memory, nodes);
        if account.is_closed() {
            break;
        }
    }
    if let Cow::Owned(text) = text {
        account.give_back(Bound::Memory, text.len());
    }
}

/// Reads one document as YAML, or as JSON where only that works.
fn read(chunk: Chunk<'_>, account: &Account) -> Result<Vec<Node>, YamlError> {
    let line = chunk.lines_before + 1;
    account.charge(Bound::Steps, 1).map_err(|refusal| refused(line, &refusal))?;
    // Files that were joined have marks in the middle, too.
    let text = chunk.text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(chunk.text);
    let chunk = Chunk { text, ..chunk };
    // What the scanner makes of a text, and what is made of that, is about as long as the text.
    let copies = 2 * chunk.text.len();
    account.charge(Bound::Memory, copies).map_err(|refusal| refused(line, &refusal))?;
    let before = [Bound::Values, Bound::Memory].map(|bound| (bound, account.taken(bound)));
    let error = match load(chunk, account) {
        Ok(root) => return Ok(root.into_iter().collect()),
        Err(error) => error,
    };
    if account.is_closed() || !json::is_likely(chunk.text) {
        return Err(error);
    }
    for (bound, taken) in before {
        account.give_back(bound, account.taken(bound) - taken);
    }
    json::read(chunk, account)?.ok_or(error)
}

/// The text of a file. UTF-16, which a byte order mark tells, is read as kubectl reads it.
fn decode<'a>(file: &'a [u8], account: &Account) -> Result<Cow<'a, str>, YamlError> {
    account.hold(Bound::FileBytes, file.len()).map_err(|refusal| refused(1, &refusal))?;
    let text = match UTF_16.iter().find_map(|(mark, unit)| Some((file.strip_prefix(mark)?, unit))) {
        Some((units, unit)) => Cow::Owned(from_utf_16(units, *unit, account)?),
        None => match std::str::from_utf8(file) {
            Ok(text) => Cow::Borrowed(text),
            Err(problem) => {
                let line = file[..problem.valid_up_to()].split(|byte| *byte == b'\n').count();
                return Err(error(line, "the text is not UTF-8: convert the file"));
            }
        },
    };
    match text.char_indices().find(|(_, char)| !is_printable(*char)) {
        None => Ok(text),
        Some((offset, char)) => {
            let line = text[..offset].split('\n').count();
            let code = u32::from(char);
            Err(error(line, format!("the character U+{code:04X} may only stand as an escape")))
        }
    }
}

fn from_utf_16(bytes: &[u8], unit: Unit, account: &Account) -> Result<String, YamlError> {
    // Two bytes are at most three of UTF-8.
    let most = bytes.len() / 2 * 3;
    account.charge(Bound::Memory, most).map_err(|refusal| refused(1, &refusal))?;
    let mut text = String::with_capacity(most);
    let (units, odd) = bytes.as_chunks();
    for char in char::decode_utf16(units.iter().map(|pair| unit(*pair))) {
        let Ok(char) = char else {
            let line = text.split('\n').count();
            return Err(error(line, "the text is not UTF-16, as its first bytes say"));
        };
        text.push(char);
    }
    if !odd.is_empty() {
        let line = text.split('\n').count();
        return Err(error(line, "the text ends within a character of UTF-16"));
    }
    account.give_back(Bound::Memory, most - text.len());
    Ok(text)
}

/// What YAML lets stand in a file as it is.
fn is_printable(char: char) -> bool {
    match char {
        '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        _ => char >= '\u{a0}',
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
    /// A sequence; aliases share it.
    Sequence(Arc<Vec<Node>>),
    /// A mapping in the order of the file, merge keys resolved; aliases share it.
    Mapping(Arc<Vec<Entry>>),
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

impl Content {
    /// What the text takes that this is, in bytes.
    fn text_bytes(&self) -> usize {
        match self {
            Self::Scalar(Value::String(text)) => allocated(text.len()),
            _ => 0,
        }
    }
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

fn error(line: usize, message: impl Into<String>) -> YamlError {
    YamlError { line, message: message.into() }
}

/// That the account refused what this line would take.
fn refused(line: usize, refusal: &Refusal) -> YamlError {
    error(line, refusal.to_string())
}

/// What a node takes in a list, in bytes; with what is lost where lists get a size that is above theirs.
const NODE_BYTES: usize = size_of::<Node>() / 4 * 5;
/// What a list or mapping takes beside what is in it.
const LIST_BYTES: usize = size_of::<(usize, usize, Vec<Node>)>() + 8;

/// Adds to a list. While that moves to a larger place, it is there twice.
fn push<T>(list: &mut Vec<T>, item: T, account: &Account) -> Result<(), Refusal> {
    if list.len() == list.capacity() {
        let bytes = size_of_val(list.as_slice());
        account.charge(Bound::Memory, bytes)?;
        list.reserve(1);
        account.give_back(Bound::Memory, bytes);
    }
    list.push(item);
    Ok(())
}

/// As much of a key or name as an error should show.
pub fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

/// What an entry of a JSON object takes in the table of keys, in bytes.
const JSON_TABLE_BYTES: usize = 16;

/// What is taken for something of so many bytes: allocators have sizes, jemalloc four between two powers
/// of two.
const fn allocated(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=8 => 8,
        9..=128 => bytes.next_multiple_of(16),
        _ => bytes.next_multiple_of(bytes.next_power_of_two() / 8),
    }
}

impl Node {
    /// The memory that the value takes without its lines, in bytes, aliases expanded.
    pub fn json_bytes(&self) -> usize {
        let beside = match &self.content {
            Content::Scalar(_) => self.content.text_bytes(),
            Content::Sequence(items) => {
                let items = items.iter().map(|item| item.json_bytes() - size_of::<Value>());
                allocated(items.len() * size_of::<Value>()) + items.sum::<usize>()
            }
            Content::Mapping(entries) => {
                let of = |e: &Entry| {
                    JSON_TABLE_BYTES + allocated(e.key.len()) + e.value.json_bytes()
                        - size_of::<Value>()
                };
                let entry = size_of::<(u64, String, Value)>();
                allocated(entries.len() * entry) + entries.iter().map(of).sum::<usize>()
            }
        };
        size_of::<Value>() + beside
    }

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
    use crate::domain::account::Limits;

    fn json(text: &str) -> Vec<Value> {
        parse(text.as_bytes())
            .unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
            .iter()
            .map(|document| document.root.to_json())
            .collect()
    }

    fn errors(text: &str) -> Vec<String> {
        parse(text.as_bytes()).expect_err(text).iter().map(ToString::to_string).collect()
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

    /// The first error where no more can be taken than this.
    fn refusal(text: &str, limits: Limits) -> Option<String> {
        let mut errors = Vec::new();
        for_each(text.as_bytes(), &Account::new(limits), |read| errors.extend(read.err()));
        errors.first().map(ToString::to_string)
    }

    #[test]
    fn aliases_count_as_what_they_stand_for() {
        let limits = Limits { file_bytes: 1000, depth: 8, values: 200, ..Limits::default() };
        let tripled = |n: usize| format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}]\n", n - 1);
        let lines: Vec<String> = (1..20).map(tripled).collect();
        let bomb = format!("a0: &a0 [x, x, x]\n{}", lines.concat());
        let values = "more than 200 values, aliases expanded; split the application";
        for (text, expected) in [
            (bomb.as_str(), format!("line 5: {values}")),
            ("[[[[[[[[[]]]]]]]]]", "line 1: more than 8 levels deep".to_owned()),
            ("- &a [[[[[x]]]]]\n- [[[*a]]]", "line 2: more than 8 levels deep".to_owned()),
            (&format!("[{}]", "x,".repeat(200)), format!("line 1: {values}")),
            (&"a: [b, c]\n---\n".repeat(60), format!("line 81: {values}")),
            (&r#"{"a\/": [1, 2]}"#.repeat(50), format!("line 1: {values}")),
            (
                &"#".repeat(1001),
                "line 1: more than 1000 bytes in one file; split the file".to_owned(),
            ),
        ] {
            assert_eq!(refusal(text, limits), Some(expected), "{text:.60}");
        }
    }

    #[test]
    fn no_memory_is_taken_that_was_not_charged() {
        let nested = format!("{}{}{}", "&a [".repeat(20), "x,".repeat(5000), "]".repeat(20));
        let merged = format!(
            "a: &a {{{}}}\nb:\n  <<: [{}]\n",
            (0..500).fold(String::new(), |text, n| text + &format!("k{n}: v, ")),
            "*a, ".repeat(100),
        );
        let long = "x".repeat(100_000);
        let texts = format!("a: &a {long}\nb: [{}]\n", "*a, ".repeat(100));
        let keys = format!("a: &a {{{long}: 1}}\nb: [{}]\n", "{<<: *a}, ".repeat(100));
        let small = format!("[{}]", r#"{"\/":1},"#.repeat(20_000));
        let memory = Limits { memory: 1 << 20, ..Limits::default() };
        for (text, fits) in
            [(nested, true), (merged, false), (texts, false), (keys, false), (small, false)]
        {
            let refusal = refusal(&text, memory);
            assert_eq!(refusal.is_none(), fits, "{text:.60}: {refusal:?}");
        }
    }

    #[test]
    fn what_a_document_took_is_given_back_when_it_was_looked_at() {
        let account = Account::new(Limits { memory: 10_000, ..Limits::default() });
        let mut documents = 0;
        let file = "a: [b, c, d, e]\n---\n".repeat(1000);
        for_each(file.as_bytes(), &account, |read| documents += usize::from(read.is_ok()));
        assert_eq!((documents, account.taken(Bound::Memory)), (1000, 0));
        let utf_16: Vec<u8> = [0xFEFF]
            .into_iter()
            .chain(file.encode_utf16().take(2000))
            .flat_map(u16::to_be_bytes)
            .collect();
        for_each(&utf_16, &account, |read| documents += usize::from(read.is_ok()));
        assert_eq!((documents, account.taken(Bound::Memory)), (1100, 0));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(
            text in "([a-c:\\-?!&*|>'\"%@`#{}\\[\\], \t\n\r0.~<]|<<: |- |: |---\n|\\.\\.\\.\n|&a |\\*a |!!|\\PC){0,40}",
        ) {
            let _ = parse(text.as_bytes());
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
