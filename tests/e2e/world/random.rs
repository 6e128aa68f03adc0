//! Chance, for what must not be the same twice.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A number that nobody can guess.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
