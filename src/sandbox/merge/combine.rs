//! Two values of one type: what differs, what they are together, and one without some fields.

use serde_json::{Map, Value};

use crate::sandbox::merge::fields::{Element, Set};
use crate::sandbox::merge::shape::Shape;
use crate::sandbox::merge::types::{List, Type};

/// What differs between two values.
#[derive(Debug, Default)]
pub(super) struct Difference {
    pub(super) removed: Set,
    pub(super) modified: Set,
    pub(super) added: Set,
}

impl Difference {
    pub(super) fn between(holds: &Type, before: &Value, after: &Value) -> Self {
        let mut difference = Self::default();
        difference.compare(holds, Some(before), Some(after), &mut Vec::new());
        difference
    }

    /// Without fields that count for nothing, and what is below them.
    pub(super) fn without(&self, ignored: &Set) -> Self {
        Self {
            removed: self.removed.without(ignored),
            modified: self.modified.without(ignored),
            added: self.added.without(ignored),
        }
    }

    fn compare(
        &mut self,
        holds: &Type,
        before: Option<&Value>,
        after: Option<&Value>,
        path: &mut Vec<Element>,
    ) {
        let (old, new) = (Shape::of(holds, before), Shape::of(holds, after));
        if after.is_none() || (before.is_some() && !old.is_like(&new)) {
            self.compare_as(&old, before, after, path);
        }
        if after.is_some() {
            self.compare_as(&new, before, after, path);
        }
        match (before, after) {
            (None, _) => self.added.insert(path),
            (_, None) => self.removed.insert(path),
            _ => {}
        }
    }

    fn compare_as(
        &mut self,
        shape: &Shape<'_>,
        before: Option<&Value>,
        after: Option<&Value>,
        path: &mut Vec<Element>,
    ) {
        match (shape, before, after) {
            (Shape::List(list), ..) if goes_into(shape, before, after) => {
                self.compare_items(list, items(before), items(after), path);
            }
            (Shape::Map(map), ..) if goes_into(shape, before, after) => {
                for name in names(before, after) {
                    let Some(holds) = map.field(name) else { continue };
                    path.push(Element::Field(name.clone()));
                    self.compare(holds, get(before, name), get(after, name), path);
                    path.pop();
                }
            }
            (_, Some(before), Some(after)) if !same(before, after) => self.modified.insert(path),
            _ => {}
        }
    }

    fn compare_items<'a>(
        &mut self,
        list: &List,
        before: &'a [Value],
        after: &'a [Value],
        path: &mut Vec<Element>,
    ) {
        let (before, after) = (by_element(list, before), by_element(list, after));
        let new = after.iter().filter(|(element, _)| find(&before, element).is_empty());
        for (element, _) in before.iter().chain(new) {
            path.push(element.clone());
            let (old, new) = (find(&before, element), find(&after, element));
            // Items that cannot be told apart are one thing.
            let one = |items: &[&'a Value]| if let [one] = items { Some(*one) } else { None };
            let several = (old.len() > 1, new.len() > 1);
            if several == (true, true) {
                let equal = |(old, new): (&&Value, &&Value)| same(old, new);
                if old.len() != new.len() || !old.iter().zip(new).all(equal) {
                    self.modified.insert(path);
                }
            } else if several == (false, false) || !old.is_empty() && !new.is_empty() {
                self.compare(&list.items, one(old), one(new), path);
            }
            if several == (true, false) {
                self.removed.insert(path);
            }
            if several == (false, true) {
                self.added.insert(path);
            }
            path.pop();
        }
    }
}

/// The two as one: what `after` names is as there, the rest as in `before`. None when nothing is left.
pub(super) fn merge(holds: &Type, before: Option<&Value>, after: Option<&Value>) -> Option<Value> {
    let shape = Shape::of(holds, after.or(before));
    match shape {
        Shape::List(list) if goes_into(&shape, before, after) => {
            let merged = merge_items(list, items(before), items(after));
            (!merged.is_empty()).then_some(Value::Array(merged))
        }
        Shape::Map(map) if goes_into(&shape, before, after) => {
            let mut merged = Map::new();
            for name in names(before, after) {
                let Some(holds) = map.field(name) else { continue };
                if let Some(value) = merge(holds, get(before, name), get(after, name)) {
                    merged.insert(name.clone(), value);
                }
            }
            (!merged.is_empty()).then_some(Value::Object(merged))
        }
        _ => after.or(before).cloned(),
    }
}

