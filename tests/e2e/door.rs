//! What somebody can do to the door who may not open it, or who may and sends much.

use std::net::SocketAddr;
use std::process::Output;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::world::manifests::config_map;
use crate::world::webhook::Webhook;
use crate::world::{World, assert_tells};

/// How many addresses the attackers have.
const ATTACKERS: u8 = 6;
/// Connections that each of them opens, whenever one of them ends: more than there are seats.
const CONNECTIONS: usize = 130;

/// What a connection is held with: an answer that was had, and the beginnings of requests.
const HELD: [&str; 4] = [
    "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nhost: a\r\nx-slow",
    "POST /webhooks/github HTTP/1.1\r\nhost: a\r\ncontent-length: 9999\r\n\r\n{",
    "",
];

#[test]
fn whatever_connections_others_hold_webhooks_the_api_and_probes_are_answered() {
    let world = World::start();
    let server: SocketAddr = world.headstay.address().parse().unwrap();
    let attack =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for from in 2..2 + ATTACKERS {
        attack.spawn(hold(server, from));
    }
    for turn in 0..10 {
        let answer = world.headstay.get_as(None, "/readyz");
        assert_eq!(answer.status, 200, "{turn}: {answer:?}");
        let answer = world.headstay.deliver(&Webhook::ping());
        assert_eq!(answer.status, 200, "{turn}: {answer:?}");
        world.headstay.status();
    }
    world.apply(&[("apps/shop/settings.yaml", Some(&config_map("settings", "red")))]);
    attack.shutdown_timeout(Duration::ZERO);
    world.finish();
}

/// Holds as many connections from an address as it gets.
async fn hold(server: SocketAddr, from: u8) {
    let mut held = JoinSet::new();
    for what in HELD.iter().cycle() {
        if held.len() == CONNECTIONS {
            held.join_next().await;
        }
        held.spawn(async move {
            let Ok(mut stream) = connect(server, from).await else { return };
            if stream.write_all(what.as_bytes()).await.is_ok() {
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        });
    }
}

async fn connect(server: SocketAddr, from: u8) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, from], 0)))?;
    socket.connect(server).await
}

#[test]
fn a_large_delivery_costs_little_more_than_its_bytes() {
    let world = World::start();
    world.repository.commit(&[("apps/shop/settings.yaml", Some(&config_map("settings", "red")))]);
    let mut body = serde_json::from_slice(&Webhook::push(&world.repository, "main").body).unwrap();
    let items = "{\"a\":1},".repeat(2_900_000);
    let large = |key: &str| {
        let small = serde_json::Value::to_string(&body);
        format!("{{\"{key}\": [{items}0], {}", &small[1..]).into_bytes()
    };
    let bodies = [large("head_commit"), large("ref")];
    let before = world.headstay.peak_memory();
    for large in &bodies {
        let answer = world.headstay.deliver(&Webhook::signed("push", large));
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    let took = (world.headstay.peak_memory() - before) >> 20;
    assert!(took < 120, "{} MiB took {took} MiB", bodies[0].len() >> 20);

    body["head_commit"] = json!("half of a pair: SURROGATE");
    let half = body.to_string().replace("SURROGATE", "\\ud83d");
    let answer = world.headstay.deliver(&Webhook::signed("push", half.as_bytes()));
    assert_eq!(answer.status, 202, "{answer:?}");
    let slashed = Webhook { receiver: "github/".to_owned(), ..Webhook::ping() };
    assert_eq!(world.headstay.deliver(&slashed).status, 200);
    world.finish();
}

/// What writes the clipboard, colours, turns the letters around, and forges a line.
const EVIL: &str = "a\u{1b}]52;c;aGk=\u{7}\u{9b}31m\u{202e}\r\nshop  Synced";

#[test]
fn nothing_that_others_wrote_commands_a_terminal_or_forges_a_line() {
    let world = World::start();
    let head = world.repository.head("main");
    let red = config_map("settings", "red");
    let changes = [("apps/shop/settings.yaml", Some(red.as_str()))];
    let commit = world.repository.commit_saying(EVIL, "main", head.as_deref(), &changes);
    let pushed = world.announce(commit);
    world.headstay.wait_for_state(&pushed.sync, "Succeeded");
    let told = "]52;c;aGk=";
    let seen = |arguments: &[&str]| {
        let Output { stdout, stderr, .. } = world.headstay.command(arguments);
        let shown = String::from_utf8([stdout, stderr].concat()).unwrap();
        let commands = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(shown.contains(told), "{arguments:?}: {shown:?}");
        assert!(!shown.contains(commands), "{arguments:?}: {shown:?}");
        shown
    };
    let history = seen(&["history", "--limit", "500"]);
    assert_eq!(history.lines().count(), world.headstay.syncs().len() + 1, "{history}");
    seen(&["history", "-o", "json"]);

    let key = serde_json::to_string(EVIL).unwrap().replace('\u{9b}', "\\u009b");
    world.repository.commit(&[("apps/shop/settings.yaml", Some(&format!("{red}{key}: 1\n")))]);
    for arguments in [
        &["sync", "shop", "--wait"][..],
        &["history"],
        &["status"],
        &["status", "-o", "json"],
        &["diff", "shop"],
    ] {
        seen(arguments);
    }
    world.finish();
}

#[test]
fn a_person_syncs_what_a_branch_or_tag_has_and_nothing_of_a_fork() {
    let world = World::start();
    let head = world.repository.head("main");
    let of = |colour: &str| config_map("settings", colour);
    let commit = |branch: &str, colour: &str| {
        let changes = [("apps/shop/settings.yaml", Some(&*of(colour)))];
        world.repository.commit_to(branch, head.as_deref(), &changes)
    };
    let (side, fork) = (commit("side", "green"), commit("fork", "black"));
    world.repository.delete_branch("fork");
    let ask = |revision: &str| {
        let body = json!({ "revision": revision });
        let sync = world.headstay.post("/api/v1/applications/shop/sync", &body);
        sync["id"].as_str().unwrap().to_owned()
    };
    world.headstay.wait_for_state(&ask(&side), "Succeeded");
    assert_eq!(world.colour("settings").as_deref(), Some("green"));
    let refused = world.headstay.wait_for_state(&ask(&fork), "Failed");
    assert_tells(&refused, &fork);
    assert_eq!(world.colour("settings").as_deref(), Some("green"));

    let unknown = world.headstay.command(&["history", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no application nobody"));
    world.finish();
}
