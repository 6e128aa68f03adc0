//! From the push to the cluster: one object of many changes.

use std::process::Command;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Scale;
use crate::bare::Bare;
use crate::fleet::{DEADLINE, File, Fleet, Setup, commit};
use crate::table::{Row, median, ratio, shown};
use crate::world::GIT_TOKEN;
use crate::world::leash;
use crate::world::manifests::config_map;
use crate::world::random::random;
use crate::world::repository::Repository;

/// Objects of the application.
const OBJECTS: u32 = 1000;
/// Pushes, of which the median counts.
const ROUNDS: u32 = 50;

/// Runs it.
pub fn run(scale: Scale) -> Vec<Row> {
    let files: Vec<File> = (0..scale.of(OBJECTS, 20)).map(|n| file(n, "first")).collect();
    let shop = ["shop".to_owned()];
    let setup = Setup { applications: &shop, files: &files, automated: true, suspended: false };
    let fleet = setup.start();
    fleet.settle(1);
    let bare = Bare::new(&fleet.api_server);
    let collection = format!("/api/v1/namespaces/{}/configmaps", fleet.namespaces[0]);
    let events = bare.watch(&collection);
    // The same content, so that it costs the Git host the same.
    let other = Mirror::clone(fleet.git.create("acme/other"), &files);

    let (mut whole, mut least) = (Vec::new(), Vec::new());
    let mut phases = Vec::new();
    for round in 0..scale.of(ROUNDS, 2) {
        let (took, sync) = push(&fleet, &events, round);
        whole.push(took);
        phases.push(sync["phases"].clone());
        least.push(other.fetch_and_patch(&bare, &collection, round));
    }
    fleet.finish();
    eprintln!("phases of the last sync: {}", phases.pop().unwrap());
    let (whole, least) = (median(&mut whole), median(&mut least));
    let ratio = ratio(whole, least);
    vec![
        Row::new(
            format!(
                "push → applied, 1 object of {}, with the signed webhook",
                scale.of(OBJECTS, 20)
            ),
            shown(whole),
        )
        .compared(format!("`git fetch` and one PATCH: {}", shown(least)), ratio)
        .aim("≤ 1.5", ratio <= 1.5),
    ]
}

fn file(n: u32, colour: &str) -> File {
    (format!("apps/shop/{n}.yaml"), config_map(&format!("object-{n}"), colour))
}

/// Pushes one change; the time from sending the webhook until the change is seen.
fn push(fleet: &Fleet, events: &Receiver<(Instant, Value)>, round: u32) -> (Duration, Value) {
    let colour = format!("shade-{:x}", random());
    commit(&fleet.repository, &[file(round, &colour)]);
    let begun = Instant::now();
    let answer = fleet.announce();
    let seen = loop {
        let (at, object) = events.recv_timeout(DEADLINE).unwrap();
        if object["data"]["colour"] == *colour {
            break at;
        }
    };
    let id = answer["syncs"][0]["id"].as_str().unwrap();
    (seen - begun, fleet.headstay.wait_for_state(id, "Succeeded"))
}

/// A mirror of another repository, kept by `git` itself.
struct Mirror {
    repository: Repository,
    folder: String,
}

impl Mirror {
    fn clone(repository: Repository, files: &[File]) -> Self {
        commit(&repository, files);
        let folder = leash::folder("mirror").display().to_string();
        let url = repository.url.replace("http://", &format!("http://any:{GIT_TOKEN}@"));
        git(&["clone", "--quiet", "--mirror", &url, &folder]);
        Self { repository, folder }
    }

    fn fetch_and_patch(&self, bare: &Bare, collection: &str, round: u32) -> Duration {
        let colour = format!("shade-{:x}", random());
        commit(&self.repository, &[file(round, &colour)]);
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "bare"},
            "data": {"colour": colour},
        });
        let begun = Instant::now();
        git(&["-C", &self.folder, "fetch", "--quiet", "--prune"]);
        bare.apply(&format!("{collection}/bare"), &object.to_string());
        begun.elapsed()
    }
}

fn git(arguments: &[&str]) {
    let status = Command::new("git").args(arguments).status().unwrap();
    assert!(status.success(), "git {arguments:?}: {status}");
}
