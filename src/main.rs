//! The `headstay` program.

use std::process::ExitCode;

use clap::Parser;
use headstay::cli::Cli;

fn main() -> ExitCode {
    headstay::cli::run(Cli::parse())
}
