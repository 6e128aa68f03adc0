//! What the server holds: the objects, and the kinds and types that follow from them.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use crate::sandbox::fault::Faults;
use crate::sandbox::kinds::{DEFINITIONS, Kinds};
use crate::sandbox::merge::Types;
use crate::sandbox::storage::{Key, Store};

/// All that requests read and write, one at a time.
pub(super) struct State {
    pub(super) store: Store,
    pub(super) kinds: Kinds,
    pub(super) types: Types,
    built_in: Types,
}

impl State {
    /// No objects, the built-in kinds.
    pub(super) fn new(history: usize) -> Self {
        let built_in = Types::builtin();
        let (kinds, types) = (Kinds::built_in(), built_in.clone());
        Self { store: Store::new(history), kinds, types, built_in }
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

    fn redefine(&mut self) {
        let definitions = || self.store.list(DEFINITIONS, None).map(|(_, object)| &**object);
        self.kinds = Kinds::with(definitions());
        let mut types = self.built_in.clone();
        for definition in definitions() {
            // One that cannot be read was refused when it was written.
            types = types.with_definition(definition).unwrap_or(types);
        }
        self.types = types;
    }
}

/// The state, a bell that rings after each write, and what is to go wrong: all that requests share.
pub(super) struct Shared {
    pub(super) faults: Faults,
    state: Mutex<State>,
    version: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn new(state: State) -> Self {
        let version = watch::Sender::new(state.store.version());
        Self { faults: Faults::default(), state: Mutex::new(state), version }
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
