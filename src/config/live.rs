//! The configuration in force, which changes while the process runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::config::Config;
use crate::config::change::Delta;

/// The configuration in force, and why a newer one is not.
pub struct Live {
    current: ArcSwap<Config>,
    generation: AtomicU64,
    refusal: ArcSwapOption<String>,
}

impl Live {
    /// Begins with a good configuration.
    pub fn new(config: Config) -> Self {
        Self {
            current: ArcSwap::from_pointee(config),
            generation: AtomicU64::new(1),
            refusal: ArcSwapOption::empty(),
        }
    }

    /// The configuration in force.
    pub fn load(&self) -> Arc<Config> {
        self.current.load_full()
    }

    /// Which configuration since the process started is in force: the first is 1.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Puts a configuration into force; returns what it changes for the applications.
    pub fn replace(&self, config: Config) -> (Arc<Config>, Delta) {
        let config = Arc::new(config);
        let before = self.current.swap(Arc::clone(&config));
        self.generation.fetch_add(1, Ordering::Relaxed);
        // Last: whoever sees no refusal any more sees all of it.
        self.refusal.store(None);
        let delta = Delta::between(&before, &config);
        (before, delta)
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
