//! Cuts a file into documents where kubectl's `YAMLReader` does.

use crate::yaml::scan::BREAKS;
use crate::yaml::{YamlError, error};

/// What begins a line that parts two documents.
const SEPARATOR: &str = "---";

/// One document's text and where it begins in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk<'a> {
    /// Lines of the file before it.
    pub(super) lines_before: usize,
    /// Its text without the separators.
    pub(super) text: &'a str,
}

/// The documents of a file in order, also empty ones, or an error for each separator with more than
/// spaces or a comment behind it.
///
/// The separator is looked for in the bare lines, before any YAML is parsed: it parts documents also
/// inside of a quoted text, as it does for kubectl.
pub(super) fn split(file: &str) -> impl Iterator<Item = Result<Chunk<'_>, YamlError>> {
    let mut rest = Some(file);
    let mut lines = 0;
    std::iter::from_fn(move || {
        let text = rest?;
        let lines_before = lines;
        let mut end = 0;
        for line in text.split_inclusive('\n') {
            lines += 1;
            if line.starts_with(SEPARATOR) {
                rest = Some(&text[end + line.len()..]);
                let chunk = Chunk { lines_before, text: &text[..end] };
                return Some(std::iter::once(whole(chunk)).chain(behind(line, lines)));
            }
            end += line.len();
        }
        rest = None;
        Some(std::iter::once(whole(Chunk { lines_before, text })).chain(None))
    })
    .flatten()
}

/// Refuses a `---` behind a break that ends a line for YAML only: for kubectl it parts nothing, and what
/// the documents are would depend on whom one asks.
fn whole(chunk: Chunk<'_>) -> Result<Chunk<'_>, YamlError> {
    let text = chunk.text;
    let begins_a_line = |at: usize| {
        let behind = &text[at + SEPARATOR.len()..];
        let is_mark = behind.is_empty() || behind.starts_with([' ', '\t']);
        text[..at].ends_with(BREAKS) && (is_mark || behind.starts_with(BREAKS))
    };
    match text.match_indices(SEPARATOR).find(|(at, _)| begins_a_line(*at)) {
        None => Ok(chunk),
        Some((at, _)) => {
            let line = chunk.lines_before + 1 + text[..at].matches('\n').count();
            Err(error(
                line,
                "`---` is on a line of its own only behind a line feed: convert the file",
            ))
        }
    }
}

/// What is wrong with a separator, which stands on this line.
fn behind<'a>(separator: &str, line: usize) -> Option<Result<Chunk<'a>, YamlError>> {
    let rest = separator.strip_prefix(SEPARATOR)?.trim();
    if rest.is_empty() || rest.starts_with('#') {
        return None;
    }
    let message = "only spaces or a comment may follow `---`; begin the document on the next line";
    Some(Err(error(line, message)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(file: &str) -> Vec<(usize, &str)> {
        split(file).flatten().map(|c| (c.lines_before, c.text)).collect()
    }

    #[test]
    fn documents_part_at_lines_that_start_with_three_dashes() {
        assert_eq!(texts("a\n---\nb\n"), [(0, "a\n"), (2, "b\n")]);
        assert_eq!(texts("--- # first\r\na\n---  \nb"), [(0, ""), (1, "a\n"), (3, "b")]);
        assert_eq!(texts(" ---\na: '\n---\n'"), [(0, " ---\na: '\n"), (3, "'")]);
        assert_eq!(texts(""), [(0, "")]);
    }

    #[test]
    fn what_parts_documents_for_yaml_only_is_an_error() {
        for line_break in BREAKS {
            let file = format!("# a\n%TAG ! b{line_break}---{line_break}x: 1");
            let lines: Vec<_> = split(&file).filter_map(Result::err).map(|e| e.line).collect();
            let expected: &[usize] = if line_break == '\n' { &[] } else { &[2] };
            assert_eq!(lines, expected, "{line_break:?}");
        }
        assert_eq!(texts("a: 1\rb: x---\r\rc: ----\r").len(), 1);
    }

    #[test]
    fn content_behind_a_separator_is_an_error_with_its_line() {
        let lines: Vec<_> = split("a\n--- b\n---\n").filter_map(Result::err).collect();
        assert_eq!(lines.iter().map(|e| e.line).collect::<Vec<_>>(), [2]);
    }
}
