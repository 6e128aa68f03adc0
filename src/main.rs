//! The `headstay` program.

use std::process::ExitCode;

use clap::Parser;
use headstay::cli::Cli;

/// Gives memory back after a large sync, which the system's allocator mostly keeps; see
/// `docs/benchmarks.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    headstay::cli::run(Cli::parse())
}
