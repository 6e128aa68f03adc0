//! JSON proper, for what is valid there and not in YAML: pairs of surrogates in a text, several
//! values in a row. kubectl tries JSON for whatever begins with a bracket, too.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::domain::account::{Account, Bound, Refusal};
use crate::yaml::mapping::ENTRY_BYTES;
use crate::yaml::scalar::Scalar;
use crate::yaml::split::Chunk;
use crate::yaml::{
    Content, Entry, LIST_BYTES, NODE_BYTES, Node, YamlError, allocated, push, refused,
};

/// Whether a text begins as JSON does for kubectl.
pub(super) fn is_likely(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

/// The values of a text that is JSON, else none. Each node has the line on which the value that it
/// is part of begins. An error only if the account has no more to give.
pub(super) fn read(chunk: Chunk<'_>, account: &Account) -> Result<Option<Vec<Node>>, YamlError> {
    let mut roots = Vec::new();
    let mut line = chunk.lines_before + 1;
    let mut rest = chunk.text;
    loop {
        let value = rest.trim_start();
        line += rest[..rest.len() - value.len()].matches('\n').count();
        if value.is_empty() {
            return Ok(Some(roots));
        }
        let refusal = Cell::new(None);
        let mut json = serde_json::Deserializer::from_str(value);
        let seed = Value { line, depth: 0, account, refusal: &refusal };
        match seed.deserialize(&mut json) {
            Ok(content) => roots.push(Node { line, content }),
            Err(_) => return refusal.take().map_or(Ok(None), |r| Err(refused(line, &r))),
        }
        let end = json.into_iter::<IgnoredAny>().byte_offset();
        line += value[..end].matches('\n').count();
        rest = &value[end..];
    }
}

/// Reads a value that stands so deep. What it takes is charged first; no key may be set twice.
#[derive(Clone, Copy)]
struct Value<'a> {
    line: usize,
    depth: usize,
    account: &'a Account,
    /// Why the account refused, which an error of the deserializer cannot tell.
    refusal: &'a Cell<Option<Refusal>>,
}

impl Value<'_> {
    fn charge<E: Error>(&self, bytes: usize) -> Result<(), E> {
        let charged = self
            .account
            .charge(Bound::Values, 1)
            .and_then(|()| self.account.charge(Bound::Memory, NODE_BYTES + allocated(bytes)));
        self.noted(charged)
    }

    /// The same for what is in this value.
    fn below<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        self.noted(self.account.hold(Bound::Depth, depth))?;
        Ok(Self { depth, ..self })
    }

    fn noted<E: Error>(&self, result: Result<(), Refusal>) -> Result<(), E> {
        result.map_err(|refusal| {
            self.refusal.set(Some(refusal));
            E::custom(refusal)
        })
    }

    fn scalar<E: Error>(&self, scalar: Scalar) -> Result<Content, E> {
        self.charge(0)?;
        scalar.into_json().map(Content::Scalar).map_err(E::custom)
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Content;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Content, E> {
        self.scalar(Scalar::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Content, E> {
        self.scalar(Scalar::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Content, E> {
        self.scalar(Scalar::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Content, E> {
        self.scalar(Scalar::Uint(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Content, E> {
        self.scalar(Scalar::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Content, E> {
        self.charge(value.len())?;
        Ok(Content::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        self.charge(LIST_BYTES)?;
        let below = self.below()?;
        let mut nodes = Vec::new();
        while let Some(content) = items.next_element_seed(below)? {
            let pushed = push(&mut nodes, Node { line: self.line, content }, self.account);
            self.noted(pushed)?;
        }
        nodes.shrink_to_fit();
        Ok(Content::Sequence(Arc::new(nodes)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        self.charge(LIST_BYTES)?;
        let below = self.below()?;
        let mut entries = Vec::new();
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            self.charge(ENTRY_BYTES + 2 * allocated(key.len()))?;
            if !keys.insert(key.clone()) {
                return Err(A::Error::custom("duplicate key"));
            }
            let content = map.next_value_seed(below)?;
            let entry = Entry { key, line: self.line, value: Node { line: self.line, content } };
            self.noted(push(&mut entries, entry, self.account))?;
        }
        entries.shrink_to_fit();
        Ok(Content::Mapping(Arc::new(entries)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::Limits;

    fn lines(text: &str) -> Option<Vec<(usize, String)>> {
        let account = Account::new(Limits { depth: 3, values: 8, ..Limits::default() });
        let nodes = read(Chunk { lines_before: 10, text }, &account).ok()??;
        Some(nodes.into_iter().map(|n| (n.line, n.to_json().to_string())).collect())
    }

    #[test]
    fn values_in_a_row_know_where_they_begin() {
        let text = "{\"a\": 1.0}\n\n {\"b\": \"\\ud83d\\ude00\"}\n";
        let expected = vec![(11, "{\"a\":1}".to_owned()), (13, "{\"b\":\"😀\"}".to_owned())];
        assert_eq!(lines(text), Some(expected));
    }

    #[test]
    fn what_is_not_json_within_the_limits_is_left_to_yaml() {
        for text in ["a: 1", "{a: 1}", "[1", r#"{"a":1,"a":2}"#, "[[[[]]]]", "[1,2,3,4,5,6,7,8]"] {
            assert_eq!(lines(text), None, "{text}");
        }
    }
}
