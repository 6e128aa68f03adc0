//! The stories of `tests/e2e`, with the sandbox in the place of the API server: in seconds, and
//! under faults that a real one does not have on request.
//!
//! Left out is what the sandbox does not do (`docs/sandbox.md`): `admission`, for it has no quotas
//! and no policies, `rights`, for it knows no users, and `obstacles`, for it does not validate what an
//! apply leaves beside what it names.
#![cfg(feature = "sandbox")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]
#![expect(clippy::print_stderr, reason = "the log of the program, when a story failed")]
#![expect(unreachable_pub, reason = "the parts of the world are public to the stories")]

#[path = "../e2e/world/sandbox.rs"]
mod server;
#[path = "../e2e/world/mod.rs"]
mod world;

#[path = "../e2e/annotations.rs"]
mod annotations;
#[path = "../e2e/api.rs"]
mod api;
#[path = "../e2e/configuration.rs"]
mod configuration;
#[path = "../e2e/controllers.rs"]
mod controllers;
#[path = "../e2e/deliveries.rs"]
mod deliveries;
#[path = "../e2e/demo.rs"]
mod demo;
#[path = "../e2e/disk.rs"]
mod disk;
#[path = "../e2e/document.rs"]
mod document;
#[path = "../e2e/door.rs"]
mod door;
#[path = "../e2e/drift.rs"]
mod drift;
#[path = "../e2e/failures.rs"]
mod failures;
mod faults;
#[path = "../e2e/fights.rs"]
mod fights;
#[path = "../e2e/git.rs"]
mod git;
#[path = "../e2e/health.rs"]
mod health;
#[path = "../e2e/homes.rs"]
mod homes;
mod hostile;
#[path = "../e2e/installations.rs"]
mod installations;
#[cfg(debug_assertions)]
#[path = "../e2e/kill.rs"]
mod kill;
#[path = "../e2e/kinds.rs"]
mod kinds;
mod neighbours;
mod once;
#[path = "../e2e/outages.rs"]
mod outages;
#[path = "../e2e/owners.rs"]
mod owners;
#[path = "../e2e/prune.rs"]
mod prune;
#[path = "../e2e/push.rs"]
mod push;
#[path = "../e2e/refusals.rs"]
mod refusals;
mod refusing;
mod renders;
#[path = "../e2e/restart.rs"]
mod restart;
#[path = "../e2e/times.rs"]
mod times;
#[path = "../e2e/unasked.rs"]
mod unasked;
