//! What people see: a story that scrolls by, in colour on a terminal and as plain lines elsewhere.

use std::io::{self, IsTerminal};
use std::time::Duration;

use serde_json::Value;

use crate::cli::table;
use crate::cli::terminal::{self, Colour, Terminal};

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
    out: Terminal<'a>,
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
    pub(super) fn of_stdout(out: &'a mut Terminal<'_>) -> Self {
        let terminal = io::stdout().is_terminal();
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let columns = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        Self {
            out: out.lend(),
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
        self.line(&[(Colour::Bold, text)])
    }

    /// The heading of a part without a number.
    pub(super) fn heading(&mut self, text: &str) -> io::Result<()> {
        self.line(&[])?;
        self.title(text)
    }

    /// The heading of the next step.
    pub(super) fn chapter(&mut self, text: &str) -> io::Result<()> {
        self.chapter += 1;
        self.heading(&format!("{}. {text}", self.chapter))
    }

    /// What somebody does, or what is to be known.
    pub(super) fn note(&mut self, text: &str) -> io::Result<()> {
        self.wrapped(&[(Colour::None, "  ")], 2, Colour::None, text)
    }

    /// What came out as it should.
    pub(super) fn good(&mut self, text: &str) -> io::Result<()> {
        self.marked(Colour::Green, "✓", text)
    }

    /// What came out otherwise, and is told as it is.
    pub(super) fn bad(&mut self, text: &str) -> io::Result<()> {
        self.marked(Colour::Red, "✗", text)
    }

    /// The words of somebody else.
    pub(super) fn quote(&mut self, text: &str) -> io::Result<()> {
        self.wrapped(&[(Colour::None, "    ")], 4, Colour::Cyan, text)
    }

    /// A name and what it stands for.
    pub(super) fn pair(&mut self, name: &str, text: &str) -> io::Result<()> {
        let name = format!("{name:<NAME$}");
        let first = [(Colour::None, "  "), (Colour::Dim, &*name), (Colour::None, " ")];
        self.wrapped(&first, NAME + 3, Colour::None, text)
    }

    /// A line to be copied, which is never wrapped.
    pub(super) fn command(&mut self, text: &str) -> io::Result<()> {
        self.indented(Colour::Cyan, text)
    }

    /// The deletion of a file.
    pub(super) fn deletion(&mut self, path: &str) -> io::Result<()> {
        self.indented(Colour::Red, &format!("- {path}"))
    }

    /// A change of a file.
    pub(super) fn change<'t>(
        &mut self,
        path: &str,
        removed: impl Iterator<Item = &'t str>,
        added: impl Iterator<Item = &'t str>,
    ) -> io::Result<()> {
        self.indented(Colour::Dim, path)?;
        let removed = removed.map(|line| (Colour::Red, '-', line));
        let added = added.map(|line| (Colour::Green, '+', line));
        for (colour, sign, line) in removed.chain(added) {
            self.indented(colour, &format!("{sign} {line}"))?;
        }
        Ok(())
    }

    /// The phases of a sync with their durations, in milliseconds, as bars.
    pub(super) fn phases(&mut self, phases: &[(String, f64)]) -> io::Result<()> {
        let longest = phases.iter().map(|(_, ms)| *ms).fold(0.0, f64::max);
        for (name, ms) in phases {
            let bar = "▪".repeat(bar(*ms, longest));
            let told = format!("    {name:<7} {:>8} ", milliseconds(*ms));
            self.line(&[(Colour::None, &told), (Colour::Cyan, &bar)])?;
        }
        Ok(())
    }

    /// Rows under a heading.
    pub(super) fn table(&mut self, heading: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        for (n, row) in terminal::table(heading, rows).iter().enumerate() {
            let colour = if n == 0 { Colour::Dim } else { Colour::None };
            self.line(&[(Colour::None, "  "), (colour, row)])?;
        }
        Ok(())
    }

    /// Says what is waited for, in a line that the next one replaces. Only a terminal is told.
    pub(super) fn waiting(&mut self, what: &str, since: Duration) -> io::Result<()> {
        if self.look == Look::Plain {
            return Ok(());
        }
        let text = format!("… waiting for {what} ({})", took(since));
        let text = table::cut(&text, self.width.saturating_sub(4));
        self.write(true, &[(Colour::None, "    "), (Colour::Dim, &text)], false)?;
        self.waiting = true;
        Ok(())
    }

    /// Text in lines of the width of the screen.
    fn wrapped(
        &mut self,
        first: &[(Colour, &str)],
        indent: usize,
        colour: Colour,
        text: &str,
    ) -> io::Result<()> {
        let room = self.width.saturating_sub(indent);
        let blank = " ".repeat(indent);
        let next = [(Colour::None, &*blank)];
        for (n, line) in text.lines().flat_map(|line| wrap(line, room)).enumerate() {
            let before = if n == 0 { first } else { &next };
            self.line(&[before, &[(colour, &*line)]].concat())?;
        }
        Ok(())
    }

    fn marked(&mut self, colour: Colour, mark: &str, text: &str) -> io::Result<()> {
        let first = [(Colour::None, "  "), (colour, mark), (Colour::None, " ")];
        self.wrapped(&first, 4, Colour::None, text)
    }

    fn indented(&mut self, colour: Colour, text: &str) -> io::Result<()> {
        self.line(&[(Colour::None, "    "), (colour, text)])
    }

    fn line(&mut self, parts: &[(Colour, &str)]) -> io::Result<()> {
        let replaces = std::mem::take(&mut self.waiting);
        self.write(replaces, parts, true)
    }

    /// Writes at once. Only the first failure is an error; what comes after it is not written.
    fn write(&mut self, replaces: bool, parts: &[(Colour, &str)], ends: bool) -> io::Result<()> {
        if self.lost {
            return Ok(());
        }
        let colourful = self.look == Look::Colourful;
        let painted = |&(colour, text)| (if colourful { colour } else { Colour::None }, text);
        let parts: Vec<_> = parts.iter().map(painted).collect();
        let written = self.out.parts(replaces, &parts, ends);
        self.lost = written.is_err();
        written
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

    fn shown(look: Look, show: impl FnOnce(&mut Screen<'_>)) -> String {
        let mut out = Vec::new();
        show(&mut screen(Terminal::new(&mut out), look));
        String::from_utf8(out).unwrap()
    }

    fn screen(out: Terminal<'_>, look: Look) -> Screen<'_> {
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
        let shown = shown(Look::Plain, |screen| {
            screen.chapter("A push").unwrap();
            screen.waiting("the cluster", Duration::from_secs(1)).unwrap();
            screen.good("applied within 57 ms, they say").unwrap();
        });
        assert_eq!(shown, "\n1. A push\n  ✓ applied within\n    57 ms, they say\n");
    }

    #[test]
    fn a_terminal_is_told_what_is_waited_for_until_the_next_line() {
        let shown = shown(Look::Colourful, |screen| {
            screen.waiting("it", Duration::from_secs(1)).unwrap();
            screen.note("done").unwrap();
        });
        let erase = "\r\x1b[2K";
        let waiting = format!("{erase}    \x1b[2m… waiting for i…\x1b[0m");
        assert_eq!(shown, format!("{waiting}{erase}  done\n"));
    }

    /// A pipe that nobody reads from any more.
    struct Closed;

    impl io::Write for Closed {
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
        let mut screen = screen(Terminal::new(&mut closed), Look::Plain);
        assert!(screen.note("of the story").is_err());
        assert!(screen.note("of the clean-up").is_ok());
    }

    #[test]
    fn the_longest_phase_has_the_longest_bar_and_none_is_without() {
        assert_eq!((bar(10.0, 10.0), bar(5.0, 10.0), bar(0.0, 10.0)), (BAR, BAR / 2, 1));
    }
}
