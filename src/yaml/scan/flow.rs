//! Texts that may stand in one line with others: plain ones, and those in quotes.

use std::borrow::Cow;

use crate::yaml::YamlError;
use crate::yaml::scan::cursor::Cursor;
use crate::yaml::scan::{Scanner, Token, error_at};

/// What stands between two words of a text: spaces, or line breaks with spaces around them.
#[derive(Default)]
struct Gap<'a> {
    /// Spaces and tabs, as long as no line break came.
    spaces: &'a str,
    /// The first line break.
    first: Option<&'static str>,
    /// Those after it.
    others: String,
}

impl<'a> Gap<'a> {
    /// Passes the spaces and line breaks that are here. `tab` is asked about tabs behind a break.
    fn read(
        at: &mut Cursor<'a>,
        mut gap: Self,
        tab: impl Fn(&Cursor<'a>) -> Result<(), YamlError>,
    ) -> Result<Self, YamlError> {
        let start = *at;
        while at.is_blank() || at.is_break() {
            if at.is_break() {
                let meaning = at.skip_break();
                if gap.first.is_none() {
                    gap.first = Some(meaning);
                } else {
                    gap.others.push_str(meaning);
                }
                continue;
            }
            if gap.first.is_some() && at.byte(0) == b'\t' {
                tab(at)?;
            }
            at.skip();
            if gap.first.is_none() {
                gap.spaces = at.since(&start);
            }
        }
        Ok(gap)
    }

    /// Adds what it means to a text: one line break is a space, more are one less.
    fn add_to(&self, text: &mut String) {
        match self.first {
            None => text.push_str(self.spaces),
            Some("\n") if self.others.is_empty() => text.push(' '),
            Some("\n") => text.push_str(&self.others),
            Some(separator) => {
                text.push_str(separator);
                text.push_str(&self.others);
            }
        }
    }
}

/// A text that is borrowed as long as it means what is written.
struct Words<'a> {
    start: Cursor<'a>,
    /// Behind its last word.
    end: Cursor<'a>,
    /// What it means, if that is not what is written.
    text: Option<String>,
}

impl<'a> Words<'a> {
    fn new(start: Cursor<'a>) -> Self {
        Self { start, end: start, text: None }
    }

    /// Adds a word and what is before it.
    fn add(&mut self, gap: &Gap<'a>, from: &Cursor<'a>, to: Cursor<'a>) {
        if gap.first.is_some() && self.text.is_none() {
            self.text = Some(self.end.since(&self.start).to_owned());
        }
        if let Some(text) = &mut self.text {
            gap.add_to(text);
            text.push_str(to.since(from));
        }
        self.end = to;
    }

    fn finish(self) -> Cow<'a, str> {
        match self.text {
            Some(text) => Cow::Owned(text),
            None => Cow::Borrowed(self.end.since(&self.start)),
        }
    }
}

impl<'a> Scanner<'a> {
    /// A text without quotes, over as many lines as are further in than what is around.
    pub(super) fn plain(&mut self) -> Result<(), YamlError> {
        self.note_key()?;
        self.key_allowed = false;
        let flow = self.is_flow();
        let start = self.at;
        let mut words = Words::new(start);
        let mut gap = Gap::default();
        while !self.at.is_document_mark("---")
            && !self.at.is_document_mark("...")
            && self.at.byte(0) != b'#'
        {
            let from = self.at;
            self.at.skip_while(|at| !at.is_gap(0) && !ends_plain(at, flow));
            if self.at.index > from.index {
                words.add(&gap, &from, self.at);
                gap = Gap::default();
            }
            if !self.at.is_blank() && !self.at.is_break() {
                break;
            }
            let (mut at, inside) = (self.at, |at: &Cursor<'a>| self.is_inside(at.column));
            gap = Gap::read(&mut at, gap, |at| {
                if inside(at) {
                    Ok(())
                } else {
                    Err(error_at(at, "a tab cannot indent: use spaces"))
                }
            })?;
            let inside = flow || self.is_inside(at.column);
            self.at = at;
            if !inside {
                break;
            }
        }
        if gap.first.is_some() {
            self.key_allowed = true;
        }
        self.push(Token::Text { text: words.finish(), plain: true }, &start);
        Ok(())
    }

    /// A text in quotes.
    pub(super) fn quoted(&mut self, single: bool) -> Result<(), YamlError> {
        self.note_key()?;
        self.key_allowed = false;
        let start = self.at;
        self.at.skip();
        let text = match self.one_line(single) {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(self.lines(single, &start)?),
        };
        self.at.skip();
        self.push(Token::Text { text, plain: false }, &start);
        Ok(())
    }

    /// What is in quotes, if it is one line that means what is written.
    fn one_line(&mut self, single: bool) -> Option<&'a str> {
        let start = self.at;
        let mut at = start;
        let quote = quote(single);
        at.skip_while(|at| at.byte(0) != quote && at.byte(0) != b'\\' && !at.is_break());
        let ends = at.byte(0) == quote && !(single && at.byte(1) == quote);
        ends.then(|| {
            self.at = at;
            at.since(&start)
        })
    }

