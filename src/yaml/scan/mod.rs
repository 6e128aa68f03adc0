//! From the text of a document to tokens, by the rules of go-yaml v2: those of libyaml, YAML 1.1.
//!
//! Indentation matters outside of brackets only, and a key is one that fits into its line. Whether
//! a token begins a key is known when its `:` comes, so tokens wait as long as they may be one; that
//! is never longer than [`KEY_CHARACTERS_MAX`].

mod block;
mod cursor;
mod flow;
mod tag;

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::yaml::YamlError;
pub(super) use crate::yaml::scan::cursor::BREAKS;
use crate::yaml::scan::cursor::Cursor;

/// Longest key without a `?`, in characters, as in YAML.
const KEY_CHARACTERS_MAX: usize = 1024;

/// What a document is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `%YAML`.
    Version,
    /// `%TAG`: what a handle stands for.
    Handle { handle: &'a str, prefix: String },
    /// `---`.
    DocumentStart,
    /// `...`.
    DocumentEnd,
    /// The text is over.
    End,
    /// The first `-` of a list.
    SequenceStart,
    /// The first key of a mapping.
    MappingStart,
    /// The indentation of a list or mapping ends.
    BlockEnd,
    /// `-`.
    Item,
    /// `[`.
    BracketOpen,
    /// `]`.
    BracketClose,
    /// `{`.
    BraceOpen,
    /// `}`.
    BraceClose,
    /// `,`.
    Comma,
    /// What follows is a key.
    Key,
    /// `:`.
    Colon,
    /// `&name`.
    Anchor(&'a str),
    /// `*name`.
    Alias(&'a str),
    /// `!`, `!name`, `!handle!name`, `!<name>` (which has no handle).
    Tag { handle: &'a str, suffix: String },
    /// A text; plain is what stands without quotes.
    Text { text: Cow<'a, str>, plain: bool },
}

/// A token, and the line on which it begins, from 1.
#[derive(Debug, Clone)]
pub(super) struct Placed<'a> {
    pub(super) token: Token<'a>,
    pub(super) line: usize,
}

/// A token that may prove to be a key.
#[derive(Debug, Clone, Copy)]
struct MaybeKey<'a> {
    /// It must be one, since nothing else can stand in its column.
    required: bool,
    /// Its number.
    token: usize,
    at: Cursor<'a>,
}

/// Reads tokens.
pub(super) struct Scanner<'a> {
    at: Cursor<'a>,
    /// Tokens that are read, but not taken.
    waiting: VecDeque<Placed<'a>>,
    /// Number of tokens that are taken.
    taken: usize,
    /// Columns of the lists and mappings around; none outside of all.
    columns: Vec<usize>,
    /// For the text outside of brackets, and for each bracket that is open.
    maybe_keys: Vec<Option<MaybeKey<'a>>>,
    /// Whether a key may begin here.
    key_allowed: bool,
    ended: bool,
}

impl<'a> Scanner<'a> {
    /// Reads a text that stands behind so many lines of its file.
    pub(super) fn new(text: &'a str, lines_before: usize) -> Self {
        Self {
            at: Cursor::new(text, lines_before),
            waiting: VecDeque::new(),
            taken: 0,
            columns: Vec::new(),
            maybe_keys: vec![None],
            key_allowed: true,
            ended: false,
        }
    }

    /// The next token, which stays.
    pub(super) fn peek(&mut self) -> Result<&Placed<'a>, YamlError> {
        while !self.ended && self.is_undecided()? {
            self.fetch()?;
        }
        match self.waiting.front() {
            Some(placed) => Ok(placed),
            None => Err(self.error("the document is over")),
        }
    }

    /// Takes the next token.
    pub(super) fn take(&mut self) -> Result<Placed<'a>, YamlError> {
        self.peek()?;
        self.taken += 1;
        self.waiting.pop_front().ok_or_else(|| self.error("the document is over"))
    }

    /// Whether the next token is not known yet: none is read, or it may still prove to be a key.
    fn is_undecided(&self) -> Result<bool, YamlError> {
        if self.waiting.is_empty() {
            return Ok(true);
        }
        let first = self.maybe_keys.iter().flatten().find(|key| key.token == self.taken);
        first.map_or(Ok(false), |key| self.is_valid(key))
    }

    /// Whether what began so far back can still be a key.
    fn is_valid(&self, key: &MaybeKey<'a>) -> Result<bool, YamlError> {
        let near =
            key.at.breaks == self.at.breaks && key.at.index + KEY_CHARACTERS_MAX >= self.at.index;
        if !near && key.required { Err(missing_colon(key)) } else { Ok(near) }
    }

    fn is_flow(&self) -> bool {
        self.maybe_keys.len() > 1
    }

    /// Whether a column belongs to the list or mapping around.
    fn is_inside(&self, column: usize) -> bool {
        self.columns.last().is_none_or(|around| column > *around)
    }

    fn push(&mut self, token: Token<'a>, at: &Cursor<'a>) {
        self.waiting.push_back(Placed { token, line: at.line + 1 });
    }

    /// Reads one token, or what it brings with it.
    fn fetch(&mut self) -> Result<(), YamlError> {
        self.skip_to_token();
        self.leave(|column, around| column < around);
        let at = self.at;
        if at.is_end() {
            return self.end();
        }
        if at.column == 0 && at.byte(0) == b'%' {
            self.leave_all()?;
            return self.directive();
        }
        for (mark, token) in [("---", Token::DocumentStart), ("...", Token::DocumentEnd)] {
            if at.is_document_mark(mark) {
                self.leave_all()?;
                self.indicator(token, mark.len());
                return Ok(());
            }
        }
        let flow = self.is_flow();
        let alone = flow || at.is_gap(1);
        match at.byte(0) {
            b'[' => self.open(Token::BracketOpen),
            b'{' => self.open(Token::BraceOpen),
            b']' => self.close(Token::BracketClose),
            b'}' => self.close(Token::BraceClose),
            b',' => {
                self.forget_key()?;
                self.key_allowed = true;
                self.indicator(Token::Comma, 1);
                Ok(())
            }
            b'-' if at.is_gap(1) => self.item(),
            b'?' if alone => self.key(),
            b':' if alone => self.colon(),
            b'*' => self.anchor(true),
            b'&' => self.anchor(false),
            b'!' => {
                self.note_key()?;
                self.key_allowed = false;
                self.tag()
            }
            b'|' if !flow => self.block_text(true),
            b'>' if !flow => self.block_text(false),
            b'\'' => self.quoted(true),
            b'"' => self.quoted(false),
            b'\t' => Err(self.error("a tab cannot indent: use spaces")),
            b'@' | b'`' | b'%' | b'|' | b'>' => {
                let found = char::from(at.byte(0));
                Err(self.error(&format!("no value can begin with `{found}`: quote it")))
            }
            _ => self.plain(),
        }
    }

    /// Passes spaces, comments and line breaks.
    fn skip_to_token(&mut self) {
        loop {
            let tabs = self.is_flow() || !self.key_allowed;
            self.at.skip_while(|at| at.byte(0) == b' ' || tabs && at.byte(0) == b'\t');
            if self.at.byte(0) == b'#' {
                self.at.skip_line();
            }
            if !self.at.is_break() {
                return;
            }
            self.at.skip_break();
            if !self.is_flow() {
                self.key_allowed = true;
            }
        }
    }

    fn end(&mut self) -> Result<(), YamlError> {
        self.leave_all()?;
        let at = self.at;
        self.push(Token::End, &at);
        self.ended = true;
        Ok(())
    }

    /// Passes a token that has no more to it than its characters.
    fn indicator(&mut self, token: Token<'a>, characters: usize) {
        let at = self.at;
        self.at.skip_many(characters);
        self.push(token, &at);
    }

    fn open(&mut self, token: Token<'a>) -> Result<(), YamlError> {
        self.note_key()?;
        self.maybe_keys.push(None);
        self.key_allowed = true;
        self.indicator(token, 1);
        Ok(())
    }

    fn close(&mut self, token: Token<'a>) -> Result<(), YamlError> {
        self.forget_key()?;
        if self.is_flow() {
            self.maybe_keys.pop();
        }
        self.key_allowed = false;
        self.indicator(token, 1);
        Ok(())
    }

    fn item(&mut self) -> Result<(), YamlError> {
        self.begin(Token::SequenceStart, "a list cannot begin here: put it on a line of its own")?;
        self.forget_key()?;
        self.key_allowed = true;
        self.indicator(Token::Item, 1);
        Ok(())
    }

    /// `?`, which begins a key of any length.
    fn key(&mut self) -> Result<(), YamlError> {
        self.begin(Token::MappingStart, "a key cannot begin here")?;
        self.forget_key()?;
        self.key_allowed = !self.is_flow();
        self.indicator(Token::Key, 1);
        Ok(())
    }

    fn colon(&mut self) -> Result<(), YamlError> {
        let last = self.maybe_keys.last_mut().and_then(Option::take);
        let key = match last {
            Some(key) if self.is_valid(&key)? => Some(key),
            _ => None,
        };
        if let Some(key) = key {
            let place = key.token - self.taken;
            self.waiting.insert(place, Placed { token: Token::Key, line: key.at.line + 1 });
            self.enter(key.at, place, Token::MappingStart);
            self.key_allowed = false;
        } else {
            self.begin(
                Token::MappingStart,
                "a `:` cannot stand here: quote the text that it is in, or begin the key on a line \
                 of its own",
            )?;
            self.key_allowed = !self.is_flow();
        }
        self.indicator(Token::Colon, 1);
        Ok(())
    }

    /// Begins a list or mapping here, unless the text is in brackets; `refusal` is what to say where
    /// none can begin.
    fn begin(&mut self, start: Token<'a>, refusal: &str) -> Result<(), YamlError> {
        if self.is_flow() {
            return Ok(());
        }
        if !self.key_allowed {
            return Err(self.error(refusal));
        }
        self.enter(self.at, self.waiting.len(), start);
        Ok(())
    }

    /// Begins a list or mapping before a token that waits, if its column is further in.
    fn enter(&mut self, at: Cursor<'a>, place: usize, token: Token<'a>) {
        if !self.is_flow() && self.is_inside(at.column) {
            self.columns.push(at.column);
            self.waiting.insert(place, Placed { token, line: at.line + 1 });
        }
    }

    /// Ends the lists and mappings that the place here is outside of.
    fn leave(&mut self, outside: impl Fn(usize, usize) -> bool) {
        let at = self.at;
        while !self.is_flow()
            && self.columns.last().is_some_and(|around| outside(at.column, *around))
        {
            self.columns.pop();
            self.push(Token::BlockEnd, &at);
        }
    }

    fn leave_all(&mut self) -> Result<(), YamlError> {
        self.leave(|_, _| true);
        self.forget_key()?;
        self.key_allowed = false;
        Ok(())
    }

    /// Remembers that the next token may be a key.
    fn note_key(&mut self) -> Result<(), YamlError> {
        if self.key_allowed {
            self.forget_key()?;
            let required = !self.is_flow() && self.columns.last() == Some(&self.at.column);
            let token = self.taken + self.waiting.len();
            let key = MaybeKey { required, token, at: self.at };
            if let Some(last) = self.maybe_keys.last_mut() {
                *last = Some(key);
            }
        }
        Ok(())
    }

    /// What might have been a key is none.
    fn forget_key(&mut self) -> Result<(), YamlError> {
        match self.maybe_keys.last_mut().and_then(Option::take) {
            Some(key) if key.required => Err(missing_colon(&key)),
            _ => Ok(()),
        }
    }

    /// An error at the place that is read.
    fn error(&self, message: &str) -> YamlError {
        error_at(&self.at, message)
    }
}

fn missing_colon(key: &MaybeKey<'_>) -> YamlError {
    error_at(&key.at, "a key without its `:`")
}

fn error_at(at: &Cursor<'_>, message: &str) -> YamlError {
    YamlError { line: at.line + 1, message: message.to_owned() }
}
