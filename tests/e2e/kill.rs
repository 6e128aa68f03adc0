//! The program dies before and after each durable step and each write to the cluster (see
//! `src/failpoint.rs`), and nothing is lost, left over or forgotten.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::world::manifests::config_map;
use crate::world::wait::{DEADLINE, wait_for, wait_until};
use crate::world::webhook::Webhook;
use crate::world::{Setup, World, share};

/// Where the program dies, one life after the other: the first time while it works on a push, and
/// then at each start. A start makes the first pass of the points that every sync has; the push is
/// the second, and its prune the third.
type Lives = &'static [&'static str];

/// The last commit is what the program finds when it is back.
const DEATHS: &[Lives] = &[
    &["accept:before=2"],
    &["accept:after=2"],
    &["claim:before=2"],
    &["claim:after=2"],
    &["fetch:before=2"],
    &["fetch:after=2"],
    &["pin:after=2"],
    &["begin-apply:before"],
    &["begin-apply:after"],
    &["create:after"],
    &["take-over:after"],
    &["recreate:deleted"],
    &["write:before"],
    &["write:before=4"],
    &["write:after"],
    &["write:after=4"],
    &["record-applied:before"],
    &["record-applied:after"],
    &["finish:before=2"],
    &["finish:after=2"],
    &["end-waiting:before"],
    &["end-waiting:after"],
    &["claim:before=3"],
    &["claim:after=3"],
    &["prune:before"],
    &["prune:after"],
    &["finish:before=3"],
    &["finish:after=3"],
    &["write:after", "recover:before", "recover:after", "accept:before", "accept:after"],
    &["begin-apply:after", "claim:after", "fetch:after", "write:after=2", "record-applied:before"],
    &["record-applied:after", "claim:after", "finish:before"],
];

/// While the program was dead, another commit has removed what this one was about to make.
const DEATHS_OF_THE_UNWANTED: &[Lives] = &[
    &["accept:after=2"],
    &["begin-apply:after"],
    &["take-over:after"],
    &["write:before=4"],
    &["write:after"],
    &["write:after=4"],
    &["record-applied:before"],
    &["record-applied:after"],
    &["finish:after=2"],
    &["end-waiting:after"],
    &["claim:after=3"],
    &["write:after=5", "recover:after", "fetch:after", "record-applied:before", "finish:before"],
];

/// Worlds at a time: each waits most of its time.
const WORLDS: usize = 5;

#[test]
fn killed_at_any_step_it_ends_at_the_last_push_and_leaves_nothing_over() {
    let wanted = DEATHS.iter().map(|lives| (*lives, true));
    let unwanted = DEATHS_OF_THE_UNWANTED.iter().map(|lives| (*lives, false));
    share(WORLDS, wanted.chain(unwanted), |deaths| {
        let mut story = Story::begin();
        for (lives, stays) in deaths {
            story.die_and_live_on(lives, stays);
        }
        story.world.finish();
    });
}

/// A step that is new must be died at.
#[test]
fn every_failpoint_of_the_code_is_died_at() {
    let mut points = BTreeSet::new();
    find_failpoints(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut points);
    let died_at = DEATHS.iter().chain(DEATHS_OF_THE_UNWANTED).copied().flatten();
    let died_at: BTreeSet<String> =
        died_at.map(|point| point.split('=').next().unwrap().to_owned()).collect();
    assert_eq!(points, died_at);
}

fn find_failpoints(folder: &Path, points: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_failpoints(&path, points);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let calls = text.split("failpoint(\"").skip(1);
            points.extend(calls.map(|call| call.split('"').next().unwrap().to_owned()));
        }
    }
}

/// A world in which the program dies again and again. Every push changes one ConfigMap and one
/// Deployment, which takes its time to be healthy, has one object recreated, makes two, one of them to
/// be left alone then, takes one over that somebody made by hand, and removes what the push before it
/// brought.
struct Story {
    world: World,
    round: usize,
    made: Vec<String>,
}

impl Story {
    fn begin() -> Self {
        let sync = "prune: true, pruneLimit: {percent: 100}";
        let world = Setup { sync, ..Setup::default() }.start();
        let story = Self { world, round: 0, made: Vec::new() };
        let commit = story.commit(&[]);
        let pushed = story.world.announce(commit);
        story.world.headstay.wait_for_state(&pushed.sync, "Succeeded");
        story
    }

