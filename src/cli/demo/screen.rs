//! What people see: a story that scrolls by, in colour on a terminal and as plain lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use serde_json::Value;

/// Width of a line where no terminal tells its own, in columns.
const WIDTH: usize = 100;
/// Lines do not get longer than this, in columns: the eye loses them.
const WIDTH_MAX: usize = 110;
/// Lines do not get shorter than this, in columns, however narrow the terminal.
const WIDTH_MIN: usize = 40;
/// Width of the names of pairs, in columns.
const NAME: usize = 10;
/// Longest bar, in columns.
const BAR: usize = 30;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const PLAIN: &str = "\x1b[0m";
const ERASE_LINE: &str = "\r\x1b[2K";

/// How it may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Lines as in a file.
    Plain,
    /// On a terminal, a line can be replaced.
    Lively,
    /// And have colours.
    Colourful,
}

/// Writes the story.
pub(super) struct Screen<'a> {
    out: &'a mut dyn Write,
    look: Look,
    width: usize,
    chapter: u32,
    /// Whether the last line is one that says what is waited for.
    waiting: bool,
    /// Whether a write has failed. That ends the story, but not what must be done after it.
    lost: bool,
}

impl<'a> Screen<'a> {
    /// A screen on the standard output of the process, which is what `out` writes to.
    pub(super) fn of_stdout(out: &'a mut dyn Write) -> Self {
        let terminal = io::stdout().is_terminal();
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let columns = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        Self {
            out,
            look: if !terminal || dumb {
                Look::Plain
            } else if set("NO_COLOR") {
                Look::Lively
            } else {
                Look::Colourful
            },
            width: columns.unwrap_or(WIDTH).clamp(WIDTH_MIN, WIDTH_MAX),
            chapter: 0,
            waiting: false,
            lost: false,
        }
    }

    /// How much fits into a line, in columns.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The title.
    pub(super) fn title(&mut self, text: &str) -> io::Result<()> {
        let text = self.painted(BOLD, text);
        self.line(&text)
    }

    /// The heading of a part without a number.
    pub(super) fn heading(&mut self, text: &str) -> io::Result<()> {
        self.line("")?;
        self.title(text)
    }

    /// The heading of the next step.
    pub(super) fn chapter(&mut self, text: &str) -> io::Result<()> {
        self.chapter += 1;
        self.heading(&format!("{}. {text}", self.chapter))
    }

    /// What somebody does, or what is to be known.
    pub(super) fn note(&mut self, text: &str) -> io::Result<()> {
        self.wrapped("  ", "  ", "", text)
    }

    /// What came out as it should.
    pub(super) fn good(&mut self, text: &str) -> io::Result<()> {
        let mark = format!("  {} ", self.painted(GREEN, "✓"));
        self.wrapped(&mark, "    ", "", text)
    }

    /// What came out otherwise, and is told as it is.
    pub(super) fn bad(&mut self, text: &str) -> io::Result<()> {
        let mark = format!("  {} ", self.painted(RED, "✗"));
        self.wrapped(&mark, "    ", "", text)
    }

    /// The words of somebody else.
    pub(super) fn quote(&mut self, text: &str) -> io::Result<()> {
        self.wrapped("    ", "    ", CYAN, text)
    }

    /// A name and what it stands for.
    pub(super) fn pair(&mut self, name: &str, text: &str) -> io::Result<()> {
        let name = self.painted(DIM, &format!("{name:<NAME$}"));
        self.wrapped(&format!("  {name} "), &" ".repeat(NAME + 3), "", text)
    }

    /// A line to be copied, which is never wrapped.
    pub(super) fn command(&mut self, text: &str) -> io::Result<()> {
        let text = self.painted(CYAN, text);
        self.line(&format!("    {text}"))
    }

    /// The deletion of a file.
    pub(super) fn deletion(&mut self, path: &str) -> io::Result<()> {
        let text = self.painted(RED, &format!("- {path}"));
        self.line(&format!("    {text}"))
    }

