//! Holds the reader against the answers of `sigs.k8s.io/yaml`; `scripts/yaml-cases` writes them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::account::Account;
use crate::yaml::split::Chunk;
use crate::yaml::{Node, decode, read};

const CASES: &str = include_str!("../../tests/fixtures/yaml/cases.txt");
const EXPECTED: &str = include_str!("../../tests/fixtures/yaml/expected.txt");

/// Cases in which the answer is another one on purpose or without harm, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("tag-timestamp-loose", "!!timestamp is not checked to the day; nobody writes it"),
    ("merge-explicit-wins", "the strict library refuses what a merge key is for"),
    ("merge-explicit-first", "the strict library refuses what a merge key is for"),
    ("merge-deep-not", "the strict library refuses what a merge key is for"),
    ("merge-list-overlap", "the strict library refuses what YAML defines: the first wins"),
    ("merge-alias-of-list", "an alias is as good as the list that it names"),
    ("duplicate-text-and-int", "the library keeps one of the two by chance"),
    ("duplicate-bool-and-text", "the library keeps one of the two by chance"),
    ("block-no-newline", "kubectl ends every line with a line break before it parses"),
    ("document-second-dropped", "the library drops in silence what follows `...`"),
    ("json-slash", "kubectl reads it, as JSON"),
    ("quoted-surrogates-json", "kubectl reads it, as JSON"),
];

/// The JSON of a case, or `error`.
fn answer(input: &str) -> String {
    let account = Account::default();
    let roots = decode(input.as_bytes(), &account)
        .and_then(|text| read(Chunk { lines_before: 0, text: &text }, &account));
    match roots {
        Ok(roots) => sorted(&roots.first().map_or(Value::Null, Node::to_json)),
        Err(_) => "error".to_owned(),
    }
}

fn sorted(value: &Value) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    value.to_string()
}

#[test]
fn cases_mean_what_they_mean_to_kubectl() {
    let expected: BTreeMap<&str, &str> =
        EXPECTED.lines().map(|line| line.split_once('\t').unwrap()).collect();
    let cases = format!("\n{CASES}");
    let mut wrong = Vec::new();
    for case in cases.split("\n=== ").skip(1) {
        let (name, input) = case.split_once('\n').unwrap_or((case, ""));
        let input = format!("{input}\n")
            .replace('␉', "\t")
            .replace('␍', "\r")
            .replace('␠', " ")
            .replace("␀\n", "");
        let expected = match expected[name] {
            "error" => "error".to_owned(),
            json => sorted(&serde_json::from_str(json).unwrap()),
        };
        let actual = answer(&input);
        let listed = DIFFERENT.iter().any(|(different, _)| *different == name);
        if (actual == expected) == listed {
            wrong.push(format!("{name}: expected {expected}, got {actual}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
