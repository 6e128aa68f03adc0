//! What asks for syncs. Each of these rings the bell and does nothing else: the worker reads
//! everything anew.

pub mod timer;
pub mod webhook;
