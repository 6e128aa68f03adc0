//! Tables for terminals.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde_json::Value;

/// Writes rows under a heading, columns two blanks apart.
pub(super) fn write(out: &mut dyn Write, heading: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let mut widths: Vec<_> = heading.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let heading: Vec<_> = heading.iter().map(|&cell| cell.to_owned()).collect();
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            _ = write!(line, "{cell:<width$}  ");
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A text of an answer, or a dash.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

/// The first digits of a commit of an answer, or a dash.
pub(super) fn commit(value: &Value) -> String {
    value.as_str().map_or_else(|| "-".to_owned(), |id| id.chars().take(12).collect())
}

/// The name of an object of an answer: `Deployment.apps shop/web`.
pub(super) fn object(value: &Value) -> String {
    serde_json::from_value::<crate::domain::object::ObjectKey>(value.clone())
        .map_or_else(|_| "-".to_owned(), |key| key.to_string())
}

/// One line of a text that may have many.
pub(super) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// A text of at most `width` characters; an ellipsis stands for what is left out.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_ends_in_an_ellipsis() {
        assert_eq!(cut("größer", 6), "größer");
        assert_eq!(cut("größere", 6), "größe…");
    }
}
