//! Cuts a file into documents where kubectl's `YAMLReader` does.

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
                return Some(std::iter::once(Ok(chunk)).chain(behind(line, lines)));
            }
            end += line.len();
        }
        rest = None;
        Some(std::iter::once(Ok(Chunk { lines_before, text })).chain(None))
    })
    .flatten()
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
    fn content_behind_a_separator_is_an_error_with_its_line() {
        let lines: Vec<_> = split("a\n--- b\n---\n").filter_map(Result::err).collect();
        assert_eq!(lines.iter().map(|e| e.line).collect::<Vec<_>>(), [2]);
    }
}
