//! Headstay holds clusters at Git's HEAD: verified pushes become the state of Kubernetes clusters,
//! and stay it.
//!
//! The rooms in reading order, with their rank. A room uses rooms of lower rank only;
//! `tests/architecture.rs` holds this table against the code.
//!
//! | rank | rooms |
//! |---|---|
//! | 0 | `domain`, `failpoint` |
//! | 1 | `yaml`, `telemetry` |
//! | 2 | `config` |
//! | 3 | `receiver`, `source`, `render`, `cluster`, `store` |
//! | 4 | `watch` |
//! | 5 | `trigger`, `sync` |
//! | 6 | `observe`, `http` |
//! | 7 | `runtime`, `sandbox` |
//! | 8 | `cli` |

pub mod cli;
pub mod cluster;
pub mod config;
pub mod domain;
pub mod failpoint;
pub mod http;
pub mod observe;
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
