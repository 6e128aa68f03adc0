//! The same files are not rendered twice to learn the same.

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::world::manifests::config_map;
use crate::world::wait::{DEADLINE, wait_until};
use crate::world::{Setup, World, application, assert_tells};

/// Applications beside `shop` that are only applied when somebody asks: nobody does.
fn others() -> String {
    let others = [("stock", "main"), ("till", "refs/heads/main")];
    others.map(|(name, revision)| application(name, revision, "automated: false")).concat()
}

/// How often the files of an application were rendered.
fn renders(world: &World, application: &str) -> u32 {
    let metrics = world.headstay.get_as(None, "/metrics").text;
    let line = format!("headstay_renders_total{{application=\"{application}\"}} ");
    let mut counts = metrics.lines().filter_map(|metric| metric.strip_prefix(&line));
    counts.next().map_or(0, |count| count.parse().unwrap())
}

fn results(world: &World, sync: &str) -> Vec<Value> {
    world.headstay.get(&format!("/api/v1/syncs/{sync}"))["objects"].as_array().unwrap().clone()
}

#[test]
fn what_a_neighbour_names_is_known_from_one_render_until_its_files_change() {
    let world = Setup { applications: others(), ..Setup::default() }.start();
    let names = ["one", "two", "three", "four"];
    let paths = names.map(|name| format!("apps/shop/{name}.yaml"));
    let texts = names.map(|name| config_map(name, "blue"));
    let mut files = [0, 1, 2, 3].map(|n| (&*paths[n], Some(&*texts[n]))).to_vec();
    let (shelf, drawer) = (config_map("shelf", "grey"), config_map("drawer", "grey"));
    files
        .extend([("apps/stock/shelf.yaml", Some(&*shelf)), ("apps/till/till.yaml", Some(&drawer))]);
    world.apply(&files);
    let rendered = || ["stock", "till"].map(|name| renders(&world, name));
    assert_eq!(rendered(), [0, 0], "nobody has asked");

    for path in &paths[..2] {
        let pushed = world.push(&[(path, None)]);
        world.headstay.wait_for_state(pushed.sync_of("shop"), "Succeeded");
        assert_eq!(rendered(), [1, 1], "after the prune for {path}");
    }
    let two = config_map("three", "grey");
    let moved = world.push(&[(&*paths[2], None), ("apps/stock/three.yaml", Some(&*two))]);
    world.headstay.wait_for_state(moved.sync_of("shop"), "Succeeded");
    assert_eq!(rendered(), [2, 1], "what `stock` names may have changed");
    let kept = results(&world, moved.sync_of("shop"));
    let why = kept.iter().find(|object| object["name"] == "three").unwrap()["message"].clone();
    assert!(why.as_str().unwrap().contains("application stock takes it over"), "{kept:#?}");

    world.headstay.kill9();
    world.headstay.restart();
    let pushed = world.push(&[(&*paths[3], None)]);
    world.headstay.wait_for_state(pushed.sync_of("shop"), "Succeeded");
    wait_until("the last one to go", DEADLINE, || world.colour("four").is_none());
    assert_eq!(rendered(), [0, 0], "a restart forgets nothing");
    assert_eq!(world.colour("three").as_deref(), Some("blue"));
    world.finish();
}

#[test]
fn files_that_are_no_manifests_are_not_read_again_until_they_change_or_somebody_asks() {
    let world = World::start();
    let broken = world.push(&[("apps/shop/broken.yaml", Some("kind: ["))]);
    let failed = world.headstay.wait_for_state(&broken.sync, "Failed");
    let rendered = renders(&world, "shop");

    let other = world.push(&[("readme.md", Some("hello"))]);
    let again = world.headstay.wait_for_state(&other.sync, "Failed");
    assert_eq!(again["commit"]["id"], other.commit);
    assert_eq!(again["error"], failed["error"]);
    assert_tells(&again, "apps/shop/broken.yaml:1");
    assert_eq!(renders(&world, "shop"), rendered);

    let asked = world.headstay.post("/api/v1/applications/shop/sync", &json!({}));
    world.headstay.wait_for_state(asked["id"].as_str().unwrap(), "Failed");
    assert_eq!(renders(&world, "shop"), rendered + 1);
    let mended = world.push(&[("apps/shop/broken.yaml", None)]);
    world.headstay.wait_for_state(&mended.sync, "Succeeded");
    world.finish();
}

/// Changes the store while nobody has it.
fn tamper(world: &World, statements: &'static str) {
    let options = SqliteConnectOptions::new().filename(world.headstay.folder().join("headstay.db"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut store = options.connect().await.unwrap();
        sqlx::raw_sql(statements).execute(&mut store).await.unwrap();
        store.close().await.unwrap();
    });
}

#[test]
fn a_store_from_before_footprints_costs_one_render_no_write_and_no_history() {
    let world = Setup { interval: "2s", ..Setup::default() }.start();
    world.headstay.terminate();
    // The inputs of the version before are one digest of everything.
    tamper(&world, "UPDATE applications SET inputs = 'digest'; DELETE FROM renders");
    world.headstay.restart();
    let ended = || world.headstay.syncs().iter().filter(|sync| !sync["endedAt"].is_null()).count();
    let (history, written) = (ended(), world.resource_versions());
    let checked = || world.headstay.application()["checkedAt"].clone();
    for _ in 0..3 {
        let last = checked();
        wait_until("another check", DEADLINE, || checked() != last);
    }
    assert_eq!((renders(&world, "shop"), ended()), (1, history));
    assert_eq!(world.resource_versions(), written);
    world.finish();
}