    fn lines(&mut self, single: bool, start: &Cursor<'a>) -> Result<String, YamlError> {
        let quote = quote(single);
        let mut text = String::new();
        loop {
            if self.at.is_document_mark("---") || self.at.is_document_mark("...") {
                return Err(error_at(start, "the document ends inside of these quotes"));
            }
            if self.at.is_end() {
                return Err(error_at(start, "these quotes are not closed"));
            }
            let mut gap = Gap::default();
            while !self.at.is_gap(0) {
                match self.at.byte(0) {
                    b'\'' if single && self.at.byte(1) == quote => {
                        text.push('\'');
                        self.at.skip_many(2);
                    }
                    found if found == quote => break,
                    b'\\' if !single && self.at.break_bytes(1) > 0 => {
                        self.at.skip();
                        self.at.skip_break();
                        // What is behind it is indentation.
                        gap.first = Some("");
                        break;
                    }
                    b'\\' if !single => text.push(self.escape()?),
                    _ => {
                        let from = self.at;
                        self.at.skip();
                        text.push_str(self.at.since(&from));
                    }
                }
            }
            if self.at.byte(0) == quote {
                return Ok(text);
            }
            gap = Gap::read(&mut self.at, gap, |_| Ok(()))?;
            gap.add_to(&mut text);
        }
    }

    /// The character that an escape stands for.
    fn escape(&mut self) -> Result<char, YamlError> {
        let digits = match self.at.byte(1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            other => {
                let meaning = match other {
                    b'0' => '\0',
                    b'a' => '\x07',
                    b'b' => '\x08',
                    b't' | b'\t' => '\t',
                    b'n' => '\n',
                    b'v' => '\x0b',
                    b'f' => '\x0c',
                    b'r' => '\r',
                    b'e' => '\x1b',
                    b' ' => ' ',
                    b'"' => '"',
                    b'\'' => '\'',
                    b'\\' => '\\',
                    b'N' => '\u{85}',
                    b'_' => '\u{a0}',
                    b'L' => '\u{2028}',
                    b'P' => '\u{2029}',
                    _ => {
                        return Err(
                            self.error("an unknown escape: `\\\\` is a backslash in quotes")
                        );
                    }
                };
                self.at.skip_many(2);
                return Ok(meaning);
            }
        };
        self.at.skip_many(2);
        let mut value = 0;
        for ahead in 0..digits {
            let Some(digit) = char::from(self.at.byte(ahead)).to_digit(16) else {
                return Err(self.error(&format!("this escape needs {digits} hexadecimal digits")));
            };
            value = value << 4 | digit;
        }
        let Some(meaning) = char::from_u32(value) else {
            return Err(self.error("an escape for no character of Unicode"));
        };
        self.at.skip_many(digits);
        Ok(meaning)
    }
}

fn quote(single: bool) -> u8 {
    if single { b'\'' } else { b'"' }
}

/// Whether a plain text ends before what is here.
fn ends_plain(at: &Cursor<'_>, flow: bool) -> bool {
    match at.byte(0) {
        b':' => at.is_gap(1),
        b',' | b'?' | b'[' | b']' | b'{' | b'}' => flow,
        _ => false,
    }
}
