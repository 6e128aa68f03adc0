//! The configuration in force, which changes while the process runs.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::config::Config;

/// The configuration in force, and why a newer one is not.
pub struct Live {
    current: ArcSwap<Config>,
    refusal: ArcSwapOption<String>,
}

impl Live {
    /// Begins with a good configuration.
    pub fn new(config: Config) -> Self {
        Self { current: ArcSwap::from_pointee(config), refusal: ArcSwapOption::empty() }
    }

    /// The configuration in force.
    pub fn load(&self) -> Arc<Config> {
        self.current.load_full()
    }

    /// Puts a configuration into force; returns the one before.
    pub fn replace(&self, config: Config) -> Arc<Config> {
        self.refusal.store(None);
        self.current.swap(Arc::new(config))
    }

    /// Notes that the file has changed to something that cannot be used.
    pub fn refuse(&self, errors: String) {
        self.refusal.store(Some(Arc::new(errors)));
    }

    /// Why the newest state of the file is not in force; none when it is.
    pub fn refusal(&self) -> Option<Arc<String>> {
        self.refusal.load_full()
    }
}
