//! Cells of tables: what is shown of a value.

use serde_json::Value;

use crate::cli::answer::Commit;

/// A text of an answer, or a dash.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

/// What stands where there is nothing.
pub(super) fn nothing() -> String {
    "-".to_owned()
}

/// The first digits of a commit, or a dash.
pub(super) fn commit(commit: Option<&Commit>) -> String {
    commit.map_or_else(nothing, |commit| commit.id.chars().take(12).collect())
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
