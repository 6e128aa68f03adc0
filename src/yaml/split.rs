//! Cuts a file into documents where kubectl's `YAMLReader` does.

use crate::yaml::YamlError;

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
pub(super) fn split(file: &str) -> Vec<Result<Chunk<'_>, YamlError>> {
    let mut chunks = Vec::new();
    let mut start = 0;
    let mut lines_before = 0;
    let mut offset = 0;
    for (index, line) in file.split_inclusive('\n').enumerate() {
        let end = offset + line.len();
        if let Some(rest) = line.strip_prefix(SEPARATOR) {
            chunks.push(Ok(Chunk { lines_before, text: &file[start..offset] }));
            let rest = rest.trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                let message = "only spaces or a comment may follow `---`; begin the document on the next line";
                chunks.push(Err(YamlError { line: index + 1, message: message.to_owned() }));
            }
            start = end;
            lines_before = index + 1;
        }
        offset = end;
    }
    chunks.push(Ok(Chunk { lines_before, text: &file[start..] }));
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(file: &str) -> Vec<(usize, &str)> {
        split(file).into_iter().flatten().map(|c| (c.lines_before, c.text)).collect()
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
        let lines: Vec<_> = split("a\n--- b\n---\n").into_iter().filter_map(Result::err).collect();
        assert_eq!(lines.iter().map(|e| e.line).collect::<Vec<_>>(), [2]);
    }
}
