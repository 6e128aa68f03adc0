//! Something goes wrong between Headstay and the API server, at each step of a sync: the end is what
//! Git says, and stays.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use headstay::sandbox::fault::{Effect, Fault};
use serde_json::{Value, json};

use crate::world::api_server::ApiServer;
use crate::world::manifests::{config_map, deployment};
use crate::world::wait::{DEADLINE, wait_for, wait_until};
use crate::world::{Setup, World, share};

/// A step of a sync: what it is called, a part of its requests, and how many of those come first.
type Step = (&'static str, &'static str, usize);

/// In the order of a sync. An object is first sent as a dry run, and then to be written.
const STEPS: [Step; 8] = [
    ("the look at what is owned", "GET /api/v1/namespaces/NAMESPACE/configmaps?", 0),
    ("the dry run of a change", "PATCH /api/v1/namespaces/NAMESPACE/configmaps/settings", 0),
    ("the dry run of a new object", "PATCH /api/v1/namespaces/NAMESPACE/configmaps/made", 0),
    ("the write of a change", "PATCH /api/v1/namespaces/NAMESPACE/configmaps/settings", 1),
    ("the write of a new object", "PATCH /api/v1/namespaces/NAMESPACE/configmaps/made", 1),
    ("the write of a workload", "PATCH /apis/apps/v1/namespaces/NAMESPACE/deployments/web", 1),
    ("the read before a deletion", "GET /api/v1/namespaces/NAMESPACE/configmaps/made-", 0),
    ("a deletion", "DELETE /api/v1/namespaces/NAMESPACE/configmaps/made", 0),
];

/// What goes wrong at each step, and how often in a row: first what takes the longest.
const FAULTS: [(Effect, usize); 8] = [
    // More often than a call is repeated: the sync itself has to begin again.
    (Effect::Refuse(503), 5),
    (Effect::HangUpAfter, 5),
    (Effect::Refuse(429), 1),
    (Effect::Refuse(500), 2),
    (Effect::HangUp, 2),
    (Effect::HangUpAfter, 1),
    (Effect::SlowBody(Duration::from_millis(200)), 1),
    (Effect::Delay(Duration::from_millis(200)), 1),
];

/// Worlds at a time: each waits most of its time.
const WORLDS: usize = 8;

#[test]
fn whatever_goes_wrong_at_a_step_the_end_is_what_git_says_and_stays() {
    let rounds = FAULTS.into_iter().flat_map(|fault| STEPS.map(|step| (step, fault)));
    share(WORLDS, rounds, |rounds| {
        let mut story = Story::begin();
        for ((step, request, skip), (effect, times)) in rounds {
            let what = format!("{effect:?} {times} times at {step}");
            story.plan(request, skip, times, effect);
            story.push(&what);
            story.assert_settled(&what);
        }
        story.world.finish();
    });
}

#[test]
fn a_sync_that_waits_for_an_api_server_that_hangs_ends_when_the_program_is_to_end() {
    let mut story = Story::begin();
    for (what, request) in [
        ("a look that hangs", "GET /api/v1/namespaces/NAMESPACE/configmaps?"),
        ("a dry run that hangs", "PATCH /api/v1/namespaces/NAMESPACE/configmaps/made"),
        (
            "a read before a deletion that hangs",
            "GET /api/v1/namespaces/NAMESPACE/configmaps/made-",
        ),
    ] {
        story.plan(request, 0, 1, Effect::Delay(Duration::from_hours(1)));
        story.push(what);
        // A push alone does not look at what was applied before.
        story.world.headstay.request_sync();
        wait_for(what, DEADLINE, || match story.faults().left() {
            0 => Ok(()),
            left => Err(left.to_string()),
        });
        story.world.headstay.terminate();
        story.world.headstay.restart();
        story.assert_settled(what);
    }
    story.world.finish();
}

