//! The `headstay` program.

use std::process::ExitCode;

use clap::Parser;
use headstay::cli::Cli;

/// Gives memory back after a large sync, which other allocators mostly keep; see
/// `docs/benchmarks.md`. It serves the C libraries as well. Its settings are in
/// `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    headstay::cli::run(Cli::parse())
}
