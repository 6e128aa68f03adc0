//! JSON proper, for what is valid there and not in YAML: pairs of surrogates in a text, several
//! values in a row. kubectl tries JSON for whatever begins with a bracket, too.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::yaml::scalar::Scalar;
use crate::yaml::split::Chunk;
use crate::yaml::{Content, Entry, Limits, Node};

/// The values of a text that is JSON within the limits, else none. Each node has the line on which
/// the value that it is part of begins.
pub(super) fn read(chunk: Chunk<'_>, limits: &Limits) -> Option<Vec<Node>> {
    if !chunk.text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let mut roots = Vec::new();
    let mut nodes = 0;
    let mut stream = serde_json::Deserializer::from_str(chunk.text).into_iter::<Strict>();
    loop {
        let rest = &chunk.text[stream.byte_offset()..];
        let start = chunk.text.len() - rest.trim_start().len();
        let line = chunk.lines_before + 1 + chunk.text[..start].matches('\n').count();
        let Some(value) = stream.next() else { break };
        let root = value.ok()?.0;
        nodes += count(&root, limits.depth)?;
        if nodes > limits.nodes {
            return None;
        }
        roots.push(at(root, line));
    }
    Some(roots)
}

/// The nodes of a value that is nested no deeper than `depth`.
fn count(node: &Node, depth: usize) -> Option<usize> {
    let mut nodes = 1;
    match &node.content {
        Content::Scalar(_) => {}
        Content::Sequence(items) => {
            let below = depth.checked_sub(1)?;
            for item in items {
                nodes += count(item, below)?;
            }
        }
        Content::Mapping(entries) => {
            let below = depth.checked_sub(1)?;
            for entry in entries {
                nodes += count(&entry.value, below)?;
            }
        }
    }
    Some(nodes)
}

fn at(mut node: Node, line: usize) -> Node {
    node.line = line;
    node.content = match node.content {
        Content::Sequence(items) => {
            Content::Sequence(items.into_iter().map(|item| at(item, line)).collect())
        }
        Content::Mapping(entries) => Content::Mapping(
            entries
                .into_iter()
                .map(|entry| Entry { line, value: at(entry.value, line), ..entry })
                .collect(),
        ),
        scalar @ Content::Scalar(_) => scalar,
    };
    node
}

/// A node without lines, in which no key is set twice.
struct Strict(Node);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let content = deserializer.deserialize_any(ContentVisitor)?;
        Ok(Self(Node { line: 0, content }))
    }
}

struct ContentVisitor;

impl ContentVisitor {
    fn scalar<E: Error>(scalar: Scalar) -> Result<Content, E> {
        scalar.into_json().map(Content::Scalar).map_err(E::custom)
    }
}

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Content, E> {
        Self::scalar(Scalar::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Content, E> {
        Self::scalar(Scalar::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Content, E> {
        Self::scalar(Scalar::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Content, E> {
        Self::scalar(Scalar::Uint(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Content, E> {
        Self::scalar(Scalar::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Content, E> {
        Self::scalar(Scalar::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut nodes = Vec::new();
        while let Some(Strict(node)) = items.next_element()? {
            nodes.push(node);
        }
        Ok(Content::Sequence(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        let mut keys = HashSet::new();
        while let Some((key, Strict(value))) = map.next_entry::<String, Strict>()? {
            if !keys.insert(key.clone()) {
                return Err(A::Error::custom("duplicate key"));
            }
            entries.push(Entry { key, line: 0, value });
        }
        Ok(Content::Mapping(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Option<Vec<(usize, String)>> {
        let limits = Limits { depth: 3, nodes: 8, ..Limits::default() };
        let nodes = read(Chunk { lines_before: 10, text }, &limits)?;
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
