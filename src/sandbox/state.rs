//! What the server holds: the objects, and the kinds and types that follow from them.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use crate::sandbox::fault::Faults;
use crate::sandbox::journal::Journal;
use crate::sandbox::kinds::{DEFINITIONS, Kinds};
use crate::sandbox::merge::Types;
use crate::sandbox::storage::{Key, Store};

/// All that requests read and write, one at a time.
pub(super) struct State {
    pub(super) store: Store,
    pub(super) kinds: Kinds,
    pub(super) types: Types,
    built_in: Types,
    /// The group of custom resources that is not served for now.
    away: Option<String>,
}

impl State {
    /// No objects, the built-in kinds.
    pub(super) fn new(history: usize) -> Self {
        let built_in = Types::builtin();
        let (kinds, types) = (Kinds::built_in(), built_in.clone());
        Self { store: Store::new(history), kinds, types, built_in, away: None }
    }

    /// Stores an object.
    pub(super) fn put(&mut self, key: Key, object: Value) -> Arc<Value> {
        let definition = key.resource == DEFINITIONS;
        let object = self.store.put(key, object);
        if definition {
            self.redefine();
        }
        object
    }

    /// Removes an object.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let removed = self.store.remove(key);
        if key.resource == DEFINITIONS {
            self.redefine();
        }
        removed
    }

    /// Stops to serve a group of custom resources, whose objects stay, until another one (or none) is
    /// named.
    pub(super) fn withdraw(&mut self, group: Option<&str>) {
        self.away = group.map(str::to_owned);
        self.redefine();
    }

    fn redefine(&mut self) {
        let definitions = || self.store.list(DEFINITIONS, None).map(|(_, object)| &**object);
        let serves = |definition: &&Value| {
            self.away.as_deref().is_none_or(|away| definition["spec"]["group"] != *away)
        };
        self.kinds = Kinds::with(definitions().filter(serves));
        let mut types = self.built_in.clone();
        for definition in definitions() {
            // One that cannot be read was refused when it was written.
            types = types.with_definition(definition).unwrap_or(types);
        }
        self.types = types;
    }
}

/// The state, a bell that rings after each write, what is to go wrong, and what was written: all that
/// requests share.
pub(super) struct Shared {
    pub(super) faults: Faults,
    pub(super) journal: Journal,
    state: Mutex<State>,
    version: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn new(state: State) -> Self {
        let version = watch::Sender::new(state.store.version());
        let (faults, journal) = (Faults::default(), Journal::default());
        Self { faults, journal, state: Mutex::new(state), version }
    }

    /// Does something with the state, during which nobody else does.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        // What a panic leaves behind is no worse than what a crash of a real server does.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut state);
        let version = state.store.version();
        self.version.send_if_modified(|seen| std::mem::replace(seen, version) != version);
        result
    }

    /// Tells the version after each write.
    pub(super) fn versions(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}