#[test]
fn an_api_server_that_does_not_answer_is_not_asked_about_the_other_objects() {
    let api_server = Arc::new(ApiServer::own());
    let limits = "callsPerCluster: 1";
    let world = Setup { limits, api_server, ..Setup::default() }.start();
    let request = format!("PATCH {}", world.config_map_path("first"));
    let faults = world.api_server.sandbox().faults();
    faults.plan(Fault { request, skip: 0, times: 1000, effect: Effect::HangUp });
    let pushed = world.push(&[
        ("apps/shop/first.yaml", Some(&config_map("first", "red"))),
        ("apps/shop/second.yaml", Some(&config_map("second", "red"))),
    ]);
    world.headstay.wait_for_sync("an error that tells what was not asked", |sync| {
        sync["id"] == pushed.sync && sync["error"].to_string().contains("second: not asked")
    });
    faults.clear();
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    world.finish();
}

#[test]
fn what_cannot_be_deleted_keeps_what_others_stand_on() {
    let world = Setup { api_server: Arc::new(ApiServer::own()), ..Setup::default() }.start();
    let class = "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, \
                 value: 7}";
    let (first, high) = ("apps/shop/first.yaml", "apps/shop/high.yaml");
    world.apply(&[(first, Some(&config_map("first", "red"))), (high, Some(class))]);
    let request = format!("DELETE {}", world.config_map_path("first"));
    let faults = world.api_server.sandbox().faults();
    faults.plan(Fault { request, skip: 0, times: 1000, effect: Effect::Refuse(403) });

    let pushed = world.push(&[(first, None), (high, None)]);
    world.headstay.wait_for_sync("the deletion to be refused", |sync| {
        sync["id"] == pushed.sync && sync["error"].to_string().contains("first")
    });
    let class = || world.kubernetes.get("/apis/scheduling.k8s.io/v1/priorityclasses/high");
    assert!(class().is_some(), "what comes after it waits for it");
    let application = world.headstay.application();
    let inventory = application["inventory"].as_array().unwrap();
    let first = inventory.iter().find(|item| item["name"] == "first").unwrap();
    assert_eq!(first["kept"], "refused");
    faults.clear();
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    assert_eq!((world.colour("first"), class()), (None, None));
    world.finish();
}

#[test]
fn what_cannot_be_healed_leaves_nothing_else_unhealed() {
    let api_server = Arc::new(ApiServer::own());
    let world = Setup { api_server, interval: "2s", ..Setup::default() }.start();
    let mut applied = ["one", "two", "three"].map(|name| {
        let path = format!("apps/shop/{name}.yaml");
        let sync = world.apply(&[(&path, Some(&config_map(name, "blue")))]);
        (sync["commit"]["id"].as_str().unwrap().to_owned(), name)
    });
    // In the order in which they are healed.
    applied.sort();
    let [first, second, last] = applied.map(|(_, name)| name);
    world.push(&[("apps/shop/broken.yaml", Some("{"))]);
    let faults = world.api_server.sandbox().faults();
    for name in [first, second] {
        let request = format!("PATCH {}", world.config_map_path(name));
        // The first request is the change by hand.
        faults.plan(Fault { request, skip: 1, times: 1000, effect: Effect::Refuse(403) });
    }

    for name in [first, second, last] {
        let drift = json!({"data": {"colour": "red"}});
        world.kubernetes.edit(&world.config_map_path(name), &drift);
    }
    let is = |name: &str, colour: &str| world.colour(name).as_deref() == Some(colour);
    wait_until("the last one to be healed", DEADLINE, || is(last, "blue"));
    assert!(is(first, "red") && is(second, "red"));
    faults.clear();
    wait_until("all to be healed", DEADLINE, || is(first, "blue") && is(second, "blue"));
    world.finish();
}

#[test]
fn a_list_that_is_behind_undoes_nothing() {
    let mut story = Story::begin();
    for writes_ago in [1, 5, 50] {
        let what = format!("a list from {writes_ago} writes ago");
        story.push(&what);
        story.assert_settled(&what);
        story.plan("GET /api/v1/namespaces/NAMESPACE/configmaps?", 0, 1, Effect::Stale(writes_ago));
        story.assert_settled(&what);
    }
    story.world.finish();
}

