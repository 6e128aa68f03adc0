//! A place in a text, and what stands there.

/// What ends a line in YAML 1.1; for everybody else only a line feed does.
pub(in crate::yaml) const BREAKS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

/// A place in a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    /// The place in bytes.
    at: usize,
    /// The place in characters.
    pub(super) index: usize,
    /// Characters before it in its line.
    pub(super) column: usize,
    /// Line breaks before it, as YAML knows them.
    pub(super) breaks: usize,
    /// Line feeds before it in its file, which are what others count lines by.
    pub(super) line: usize,
}

impl<'a> Cursor<'a> {
    /// The beginning of a text, behind so many lines of its file.
    pub(super) fn new(text: &'a str, lines_before: usize) -> Self {
        Self { text, at: 0, index: 0, column: 0, breaks: 0, line: lines_before }
    }

    /// The text from another place up to this one.
    pub(super) fn since(&self, start: &Self) -> &'a str {
        &self.text[start.at..self.at]
    }

    /// A byte from here on; zero behind the end. A text has no zero byte in it.
    pub(super) fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Whether the text goes on so.
    pub(super) fn is_at(&self, text: &str) -> bool {
        self.text.as_bytes()[self.at..].starts_with(text.as_bytes())
    }

    /// Whether the text is over.
    pub(super) fn is_end(&self) -> bool {
        self.at >= self.text.len()
    }

    /// Whether a space or tab is here.
    pub(super) fn is_blank(&self) -> bool {
        matches!(self.byte(0), b' ' | b'\t')
    }

    /// The line break so many bytes ahead, in bytes; zero if none is there.
    pub(super) fn break_bytes(&self, ahead: usize) -> usize {
        match (self.byte(ahead), self.byte(ahead + 1), self.byte(ahead + 2)) {
            (b'\r', b'\n', _) | (0xC2, 0x85, _) => 2,
            (b'\r' | b'\n', _, _) => 1,
            (0xE2, 0x80, 0xA8 | 0xA9) => 3,
            _ => 0,
        }
    }

    /// Whether a line break is here.
    pub(super) fn is_break(&self) -> bool {
        self.break_bytes(0) > 0
    }

    /// Whether a line break or the end is so many bytes ahead.
    pub(super) fn is_line_end(&self, ahead: usize) -> bool {
        self.byte(ahead) == 0 || self.break_bytes(ahead) > 0
    }

    /// Whether a space, a tab, a line break or the end is so many bytes ahead.
    pub(super) fn is_gap(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t') || self.is_line_end(ahead)
    }

    /// Whether a line begins here with `---` or `...`, and nothing behind it.
    pub(super) fn is_document_mark(&self, mark: &str) -> bool {
        self.column == 0 && self.is_at(mark) && self.is_gap(mark.len())
    }

    /// Passes one character that is no line break.
    pub(super) fn skip(&mut self) {
        let bytes = match self.byte(0) {
            0 => return,
            1..0xC0 => 1,
            0xC0..0xE0 => 2,
            0xE0..0xF0 => 3,
            0xF0.. => 4,
        };
        self.at += bytes;
        self.index += 1;
        self.column += 1;
    }

    /// Passes so many characters.
    pub(super) fn skip_many(&mut self, characters: usize) {
        for _ in 0..characters {
            self.skip();
        }
    }

    /// Passes what is taken.
    pub(super) fn skip_while(&mut self, taken: impl Fn(&Self) -> bool) {
        while !self.is_end() && taken(self) {
            self.skip();
        }
    }

    /// Passes the rest of the line.
    pub(super) fn skip_line(&mut self) {
        self.skip_while(|here| !here.is_line_end(0));
    }

    /// Passes a line break, and tells what it means in a text: one line feed, except for the two
    /// separators of Unicode, which stay.
    pub(super) fn skip_break(&mut self) -> &'static str {
        let meaning = match (self.byte(0), self.byte(2)) {
            (0xE2, 0xA8) => "\u{2028}",
            (0xE2, _) => "\u{2029}",
            _ => "\n",
        };
        let is_pair = self.is_at("\r\n");
        if is_pair || self.byte(0) == b'\n' {
            self.line += 1;
        }
        self.at += self.break_bytes(0);
        self.index += if is_pair { 2 } else { 1 };
        self.column = 0;
        self.breaks += 1;
        meaning
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_are_what_ends_a_line() {
        for char in char::MIN..=char::MAX {
            let text = char.to_string();
            let is_break = Cursor::new(&text, 0).is_break();
            assert_eq!(is_break, BREAKS.contains(&char), "{char:?}");
        }
    }
}
