//! Documents in all layouts that people and programs write, and in some that nobody would.

use fastrand::Rng;

use crate::words::{ANCHORS, KEYS, PLAIN, SOUP, TAGS, WORDS};

/// Writes one document.
pub(crate) struct Writer {
    pub(crate) random: Rng,
    text: String,
    /// Keys so far.
    keys: usize,
    /// Whether an anchor was written.
    anchored: bool,
}

impl Writer {
    /// The document of a seed.
    pub(crate) fn document(seed: u64) -> String {
        let mut writer =
            Self { random: Rng::with_seed(seed), text: String::new(), keys: 0, anchored: false };
        match writer.random.u8(..) {
            ..20 => writer.soup(),
            30..50 => writer.node(0, 0),
            _ => writer.mapping(0, 0),
        }
        if writer.one_in(40) {
            writer.push("...\n");
        }
        if writer.one_in(8) {
            writer.mutate();
        }
        if writer.one_in(10) {
            writer.text = writer.text.replace('\n', "\r\n");
        }
        if writer.one_in(10) {
            writer.text.truncate(writer.text.trim_end_matches('\n').len());
        }
        writer.text
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.random.usize(..n) == 0
    }

    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(crate) fn one_of(&mut self, texts: &[&str]) {
        let text = texts[self.random.usize(..texts.len())];
        self.push(text);
    }

    pub(crate) fn spaces(&mut self, number: usize) {
        self.text.extend(std::iter::repeat_n(' ', number));
    }

    fn alias(&mut self) {
        if self.anchored || self.one_in(30) {
            self.push("*");
            self.one_of(if self.anchored { &["x"] } else { ANCHORS });
        } else {
            self.push("alias");
        }
    }

    fn plain(&mut self) {
        let odd = self.one_in(4);
        self.one_of(if odd { PLAIN } else { WORDS });
    }

    fn soup(&mut self) {
        for _ in 0..self.random.usize(1..30) {
            self.one_of(SOUP);
        }
    }

    /// Puts something in the way, or takes something away.
    fn mutate(&mut self) {
        for _ in 0..self.random.usize(1..4) {
            let places: Vec<usize> = self.text.char_indices().map(|(at, _)| at).collect();
            let Some(at) = self.random.choice(places) else { return };
            if self.random.bool() {
                self.text.remove(at);
            } else {
                let what = SOUP[self.random.usize(..SOUP.len())];
                self.text.insert_str(at, what);
            }
        }
    }

    /// The end of a line.
    fn line_end(&mut self) {
        match self.random.u8(..40) {
            0 => self.push(" "),
            1 => self.push("\t"),
            2 => self.push(" # comment"),
            3 => self.push("\t# comment: x"),
            4 => self.push("\n"),
            5 => self.push("\n# comment"),
            6 => self.push("\n    # comment"),
            7 => self.push("\n \t"),
            _ => {}
        }
        self.push("\n");
    }

    /// What may stand between two tokens in brackets.
    fn flow_gap(&mut self, indent: usize) {
        match self.random.u8(..24) {
            0 => self.push("\n"),
            1 | 2 => {
                self.push("\n");
                let spaces = self.random.usize(..indent + 4);
                self.spaces(spaces);
            }
            3 => self.push("\t"),
            4 => self.push("\n\t"),
            5 => self.push(" # comment\n"),
            6 => self.push("\n\n  "),
            7 => self.push("\n  \t "),
            8..14 => self.push(" "),
            _ => {}
        }
    }

    /// An anchor, a tag.
    fn properties(&mut self) {
        if self.one_in(14) {
            self.push("&");
            self.one_of(ANCHORS);
            self.push(" ");
            self.anchored |= self.text.contains("&x ");
        }
        if self.one_in(30) {
            self.one_of(TAGS);
            self.push(" ");
        }
        if self.one_in(200) {
            self.push("&y ");
        }
    }

    fn key(&mut self, indent: usize) {
        if self.one_in(20) {
            self.properties();
        }
        match self.random.u8(..40) {
            0..10 => self.one_of(KEYS),
            10..28 => {
                self.one_of(KEYS);
                self.keys += 1;
                let number = self.keys.to_string();
                self.push(&number);
            }
            28 => self.one_of(PLAIN),
            29..32 => self.single(indent, false),
            32..35 => self.double(indent, false),
            35 => {
                self.alias();
                self.push(" ");
            }
            36 => self.push("<<"),
            37 if self.one_in(4) => self.push("[a]"),
            38 if self.one_in(4) => {}
            _ => self.one_of(&["k", "l", "m", "n"]),
        }
    }