#[test]
fn a_watch_that_fails_is_begun_again_and_the_wait_for_health_ends() {
    let mut story = Story::begin();
    let watches = "GET /apis/apps/v1/deployments?&watch=true";
    for effect in [Effect::LoseEvents, Effect::ReverseEvents] {
        let what = format!("{effect:?}");
        story.plan(watches, 0, 1, effect);
        story.push(&what);
        story.faults().end_watches();
        story.assert_settled(&what);
    }
    for refusals in [1, 3] {
        let what = format!("a watch that is refused {refusals} times");
        story.plan(watches, 0, refusals, Effect::Refuse(500));
        story.faults().end_watches();
        story.push(&what);
        story.assert_settled(&what);
    }
    story.world.api_server.sandbox().compact();
    story.faults().end_watches();
    story.push("versions that are forgotten");
    story.assert_settled("versions that are forgotten");
    story.world.finish();
}

/// Two applications that make the namespace that they share.
const EAST_AND_WEST: &str = "
  - &east
    name: east
    repository: fleet
    revision: main
    path: apps/east
    cluster: test
    namespace: NAMESPACE-shared
    sync: {interval: 1s, createNamespace: true, retry: {initial: 1s, max: 2s}}
  - {<<: *east, name: west, path: apps/west}
";

#[test]
fn a_namespace_that_two_applications_make_at_once_is_left_to_one_of_them() {
    let api_server = Arc::new(ApiServer::own());
    let world =
        Setup { applications: EAST_AND_WEST.to_owned(), api_server, ..Setup::default() }.start();
    let path = format!("/api/v1/namespaces/{}-shared", world.namespace);
    // Each asks about it before the other one has it.
    let effect = Effect::Delay(Duration::from_millis(500));
    let request = format!("PATCH {path}");
    world.api_server.sandbox().faults().plan(Fault { request, skip: 0, times: 2, effect });
    let push = |colour| {
        let [settings, stock] = ["settings", "stock"].map(|name| config_map(name, colour));
        let pushed = world.push(&[
            ("apps/east/settings.yaml", Some(&settings)),
            ("apps/west/stock.yaml", Some(&stock)),
        ]);
        ["east", "west"].map(|name| {
            world.headstay.wait_until_through(pushed.sync_of(name));
            // A check may have come to the commit just before.
            let syncs = world.headstay.syncs().into_iter().filter(|sync| {
                sync["application"] == name && sync["commit"]["id"] == *pushed.commit
            });
            let objects = syncs.flat_map(|sync| {
                let sync = world.headstay.sync(sync["id"].as_str().unwrap());
                sync["objects"].as_array().unwrap().clone()
            });
            names(&objects.collect::<Vec<_>>(), "/kind")
        })
    };
    let owners = || {
        let mut owners =
            vec![world.kubernetes.get(&path).unwrap()["metadata"]["labels"]
            ["headstay.dev/application"]
            .clone()];
        for name in ["east", "west"] {
            let application = world.headstay.get(&format!("/api/v1/applications/{name}"));
            if names(application["inventory"].as_array().unwrap(), "/kind").contains("Namespace") {
                owners.push(name.into());
            }
        }
        owners
    };

    assert!(push("red").iter().all(|kinds| kinds.contains("Namespace")), "both made it");
    let uid = world.kubernetes.get(&path).unwrap()["metadata"]["uid"].clone();
    for colour in ["green", "blue"] {
        wait_until("the first by name to own it alone", DEADLINE, || owners() == ["east", "east"]);
        push(colour);
    }
    assert_eq!(owners(), ["east", "east"]);
    assert_eq!(world.kubernetes.get(&path).unwrap()["metadata"]["uid"], uid);
    world.finish();
}

/// A world on a sandbox of its own. Every push changes one ConfigMap and one Deployment, makes one
/// ConfigMap, and removes the one that the push before it made.
struct Story {
    world: World,
    round: usize,
}

