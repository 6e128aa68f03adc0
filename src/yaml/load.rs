//! Makes nodes of one document's events: anchors, merge keys, duplicates, bounds.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag as WrittenTag};

use crate::yaml::scalar::{Scalar, Tag, resolve};
use crate::yaml::split::Chunk;
use crate::yaml::{Content, Entry, Limits, Node, YamlError};

/// Prefix of YAML's own tags.
const CORE: &str = "tag:yaml.org,2002:";
/// The key behind which mappings stand that are merged in.
const MERGE: &str = "<<";

/// Reads one document; none if it is empty or null.
pub(super) fn load(chunk: Chunk<'_>, limits: &Limits) -> Result<Option<Node>, YamlError> {
    let mut loader = Loader {
        parser: Parser::new_from_str(chunk.text),
        lines_before: chunk.lines_before,
        limits,
        anchors: HashMap::new(),
        used: Size::default(),
        depth: 0,
    };
    let root = loader.document()?;
    Ok(root.filter(|node| node.content != Content::Scalar(serde_json::Value::Null)))
}

struct Loader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    lines_before: usize,
    limits: &'a Limits,
    anchors: HashMap<usize, Anchored>,
    /// What the nodes so far amount to, aliases expanded.
    used: Size,
    depth: usize,
}

/// A node that an alias can name.
struct Anchored {
    node: Node,
    size: Size,
    /// Levels below it.
    depth: usize,
}

#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    /// Bytes of text; what aliases repeat is bounded by the longest file.
    bytes: usize,
    /// Deepest level that was reached.
    depth: usize,
}

/// A key as written, or the sign that mappings are merged in.
enum Key {
    Text(String),
    Merge,
}

impl<'a> Loader<'a> {
    fn document(&mut self) -> Result<Option<Node>, YamlError> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (Event::StreamEnd, _) => return Ok(None),
                (event, line) => {
                    let root = self.node(event, line)?;
                    self.end()?;
                    return Ok(Some(root));
                }
            }
        }
    }

    /// A second document can only follow `...` here, and kubectl would drop it in silence.
    fn end(&mut self) -> Result<(), YamlError> {
        loop {
            match self.next()? {
                (Event::DocumentEnd | Event::Nothing, _) => {}
                (Event::StreamEnd, _) => return Ok(()),
                (_, line) => {
                    return Err(error(line, "documents must be parted by a line `---`"));
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, usize), YamlError> {
        let (event, span): (Event<'a>, Span) = match self.parser.next_event() {
            Some(Ok(next)) => next,
            Some(Err(problem)) => return Err(self.scan_error(&problem)),
            None => (Event::StreamEnd, Span::default()),
        };
        Ok((event, self.lines_before + span.start.line()))
    }

    fn scan_error(&self, problem: &ScanError) -> YamlError {
        error(self.lines_before + problem.marker().line(), problem.info())
    }

    fn node(&mut self, event: Event<'a>, line: usize) -> Result<Node, YamlError> {
        let before = self.used;
        self.used.depth = self.depth;
        let (content, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(Size { nodes: 1, bytes: text.len(), depth: self.depth }, line)?;
                let value = scalar(&text, style, tag.as_deref())
                    .and_then(Scalar::into_json)
                    .map_err(|message| error(line, message))?;
                (Content::Scalar(value), anchor)
            }
            Event::SequenceStart(anchor, _) => (Content::Sequence(self.sequence(line)?), anchor),
            Event::MappingStart(anchor, _) => (Content::Mapping(self.mapping(line)?), anchor),
            Event::Alias(anchor) => return self.alias(anchor, line),
            _ => return Err(error(line, "a value is expected here")),
        };
        let node = Node { line, content };
        if anchor != 0 {
            let size = Size {
                nodes: self.used.nodes - before.nodes,
                bytes: self.used.bytes - before.bytes,
                depth: 0,
            };
            let depth = self.used.depth - self.depth;
            self.anchors.insert(anchor, Anchored { node: node.clone(), size, depth });
        }
        self.used.depth = self.used.depth.max(before.depth);
        Ok(node)
    }

    fn sequence(&mut self, line: usize) -> Result<Vec<Node>, YamlError> {
        self.enter(line)?;
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => break,
                (event, line) => items.push(self.node(event, line)?),
            }
        }
        self.depth -= 1;
        Ok(items)
    }

    fn mapping(&mut self, line: usize) -> Result<Vec<Entry>, YamlError> {
        self.enter(line)?;
        let mut entries = Vec::new();
        let mut lines = HashMap::new();
        let mut merged = Vec::new();
        loop {
            let (event, line) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let key = self.key(event, line)?;
            let (event, value_line) = self.next()?;
            let value = self.node(event, value_line)?;
            match key {
                Key::Merge => merge_sources(value, &mut merged)?,
                Key::Text(key) => {
                    if let Some(first) = lines.insert(key.clone(), line) {
                        let message = format!("the key `{key}` is already set in line {first}");
                        return Err(error(line, message));
                    }
                    entries.push(Entry { key, line, value });
                }
            }
        }
        for entry in merged {
            if !lines.contains_key(&entry.key) {
                lines.insert(entry.key.clone(), entry.line);
                entries.push(entry);
            }
        }
        self.depth -= 1;
        Ok(entries)
    }

    fn key(&mut self, event: Event<'a>, line: usize) -> Result<Key, YamlError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(Size { nodes: 1, bytes: text.len(), depth: self.depth }, line)?;
                if is_merge(&text, style, tag.as_deref()) {
                    return Ok(Key::Merge);
                }
                let refusal = |message| error(line, message);
                let key = scalar(&text, style, tag.as_deref()).map_err(refusal)?;
                if anchor != 0 {
                    let content = Content::Scalar(key.clone().into_json().map_err(refusal)?);
                    let size = Size { nodes: 1, bytes: text.len(), depth: 0 };
                    let node = Node { line, content };
                    self.anchors.insert(anchor, Anchored { node, size, depth: 0 });
                }
                key.into_key().map(Key::Text).map_err(refusal)
            }
            Event::Alias(anchor) => match self.alias(anchor, line)?.content {
                Content::Scalar(serde_json::Value::String(key)) => Ok(Key::Text(key)),
                Content::Scalar(value) if !value.is_null() => Ok(Key::Text(value.to_string())),
                _ => Err(error(line, "a key must be a text")),
            },
            _ => Err(error(line, "a key must be a text, not a list or a mapping")),
        }
    }

    fn alias(&mut self, anchor: usize, line: usize) -> Result<Node, YamlError> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(error(line, "an alias must not stand inside of what it names"));
        };
        let size = Size { depth: self.depth + anchored.depth, ..anchored.size };
        let node = &anchored.node;
        // The bound is checked before the copy is made.
        let used = self.used.plus(size);
        used.check(self.limits).map_err(|message| error(line, message))?;
        let node = Node { line, content: node.content.clone() };
        self.used = used;
        Ok(node)
    }

    fn enter(&mut self, line: usize) -> Result<(), YamlError> {
        self.depth += 1;
        self.count(Size { nodes: 1, bytes: 0, depth: self.depth }, line)
    }

    fn count(&mut self, size: Size, line: usize) -> Result<(), YamlError> {
        self.used = self.used.plus(size);
        self.used.check(self.limits).map_err(|message| error(line, message))
    }
}

