//! Texts of several lines, in quotes, behind `|` and `>`.

use crate::layouts::Writer;
use crate::words::{ESCAPES, PLAIN};

impl Writer {
    /// Where a text goes on in the next line, at any column around that of its key.
    fn continued(&mut self, indent: usize) {
        for _ in 0..self.random.usize(1..3) {
            self.push("\n");
        }
        let column = self.random.usize(..indent + 4);
        self.spaces(column);
        if self.one_in(12) {
            self.push("\t");
        }
    }

    pub(crate) fn lines_of_words(&mut self, indent: usize) {
        self.push("w");
        for _ in 0..self.random.usize(1..4) {
            if self.random.bool() {
                self.continued(indent);
            } else {
                self.push(" ");
            }
            match self.random.u8(..10) {
                0 => self.one_of(PLAIN),
                1 => self.push("x:"),
                _ => self.push("word"),
            }
        }
    }

    pub(crate) fn single(&mut self, indent: usize, lines: bool) {
        self.push("'");
        for _ in 0..self.random.usize(..4) {
            match self.random.u8(..8) {
                0 => self.push("''"),
                1 if lines => self.continued(indent),
                2 => self.push("\\"),
                3 => self.push(" "),
                _ => self.one_of(&["a", "b: c", "- d", "#e", "\t", "\u{feff}", "é", ","]),
            }
        }
        self.push("'");
    }

    pub(crate) fn double(&mut self, indent: usize, lines: bool) {
        self.push("\"");
        for _ in 0..self.random.usize(..4) {
            match self.random.u8(..8) {
                0 | 1 => self.one_of(ESCAPES),
                2 if lines => self.continued(indent),
                3 => self.push(" "),
                _ => self.one_of(&["a", "b: c", "- d", "#e", "\t", "'", "\u{feff}", "😀", "}"]),
            }
        }
        self.push("\"");
    }

    /// A text behind `|` or `>`.
    pub(crate) fn block(&mut self, indent: usize) {
        self.one_of(&["|", ">"]);
        self.one_of(&[
            "", "", "", "", "", "-", "-", "+", "+", "1", "2", "2-", "-2", "+1", "4+", "0", "x",
        ]);
        self.one_of(&["", "", "", "", " ", " # comment", "#x", "\t"]);
        self.push("\n");
        let column = indent + self.random.usize(..4);
        for _ in 0..self.random.usize(..6) {
            match self.random.u8(..16) {
                0 | 1 => {}
                2 => self.spaces(column + 2),
                3 if self.random.bool() => self.push("\t"),
                4 => {
                    self.spaces(column + 1);
                    self.push("more");
                }
                5 => {
                    self.spaces(column);
                    self.push("\ttab");
                }
                6 if self.random.bool() => {
                    self.spaces(column.saturating_sub(1));
                    self.push("less");
                }
                7 => {
                    self.spaces(column);
                    self.push("# no comment");
                }
                _ => {
                    self.spaces(column);
                    self.one_of(&["text", "a: b", "- c", "trailing ", "x\ty", "é"]);
                }
            }
            self.push("\n");
        }
    }
}
