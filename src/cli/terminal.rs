//! The one way from a command to the terminal, and no other: what it is given is text, and what nobody
//! can see in that is made visible. So no text of others, wherever it came from, is a command to the
//! terminal, or a line that Headstay did not write.

use std::io::{self, Write};

use serde_json::Value;

use crate::domain::visible;

/// What replaces the line that the cursor is in.
const ERASE_LINE: &str = "\r\x1b[2K";
const PLAIN: &str = "\x1b[0m";

/// How a part of a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    None,
    Bold,
    Dim,
    Red,
    Green,
    Cyan,
}

impl Colour {
    fn code(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Bold => "\x1b[1m",
            Self::Dim => "\x1b[2m",
            Self::Red => "\x1b[31m",
            Self::Green => "\x1b[32m",
            Self::Cyan => "\x1b[36m",
        }
    }
}

/// Where a command writes to. It keeps the writer to itself.
pub(super) struct Terminal<'a> {
    out: &'a mut dyn Write,
}

impl<'a> Terminal<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out }
    }

    /// The same terminal, for a while.
    pub(super) fn lend(&mut self) -> Terminal<'_> {
        Terminal { out: &mut *self.out }
    }

    /// Writes one line, whatever is in it.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", visible::line(text))
    }

    /// Writes a text that may have several lines; those after the first are indented, so that each is
    /// seen to belong to it.
    pub(super) fn paragraph(&mut self, first: &str, indent: &str, text: &str) -> io::Result<()> {
        let mut lines = text.lines();
        self.line(&format!("{first}{}", lines.next().unwrap_or_default()))?;
        lines.try_for_each(|line| self.line(&format!("{indent}{line}")))
    }

    /// Writes JSON, exact and readable.
    pub(super) fn json(&mut self, value: &Value) -> io::Result<()> {
        writeln!(self.out, "{}", visible::json(&format!("{value:#}")))
    }

    /// Writes a page of ours as it is, with its lines and tabs.
    pub(super) fn page(&mut self, page: &str) -> io::Result<()> {
        self.out.write_all(visible::lines(page).as_bytes())
    }

    /// Asks for an answer in the same line.
    pub(super) fn ask(&mut self, question: &str) -> io::Result<()> {
        write!(self.out, "{} ", visible::line(question))?;
        self.out.flush()
    }

    /// Writes rows under a heading, columns two blanks apart.
    pub(super) fn table(&mut self, heading: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        table(heading, rows).iter().try_for_each(|row| self.line(row))
    }

    /// Writes a line of parts with a look at once, in the place of the one that the cursor is in where
    /// that is to be replaced; `ends` is whether the next one is below it.
    pub(super) fn parts(
        &mut self,
        replaces: bool,
        parts: &[(Colour, &str)],
        ends: bool,
    ) -> io::Result<()> {
        let mut line = String::from(if replaces { ERASE_LINE } else { "" });
        for (colour, text) in parts {
            let text = visible::line(text);
            if *colour == Colour::None || text.is_empty() {
                line.push_str(&text);
            } else {
                line.extend([colour.code(), &text, PLAIN]);
            }
        }
        line.push_str(if ends { "\n" } else { "" });
        self.out.write_all(line.as_bytes()).and_then(|()| self.out.flush())
    }
}

/// The lines of a table, which are as wide as what is seen of their cells.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let seen = |cell: &str| visible::line(cell).into_owned();
    let heading: Vec<_> = heading.iter().map(|&cell| cell.to_owned()).collect();
    let rows = rows.iter().map(|row| row.iter().map(|cell| seen(cell)).collect());
    let rows: Vec<Vec<_>> = std::iter::once(heading).chain(rows).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate();
        let cells: Vec<_> = cells.map(|(n, cell)| format!("{cell:<0$}", width(n))).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Tells something beside the output, which may be JSON, in lines of ours. Nothing better can be done
/// where even this fails.
pub(super) fn say_beside<'a>(text: &str, more: impl IntoIterator<Item = &'a String>) {
    let mut stderr = io::stderr().lock();
    let mut terminal = Terminal::new(&mut stderr);
    _ = terminal.line(&format!("headstay: {text}"));
    _ = more.into_iter().try_for_each(|line| terminal.line(line));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Terminal<'_>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut Terminal::new(&mut out)).unwrap();
        String::from_utf8(out).unwrap()
    }

    const EVIL: &str = "\x1b]52;c;aGk=\x07a\nSynced\u{202e}";

    #[test]
    fn whatever_is_written_no_text_commands_the_terminal_or_forges_a_line() {
        let seen = r"\u{1b}]52;c;aGk=\u{7}a\nSynced\u{202e}";
        assert_eq!(written(|out| out.line(EVIL)), format!("{seen}\n"));
        assert_eq!(written(|out| out.ask(EVIL)), format!("{seen} "));
        let rows = [vec![EVIL.to_owned(), "b".to_owned()], vec!["c".to_owned(), EVIL.to_owned()]];
        let table = written(|out| out.table(&["A", "B"], &rows));
        let [a, b] = [format!("A{:1$}B", "", seen.len() + 1), format!("{seen}  b")];
        assert_eq!(table, format!("{a}\n{b}\nc{:1$}{seen}\n", "", seen.len() + 1));
        let paragraph = written(|out| out.paragraph("error: ", "  ", EVIL));
        assert_eq!(paragraph, "error: \\u{1b}]52;c;aGk=\\u{7}a\n  Synced\\u{202e}\n");
        let parts = [(Colour::Red, EVIL), (Colour::None, EVIL)];
        assert_eq!(
            written(|out| out.parts(true, &parts, false)),
            format!("{ERASE_LINE}\x1b[31m{seen}{PLAIN}{seen}")
        );
        let page = written(|out| out.page("a\n\tb\x1b\n"));
        assert_eq!(page, "a\n\tb\\u{1b}\n");
    }

    #[test]
    fn json_is_exact() {
        let value = serde_json::json!({ EVIL: [EVIL, "\u{9b}"] });
        let json = written(|out| out.json(&value));
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
        assert!(json.chars().all(|c| c == '\n' || (' '..='~').contains(&c)), "{json}");
    }
}
