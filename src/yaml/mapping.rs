//! The entries of a mapping: no key twice, and mappings merged in by `<<`.

use std::collections::HashMap;
use std::mem::size_of;

use crate::domain::account::{Account, Bound};
use crate::yaml::{Content, Entry, Node, YamlError, error, refused, shown};

/// What an entry takes in memory beside its key and value, the table of keys included.
pub(super) const ENTRY_BYTES: usize = size_of::<Entry>() - size_of::<Node>() + 64;

/// A key as written, or the sign that mappings are merged in.
pub(super) enum Key {
    Text(String),
    Merge,
}

/// A mapping that is being read.
pub(super) struct Mapping<'a> {
    account: &'a Account,
    entries: Vec<Entry>,
    /// The line of each key.
    lines: HashMap<String, usize>,
    /// What is merged in, the first to count first.
    merged: Vec<Entry>,
}

impl<'a> Mapping<'a> {
    pub(super) fn new(account: &'a Account) -> Self {
        Self { account, entries: Vec::new(), lines: HashMap::new(), merged: Vec::new() }
    }

    /// Adds an entry; a key that is already set is an error.
    pub(super) fn add(&mut self, key: Key, line: usize, value: Node) -> Result<(), YamlError> {
        let Key::Text(key) = key else { return self.merge(&value) };
        self.charge(2 * key.len(), line)?;
        if let Some(first) = self.lines.insert(key.clone(), line) {
            let message = format!("the key `{}` is already set in line {first}", shown(&key));
            return Err(error(line, message));
        }
        self.entries.push(Entry { key, line, value });
        Ok(())
    }

    /// All entries: those that are merged in come last, where their keys are not set.
    pub(super) fn finish(mut self) -> Vec<Entry> {
        for entry in std::mem::take(&mut self.merged) {
            if !self.lines.contains_key(&entry.key) {
                self.lines.insert(entry.key.clone(), entry.line);
                self.entries.push(entry);
            }
        }
        self.entries.shrink_to_fit();
        self.entries
    }

    fn merge(&mut self, value: &Node) -> Result<(), YamlError> {
        let refusal = "`<<` merges a mapping or a list of mappings";
        match &value.content {
            Content::Mapping(entries) => self.take(entries),
            Content::Sequence(items) => items.iter().try_for_each(|item| match &item.content {
                Content::Mapping(entries) => self.take(entries),
                _ => Err(error(item.line, refusal)),
            }),
            Content::Scalar(_) => Err(error(value.line, refusal)),
        }
    }

    fn take(&mut self, entries: &[Entry]) -> Result<(), YamlError> {
        for entry in entries {
            let texts = 2 * entry.key.len() + entry.value.content.text_bytes();
            self.charge(size_of::<Node>() + texts, entry.line)?;
            self.merged.push(entry.clone());
        }
        Ok(())
    }

    /// Charges an entry, and so many bytes that belong to it: its key is kept twice.
    fn charge(&self, bytes: usize, line: usize) -> Result<(), YamlError> {
        let charged = self.account.charge(Bound::Memory, ENTRY_BYTES + bytes);
        charged.map_err(|refusal| refused(line, &refusal))
    }
}
