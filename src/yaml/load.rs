//! Makes nodes of one document's tokens. Whatever becomes a node is charged to the account first.

use std::borrow::Cow;
use std::collections::HashMap;
use std::mem::{replace, size_of};

use crate::domain::account::{Account, Bound};
use crate::yaml::mapping::Key;
use crate::yaml::scalar::{CORE, Scalar, Tag, resolve};
use crate::yaml::scan::{Placed, Scanner, Token};
use crate::yaml::split::Chunk;
use crate::yaml::{Content, LIST_BYTES, NODE_BYTES, Node, YamlError, allocated, error, refused};

/// The key behind which mappings stand that are merged in.
const MERGE: &str = "<<";
/// Most `%TAG` of a document: each is compared with those before it. Nobody is known to write one.
const HANDLES_MAX: usize = 16;

/// Reads one document; none if it is empty or null.
pub(super) fn load(chunk: Chunk<'_>, account: &Account) -> Result<Option<Node>, YamlError> {
    let mut loader = Loader {
        scanner: Scanner::new(chunk.text, chunk.lines_before),
        account,
        handles: HashMap::from([("!", "!".to_owned()), ("!!", CORE.to_owned())]),
        anchors: HashMap::new(),
        depth: 0,
        deepest: 0,
    };
    let root = loader.document()?;
    Ok(root.filter(|node| node.content != Content::Scalar(serde_json::Value::Null)))
}

/// Reads the nodes of a document.
pub(super) struct Loader<'a> {
    pub(super) scanner: Scanner<'a>,
    pub(super) account: &'a Account,
    /// What the handles of tags stand for.
    handles: HashMap<&'a str, String>,
    /// None while the node is being read.
    anchors: HashMap<&'a str, Option<Anchored>>,
    pub(super) depth: usize,
    /// Deepest level of the node at hand so far.
    deepest: usize,
}

/// A node that an alias can name; its lists and mappings are shared.
struct Anchored {
    node: Node,
    /// What it counts for, with all that is below it.
    values: usize,
    /// Levels below it.
    depth: usize,
}

/// What may stand before a value.
#[derive(Default)]
pub(super) struct Properties<'a> {
    anchor: Option<&'a str>,
    tag: Option<Tag>,
}

impl Properties<'_> {
    fn are_none(&self) -> bool {
        self.anchor.is_none() && self.tag.is_none()
    }
}

impl<'a> Loader<'a> {
    fn document(&mut self) -> Result<Option<Node>, YamlError> {
        if matches!(self.peek()?, Token::End) {
            return Ok(None);
        }
        if self.directives()? {
            self.expect(&Token::DocumentStart, "`---` is expected here")?;
            if matches!(self.peek()?, Token::DocumentStart | Token::DocumentEnd | Token::End) {
                return self.end().map(|()| None);
            }
        }
        let root = self.node(true, false)?;
        self.end()?;
        Ok(Some(root))
    }

    /// Reads the directives; whether `---` must follow, or is there.
    fn directives(&mut self) -> Result<bool, YamlError> {
        let (mut version, mut handles) = (false, Vec::new());
        loop {
            match self.peek()? {
                Token::Handle { .. } if handles.len() == HANDLES_MAX => {
                    return self.refuse(&format!("more than {HANDLES_MAX} %TAG in one document"));
                }
                Token::Version if !version => {
                    version = true;
                    self.take()?;
                }
                Token::Handle { handle, .. } if !handles.contains(handle) => {
                    if let Placed { token: Token::Handle { handle, prefix }, line } = self.take()? {
                        self.charge(Bound::Memory, size_of::<String>() + prefix.len(), line)?;
                        handles.push(handle);
                        self.handles.insert(handle, prefix);
                    }
                }
                Token::Version | Token::Handle { .. } => {
                    return self.refuse("the same directive stands here twice");
                }
                Token::DocumentStart => return Ok(true),
                _ => return Ok(version || !handles.is_empty()),
            }
        }
    }

    /// What stands behind a document that is over, or behind `...`, kubectl would drop in silence,
    /// whatever it is.
    fn end(&mut self) -> Result<(), YamlError> {
        let parted = |line| error(line, "documents must be parted by a line `---`");
        loop {
            match self.scanner.take().map_err(|error| parted(error.line))? {
                Placed { token: Token::DocumentEnd, .. } => {}
                Placed { token: Token::End, .. } => return Ok(()),
                Placed { line, .. } => return Err(parted(line)),
            }
        }
    }

