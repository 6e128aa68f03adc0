//! Headstay holds clusters at Git's HEAD: verified pushes become the state of Kubernetes clusters,
//! and stay it.
//!
//! The rooms in reading order, with their rank. A room uses rooms of lower rank only;
//! `tests/architecture.rs` holds this table against the code.
//!
//! | rank | rooms |
//! |---|---|
//! | 0 | `domain`, `yaml`, `failpoint` |
//! | 1 | `config`, `telemetry` |
//! | 2 | `receiver`, `source`, `render`, `cluster`, `store` |
//! | 3 | `queue`, `watch` |
//! | 4 | `trigger`, `sync` |
//! | 5 | `observe`, `http` |
//! | 6 | `runtime`, `sandbox` |
//! | 7 | `cli` |

pub mod cli;
pub mod cluster;
pub mod config;
pub mod domain;
pub mod failpoint;
pub mod http;
pub mod observe;
pub mod queue;
pub mod receiver;
pub mod render;
pub mod runtime;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod source;
pub mod store;
pub mod sync;
pub mod telemetry;
pub mod trigger;
pub mod watch;
pub mod yaml;
