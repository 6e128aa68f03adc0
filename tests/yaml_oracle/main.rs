//! Headstay reads YAML as kubectl does: its reader is held against the library that kubectl reads
//! with, over documents in thousands of layouts.
//!
//! The seed is printed; `HEADSTAY_YAML_SEED` reads the same documents again, `HEADSTAY_YAML_CASES` says
//! how many: `HEADSTAY_YAML_CASES=1000000 cargo test --test yaml_oracle` for a long look.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod layouts;
mod texts;
mod words;

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use headstay::yaml;
use serde_json::Value;

use crate::layouts::Writer;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/yaml-oracle");
const CASES: u64 = 20_000;
/// Most differences that are shown.
const SHOWN_MAX: usize = 10;

/// What the library makes of a document.
struct Answer<'a> {
    /// When no key may stand twice.
    strict: &'a str,
    lax: &'a str,
}

/// Where the reader and the library differ on purpose: by name, when it is so.
type Difference = (&'static str, fn(&str, &Result<Value, String>, &Answer<'_>) -> bool);
const DIFFERENT: &[Difference] = &[
    ("a key that is set twice is an error, also as `1` and `1.0`", |_, ours, theirs| {
        ours.is_err() && theirs.strict == "error" || says(ours, "is already set in line")
    }),
    ("a key wins over one that is merged, wherever it stands", |text, ours, theirs| {
        ours.is_ok() && theirs.strict == "error" && text.contains("<<")
    }),
    ("what follows the end of a document is not dropped in silence", |text, ours, theirs| {
        says(ours, "documents must be parted by a line `---`")
            || ours.is_err() && is_same(&self::ours(before_end(text)), theirs.lax)
    }),
    ("a list or mapping as a key is an error, and does not lose what is around", |_, ours, _| {
        says(ours, "a key must be a text, not a list or a mapping")
    }),
    ("JSON is read where it is no YAML, as kubectl does", |text, ours, theirs| {
        let json = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        theirs.lax == "error" && ours.is_ok() && json.into_iter().all(|value| value.is_ok())
    }),
    ("YAML 1.2 is read as 1.1", |text, _, theirs| {
        theirs.lax == "error" && text.contains("%YAML 1.2")
    }),
    ("a second byte order mark is a character like others", |text, _, _| {
        text.starts_with("\u{feff}\u{feff}")
    }),
    ("a !!timestamp is not checked to the day", |text, ours, theirs| {
        theirs.lax == "error" && ours.is_ok() && text.contains("!!timestamp")
    }),
];

/// What stands before the first `...`; all if there is none.
fn before_end(text: &str) -> &str {
    let breaks = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
    let ends = text.match_indices("...").find(|(at, _)| {
        text[..*at].chars().next_back().is_none_or(|before| breaks.contains(&before))
            && text[at + 3..].chars().next().is_none_or(char::is_whitespace)
    });
    &text[..ends.map_or(text.len(), |(at, _)| at)]
}

fn says(ours: &Result<Value, String>, words: &str) -> bool {
    ours.as_ref().is_err_and(|error| error.contains(words))
}

#[test]
fn documents_of_any_layout_are_read_as_kubectl_reads_them() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = number("HEADSTAY_YAML_SEED").unwrap_or_else(|| fastrand::u64(..1 << 40));
    let cases = number("HEADSTAY_YAML_CASES").unwrap_or(CASES);
    eprintln!("HEADSTAY_YAML_SEED={seed} HEADSTAY_YAML_CASES={cases}");
    // What begins with `---` parts documents before anyone reads YAML.
    let documents: Vec<(u64, String)> = (seed..seed + cases)
        .map(|seed| (seed, Writer::document(seed)))
        .filter(|(_, text)| !text.replace('\r', "\n").lines().any(|line| line.starts_with("---")))
        .collect();
    let answers = library(documents.iter().map(|(_, text)| text.clone()).collect());
    let mut differences = Vec::new();
    let mut accepted = 0;
    for ((seed, text), answer) in documents.iter().zip(answers.lines()) {
        let (strict, lax) = answer.split_once('\t').unwrap();
        let theirs = Answer { strict, lax };
        let ours = ours(text);
        accepted += usize::from(ours.is_ok());
        if !is_same(&ours, lax)
            && !DIFFERENT.iter().any(|(_, differs)| differs(text, &ours, &theirs))
        {
            differences.push(format!(
                "HEADSTAY_YAML_SEED={seed} HEADSTAY_YAML_CASES=1\n{text:?}\n  kubectl: {lax}\n  ours:    {}",
                ours.as_ref().map_or_else(Clone::clone, sorted)
            ));
        }
    }
    let shown = differences.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(differences.is_empty(), "{} differences:\n\n{shown}", differences.len());
    // A generator of nothing but errors would prove little.
    assert!(cases < 1000 || accepted * 4 > documents.len(), "{accepted} of {}", documents.len());
}

/// What the reader makes of a document: its value, or the first error.
fn ours(text: &str) -> Result<Value, String> {
    match yaml::parse(text.as_bytes()) {
        Ok(documents) => Ok(documents.first().map_or(Value::Null, |d| d.root.to_json())),
        Err(errors) => Err(errors[0].to_string()),
    }
}

/// What the library makes of documents, a line for each.
fn library(documents: Vec<String>) -> String {
    let script = Command::new(SCRIPT).stderr(Stdio::inherit()).output().unwrap();
    assert!(script.status.success(), "scripts/yaml-oracle: its own words are above");
    let mut program = Command::new(String::from_utf8(script.stdout).unwrap().trim())
        .arg("answer")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = program.stdin.take().unwrap();
    let writer = thread::spawn(move || {
        for mut document in documents {
            // kubectl ends every line with a line break before it parses.
            if !document.ends_with('\n') {
                document.push('\n');
            }
            let line = serde_json::to_string(&document).unwrap();
            writeln!(stdin, "{line}").unwrap();
        }
    });
    let output = program.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn is_same(ours: &Result<Value, String>, theirs: &str) -> bool {
    match ours {
        Ok(value) => {
            serde_json::from_str(theirs).is_ok_and(|theirs| sorted(value) == sorted(&theirs))
        }
        Err(_) => theirs == "error",
    }
}

/// The value with sorted keys; -0 is 0, as it is for the API server.
fn sorted(value: &Value) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    value.to_string().replace("-0.0", "0")
}
