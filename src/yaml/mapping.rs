//! The entries of a mapping: no key twice, and mappings merged in by `<<`.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::mem::size_of;

use crate::domain::account::{Account, Bound};
use crate::domain::quoted::may_be_secret;
use crate::yaml::{Content, Entry, NODE_BYTES, Node, YamlError, allocated, error, push, refused};

/// What the table of keys takes for each, in bytes: it has up to twice as many places as keys.
const TABLE_BYTES: usize = 2 * (size_of::<(String, usize)>() + 1);
/// What an entry takes in memory beside its value and its key, which is kept twice; the table of keys
/// included.
pub(super) const ENTRY_BYTES: usize =
    (size_of::<Entry>() - size_of::<Node>()) / 4 * 5 + TABLE_BYTES;

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
        self.charge(ENTRY_BYTES + 2 * allocated(key.len()), line)?;
        if self.lines.len() == self.lines.capacity() {
            self.while_it_moves(TABLE_BYTES * self.lines.len(), line, |it| it.lines.reserve(1))?;
        }
        if let Some(first) = self.lines.insert(key.clone(), line) {
            let key =
                if may_be_secret(&key) { "of this line".to_owned() } else { format!("`{key}`") };
            let message = format!("the key {key} is already set in line {first}");
            return Err(error(line, message));
        }
        let pushed = push(&mut self.entries, Entry { key, line, value }, self.account);
        pushed.map_err(|refusal| refused(line, &refusal))
    }

    /// All entries: those that are merged in come last, where their keys are not set.
    pub(super) fn finish(mut self) -> Result<Vec<Entry>, YamlError> {
        let line = self.merged.first().map_or(0, |entry| entry.line);
        let bytes = TABLE_BYTES * self.lines.len() + size_of_val(&*self.merged);
        self.while_it_moves(bytes, line, |it| {
            it.merged.retain(|entry| match it.lines.entry(entry.key.clone()) {
                Place::Vacant(place) => {
                    place.insert(entry.line);
                    true
                }
                Place::Occupied(_) => false,
            });
            it.entries.append(&mut it.merged);
        })?;
        self.entries.shrink_to_fit();
        Ok(self.entries)
    }

    /// Does what moves so many bytes to another place: meanwhile they are there twice.
    fn while_it_moves(
        &mut self,
        bytes: usize,
        line: usize,
        moved: impl FnOnce(&mut Self),
    ) -> Result<(), YamlError> {
        self.charge(bytes, line)?;
        moved(self);
        self.account.give_back(Bound::Memory, bytes);
        Ok(())
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
            let texts = 2 * allocated(entry.key.len()) + entry.value.content.text_bytes();
            self.charge(ENTRY_BYTES + NODE_BYTES + texts, entry.line)?;
            push(&mut self.merged, entry.clone(), self.account)
                .map_err(|refusal| refused(entry.line, &refusal))?;
        }
        Ok(())
    }

    fn charge(&self, bytes: usize, line: usize) -> Result<(), YamlError> {
        let charged = self.account.charge(Bound::Memory, bytes);
        charged.map_err(|refusal| refused(line, &refusal))
    }
}
