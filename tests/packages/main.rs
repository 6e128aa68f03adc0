//! What is in `deploy/`, held against the real thing: helm and kustomize make objects of it, a real
//! API server takes them, and `headstay` itself runs with the rights and the configuration in them.
//!
//! | file | what it is about |
//! |---|---|
//! | `chart.rs` | the chart: what its values lead to, and what they may not be |
//! | `overlays.rs` | the plain manifests, and that they are the same as the chart |
//! | `rights.rs` | Headstay with nothing but the rights of the profile `namespaces` |
//! | `image.rs` | the stubs of the Dockerfile's build |
//! | `unit.rs` | the unit for systemd, and its page |
//! | `monitoring.rs` | alerts and dashboard against the metrics that there are |
//! | `parts.rs`, `cluster.rs` | the programs that make objects; the API server that takes them |
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]
#![expect(clippy::print_stderr, reason = "the log of the program, when a story failed")]
#![expect(unreachable_pub, reason = "the parts of the world are public to the stories")]

mod chart;
mod cluster;
mod image;
mod monitoring;
mod overlays;
mod parts;
mod rights;
#[path = "../e2e/world/kube_apiserver.rs"]
mod server;
mod unit;
#[expect(dead_code, reason = "the stories need more of it")]
#[path = "../e2e/world/mod.rs"]
mod world;