    /// A value. `block` says that lists and mappings may be told by their indentation, `indentless`
    /// that a list may stand in the column of its key.
    pub(super) fn node(&mut self, block: bool, indentless: bool) -> Result<Node, YamlError> {
        if let Token::Alias(name) = *self.peek()? {
            let line = self.take()?.line;
            return self.alias(name, line);
        }
        let properties = self.properties()?;
        let before = self.account.taken(Bound::Values);
        let outer = replace(&mut self.deepest, self.depth);
        let line = self.scanner.peek()?.line;
        let content = match self.peek()? {
            Token::Text { .. } => self.text(&properties)?,
            Token::BracketOpen => self.list(Self::bracket_items)?,
            Token::BraceOpen => self.map(Self::brace_entries)?,
            Token::Item if indentless => self.list(Self::items_in_the_column_of_a_key)?,
            Token::SequenceStart if block => self.list(Self::block_items)?,
            Token::MappingStart if block => self.map(Self::block_entries)?,
            _ if !properties.are_none() => self.scalar(&properties, "", true, line)?,
            _ => return self.refuse("a value is expected here"),
        };
        let node = Node { line, content };
        if let Some(name) = properties.anchor {
            self.remember(name, &node, before)?;
        }
        self.deepest = self.deepest.max(outer);
        Ok(node)
    }

    /// Keeps a node for the aliases that name it.
    fn remember(&mut self, name: &'a str, node: &Node, before: usize) -> Result<(), YamlError> {
        let bytes = size_of::<Anchored>() + node.content.text_bytes();
        self.charge(Bound::Memory, bytes, node.line)?;
        let values = self.account.taken(Bound::Values) - before;
        let anchored = Anchored { node: node.clone(), values, depth: self.deepest - self.depth };
        self.name(name, anchored);
        Ok(())
    }

    /// Gives a node its name, unless a node in it was given the same one.
    fn name(&mut self, name: &'a str, anchored: Anchored) {
        let named = self.anchors.entry(name).or_default();
        if named.is_none() {
            *named = Some(anchored);
        }
    }

    fn alias(&mut self, name: &str, line: usize) -> Result<Node, YamlError> {
        let Some(anchored) = self.anchors.get(name) else {
            // Whatever follows a `*` may be a secret that should have been quoted.
            return Err(error(line, "an alias, which begins with `*`, has no anchor before it"));
        };
        let Some(Anchored { node, values, depth }) = anchored else {
            return Err(error(line, "an alias must not stand inside of what it names"));
        };
        let refusal = |refusal| refused(line, &refusal);
        self.account.charge(Bound::Values, *values).map_err(refusal)?;
        self.account.hold(Bound::Depth, self.depth + depth).map_err(refusal)?;
        let bytes = NODE_BYTES + node.content.text_bytes();
        self.account.charge(Bound::Memory, bytes).map_err(refusal)?;
        self.deepest = self.deepest.max(self.depth + depth);
        Ok(Node { line, content: node.content.clone() })
    }