impl Story {
    fn begin() -> Self {
        let api_server = Arc::new(ApiServer::own());
        let world = Setup { api_server, ..Setup::default() }.start();
        let mut story = Self { world, round: 0 };
        story.push("nothing");
        story.assert_settled("nothing");
        story
    }

    fn faults(&self) -> &headstay::sandbox::fault::Faults {
        self.world.api_server.sandbox().faults()
    }

    fn plan(&self, request: &str, skip: usize, times: usize, effect: Effect) {
        let request = request.replace("NAMESPACE", &self.world.namespace);
        self.faults().plan(Fault { request, skip, times, effect });
    }

    fn push(&mut self, what: &str) {
        self.round += 1;
        let path = |name: &str| format!("apps/shop/{name}.yaml");
        let old = path(&format!("made-{}", self.round - 1));
        let files: Vec<(String, String)> =
            self.files().into_iter().map(|(name, text)| (path(&name), text)).collect();
        let mut changes: Vec<_> =
            files.iter().map(|(path, text)| (&**path, Some(&**text))).collect();
        if self.round > 1 {
            changes.push((&*old, None));
        }
        let pushed = self.world.push(&changes);
        let taken = self.world.headstay.delivery(&pushed.delivery);
        assert_eq!(taken["outcome"], "accepted", "{what}: {taken}");
    }

    /// What Git says in this round, by name.
    fn files(&self) -> [(String, String); 3] {
        let shade = self.shade();
        let made = format!("made-{}", self.round);
        let web =
            deployment("web", &format!("web:{}", self.round)).replace("replicas: 1", "replicas: 0");
        [
            ("settings".to_owned(), config_map("settings", &shade)),
            (made.clone(), config_map(&made, &shade)),
            ("web".to_owned(), web),
        ]
    }

    fn shade(&self) -> String {
        format!("shade-{}", self.round)
    }

    /// The cluster is as the last commit says; a person who asks for a sync gets one that writes
    /// nothing, even when what was planned goes wrong only then.
    #[track_caller]
    fn assert_settled(&self, what: &str) {
        let world = &self.world;
        let head = world.repository.head("main").unwrap();
        let named: BTreeSet<String> = self.files().into_iter().map(|(name, _)| name).collect();
        let settled = || {
            wait_for(&format!("the end after {what}"), DEADLINE, || {
                let application = world.headstay.application();
                let inventory = names(application["inventory"].as_array().unwrap(), "/name");
                let ours = self.ours();
                let done = application["applied"]["id"] == head && application["healthy"] == head;
                if done && inventory == named && ours == named {
                    return Ok(());
                }
                Err(format!("on the cluster: {ours:?}; {application:#}"))
            });
        };
        settled();
        let versions = world.resource_versions();
        world.headstay.wait_for_state(&world.headstay.request_sync(), "Succeeded");
        settled();
        assert_eq!(self.faults().clear(), 0, "{what}: it did not happen");
        assert_eq!(world.resource_versions(), versions, "{what}");
        for name in ["settings".to_owned(), format!("made-{}", self.round)] {
            assert_eq!(world.colour(&name), Some(self.shade()), "{what}: {name}");
        }
    }

    /// The objects of the cluster that bear our label.
    fn ours(&self) -> BTreeSet<String> {
        let paths = [("v1", "configmaps"), ("apps/v1", "deployments")];
        let list = |(version, plural): (&str, &str)| {
            let path = self.world.path(version, plural);
            // Not the query of the look, so that a fault is not spent here.
            let selector = "labelSelector=headstay.dev/application=shop";
            names(&self.world.kubernetes.list(&format!("{path}/?{selector}")), "/metadata/name")
        };
        paths.into_iter().flat_map(list).collect()
    }
}

fn names(objects: &[Value], pointer: &str) -> BTreeSet<String> {
    let name = |object: &Value| object.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    objects.iter().map(name).collect()
}
