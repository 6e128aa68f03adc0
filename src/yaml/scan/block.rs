//! Texts behind `|` and `>`.

use std::borrow::Cow;

use crate::yaml::YamlError;
use crate::yaml::scan::cursor::Cursor;
use crate::yaml::scan::{Scanner, Token, error_at};

/// What becomes of the line breaks at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    /// `-`: they go.
    Strip,
    /// One stays.
    Clip,
    /// `+`: they stay.
    Keep,
}

impl Scanner<'_> {
    /// A text of lines that are further in than what is around; `>` folds those that follow one
    /// another.
    pub(super) fn block_text(&mut self, literal: bool) -> Result<(), YamlError> {
        self.forget_key()?;
        self.key_allowed = true;
        let start = self.at;
        self.at.skip();
        let (chomping, increment) = self.block_header()?;
        let around = self.columns.last().copied();
        let mut indent = increment.map(|increment| around.unwrap_or(0) + increment);
        let mut text = String::new();
        let (mut break_before, mut was_blank) = ("", false);
        let mut empty = String::new();
        if !self.at.is_end() {
            self.empty_lines(&mut indent, &mut empty)?;
        }
        while Some(self.at.column) == indent && !self.at.is_end() {
            let is_blank = self.at.is_blank();
            if !literal && break_before == "\n" && !was_blank && !is_blank {
                if empty.is_empty() {
                    text.push(' ');
                }
            } else {
                text.push_str(break_before);
            }
            text.push_str(&empty);
            empty.clear();
            was_blank = is_blank;
            let line = self.at;
            self.at.skip_line();
            text.push_str(self.at.since(&line));
            // kubectl ends the last line, too, with a line break before it parses.
            break_before = "\n";
            if self.at.is_break() {
                break_before = self.at.skip_break();
                self.empty_lines(&mut indent, &mut empty)?;
            }
        }
        if chomping != Chomping::Strip {
            text.push_str(break_before);
        }
        if chomping == Chomping::Keep {
            text.push_str(&empty);
        }
        self.push(Token::Text { text: Cow::Owned(text), plain: false }, &start);
        Ok(())
    }

    /// What stands behind the `|` or `>`: how the end is treated, how deep the text is indented.
    fn block_header(&mut self) -> Result<(Chomping, Option<usize>), YamlError> {
        let (mut chomping, mut increment) = (Chomping::Clip, None);
        let chomp = |scanner: &mut Self, chomping: &mut Chomping| {
            match scanner.at.byte(0) {
                b'+' => *chomping = Chomping::Keep,
                b'-' => *chomping = Chomping::Strip,
                _ => return,
            }
            scanner.at.skip();
        };
        chomp(self, &mut chomping);
        if let digit @ b'0'..=b'9' = self.at.byte(0) {
            if digit == b'0' {
                return Err(self.error("an indentation of 0 is none"));
            }
            increment = Some(usize::from(digit - b'0'));
            self.at.skip();
            if chomping == Chomping::Clip {
                chomp(self, &mut chomping);
            }
        }
        self.at.skip_while(Cursor::is_blank);
        if self.at.byte(0) == b'#' {
            self.at.skip_line();
        }
        if !self.at.is_line_end(0) {
            return Err(self.error("the text behind `|` or `>` begins on the next line"));
        }
        if self.at.is_break() {
            self.at.skip_break();
        }
        Ok((chomping, increment))
    }

    /// Passes empty lines and the indentation after them. The first line that is not empty tells
    /// how deep that is, where nothing else did.
    fn empty_lines(
        &mut self,
        indent: &mut Option<usize>,
        empty: &mut String,
    ) -> Result<(), YamlError> {
        let mut deepest = 0;
        loop {
            let within = |column: usize| indent.is_none_or(|indent| column < indent);
            self.at.skip_while(|at| within(at.column) && at.byte(0) == b' ');
            deepest = deepest.max(self.at.column);
            if within(self.at.column) && self.at.byte(0) == b'\t' {
                return Err(error_at(&self.at, "a tab cannot indent: use spaces"));
            }
            if self.at.is_end() && self.at.column > 0 {
                empty.push('\n');
            }
            if !self.at.is_break() {
                break;
            }
            empty.push_str(self.at.skip_break());
        }
        if indent.is_none() {
            let least = self.columns.last().map_or(1, |around| around + 1);
            *indent = Some(deepest.max(least));
        }
        Ok(())
    }
}
