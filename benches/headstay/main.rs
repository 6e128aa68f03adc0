//! What Headstay costs, beside the least that the same work could cost, in the same run.
//!
//! `cargo bench` runs all and prints one table; `cargo bench -- deliveries push` runs those;
//! `cargo bench -- --quick` takes small numbers, to see that everything works. The parts are those
//! of the stories in `tests/e2e`: the real program, a real Git host and a real API server, on the
//! same cores.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot go on must fail")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table, and what goes on")]
#![expect(unreachable_pub, reason = "the parts of the world are public to the stories")]

mod again;
mod bare;
mod deliveries;
mod first_sync;
mod fleet;
mod generator;
mod memory;
mod one_of_many;
mod process;
mod push;
mod scrape;
#[expect(dead_code, reason = "the stories need more of it")]
#[path = "../../tests/e2e/world/kube_apiserver.rs"]
mod server;
mod table;
#[expect(dead_code, unused_imports, reason = "the stories need more of it")]
#[path = "../../tests/e2e/world/mod.rs"]
mod world;

use std::time::Instant;

use crate::table::Row;

/// How large everything is.
#[derive(Clone, Copy)]
pub struct Scale {
    /// Whether the numbers are small, and their results mean nothing.
    quick: bool,
}

impl Scale {
    /// The number to measure with, or the small one.
    pub fn of(self, full: u32, quick: u32) -> u32 {
        if self.quick { quick } else { full }
    }
}

type Benchmark = fn(Scale) -> Vec<Row>;

const BENCHMARKS: [(&str, Benchmark); 6] = [
    ("deliveries", deliveries::run),
    ("push", push::run),
    ("first-sync", first_sync::run),
    ("again", again::run),
    ("one-of-many", one_of_many::run),
    ("memory", memory::run),
];

fn main() {
    // Cargo itself adds `--bench`.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let scale = Scale { quick: arguments.iter().any(|argument| argument == "--quick") };
    let wanted: Vec<&String> =
        arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let mut rows = Vec::new();
    for (name, run) in BENCHMARKS {
        if wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            eprintln!("{name} …");
            let begun = Instant::now();
            rows.extend(run(scale));
            eprintln!("{name}: {:.0} s", begun.elapsed().as_secs_f64());
        }
    }
    println!("{}", table::render(&rows));
}