    /// A value behind `:` or `-` in a line, with the end of its line.
    fn node(&mut self, indent: usize, depth: usize) {
        self.properties();
        let deep = depth > 3;
        match self.random.u8(..40) {
            0..5 if !deep => {
                self.line_end();
                let step = self.random.usize(1..4);
                self.mapping(indent + step, depth + 1);
            }
            5..9 if !deep => {
                self.line_end();
                let step = self.random.usize(..3);
                self.sequence(indent + step, depth + 1);
            }
            9..16 if !deep => {
                self.brackets(indent, depth + 1);
                self.line_end();
            }
            16..20 => self.block(indent),
            20..23 => {
                self.single(indent, true);
                self.line_end();
            }
            23..27 => {
                self.double(indent, true);
                self.line_end();
            }
            27..29 => {
                self.alias();
                self.line_end();
            }
            29 => self.line_end(),
            30..33 => {
                self.lines_of_words(indent);
                self.line_end();
            }
            _ => {
                self.plain();
                self.line_end();
            }
        }
    }

    fn mapping(&mut self, indent: usize, depth: usize) {
        for _ in 0..self.random.usize(1..5) {
            self.spaces(indent);
            if self.one_in(60) {
                self.push("\t");
            }
            if self.one_in(25) {
                self.push("? ");
                self.key(indent);
                self.line_end();
                self.spaces(indent);
            } else {
                self.key(indent);
            }
            if self.one_in(30) {
                self.push(" ");
            }
            self.push(":");
            match self.random.u8(..20) {
                0 => self.push("\t"),
                1 => self.push("  "),
                2 => self.push(" \t"),
                3 if self.random.bool() => {}
                _ => self.push(" "),
            }
            self.node(indent, depth);
        }
    }

    fn sequence(&mut self, indent: usize, depth: usize) {
        for _ in 0..self.random.usize(1..4) {
            self.spaces(indent);
            self.push("-");
            match self.random.u8(..20) {
                0 => self.push("\t"),
                1 => self.push("   "),
                2 if depth < 4 => {
                    // A mapping or list that begins in the line of its item.
                    self.push(" ");
                    if self.random.bool() {
                        self.key(indent);
                        self.push(": ");
                        self.node(indent + 2, depth + 1);
                        self.mapping(indent + 2, depth + 1);
                    } else {
                        self.push("- ");
                        self.node(indent + 2, depth + 1);
                    }
                    continue;
                }
                _ => self.push(" "),
            }
            self.node(indent, depth);
        }
    }

    /// `[…]` or `{…}`.
    fn brackets(&mut self, indent: usize, depth: usize) {
        let braces = self.random.bool();
        self.push(if braces { "{" } else { "[" });
        let number = self.random.usize(..4);
        for n in 0..number {
            self.flow_gap(indent);
            if braces || self.one_in(12) {
                if self.one_in(20) {
                    self.push("? ");
                }
                self.key(indent);
                self.flow_gap_short();
                if !self.one_in(12) {
                    self.push(":");
                    if !self.one_in(8) {
                        self.push(" ");
                    }
                    self.flow_value(indent, depth);
                }
            } else {
                self.flow_value(indent, depth);
            }
            self.flow_gap(indent);
            if n + 1 < number || self.one_in(6) {
                self.push(",");
            }
        }
        self.flow_gap(indent);
        self.push(if braces { "}" } else { "]" });
    }

    fn flow_gap_short(&mut self) {
        if self.one_in(12) {
            self.push(" ");
        }
    }

    fn flow_value(&mut self, indent: usize, depth: usize) {
        self.properties();
        match self.random.u8(..20) {
            0..3 if depth < 5 => self.brackets(indent, depth + 1),
            3..6 => self.single(indent, true),
            6..10 => self.double(indent, true),
            10 => {
                self.alias();
            }
            11 => self.lines_of_words(indent),
            12 => {}
            _ => self.plain(),
        }
    }
}
