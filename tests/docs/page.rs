//! A page of the documentation as one who follows it sees it: headings and blocks, in order.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// The root of the repository.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A heading or a fenced block.
pub struct Step {
    /// The page.
    pub page: String,
    /// The line in which it begins.
    pub line: usize,
    /// The language of a block; none for a heading.
    pub language: Option<String>,
    /// What it says.
    pub text: String,
}

impl Step {
    /// Where a line of a block is, counted from the fence: `README.md:12`.
    pub fn place(&self, line: usize) -> String {
        format!("{}:{}", self.page, self.line + line)
    }
}

/// A command of a console, and what it is said to print.
pub struct Shown {
    /// How many lines of the block are before it.
    pub line: usize,
    /// The command.
    pub command: String,
    /// What it prints; empty if nothing is shown.
    pub output: String,
}

/// The text of a page, by its path in the repository.
pub fn read(page: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{page}"))
        .unwrap_or_else(|error| panic!("read {page}: {error}"))
}

/// The steps of a page.
pub fn steps(page: &str) -> Vec<Step> {
    let source = read(page);
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (event, range) in Parser::new_ext(&source, Options::ENABLE_TABLES).into_offset_iter() {
        let language = match &event {
            Event::Start(Tag::Heading { .. }) => Some(None),
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                Some(Some(language.to_string()))
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Indented)) => Some(Some(String::new())),
            _ => None,
        };
        if let Some(language) = language {
            let line = source[..range.start].lines().count() + 1;
            steps.push(Step { page: page.to_owned(), line, language, text: String::new() });
            inside = true;
        }
        match event {
            Event::End(TagEnd::Heading(_) | TagEnd::CodeBlock) => inside = false,
            Event::Text(text) | Event::Code(text) if inside => {
                steps.last_mut().unwrap().text.push_str(&text);
            }
            _ => {}
        }
    }
    steps
}

/// The steps below a heading, up to the next one.
pub fn section(page: &str, heading: &str) -> Vec<Step> {
    let mut steps = steps(page).into_iter();
    let found = steps.find(|step| step.language.is_none() && step.text == heading);
    assert!(found.is_some(), "{page} has no heading `{heading}`");
    steps.take_while(|step| step.language.is_some()).collect()
}

/// The commands of a block of language `sh`.
pub fn commands(block: &str, whole: impl Fn(&str) -> bool) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut open = false;
    for line in block.lines() {
        match commands.last_mut().filter(|_| open) {
            Some(command) => command.extend(["\n", line]),
            None if line.is_empty() => continue,
            None => commands.push(line.to_owned()),
        }
        open = !whole(commands.last().unwrap());
    }
    commands
}

/// The commands of a block of language `console`, with their output.
pub fn shown(block: &str, whole: impl Fn(&str) -> bool) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    for (line, text) in block.lines().enumerate() {
        if let Some(command) = text.strip_prefix("$ ") {
            shown.push(Shown { line, command: command.to_owned(), output: String::new() });
            continue;
        }
        let last = shown.last_mut().expect("a console begins with `$ `");
        if last.output.is_empty() && !whole(&last.command) {
            last.command.extend(["\n", text]);
        } else {
            last.output.extend([text, "\n"]);
        }
    }
    shown
}