    /// An anchor and a tag, in any order.
    fn properties(&mut self) -> Result<Properties<'a>, YamlError> {
        let mut properties = Properties::default();
        loop {
            match *self.peek()? {
                Token::Anchor(name) if properties.anchor.is_none() => {
                    self.take()?;
                    properties.anchor = Some(name);
                    self.anchors.insert(name, None);
                }
                Token::Tag { .. } if properties.tag.is_none() => {
                    let Placed { token: Token::Tag { handle, suffix }, line } = self.take()? else {
                        return Ok(properties);
                    };
                    let prefix = match self.handles.get(handle) {
                        Some(prefix) => prefix,
                        None if handle.is_empty() => "",
                        None => {
                            return Err(error(line, "no %TAG says what the tag, between `!`, is"));
                        }
                    };
                    properties.tag = Some(Tag::named(&format!("{prefix}{suffix}")));
                }
                _ => return Ok(properties),
            }
        }
    }

    fn text(&mut self, properties: &Properties<'a>) -> Result<Content, YamlError> {
        let (text, plain, line) = self.take_text()?;
        self.scalar(properties, &text, plain, line)
    }

    pub(super) fn scalar(
        &self,
        properties: &Properties<'a>,
        text: &str,
        plain: bool,
        line: usize,
    ) -> Result<Content, YamlError> {
        self.value(text.len(), line)?;
        meaning(properties, text, plain)
            .and_then(Scalar::into_json)
            .map(Content::Scalar)
            .map_err(|message| error(line, message))
    }

    pub(super) fn key(&mut self) -> Result<Key, YamlError> {
        if let Token::Alias(name) = *self.peek()? {
            let line = self.take()?.line;
            return match self.alias(name, line)?.content {
                Content::Scalar(value) => {
                    let key = Scalar::from_json(value).and_then(Scalar::into_key);
                    key.map(Key::Text).map_err(|message| error(line, message))
                }
                Content::Sequence(_) | Content::Mapping(_) => {
                    Err(error(line, "a key must be a text"))
                }
            };
        }
        let before = self.account.taken(Bound::Values);
        let properties = self.properties()?;
        let (text, plain, line) = match self.peek()? {
            Token::Text { .. } => self.take_text()?,
            Token::BracketOpen | Token::BraceOpen | Token::SequenceStart | Token::MappingStart => {
                return self.refuse("a key must be a text, not a list or a mapping");
            }
            _ if properties.are_none() => return self.refuse("a key must not be null"),
            _ => (Cow::Borrowed(""), true, self.scanner.peek()?.line),
        };
        self.value(text.len(), line)?;
        if is_merge(&properties, &text, plain) {
            return Ok(Key::Merge);
        }
        let refusal = |message| error(line, message);
        let key = meaning(&properties, &text, plain).map_err(refusal)?;
        // A key may be what no value of JSON is, as long as no alias names it.
        if let (Some(name), Ok(value)) = (properties.anchor, key.clone().into_json()) {
            let node = Node { line, content: Content::Scalar(value) };
            let values = self.account.taken(Bound::Values) - before;
            self.charge(Bound::Memory, size_of::<Anchored>() + allocated(text.len()), line)?;
            self.name(name, Anchored { node, values, depth: 0 });
        }
        key.into_key().map(Key::Text).map_err(refusal)
    }

    fn take_text(&mut self) -> Result<(Cow<'a, str>, bool, usize), YamlError> {
        match self.take()? {
            Placed { token: Token::Text { text, plain }, line } => Ok((text, plain, line)),
            Placed { line, .. } => Err(error(line, "a text is expected here")),
        }
    }

    /// Charges one value with so many bytes of text.
    fn value(&self, bytes: usize, line: usize) -> Result<(), YamlError> {
        self.charge(Bound::Values, 1, line)?;
        self.charge(Bound::Memory, NODE_BYTES + allocated(bytes), line)
    }

    pub(super) fn enter(&mut self) -> Result<(), YamlError> {
        let line = self.scanner.peek()?.line;
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        self.account.hold(Bound::Depth, self.depth).map_err(|refusal| refused(line, &refusal))?;
        self.value(LIST_BYTES, line)
    }

    fn charge(&self, bound: Bound, amount: usize, line: usize) -> Result<(), YamlError> {
        self.account.charge(bound, amount).map_err(|refusal| refused(line, &refusal))
    }

    pub(super) fn peek(&mut self) -> Result<&Token<'a>, YamlError> {
        self.scanner.peek().map(|placed| &placed.token)
    }

    pub(super) fn take(&mut self) -> Result<Placed<'a>, YamlError> {
        self.scanner.take()
    }

    pub(super) fn expect(&mut self, token: &Token<'_>, otherwise: &str) -> Result<(), YamlError> {
        if self.peek()? == token { self.take().map(drop) } else { self.refuse(otherwise) }
    }

    /// An error at the next token.
    pub(super) fn refuse<T>(&mut self, message: &str) -> Result<T, YamlError> {
        Err(error(self.scanner.peek()?.line, message))
    }
}

fn meaning(properties: &Properties<'_>, text: &str, plain: bool) -> Result<Scalar, String> {
    resolve(properties.tag.unwrap_or(Tag::None { plain }), text)
}

fn is_merge(properties: &Properties<'_>, text: &str, plain: bool) -> bool {
    text == MERGE
        && match properties.tag {
            None => plain,
            Some(tag) => matches!(tag, Tag::Bare | Tag::Core("merge")),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> Option<String> {
        let chunk = Chunk { lines_before: 0, text };
        load(chunk, &Account::default()).err().map(|error| error.to_string())
    }

    #[test]
    fn what_tags_are_written_with_has_bounds() {
        let long = "a".repeat(257);
        let short = "a".repeat(256);
        let too_long =
            "line 1: a tag longer than 256 bytes: quote a text that begins with `!`".to_owned();
        for text in [
            format!("%TAG ! {long}\r---\rx: {}y{}", "!a [".repeat(90), "]".repeat(90)),
            format!("%TAG ! {}\r---\rx: 1", "%61".repeat(257)),
            format!("%TAG !{long}! a\r---\rx: 1"),
            format!("!{long} y"),
            format!("!<{long}> y"),
            format!("!{long}!x y"),
            format!("!a.{long} y"),
        ] {
            assert_eq!(refusal(&text), Some(too_long.clone()), "{text:.60}");
        }
        assert_eq!(refusal(&format!("%TAG ! {short}\r---\rx: !{} y", &short[1..])), None);
        let directives: Vec<_> = (0..17).map(|n| format!("%TAG !h{n}! x\n")).collect();
        let expected = "line 17: more than 16 %TAG in one document".to_owned();
        assert_eq!(refusal(&directives.concat()), Some(expected));
    }

    #[test]
    fn a_tag_keeps_its_meaning_however_it_is_written() {
        let text = "%TAG !c! tag:yaml.org,2002:i\r---\r\
            [!!int 1, !c!nt 1, !<tag:yaml.org,2002:int> 1, !!str 1, ! 1, !int 1]";
        let chunk = Chunk { lines_before: 0, text };
        let root = load(chunk, &Account::default()).unwrap().unwrap();
        assert_eq!(root.to_json(), serde_json::json!([1, 1, 1, "1", "1", "1"]));
    }
}
