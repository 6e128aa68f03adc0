//! Stories of the real `headstay` between a real Git host and a real Kubernetes API server.
//!
//! `world` holds the parts: read `world/mod.rs` first. Every story starts a world of its own, does
//! something to it by the verbs of the world, and ends with `finish`, which checks what must hold
//! after every story: no error logged, no panic, no secret told, an orderly end.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]
#![expect(clippy::print_stderr, reason = "the log of the program, when a story failed")]
#![expect(unreachable_pub, reason = "the parts of the world are public to the stories")]

#[path = "world/kube_apiserver.rs"]
mod server;
mod world;

mod admission;
mod annotations;
mod api;
mod configuration;
mod controllers;
mod deliveries;
mod demo;
mod disk;
mod document;
mod door;
mod drift;
mod failures;
mod fights;
mod git;
mod health;
mod homes;
mod installations;
mod jobs;
#[cfg(debug_assertions)]
mod kill;
mod kinds;
mod obstacles;
mod outages;
mod owners;
mod prune;
mod push;
mod refusals;
mod restart;
mod rights;
mod sandbox_kinds;
mod times;
mod unasked;
