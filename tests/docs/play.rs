//! Follows a page: types its commands, writes its files, and compares what comes with what it shows.

use std::fmt::Write;
use std::path::Path;

use crate::compare::same;
use crate::page::{self, Step};
use crate::session::{Session, is_whole};
use crate::town::Town;

/// What somebody does beside the page.
type Deed = fn(&mut Session);

/// How a page is followed. What the page does not say is told here.
pub struct Play {
    page: &'static str,
    /// What is followed before the page.
    first: Vec<Step>,
    deeds: Vec<(&'static str, Deed)>,
    left_out: Vec<(&'static str, &'static str)>,
}

impl Play {
    /// Follows a page from its first line on.
    pub fn of(page: &'static str) -> Self {
        Self { page, first: Vec::new(), deeds: Vec::new(), left_out: Vec::new() }
    }

    /// Follows a section of another page before this one.
    pub fn after(mut self, page: &str, heading: &str) -> Self {
        self.first.extend(page::section(page, heading));
        self
    }

    /// Has somebody do something before the command, file or heading that begins like this.
    pub fn before(mut self, begins: &'static str, deed: Deed) -> Self {
        self.deeds.push((begins, deed));
        self
    }

    /// Leaves out each block that has such a line, and what it shows, for a reason.
    pub fn without(mut self, line: &'static str, reason: &'static str) -> Self {
        self.left_out.push((line, reason));
        self
    }

    /// A page of which nothing can be followed.
    #[track_caller]
    pub fn nowhere(self) {
        self.play(None);
    }

    /// Follows the page in a town.
    #[track_caller]
    pub fn in_town(self, town: Town) {
        self.play(Some(Session::start(town)));
    }

    #[track_caller]
    fn play(self, session: Option<Session>) {
        let Self { page, first: mut steps, deeds, left_out } = self;
        steps.extend(page::steps(page));
        let mut reader =
            Reader { session, deeds, left_out, last: Last::Nothing, wrong: String::new() };
        for step in &steps {
            reader.take(step);
        }
        let Reader { session, deeds, left_out, mut wrong, .. } = reader;
        for (begins, _) in deeds {
            let _ = writeln!(wrong, "{page}: nothing begins with `{begins}` any more");
        }
        let left = |line| steps.iter().any(|step| has_line(step, line));
        for (line, _) in left_out.iter().filter(|(line, _)| !left(line)) {
            let _ = writeln!(wrong, "{page}: no block has a line `{line}` any more");
        }
        assert!(wrong.is_empty(), "{wrong}");
        if let Some(mut session) = session {
            session.interrupt();
        }
    }
}

fn has_line(step: &Step, line: &str) -> bool {
    step.text.lines().any(|is| is.contains(line))
}

/// Who follows a page, and how far that went well.
struct Reader {
    session: Option<Session>,
    /// Those that are still to be done.
    deeds: Vec<(&'static str, Deed)>,
    left_out: Vec<(&'static str, &'static str)>,
    last: Last,
    wrong: String,
}

/// What came of the block before.
enum Last {
    Nothing,
    LeftOut,
    /// The output of its last command.
    Printed(String, String),
}

impl Reader {
    fn take(&mut self, step: &Step) {
        let Some(language) = &step.language else {
            self.last = Last::Nothing;
            return self.do_what_is_due(&step.text);
        };
        let last = std::mem::replace(&mut self.last, Last::Nothing);
        let shows = matches!(language.as_str(), "text" | "json");
        if shows && matches!(last, Last::LeftOut) {
            return;
        }
        if self.left_out.iter().any(|(line, _)| has_line(step, line)) {
            self.last = Last::LeftOut;
            return;
        }
        let text = self.session.as_ref().map_or(String::new(), |it| it.town().here(&step.text));
        match (language.as_str(), last) {
            ("sh", _) => self.type_all(step, &text),
            ("console", _) => {
                for shown in page::shown(&text, is_whole) {
                    let came = self.run(&shown.command).1;
                    self.compare(&step.place(shown.line + 1), &shown.command, &shown.output, &came);
                }
            }
            ("text" | "json", Last::Printed(command, came)) => {
                self.compare(&step.place(0), &command, &text, &came);
            }
            ("yaml", _) if text.starts_with("# ") => self.write_file(&text),
            _ => self.complain(&format!(
                "{}: nobody knows what to do with this block:\n{}",
                step.place(0),
                step.text
            )),
        }
    }

    fn type_all(&mut self, step: &Step, block: &str) {
        for command in page::commands(block, is_whole) {
            let (code, came) = self.run(&command);
            if code != 0 {
                let place = step.place(0);
                self.complain(&format!("{place}: exit code {code} from\n{command}\n{came}"));
            }
            self.last = Last::Printed(command, came);
        }
    }

    fn run(&mut self, command: &str) -> (i32, String) {
        self.do_what_is_due(command);
        let session = self.session.as_mut().expect("a page with commands wants a town");
        let ran = session.run(command);
        (ran.code, ran.output)
    }

    fn write_file(&mut self, text: &str) {
        let (first, _) = text.split_once('\n').unwrap();
        self.do_what_is_due(first);
        let session = self.session.as_ref().expect("a page with files wants a town");
        let path = session.town().folder().join(Path::new(first.trim_start_matches("# ")));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn do_what_is_due(&mut self, at: &str) {
        while let Some(due) = self.deeds.iter().position(|(begins, _)| at.starts_with(begins)) {
            let (_, deed) = self.deeds.remove(due);
            let session = self.session.as_mut().expect("a page with deeds wants a town");
            session.rest();
            deed(session);
        }
    }

    fn compare(&mut self, place: &str, command: &str, expected: &str, came: &str) {
        if !same(expected, came) {
            let read = serde_json::from_str::<serde_json::Value>(came);
            let came = read.map_or_else(|_| came.to_owned(), |json| format!("{json:#}\n"));
            self.complain(&format!(
                "{place}: {command}\n--- shows\n{expected}--- but prints\n{came}"
            ));
        }
    }

    fn complain(&mut self, what: &str) {
        let _ = writeln!(self.wrong, "{what}");
    }
}