impl Size {
    fn plus(self, other: Self) -> Self {
        Self {
            nodes: self.nodes.saturating_add(other.nodes),
            bytes: self.bytes.saturating_add(other.bytes),
            depth: self.depth.max(other.depth),
        }
    }

    fn check(self, limits: &Limits) -> Result<(), String> {
        if self.depth > limits.depth {
            return Err(format!("nested more than {} levels deep", limits.depth));
        }
        if self.nodes > limits.nodes {
            return Err(format!("more than {} values, aliases expanded", limits.nodes));
        }
        // Escapes can make a text half as long again as it is written.
        if self.bytes > limits.bytes.saturating_mul(2) {
            return Err(format!("more than {} bytes, aliases expanded", limits.bytes * 2));
        }
        Ok(())
    }
}

fn merge_sources(value: Node, merged: &mut Vec<Entry>) -> Result<(), YamlError> {
    let line = value.line;
    let refusal = "`<<` merges a mapping or a list of mappings";
    match value.content {
        Content::Mapping(entries) => merged.extend(entries),
        Content::Sequence(items) => {
            for item in items {
                let Content::Mapping(entries) = item.content else {
                    return Err(error(item.line, refusal));
                };
                merged.extend(entries);
            }
        }
        Content::Scalar(_) => return Err(error(line, refusal)),
    }
    Ok(())
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&WrittenTag>) -> Result<Scalar, String> {
    let full = tag.map(full_name);
    let tag = match &full {
        None => Tag::None { plain: style == ScalarStyle::Plain },
        Some(name) => name.strip_prefix(CORE).map_or(Tag::Foreign, Tag::Core),
    };
    resolve(tag, text)
}

fn is_merge(text: &str, style: ScalarStyle, tag: Option<&WrittenTag>) -> bool {
    text == MERGE
        && match tag.map(full_name) {
            None => style == ScalarStyle::Plain,
            Some(name) => name == "!" || name.strip_prefix(CORE) == Some("merge"),
        }
}

fn full_name(tag: &WrittenTag) -> Cow<'_, str> {
    if tag.handle.is_empty() {
        Cow::Borrowed(&tag.suffix)
    } else {
        Cow::Owned(format!("{}{}", tag.handle, tag.suffix))
    }
}

fn error(line: usize, message: impl Into<String>) -> YamlError {
    YamlError { line, message: message.into() }
}
