//! Texts of others, with what nobody can see in them made visible.
//!
//! Commit messages, keys of manifests and the texts of API servers end on terminals, where a control
//! character is a command (some write the clipboard), and where a line, or an order of the letters, that
//! is not what it seems misleads who reads it.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a character does something else than to be seen: control characters, those that change the
/// order of the letters, those without a width, and those that separate lines.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}'
            | '\u{ffa0}'
            | '\u{180b}'..='\u{180f}'
            | '\u{fe00}'..='\u{fe0e}'
            | '\u{e0100}'..='\u{e01ef}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// A text as one line: `\n`, `\t` and `\u{1b}` stand for what they are in a program.
pub fn line(text: &str) -> Cow<'_, str> {
    spelled(text, is_unseen, |c, line| line.extend(c.escape_default()))
}

/// A text that keeps its lines and tabs.
pub fn lines(text: &str) -> Cow<'_, str> {
    let unseen = |c| is_unseen(c) && c != '\n' && c != '\t';
    spelled(text, unseen, |c, line| line.extend(c.escape_default()))
}

/// JSON that says the same: what is unseen in its texts is escaped as JSON does.
pub fn json(json: &str) -> Cow<'_, str> {
    // What is outside of texts is never anything else.
    let unseen = |c| is_unseen(c) && !matches!(c, '\n' | '\r' | '\t');
    spelled(json, unseen, |c, line| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a text cannot fail.
            _ = write!(line, "\\u{unit:04x}");
        }
    })
}

fn spelled(
    text: &str,
    unseen: impl Fn(char) -> bool,
    spell: fn(char, &mut String),
) -> Cow<'_, str> {
    if !text.chars().any(&unseen) {
        return Cow::Borrowed(text);
    }
    let mut spelled = String::with_capacity(text.len());
    for c in text.chars() {
        if unseen(c) { spell(c, &mut spelled) } else { spelled.push(c) }
    }
    Cow::Owned(spelled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unseen_is_spelled() {
        for (text, seen) in [
            ("größer 🚀 \u{fe0f} 日本", "größer 🚀 \u{fe0f} 日本"),
            ("\x1b]52;c;aGk=\x07", r"\u{1b}]52;c;aGk=\u{7}"),
            ("a\u{9b}31mb\u{7f}", r"a\u{9b}31mb\u{7f}"),
            ("one\r\ntwo\tthree", r"one\r\ntwo\tthree"),
            ("user\u{202e}nimda\u{2066}\u{200b}", r"user\u{202e}nimda\u{2066}\u{200b}"),
            ("a\u{2028}b\u{85}c", r"a\u{2028}b\u{85}c"),
            ("a\u{3164}b\u{2800}", r"a\u{3164}b\u{2800}"),
        ] {
            assert_eq!(line(text), seen);
        }
        assert_eq!(lines("one\n\ttwo\r\x08"), "one\n\ttwo\\r\\u{8}");
    }

    proptest::proptest! {
        #[test]
        fn nothing_unseen_is_left_and_json_says_the_same(text: String) {
            proptest::prop_assert!(!line(&text).chars().any(is_unseen));
            let value = serde_json::json!({ text.as_str(): text });
            let pretty = format!("{value:#}");
            let shown = json(&pretty);
            proptest::prop_assert!(!shown.chars().any(|c| is_unseen(c) && c != '\n'));
            proptest::prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }
}
