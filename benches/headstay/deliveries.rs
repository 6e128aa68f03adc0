//! Deliveries: verified, journalled, on the disk, answered.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::Scale;
use crate::fleet::{Fleet, Setup};
use crate::generator::{Generator, Sent};
use crate::process::Process;
use crate::scrape;
use crate::table::{Row, quantile, ratio, shown};
use crate::world::leash;
use crate::world::manifests::config_map;

/// How long deliveries are sent, in seconds.
const SECONDS: u32 = 10;
/// Deliveries a second, for the time that one takes.
const PACE: u32 = 1000;
/// Waits for the disk that it is compared with.
const DISK_ROUNDS: u32 = 500;

/// Runs it.
pub fn run(scale: Scale) -> Vec<Row> {
    let length = Duration::from_secs(scale.of(SECONDS, 1).into());
    let alone = one_by_one(scale.of(DISK_ROUNDS, 50));
    // Syncs do not begin, so that what is measured is the acceptance alone.
    let fleet = start(true);
    let generator = Generator::new(fleet.headstay.address(), &fleet.repository);
    generator.closed(length / 10);
    let mut full = generator.closed(length);
    let mut paced = generator.paced(PACE, length);
    let syncs = Process::find().count_syncs().map(|count| {
        let sent = generator.paced(PACE, length / 2);
        (sent, count.end())
    });
    let taken = scrape::headstay(&fleet.headstay, "headstay_deliveries_total", &["accepted"]);
    assert!(usize::try_from(taken).unwrap() > full.took.len(), "{taken} deliveries were taken");
    fleet.finish();
    let mut rows = vec![rate(&mut full, alone), time(&mut paced)];
    rows.extend(syncs.map(|(sent, count)| waits(&sent, count)));
    rows.push(beside_syncs(length));
    rows
}

fn start(suspended: bool) -> Fleet {
    let file = ("apps/shop/settings.yaml".to_owned(), config_map("settings", "blue"));
    Setup { applications: &["shop".to_owned()], files: &[file], automated: true, suspended }.start()
}

fn rate(full: &mut Sent, alone: Duration) -> Row {
    let rate = full.rate();
    let at = shown(quantile(&mut full.took, 0.99));
    Row::new(
        "deliveries of 10 kB acknowledged durably, 64 connections",
        format!("{rate:.0}/s, p99 {at}"),
    )
    .compared(
        format!("one at a time: 10 kB and `fdatasync`, {:.0}/s", 1.0 / alone.as_secs_f64()),
        rate * alone.as_secs_f64(),
    )
    .aim("5000/s on 2 cores", rate >= 5000.0)
}

fn time(paced: &mut Sent) -> Row {
    let slow = quantile(&mut paced.took, 0.99);
    let middle = quantile(&mut paced.took, 0.5);
    Row::new(
        format!("the same at {PACE}/s"),
        format!("p50 {}, p99 {} ({:.0}/s)", shown(middle), shown(slow), paced.rate()),
    )
    .aim("p99 under 20 ms", slow < Duration::from_millis(20))
}

fn waits(sent: &Sent, count: u32) -> Row {
    let each = f64::from(count) / sent.within.as_secs_f64();
    let shared = sent.rate() / each;
    Row::new(
        "waits for the disk at that rate, counted by `strace`, which slows",
        format!("{each:.0} fsync/s, {shared:.1} deliveries in each ({:.0}/s)", sent.rate()),
    )
}

/// The same with nothing held back: the syncs and the Git host take their part of the cores.
fn beside_syncs(length: Duration) -> Row {
    let fleet = start(false);
    fleet.settle(1);
    let ran = fleet.ran();
    let generator = Generator::new(fleet.headstay.address(), &fleet.repository);
    let mut full = generator.closed(length);
    let ran = fleet.ran() - ran;
    fleet.settle(1);
    fleet.finish();
    let at = shown(quantile(&mut full.took, 0.99));
    Row::new(
        "the same while the syncs that they ask for run, on the same cores as the Git host",
        format!("{:.0}/s, p99 {at}, {ran:.0} syncs", full.rate()),
    )
}

/// How long it takes to write the bytes of one delivery and to wait for the disk.
fn one_by_one(rounds: u32) -> Duration {
    let mut file = File::create(leash::folder("disk").join("file")).unwrap();
    let begun = Instant::now();
    for _ in 0..rounds {
        file.write_all(&[b'x'; 10_000]).unwrap();
        file.sync_data().unwrap();
    }
    begun.elapsed().mul_f64(ratio(Duration::from_secs(1), Duration::from_secs(rounds.into())))
}