    /// A change of a file.
    pub(super) fn change<'t>(
        &mut self,
        path: &str,
        removed: impl Iterator<Item = &'t str>,
        added: impl Iterator<Item = &'t str>,
    ) -> io::Result<()> {
        let path = self.painted(DIM, path);
        self.line(&format!("    {path}"))?;
        let removed = removed.map(|line| (RED, '-', line));
        for (colour, sign, line) in removed.chain(added.map(|line| (GREEN, '+', line))) {
            let line = self.painted(colour, &format!("{sign} {line}"));
            self.line(&format!("    {line}"))?;
        }
        Ok(())
    }

    /// The phases of a sync with their durations, in milliseconds, as bars.
    pub(super) fn phases(&mut self, phases: &[(String, f64)]) -> io::Result<()> {
        let longest = phases.iter().map(|(_, ms)| *ms).fold(0.0, f64::max);
        for (name, ms) in phases {
            let bar = self.painted(CYAN, &"▪".repeat(bar(*ms, longest)));
            let took = milliseconds(*ms);
            self.line(&format!("    {name:<7} {took:>8} {bar}"))?;
        }
        Ok(())
    }

    /// Rows under a heading.
    pub(super) fn table(&mut self, heading: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        let mut text = Vec::new();
        crate::cli::table::write(&mut text, heading, rows)?;
        for (n, row) in String::from_utf8_lossy(&text).lines().enumerate() {
            let row = if n == 0 { self.painted(DIM, row) } else { row.to_owned() };
            self.line(&format!("  {row}"))?;
        }
        Ok(())
    }

    /// Says what is waited for, in a line that the next one replaces. Only a terminal is told.
    pub(super) fn waiting(&mut self, what: &str, since: Duration) -> io::Result<()> {
        if self.look == Look::Plain {
            return Ok(());
        }
        let text = format!("… waiting for {what} ({})", took(since));
        let text = crate::cli::table::cut(&text, self.width.saturating_sub(4));
        let text = self.painted(DIM, &text);
        self.write(&format!("{ERASE_LINE}    {text}"))?;
        self.waiting = true;
        Ok(())
    }

    /// Text in lines of the width of the screen.
    fn wrapped(&mut self, first: &str, next: &str, colour: &str, text: &str) -> io::Result<()> {
        let room = self.width.saturating_sub(next.len());
        for (n, line) in text.lines().flat_map(|line| wrap(line, room)).enumerate() {
            let line = self.painted(colour, &line);
            self.line(&format!("{}{line}", if n == 0 { first } else { next }))?;
        }
        Ok(())
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        let erase = if std::mem::take(&mut self.waiting) { ERASE_LINE } else { "" };
        self.write(&format!("{erase}{text}\n"))
    }

    /// Writes at once. Only the first failure is an error; what comes after it is not written.
    fn write(&mut self, text: &str) -> io::Result<()> {
        if self.lost {
            return Ok(());
        }
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        self.lost = written.is_err();
        written
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.look == Look::Colourful && !colour.is_empty() && !text.is_empty() {
            format!("{colour}{text}{PLAIN}")
        } else {
            text.to_owned()
        }
    }
}

/// The phases of a sync of the API, up to its apply: what follows is the cluster's time.
pub(super) fn phases_of(sync: &Value) -> Vec<(String, f64)> {
    let phases = sync["phases"].as_array().into_iter().flatten();
    phases
        .filter_map(|phase| Some((phase["phase"].as_str()?, phase["durationMs"].as_f64()?)))
        .filter(|(name, _)| !matches!(*name, "health" | "prune"))
        .map(|(name, ms)| (name.to_owned(), ms))
        .collect()
}

/// A duration as people read it.
pub(super) fn took(duration: Duration) -> String {
    milliseconds(duration.as_secs_f64() * 1000.0)
}

/// `4.1 ms`, `57 ms`, `1.9 s`, `83 s`
fn milliseconds(ms: f64) -> String {
    match ms {
        ..9.95 => format!("{ms:.1} ms"),
        ..999.5 => format!("{ms:.0} ms"),
        ..99_500.0 => format!("{:.1} s", ms / 1000.0),
        _ => format!("{:.0} s", ms / 1000.0),
    }
}

/// The length of a bar: at least 1 for what took any time.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the share is between 0 and 1"
)]
fn bar(ms: f64, longest: f64) -> usize {
    let share = if longest > 0.0 { (ms / longest).clamp(0.0, 1.0) } else { 0.0 };
    ((share * BAR as f64).round() as usize).max(1)
}

/// A text in lines of at most `width` characters, broken between words where that is possible.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let taken = line.chars().count();
        if taken > 0 && taken + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        } else if taken > 0 {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(out: &mut dyn Write, look: Look) -> Screen<'_> {
        Screen { out, look, width: 20, chapter: 0, waiting: false, lost: false }
    }

    #[test]
    fn durations_have_the_digits_that_matter() {
        for (ms, shown) in [
            (0.04, "0.0 ms"),
            (4.123, "4.1 ms"),
            (57.4, "57 ms"),
            (999.4, "999 ms"),
            (1949.0, "1.9 s"),
            (120_000.0, "120 s"),
        ] {
            assert_eq!(milliseconds(ms), shown);
        }
    }

    #[test]
    fn lines_break_between_words_and_long_words_stay_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a https://example.org b", 7), ["a", "https://example.org", "b"]);
        assert_eq!(wrap("", 7), [""]);
    }

    #[test]
    fn a_file_gets_plain_lines_and_nothing_of_what_is_waited_for() {
        let mut out = Vec::new();
        let mut screen = screen(&mut out, Look::Plain);
        screen.chapter("A push").unwrap();
        screen.waiting("the cluster", Duration::from_secs(1)).unwrap();
        screen.good("applied within 57 ms, they say").unwrap();
        let shown = String::from_utf8(out).unwrap();
        assert_eq!(shown, "\n1. A push\n  ✓ applied within\n    57 ms, they say\n");
    }

    #[test]
    fn a_terminal_is_told_what_is_waited_for_until_the_next_line() {
        let mut out = Vec::new();
        let mut screen = screen(&mut out, Look::Colourful);
        screen.waiting("it", Duration::from_secs(1)).unwrap();
        screen.note("done").unwrap();
        let shown = String::from_utf8(out).unwrap();
        let waiting = format!("{ERASE_LINE}    {DIM}… waiting for i…{PLAIN}");
        assert_eq!(shown, format!("{waiting}{ERASE_LINE}  done\n"));
    }

    /// A pipe that nobody reads from any more.
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_the_first_write_that_fails_is_an_error() {
        let mut closed = Closed;
        let mut screen = screen(&mut closed, Look::Plain);
        assert!(screen.note("of the story").is_err());
        assert!(screen.note("of the clean-up").is_ok());
    }

    #[test]
    fn the_longest_phase_has_the_longest_bar_and_none_is_without() {
        assert_eq!((bar(10.0, 10.0), bar(5.0, 10.0), bar(0.0, 10.0)), (BAR, BAR / 2, 1));
    }
}
