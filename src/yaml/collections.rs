//! Lists and mappings, by their indentation or in brackets.

use std::sync::Arc;

use crate::yaml::load::{Loader, Properties};
use crate::yaml::mapping::Mapping;
use crate::yaml::scan::Token;
use crate::yaml::{Content, Node, YamlError, push, refused};

impl<'a> Loader<'a> {
    /// The value where nothing stands.
    fn nothing(&self, line: usize) -> Result<Node, YamlError> {
        let content = self.scalar(&Properties::default(), "", true, line)?;
        Ok(Node { line, content })
    }

    fn push(&self, nodes: &mut Vec<Node>, node: Node) -> Result<(), YamlError> {
        let line = node.line;
        push(nodes, node, self.account).map_err(|refusal| refused(line, &refusal))
    }

    pub(super) fn list(
        &mut self,
        items: impl FnOnce(&mut Self, &mut Vec<Node>) -> Result<(), YamlError>,
    ) -> Result<Content, YamlError> {
        self.enter()?;
        let mut nodes = Vec::new();
        items(self, &mut nodes)?;
        self.depth -= 1;
        nodes.shrink_to_fit();
        Ok(Content::Sequence(Arc::new(nodes)))
    }

    pub(super) fn map(
        &mut self,
        entries: impl FnOnce(&mut Self, &mut Mapping<'a>) -> Result<(), YamlError>,
    ) -> Result<Content, YamlError> {
        self.enter()?;
        let mut mapping = Mapping::new(self.account);
        entries(self, &mut mapping)?;
        self.depth -= 1;
        Ok(Content::Mapping(Arc::new(mapping.finish()?)))
    }

    pub(super) fn block_items(&mut self, nodes: &mut Vec<Node>) -> Result<(), YamlError> {
        self.take()?;
        while matches!(self.peek()?, Token::Item) {
            let line = self.take()?.line;
            let node = match self.peek()? {
                Token::Item | Token::BlockEnd => self.nothing(line)?,
                _ => self.node(true, false)?,
            };
            self.push(nodes, node)?;
        }
        self.expect(&Token::BlockEnd, "the next item of the list, with its `-`, is expected here")
    }

    pub(super) fn items_in_the_column_of_a_key(
        &mut self,
        nodes: &mut Vec<Node>,
    ) -> Result<(), YamlError> {
        while matches!(self.peek()?, Token::Item) {
            let line = self.take()?.line;
            let node = match self.peek()? {
                Token::Item | Token::Key | Token::Colon | Token::BlockEnd => self.nothing(line)?,
                _ => self.node(true, false)?,
            };
            self.push(nodes, node)?;
        }
        Ok(())
    }

    pub(super) fn block_entries(&mut self, mapping: &mut Mapping<'a>) -> Result<(), YamlError> {
        self.take()?;
        while matches!(self.peek()?, Token::Key) {
            let line = self.take()?.line;
            let key = self.key()?;
            let value = if matches!(self.peek()?, Token::Colon) {
                let line = self.take()?.line;
                match self.peek()? {
                    Token::Key | Token::Colon | Token::BlockEnd => self.nothing(line)?,
                    _ => self.node(true, true)?,
                }
            } else {
                self.nothing(line)?
            };
            mapping.add(key, line, value)?;
        }
        self.expect(&Token::BlockEnd, "the next key of the mapping is expected here")
    }

    pub(super) fn bracket_items(&mut self, nodes: &mut Vec<Node>) -> Result<(), YamlError> {
        self.take()?;
        while !matches!(self.peek()?, Token::BracketClose) {
            let node = match self.peek()? {
                Token::Key => {
                    let line = self.scanner.peek()?.line;
                    let content = self.map(|loader, mapping| {
                        loader.entry_in_brackets(mapping, &Token::BracketClose)
                    })?;
                    Node { line, content }
                }
                _ => self.node(false, false)?,
            };
            self.push(nodes, node)?;
            self.comma(&Token::BracketClose, "`,` or `]` is expected here")?;
        }
        self.take().map(drop)
    }

    pub(super) fn brace_entries(&mut self, mapping: &mut Mapping<'a>) -> Result<(), YamlError> {
        self.take()?;
        while !matches!(self.peek()?, Token::BraceClose) {
            if matches!(self.peek()?, Token::Key) {
                self.entry_in_brackets(mapping, &Token::BraceClose)?;
            } else {
                let line = self.scanner.peek()?.line;
                let key = self.key()?;
                mapping.add(key, line, self.nothing(line)?)?;
            }
            self.comma(&Token::BraceClose, "`,` or `}` is expected here")?;
        }
        self.take().map(drop)
    }

    fn entry_in_brackets(
        &mut self,
        mapping: &mut Mapping<'a>,
        close: &Token<'_>,
    ) -> Result<(), YamlError> {
        let line = self.take()?.line;
        let key = self.key()?;
        let mut value = None;
        if matches!(self.peek()?, Token::Colon) {
            self.take()?;
            let next = self.peek()?;
            if *next != Token::Comma && next != close {
                value = Some(self.node(false, false)?);
            }
        }
        let value = value.map_or_else(|| self.nothing(line), Ok)?;
        mapping.add(key, line, value)
    }

    /// Passes a comma, if the brackets do not close.
    fn comma(&mut self, close: &Token<'_>, expected: &str) -> Result<(), YamlError> {
        match self.peek()? {
            next if next == close => Ok(()),
            _ => self.expect(&Token::Comma, expected),
        }
    }
}