    fn die_and_live_on(&mut self, lives: Lives, stays: bool) {
        self.round += 1;
        let made = ["made", "adopted"].map(|name| format!("{name}-{}", self.round));
        self.world.kubernetes.create(
            &self.world.path("v1", "configmaps"),
            &json!({"metadata": {"name": made[1]}, "data": {"colour": "by-hand"}}),
        );
        let mut removed = std::mem::replace(&mut self.made, made.to_vec());
        removed.extend(["passing", "once"].map(|name| format!("{name}-{}", self.round - 1)));
        let headstay = &self.world.headstay;

        // The Deployment was written to since, by its controller: the start would compare it.
        headstay.wait_for_state(&headstay.request_sync(), "Succeeded");
        self.wait_until_idle();
        headstay.kill9();
        headstay.restart_to_die_at(lives[0]);
        self.wait_until_idle();
        self.commit(&removed);
        let push = Webhook::push(&self.world.repository, "main");
        let answer = headstay.try_deliver(&push);
        headstay.wait_for_death();
        lives[1..].iter().for_each(|point| headstay.die_at(point));
        if !stays {
            self.made.clear();
            self.commit(&made);
        }
        headstay.restart();

        // What was not answered, the host sends again.
        let answer = answer.unwrap_or_else(|_| headstay.deliver(&push));
        assert_eq!(answer.status, 202, "{lives:?}: {answer:?}");
        self.assert_settled(lives);
    }

    #[track_caller]
    fn wait_until_idle(&self) {
        wait_until("the queue to be empty", DEADLINE, || {
            let queue = &self.world.headstay.status()["queue"];
            queue.as_object().unwrap().values().all(|count| *count == 0)
        });
    }

    /// Commits what Git is to say in this round.
    fn commit(&self, removed: &[String]) -> String {
        let path = |name: &String| format!("apps/shop/{name}.yaml");
        let files: Vec<(String, Option<String>)> = self
            .files()
            .into_iter()
            .map(|(name, text)| (path(&name), Some(text)))
            .chain(removed.iter().map(|name| (path(name), None)))
            .collect();
        let changes: Vec<_> = files.iter().map(|(path, text)| (&**path, text.as_deref())).collect();
        self.world.repository.commit(&changes)
    }

    /// What Git is to say in this round, by name.
    fn files(&self) -> Vec<(String, String)> {
        let shade = format!("shade-{}", self.round);
        let fixed = config_map("fixed", &shade)
            .replace("metadata:", "metadata:\n  annotations: {headstay.dev/force: enabled}")
            + "immutable: true\n";
        let mut files = vec![
            ("settings".to_owned(), config_map("settings", &shade)),
            ("fixed".to_owned(), fixed),
            ("web".to_owned(), deployment(self.round)),
            (
                format!("passing-{}", self.round),
                config_map(&format!("passing-{}", self.round), &shade),
            ),
        ];
        let once = config_map(&format!("once-{}", self.round), &shade)
            .replace("metadata:", "metadata:\n  annotations: {headstay.dev/apply: if-not-present}");
        files.push((format!("once-{}", self.round), once));
        files.extend(self.made.iter().map(|name| (name.clone(), config_map(name, &shade))));
        files
    }

    /// The cluster is as the last commit says, the inventory holds what is on the cluster as ours,
    /// and every delivery that was accepted is covered.
    #[track_caller]
    fn assert_settled(&self, lives: Lives) {
        let world = &self.world;
        let head = world.repository.head("main").unwrap();
        let named: BTreeSet<String> = self.files().into_iter().map(|(name, _)| name).collect();
        wait_for(&format!("the end after {lives:?}"), DEADLINE, || {
            let application = world.headstay.application();
            let inventory = names(application["inventory"].as_array().unwrap(), "/name");
            let ours = self.ours();
            let applied = application["applied"]["id"] == head && application["healthy"] == head;
            if applied && inventory == named && ours == named {
                return Ok(());
            }
            Err(format!("on the cluster: {ours:?}; {application:#}"))
        });
        let shade = format!("shade-{}", self.round);
        for name in named.iter().filter(|name| *name != "web") {
            assert_eq!(world.colour(name).as_ref(), Some(&shade), "{lives:?}: {name}");
        }
        let web = world.kubernetes.get(&format!("{}/web", world.path("apps/v1", "deployments")));
        let image = &web.unwrap()["spec"]["template"]["spec"]["containers"][0]["image"];
        assert_eq!(*image, format!("web:{}", self.round), "{lives:?}");
        let deliveries = world.headstay.get("/api/v1/deliveries?limit=200");
        for delivery in deliveries["items"].as_array().unwrap() {
            assert_eq!(delivery["outcome"], "accepted", "{lives:?}: {delivery}");
            world.headstay.wait_until_covered(delivery["id"].as_str().unwrap());
        }
    }

    /// The objects of the cluster that bear our label, whoever knows of them.
    fn ours(&self) -> BTreeSet<String> {
        let paths = [("v1", "configmaps"), ("apps/v1", "deployments")];
        let paths = paths.map(|(version, plural)| self.world.path(version, plural));
        let list = |path: &String| {
            let selector = "labelSelector=headstay.dev/application=shop";
            names(&self.world.kubernetes.list(&format!("{path}?{selector}")), "/metadata/name")
        };
        paths.iter().flat_map(list).collect()
    }
}

fn names(objects: &[Value], pointer: &str) -> BTreeSet<String> {
    let name = |object: &Value| object.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    objects.iter().map(name).collect()
}

/// A Deployment of no Pod: healthy as soon as its controller has seen it.
fn deployment(version: usize) -> String {
    crate::world::manifests::deployment("web", &format!("web:{version}"))
        .replace("replicas: 1", "replicas: 0")
}
