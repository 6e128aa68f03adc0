//! The first sync of many objects.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Scale;
use crate::bare::{AT_ONCE, Bare};
use crate::fleet::{DEADLINE, File, Fleet, Setup};
use crate::table::{Row, median, ratio, shown};
use crate::world::manifests::{config_map, deployment};
use crate::world::random::random;
use crate::world::wait::wait_until;

/// Objects of one sync.
const OBJECTS: u32 = 1000;
/// Syncs of each kind, each of an application and a namespace of its own; the median counts.
const ROUNDS: u32 = 3;

/// One kind of objects.
struct Kind {
    name: &'static str,
    plural: &'static str,
    root: &'static str,
    manifest: fn(&str) -> String,
    /// What a controller makes of each.
    made: Option<&'static str>,
}

const KINDS: [Kind; 2] = [
    Kind {
        name: "ConfigMaps",
        plural: "configmaps",
        root: "/api/v1",
        manifest: |name| config_map(name, "blue"),
        made: None,
    },
    Kind {
        name: "Deployments",
        plural: "deployments",
        root: "/apis/apps/v1",
        // There is no node on which a Pod could run.
        manifest: |name| deployment(name, "web:1").replace("replicas: 1", "replicas: 0"),
        made: Some("replicasets"),
    },
];

/// Runs it.
pub fn run(scale: Scale) -> Vec<Row> {
    KINDS.iter().map(|kind| compare(kind, scale)).collect()
}

fn compare(kind: &Kind, scale: Scale) -> Row {
    let (objects, rounds) = (scale.of(OBJECTS, 20), scale.of(ROUNDS, 1));
    let names: Vec<String> = (0..rounds).map(|round| format!("round-{round}")).collect();
    let files: Vec<File> = names
        .iter()
        .flat_map(|name| {
            (0..objects).map(move |n| {
                let text = (kind.manifest)(&format!("object-{n}"));
                (format!("apps/{name}/{n}.yaml"), text)
            })
        })
        .collect();
    let setup = Setup { applications: &names, files: &files, automated: false, suspended: false };
    let fleet = setup.start();
    fleet.settle(rounds);
    let bare = Bare::new(&fleet.api_server);
    let (mut whole, mut least) = (Vec::new(), Vec::new());
    for (name, namespace) in names.iter().zip(&fleet.namespaces) {
        // Who comes second finds the API server warmer, or its etcd fuller: they take turns.
        let first = whole.len() % 2 == 0;
        if first {
            least.push(apply_bare(kind, &fleet, &bare, objects));
        }
        whole.push(sync(&fleet, name));
        settle(kind, &fleet, namespace, objects);
        if !first {
            least.push(apply_bare(kind, &fleet, &bare, objects));
        }
    }
    fleet.settle(2 * rounds);
    fleet.finish();
    let (whole, least) = (median(&mut whole), median(&mut least));
    let ratio = ratio(whole, least);
    Row::new(format!("first sync of {objects} {}, mirror warm", kind.name), shown(whole))
        .compared(
            format!(
                "{objects} dry runs and {objects} applies, {AT_ONCE} at once: {}",
                shown(least)
            ),
            ratio,
        )
        .aim("≤ 1.2", ratio <= 1.2)
}

/// From the wish until everything is applied.
fn sync(fleet: &Fleet, name: &str) -> Duration {
    let begun = Instant::now();
    fleet.headstay.post(&format!("/api/v1/applications/{name}/sync"), &json!({}));
    let mut found = Value::Null;
    wait_until("the sync to be applied", DEADLINE, || {
        let list = fleet.headstay.get(&format!("/api/v1/syncs?limit=1&application={name}"));
        found = list["items"][0].clone();
        ["Waiting", "Succeeded"].contains(&found["state"].as_str().unwrap_or_default())
    });
    let took = begun.elapsed();
    eprintln!("{name}: {}", found["phases"]);
    took
}

fn apply_bare(kind: &Kind, fleet: &Fleet, bare: &Bare, objects: u32) -> Duration {
    let namespace = format!("bare-{:08x}", random() & 0xffff_ffff);
    fleet.kubernetes.create("/api/v1/namespaces", &json!({"metadata": {"name": namespace}}));
    let collection = format!("{}/namespaces/{namespace}/{}", kind.root, kind.plural);
    let objects_sent: Vec<(String, String)> = (0..objects)
        .map(|n| {
            let name = format!("object-{n}");
            // The API server takes YAML as well; labels as Headstay adds them.
            let text = (kind.manifest)(&name).replacen(
                "metadata:\n",
                "metadata:\n  labels: {headstay.dev/application: bare}\n  annotations: \
                 {headstay.dev/instance: bare}\n",
                1,
            );
            (format!("{collection}/{name}"), text)
        })
        .collect();
    let took = bare.apply_all(&objects_sent);
    settle(kind, fleet, &namespace, objects);
    took
}

/// Waits until the controllers are done, so that the next round is not slowed by this one.
fn settle(kind: &Kind, fleet: &Fleet, namespace: &str, objects: u32) {
    let Some(made) = kind.made else { return };
    let path = format!("{}/namespaces/{namespace}", kind.root);
    let count = usize::try_from(objects).unwrap();
    wait_until("the controllers to be done", DEADLINE, || {
        std::thread::sleep(Duration::from_millis(500));
        let observed = |object: &Value| object["status"]["observedGeneration"].is_i64();
        fleet.kubernetes.list(&format!("{path}/{made}")).len() == count
            && fleet.kubernetes.list(&format!("{path}/{}", kind.plural)).iter().all(observed)
    });
}
