//! The objects, one counter that is everybody's `resourceVersion`, and the changes of late.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use serde_json::{Value, json};

/// Changes that are remembered by default. Who asks for what is older begins with a list again.
pub(super) const HISTORY: usize = 4096;

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    /// Plural and group of its kind, as `deployments.apps`: the same for all its versions.
    pub(super) resource: String,
    /// Empty for objects of the cluster.
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    pub(super) fn new(resource: &str, namespace: &str, name: &str) -> Self {
        Self { resource: resource.into(), namespace: namespace.into(), name: name.into() }
    }
}

/// One write: `before` none made the object, `after` none removed it.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) key: Key,
    pub(super) before: Option<Arc<Value>>,
    pub(super) after: Option<Arc<Value>>,
}

/// A version whose changes are forgotten (410).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Compacted;

/// All objects.
pub(super) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    version: u64,
    /// The newest last.
    changes: VecDeque<Change>,
    /// The version before the oldest change.
    compacted: u64,
    history: usize,
}

impl Store {
    /// An empty store that remembers so many changes.
    pub(super) fn new(history: usize) -> Self {
        // The versions 0 and 1 have meanings of their own in the API.
        let version = 1;
        Self {
            objects: BTreeMap::new(),
            version,
            changes: VecDeque::new(),
            compacted: version,
            history,
        }
    }

    /// The version of the last write.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The oldest version that can be told.
    pub(super) fn oldest(&self) -> u64 {
        self.compacted
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// The objects of a resource, of one namespace or of all (none), in the order of their names.
    pub(super) fn list<'a>(
        &'a self,
        resource: &'a str,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        let first = Key::new(resource, namespace.unwrap_or_default(), "");
        self.objects.range((Bound::Included(first), Bound::Unbounded)).take_while(
            move |(key, _)| {
                key.resource == resource && namespace.is_none_or(|one| key.namespace == one)
            },
        )
    }

    /// Every object there is.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    /// The objects of a resource as they were at a version.
    pub(super) fn list_at(
        &self,
        resource: &str,
        namespace: Option<&str>,
        version: u64,
    ) -> Result<BTreeMap<Key, Arc<Value>>, Compacted> {
        let owned = |(key, object): (&Key, &Arc<Value>)| (key.clone(), Arc::clone(object));
        let mut objects: BTreeMap<_, _> = self.list(resource, namespace).map(owned).collect();
        let later: Vec<&Change> = self.since(version)?.collect();
        for change in later.into_iter().rev() {
            let Key { resource: of, namespace: within, .. } = &change.key;
            if of != resource || namespace.is_some_and(|one| one != within) {
                continue;
            }
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), Arc::clone(before)),
                None => objects.remove(&change.key),
            };
        }
        Ok(objects)
    }

    /// The changes after a version, the oldest first.
    pub(super) fn since(&self, version: u64) -> Result<impl Iterator<Item = &Change>, Compacted> {
        if version < self.compacted {
            return Err(Compacted);
        }
        let first = self.changes.partition_point(|change| change.version <= version);
        Ok(self.changes.range(first..))
    }

    /// Forgets every change so far, so that every version that was told is too old.
    pub(super) fn compact(&mut self) {
        self.changes.clear();
        self.compacted = self.next();
    }

    /// Stores an object, which gets a version of its own.
    pub(super) fn put(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        let version = self.next();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), Arc::clone(&object));
        self.remember(Change { version, key, before, after: Some(Arc::clone(&object)) });
        object
    }

    /// Removes an object, and returns what it was.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        let version = self.next();
        let change =
            Change { version, key: key.clone(), before: Some(Arc::clone(&before)), after: None };
        self.remember(change);
        Some(before)
    }

    fn next(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    fn remember(&mut self, change: Change) {
        self.changes.push_back(change);
        while self.changes.len() > self.history {
            if let Some(oldest) = self.changes.pop_front() {
                self.compacted = oldest.version;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("configmaps", "shop", name)
    }

    fn put(store: &mut Store, name: &str, colour: &str) -> u64 {
        store.put(key(name), json!({"metadata": {"name": name}, "colour": colour}));
        store.version()
    }

    fn colours(objects: &BTreeMap<Key, Arc<Value>>) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        objects.iter().map(|(key, object)| (key.name.clone(), text(&object["colour"]))).collect()
    }

    #[test]
    fn the_past_can_be_listed_until_it_is_forgotten() {
        let mut store = Store::new(4);
        put(&mut store, "a", "red");
        let then = put(&mut store, "b", "red");
        put(&mut store, "a", "blue");
        store.remove(&key("b"));
        put(&mut store, "c", "blue");
        let past = store.list_at("configmaps", Some("shop"), then).unwrap();
        assert_eq!(colours(&past), [("a".into(), "red".into()), ("b".into(), "red".into())]);
        let now = store.list_at("configmaps", None, store.version()).unwrap();
        assert_eq!(colours(&now), [("a".into(), "blue".into()), ("c".into(), "blue".into())]);

        put(&mut store, "c", "red");
        put(&mut store, "c", "green");
        assert_eq!(store.list_at("configmaps", None, then), Err(Compacted));
    }

    #[test]
    fn a_list_ends_with_its_resource_and_namespace() {
        let mut store = Store::new(4);
        for (resource, namespace) in
            [("configmaps", "a"), ("configmaps", "b"), ("configmaps.ex.org", "a"), ("pods", "a")]
        {
            store.put(Key::new(resource, namespace, "x"), json!({"metadata": {}}));
        }
        assert_eq!(store.list("configmaps", None).count(), 2);
        assert_eq!(store.list("configmaps", Some("a")).count(), 1);
        assert_eq!(store.list("pods", Some("b")).count(), 0);
    }
}
