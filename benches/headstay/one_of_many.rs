//! A push that touches one of many applications of one repository.

use std::time::Instant;

use crate::Scale;
use crate::fleet::{File, Fleet, Setup, commit};
use crate::scrape;
use crate::table::{Row, shown};
use crate::world::manifests::config_map;

/// Applications of the repository.
const APPLICATIONS: u32 = 200;

/// Runs it.
pub fn run(scale: Scale) -> Vec<Row> {
    let count = scale.of(APPLICATIONS, 10);
    let names: Vec<String> = (0..count).map(|n| format!("app-{n}")).collect();
    let files: Vec<File> = names.iter().map(|name| file(name, "blue")).collect();
    let setup = Setup { applications: &names, files: &files, automated: true, suspended: false };
    let fleet = setup.start();
    fleet.settle(count);

    let before = Counts::read(&fleet);
    commit(&fleet.repository, &[file(&names[1], "red")]);
    let begun = Instant::now();
    fleet.announce();
    fleet.settle(2 * count);
    let took = begun.elapsed();
    let after = Counts::read(&fleet);
    fleet.finish();

    let fetches = after.fetches - before.fetches;
    let renders = after.renders - before.renders;
    let calls = after.calls.since(before.calls);
    // A write is asked about before: a dry run and a read of what is there.
    let met = (fetches, renders, calls.writes) == (1, 1, 1) && calls.all <= 3;
    vec![
        Row::new(
            format!("a push that touches 1 of {count} applications"),
            format!(
                "{fetches} fetches, {renders} renders, {} calls, {} writes; all done after {}",
                calls.all,
                calls.writes,
                shown(took)
            ),
        )
        .aim("1 fetch, 1 render, 1 write", met),
    ]
}

fn file(name: &str, colour: &str) -> File {
    (format!("apps/{name}/settings.yaml"), config_map("settings", colour))
}

struct Counts {
    fetches: u32,
    renders: u32,
    calls: scrape::Calls,
}

impl Counts {
    fn read(fleet: &Fleet) -> Self {
        let phases = "headstay_phase_duration_seconds_count";
        Self {
            fetches: scrape::headstay(&fleet.headstay, "headstay_fetches_total", &[]),
            renders: scrape::headstay(&fleet.headstay, phases, &["phase=\"render\""]),
            calls: scrape::calls(&fleet.kubernetes, "configmaps"),
        }
    }
}
