//! What is wrong with a configuration: all of it at once, each with its file, line and key.

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

use crate::domain::quoted::may_be_secret;
use crate::domain::visible;
use crate::yaml::{Content, Entry, Node};

/// Most problems that are shown; the rest is counted.
const PROBLEMS_SHOWN_MAX: usize = 200;

/// Everything that is wrong with a configuration, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// By file and line, never empty.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong. Never holds the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1; none when the file as a whole is meant.
    pub line: Option<usize>,
    /// The key, like `applications[0].sync.interval`; empty when the document is meant.
    pub key: String,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl std::error::Error for ConfigErrors {}

impl ConfigErrors {
    /// One line for each problem, as far as so many can be read.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let shown = self.problems.iter().take(PROBLEMS_SHOWN_MAX);
        let more = self.problems.len().saturating_sub(PROBLEMS_SHOWN_MAX);
        let rest = (more > 0).then(|| format!("… and {more} more"));
        shown.map(|problem| visible::line(&problem.to_string()).into_owned()).chain(rest)
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().collect::<Vec<_>>().join("\n"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.message)
    }
}

/// A place in a file: what a problem is named by, and what is there.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    file: &'a str,
    line: usize,
    path: String,
    /// What is there; none for a key that is missing.
    pub(super) node: Option<&'a Node>,
}

impl<'a> Place<'a> {
    /// A document as a whole.
    pub(super) fn root(file: &'a str, node: &'a Node) -> Self {
        Self { file, line: node.line, path: String::new(), node: Some(node) }
    }

    /// The value behind a key, or where it would be.
    pub(super) fn key(&self, key: &str) -> Self {
        let entries = match self.node.map(|node| &node.content) {
            Some(Content::Mapping(entries)) => entries.as_slice(),
            _ => &[],
        };
        match entries.iter().find(|entry| entry.key == key) {
            Some(entry) => self.entry(entry),
            None => Self { path: join(&self.path, key), node: None, ..self.clone() },
        }
    }

    /// The value behind a key of this mapping.
    pub(super) fn entry(&self, entry: &'a Entry) -> Self {
        Self {
            file: self.file,
            line: entry.line,
            path: join(&self.path, &entry.key),
            node: Some(&entry.value),
        }
    }

    /// An item of this list.
    pub(super) fn item(&self, index: usize, node: &'a Node) -> Self {
        Self {
            file: self.file,
            line: node.line,
            path: format!("{}[{index}]", self.path),
            node: Some(node),
        }
    }

    /// The items of this list; none when it is no list.
    pub(super) fn items(&self) -> impl Iterator<Item = Self> {
        let items = match self.node.map(|node| &node.content) {
            Some(Content::Sequence(items)) => items.as_slice(),
            _ => &[],
        };
        items.iter().enumerate().map(|(index, node)| self.item(index, node))
    }

    /// The text that is here, if it is one.
    pub(super) fn text(&self) -> Option<&'a str> {
        match &self.node?.content {
            Content::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Where this is, for the text of a problem elsewhere: `config/a.yaml:3`.
    pub(super) fn position(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    /// A problem here.
    pub(super) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem {
            file: self.file.to_owned(),
            line: Some(self.line),
            key: self.path.clone(),
            message: message.into(),
        }
    }
}

fn join(path: &str, key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if may_be_secret(key) {
        format!("{path}[…]")
    } else if key.is_empty() || !key.chars().all(plain) {
        format!("{path}[{key:?}]")
    } else if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    /// File, line and key of what was refused for itself: it is no part of what goes on.
    refused: HashSet<(String, usize, String)>,
}

impl Problems {
    /// Adds a problem.
    pub(super) fn report(&mut self, problem: Problem) {
        self.found.push(problem);
    }

    /// Adds a problem of a value that is wrong by itself, whatever stands beside it.
    pub(super) fn refuse(&mut self, problem: Problem) {
        if let Some(line) = problem.line {
            self.refused.insert((problem.file.clone(), line, problem.key.clone()));
        }
        self.found.push(problem);
    }

    /// Adds a problem of a place as a whole, unless something inside of it is wrong already: then
    /// it is most likely a consequence.
    pub(super) fn report_whole(&mut self, place: &Place<'_>, message: impl Into<String>) {
        if !self.has_inside(place) {
            self.report(place.problem(message));
        }
    }

    /// Whether something at the place or inside of it is wrong.
    pub(super) fn has_inside(&self, place: &Place<'_>) -> bool {
        let inside = |problem: &Problem| {
            let rest = problem.key.strip_prefix(&place.path);
            problem.file == place.file
                && problem.line >= Some(place.line)
                && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.found.iter().any(inside)
    }

    /// What is here without the parts that were refused, as JSON; keys without a value count as
    /// left out.
    pub(super) fn sound_part(&self, place: &Place<'_>) -> Option<Value> {
        let node = place.node?;
        if self.is_refused(place) {
            return None;
        }
        match &node.content {
            Content::Scalar(Value::Null) => None,
            Content::Scalar(value) => Some(value.clone()),
            Content::Sequence(_) => {
                Some(place.items().filter_map(|item| self.sound_part(&item)).collect())
            }
            Content::Mapping(entries) => {
                let sound = |entry: &Entry| {
                    Some((entry.key.clone(), self.sound_part(&place.entry(entry))?))
                };
                Some(entries.iter().filter_map(sound).collect())
            }
        }
    }

    fn is_refused(&self, place: &Place<'_>) -> bool {
        !self.refused.is_empty()
            && self.refused.contains(&(place.file.to_owned(), place.line, place.path.clone()))
    }

    /// Whether a file, a document or one of its topmost keys is wrong as a whole.
    pub(super) fn has_of_whole_parts(&self) -> bool {
        self.found.iter().any(|problem| !problem.key.contains(['.', '[']))
    }

    /// Ends the search: all problems by file and line, or the value when there are none. The
    /// value is missing only where there are problems.
    pub(super) fn into_result<T>(mut self, value: Option<T>) -> Result<T, ConfigErrors> {
        if let Some(value) = value.filter(|_| self.found.is_empty()) {
            return Ok(value);
        }
        self.found.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        self.found.dedup();
        Err(ConfigErrors { problems: self.found })
    }
}
