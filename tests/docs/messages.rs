//! The messages of `docs/troubleshooting.md` are those of the code.
//!
//! What a quote has between two `…` must stand in one text of `src/`, or be the words of somebody else.

use std::path::Path;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use regex::Regex;

use crate::page::{ROOT, read};

/// What stands for something else, as `…` does.
const ANYTHING: [&str; 2] = ["FILE:LINE", "127.0.0.1:8080"];
/// Words of the system, of ssh and of API servers.
const OF_OTHERS: [&str; 4] = [
    "Address already in use",
    "Host key verification failed.",
    "Permission denied (publickey).",
    "forbidden:",
];

#[test]
fn the_messages_that_are_quoted_are_those_of_the_code() {
    let texts = texts();
    let quotes = quotes(&read("docs/troubleshooting.md"));
    assert!(quotes.len() > 40, "where are the messages? {quotes:?}");
    let mut unknown = Vec::new();
    for quote in quotes {
        let open = ANYTHING.iter().fold(quote.clone(), |quote, any| quote.replace(any, "…"));
        for part in open.split('…').map(|part| part.trim_matches([' ', ':', ',', '`'])) {
            let known = |part: &str| {
                texts.iter().any(|text| text.contains(part)) || OF_OTHERS.contains(&part)
            };
            // A cause is told after the error that it led to.
            if !known(part) && !part.split(": ").all(known) {
                unknown.push(format!("`{part}` of `{quote}`"));
            }
        }
    }
    assert!(unknown.is_empty(), "no text in src/ has\n{}", unknown.join("\n"));
}

/// What the first columns of the tables quote.
fn quotes(page: &str) -> Vec<String> {
    let (mut first, mut quotes) = (false, Vec::new());
    for event in Parser::new_ext(page, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::TableRow) => first = true,
            Event::End(TagEnd::TableCell) => first = false,
            Event::Code(text) if first => quotes.push(text.to_string()),
            _ => {}
        }
    }
    quotes
}

/// The texts of the code outside of its tests, with `…` for what is put into them.
fn texts() -> Vec<String> {
    let mut texts = Vec::new();
    let mut folders = vec![Path::new(ROOT).join("src")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let of_tests = path.ends_with("tests") || path.ends_with("tests.rs");
            if path.is_dir() && !of_tests {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !of_tests {
                let source = std::fs::read_to_string(path).unwrap();
                literals(source.split("\n#[cfg(test)]\nmod tests {").next().unwrap(), &mut texts);
            }
        }
    }
    texts
}

fn literals(source: &str, texts: &mut Vec<String>) {
    // Comments and characters are found as well, so that a quote in one begins no text.
    // The names of conditions are those of variants.
    let token =
        r##"(?sm)//[^\n]*|'(?:\\.|[^'\\])'|r#"(.*?)"#|"((?:\\.|[^"\\])*)"|^    ([A-Z]\w+),$"##;
    let token = Regex::new(token).unwrap();
    let (fold, place) = (Regex::new(r"\\\n\s*").unwrap(), Regex::new(r"\{[^{}]*\}").unwrap());
    for found in token.captures_iter(source) {
        let Some(text) = found.get(1).or(found.get(2)).or(found.get(3)) else { continue };
        let text = fold.replace_all(text.as_str(), "").replace("\\\"", "\"");
        texts.push(place.replace_all(&text, "…").into_owned());
    }
}
