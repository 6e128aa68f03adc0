//! A stand-in for a Kubernetes API server: in this process, in memory, on loopback.
//!
//! It is no cluster: nothing runs, and nothing is kept. It is there for `headstay demo`, and so that
//! the stories of the test suite run in seconds and under faults that a real server does not have on
//! request. The real server is the measure: where both differ, this one is wrong.

pub mod defaults;
pub mod merge;
