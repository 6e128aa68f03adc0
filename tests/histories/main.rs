//! Histories by chance: commits, configurations, people, failures and restarts in any order, and after
//! each step the question whether anything was deleted or written that was not asked for.
//!
//! The real engine (queue, store, mirror, syncs, observer) works on a sandbox. There are no tasks that
//! run by themselves but the observer: a history says when the worker takes a sync, what happens at
//! which of its requests, and when time passes. So a seed gives the same history each time.
//!
//! ```sh
//! cargo test --test histories                                   # some hundreds, as CI does
//! HEADSTAY_HISTORIES=10000 cargo test --test histories          # more
//! HEADSTAY_HISTORIES=5000..6000 cargo test --test histories     # others
//! HEADSTAY_SEED=4711 cargo test --test histories                # one, told in words as it was played
//! ```
//!
//! What fails is made shorter, as long as the same rule is broken, and told in words.
#![cfg(feature = "sandbox")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
#![expect(clippy::print_stderr, reason = "the history, when a rule was broken")]
#![expect(unreachable_pub, reason = "the parts of the world are public to each other")]

mod chance;
mod clock;
mod deeds;
mod ending;
mod engine;
mod git;
mod people;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../e2e/world/repository.rs"]
mod repository;
mod rules;
mod settings;
mod step;
mod things;
mod world;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::chance::{History, history};
use crate::rules::Broken;
use crate::world::World;

/// Histories that are played where nothing else is said.
const HISTORIES: u64 = 200;
/// Times that a history is played to make it shorter.
const PLAYS: usize = 250;

#[test]
fn whatever_happens_nothing_is_deleted_or_written_that_was_not_asked_for() {
    let (seeds, alone) = seeds();
    let next = AtomicU64::new(seeds.start);
    let found: Mutex<BTreeMap<&'static str, Vec<(u64, Played)>>> = Mutex::default();
    let workers = std::thread::available_parallelism().map_or(2, usize::from).min(8);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let played = play(&history(seed));
                    if alone {
                        eprintln!("seed {seed}\n  {}", played.told.join("\n  "));
                    }
                    if let Some(broken) = &played.broken {
                        let mut found = found.lock().unwrap();
                        found.entry(broken.rule).or_default().push((seed, played));
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    let broken = !found.is_empty();
    for (rule, found) in &found {
        let seeds: Vec<_> = found.iter().map(|(seed, _)| seed).collect();
        eprintln!("{} times: {rule}: {seeds:?}", seeds.len());
    }
    for mut found in found.into_values() {
        let (seed, played) = found.remove(0);
        tell(seed, played);
    }
    assert!(!broken, "rules were broken");
}

/// A history that was played.
struct Played {
    /// The rule that was broken first.
    broken: Option<Broken>,
    /// What happened.
    told: Vec<String>,
}

/// Plays a history.
fn play(history: &History) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::begin(history).await;
        for step in &history.steps {
            world.take(step).await;
            if world.broken.is_some() {
                break;
            }
        }
        if world.broken.is_none() {
            world.come_to_rest().await;
        }
        let told = std::mem::take(&mut world.told);
        Played { broken: world.end().await, told }
    })
}

/// Tells the shortest history that breaks the same rule as this seed.
fn tell(seed: u64, mut played: Played) {
    let mut history = history(seed);
    let mut plays = 0;
    let mut length = history.steps.len().div_ceil(2);
    while length > 0 && plays < PLAYS {
        let mut at = 0;
        while at < history.steps.len() && plays < PLAYS {
            let mut shorter = history.clone();
            shorter.steps.drain(at..(at + length).min(history.steps.len()));
            plays += 1;
            if !still_breaks(&mut history, &mut played, shorter) {
                at += length;
            }
        }
        length /= 2;
    }
    for at in 0..history.steps.len() {
        let mut edit = 0;
        while plays < 2 * PLAYS
            && let Some(shorter) = history.without_edit(at, edit)
        {
            plays += 1;
            if !still_breaks(&mut history, &mut played, shorter) {
                edit += 1;
            }
        }
    }
    let (apps, told) = (history.apps, played.told.join("\n  "));
    let broken = played.broken.map(|Broken { rule, how }| format!("{rule}: {how}"));
    let broken = broken.unwrap_or_default();
    eprintln!("\nseed {seed}: {broken}\n  with {apps} applications\n  {told}");
}

/// Takes a shorter history for the longer one, if it breaks the same rule.
fn still_breaks(history: &mut History, played: &mut Played, shorter: History) -> bool {
    let again = play(&shorter);
    let rule = |played: &Played| played.broken.as_ref().map(|broken| broken.rule);
    let same = rule(&again) == rule(played);
    if same {
        (*history, *played) = (shorter, again);
    }
    same
}

/// Which histories are to be played, and whether they are told although no rule is broken.
fn seeds() -> (Range<u64>, bool) {
    let range = |text: &str| {
        let number = |text: &str| text.trim().parse::<u64>().unwrap();
        text.split_once("..").map(|(from, to)| number(from)..number(to)).ok_or_else(|| number(text))
    };
    let named = |variable| std::env::var(variable).ok().map(|text| range(&text));
    if let Some(seeds) = named("HEADSTAY_SEED") {
        return (seeds.unwrap_or_else(|seed| seed..seed + 1), true);
    }
    let seeds = named("HEADSTAY_HISTORIES").unwrap_or(Err(HISTORIES));
    (seeds.unwrap_or_else(|count| 0..count), false)
}