/// The items of both, in an order that keeps that of `after`, and of `before` where it can: items of
/// `before` alone stay in front of the item of both that they were in front of.
fn merge_items(list: &List, before: &[Value], after: &[Value]) -> Vec<Value> {
    let old = list.elements(before);
    let new = list.elements(after);
    let is_old = |element: &Element| old.iter().any(|(other, _)| other == element);
    let is_new = |element: &Element| new.iter().any(|(other, _)| other == element);
    // What is twice in `before` is replaced, not merged.
    let single = |element: &Element| {
        let mut found = old.iter().filter(|(other, _)| other == element);
        let first = found.next().map(|(_, item)| *item);
        first.map(|first| if found.next().is_some() { &Value::Null } else { first })
    };
    let mut shared = new.iter().map(|(element, _)| element).filter(|element| is_old(element));
    let mut next_shared = shared.next();
    let mut merged = Vec::with_capacity(old.len().max(new.len()));
    let mut done: Vec<&Element> = Vec::new();
    let (mut o, mut n) = (0, 0);
    while o < old.len() || n < new.len() {
        if let (Some((element, _)), Some((other, item))) = (old.get(o), new.get(n)) {
            if element == other {
                done.push(element);
                merged.extend(merge(&list.items, single(element), Some(item)));
                (o, n) = (o + 1, n + 1);
                next_shared = shared.next();
                continue;
            }
            if is_new(element) && next_shared.is_some_and(|next| next != element) {
                // In both, but not the one whose turn it is.
                o += 1;
                continue;
            }
        }
        if let Some((element, item)) = old.get(o) {
            if !is_new(element) {
                merged.extend(merge(&list.items, Some(item), None));
                o += 1;
                continue;
            }
            if done.contains(&element) {
                o += 1;
            }
        }
        if let Some((element, item)) = new.get(n) {
            done.push(element);
            merged.extend(merge(&list.items, single(element), Some(item)));
            n += 1;
            if next_shared == Some(element) {
                next_shared = shared.next();
            }
        }
    }
    merged
}

/// The value without these fields. What is replaced as a whole is not looked into. None when nothing
/// is left.
pub(super) fn remove(holds: &Type, value: &Value, fields: &Set) -> Option<Value> {
    let shape = Shape::of(holds, Some(value));
    let without = |element: &Element, value: &Value| {
        let below = fields.below(element).zip(shape.child(element));
        let rest = below.map_or_else(
            || value.clone(),
            |(fields, holds)| remove(holds, value, fields).unwrap_or(Value::Null),
        );
        (!fields.has(element)).then_some(rest)
    };
    match (shape, value) {
        (Shape::Scalar(_), _) => Some(value.clone()),
        (shape, _) if shape.is_whole() => None,
        (Shape::List(list), Value::Array(items)) => {
            let items = list.elements(items).into_iter();
            let kept: Vec<Value> =
                items.filter_map(|(element, item)| without(&element, item)).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        (_, Value::Object(named)) => {
            let kept = named.iter().filter_map(|(name, value)| {
                Some((name.clone(), without(&Element::Field(name.clone()), value)?))
            });
            let kept: Map<String, Value> = kept.collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        _ => None,
    }
}

/// Whether two values are the same: `1` is `1.0`.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// Whether the items, or the fields, are looked at one by one. Two that are empty are compared as
/// they are: `{}`, `[]` and `null` differ.
fn goes_into(shape: &Shape<'_>, before: Option<&Value>, after: Option<&Value>) -> bool {
    let empty = match shape {
        Shape::List(_) => items(before).is_empty() && items(after).is_empty(),
        _ => names(before, after).next().is_none(),
    };
    !empty && !shape.is_whole()
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn get<'a>(value: Option<&'a Value>, name: &str) -> Option<&'a Value> {
    value?.as_object()?.get(name)
}

/// The names of the fields of both, each once.
fn names<'a>(
    before: Option<&'a Value>,
    after: Option<&'a Value>,
) -> impl Iterator<Item = &'a String> {
    let keys = |value: Option<&'a Value>| value.and_then(Value::as_object).into_iter().flatten();
    let new = keys(after).filter(move |(name, _)| get(before, name).is_none());
    keys(before).chain(new).map(|(name, _)| name)
}

/// The items of each element, in the order in which the elements come first.
fn by_element<'a>(list: &List, items: &'a [Value]) -> Vec<(Element, Vec<&'a Value>)> {
    let mut grouped: Vec<(Element, Vec<&Value>)> = Vec::new();
    for (element, item) in list.elements(items) {
        match grouped.iter_mut().find(|(other, _)| *other == element) {
            Some((_, items)) => items.push(item),
            None => grouped.push((element, vec![item])),
        }
    }
    grouped
}

fn find<'a, 'b>(grouped: &'b [(Element, Vec<&'a Value>)], element: &Element) -> &'b [&'a Value] {
    grouped.iter().find(|(other, _)| other == element).map_or(&[], |(_, items)| items.as_slice())
}
