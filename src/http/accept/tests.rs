//! With real sockets: what somebody who knows no secret can hold, and who is answered nevertheless.

use std::net::Ipv4Addr;

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::*;

/// So few that a test can take them all.
const BOUNDS: Bounds = Bounds { all: 24, per_peer: 8 };
/// No answer takes that long, however busy the machine is.
const DEADLINE: Duration = Duration::from_secs(20);

const IDLE: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const PIPELINED: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\nGET ";
const SLOW_HEADERS: &str = "GET / HTTP/1.1\r\nhost: a\r\nx-a";
const SLOW_BODY: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n{";
const SLOW_CHUNKS: &str = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{";
const UNREAD: &str = "GET /large HTTP/1.1\r\nhost: a\r\n\r\n";

/// A server that nobody has come to yet.
async fn open() -> (SocketAddr, CancellationToken) {
    let router = Router::new()
        .route("/", get(async || "ok"))
        .route("/", post(async |body: String| body))
        .route("/large", get(async || "x".repeat(8 << 20)));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let shutdown = stop.clone();
    tokio::spawn(async move {
        let connections = TaskTracker::new();
        accept(&listener, &router, &Seats::new(BOUNDS), &connections, &shutdown).await;
    });
    (address, stop)
}

async fn connect(server: SocketAddr, from: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, from], 0))).unwrap();
    socket.connect(server).await.unwrap()
}

/// Sends a request and reads the whole answer.
async fn ask(server: SocketAddr, from: u8) -> String {
    let mut stream = connect(server, from).await;
    let request =
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = timeout(DEADLINE, stream.read_to_string(&mut answer)).await;
    read.expect("an answer in time").expect("a whole answer");
    answer
}

/// Keeps connections from an address: each sends its request, and whenever one ends, the next begins.
async fn hold(server: SocketAddr, from: u8, request: &'static str) {
    let mut held = JoinSet::new();
    loop {
        while held.len() < BOUNDS.per_peer + 2 {
            held.spawn(async move {
                let mut stream = connect(server, from).await;
                _ = stream.write_all(request.as_bytes()).await;
                if request == UNREAD {
                    std::future::pending::<()>().await;
                }
                _ = stream.read_to_end(&mut Vec::new()).await;
            });
        }
        held.join_next().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_others_hold_who_holds_little_is_answered() {
    for request in [IDLE, PIPELINED, SLOW_HEADERS, SLOW_BODY, SLOW_CHUNKS, UNREAD, ""] {
        let (server, stop) = open().await;
        let mut attackers = JoinSet::new();
        for from in 2..8 {
            attackers.spawn(hold(server, from, request));
        }
        for turn in 0..25 {
            let answer = ask(server, 1).await;
            assert!(answer.ends_with("hello"), "{request:?}, {turn}: {answer}");
        }
        attackers.shutdown().await;
        stop.cancel();
    }
}

#[tokio::test]
async fn a_peer_that_has_all_its_seats_gives_up_the_one_that_is_idle_longest() {
    let (server, _stop) = open().await;
    let mut first = connect(server, 1).await;
    first.write_all(IDLE.as_bytes()).await.unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    let mut others = Vec::new();
    for _ in 1..BOUNDS.per_peer {
        others.push(connect(server, 1).await);
    }
    assert!(ask(server, 1).await.ends_with("hello"));
    let ended = timeout(DEADLINE, first.read_to_end(&mut Vec::new())).await;
    assert!(ended.is_ok(), "the first one ends");
}

#[tokio::test]
async fn a_client_that_has_said_all_it_has_to_say_is_answered() {
    let (server, _stop) = open().await;
    let mut stream = connect(server, 1).await;
    stream.write_all(IDLE.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.ends_with("ok"), "{answer}");
}

#[tokio::test]
async fn where_seats_run_low_connections_end_with_their_answer() {
    let (server, _stop) = open().await;
    let mut held = Vec::new();
    for number in 0..BOUNDS.all {
        let from = u8::try_from(2 + number % 8).unwrap();
        let mut stream = connect(server, from).await;
        stream.write_all(IDLE.as_bytes()).await.unwrap();
        let mut answer = vec![0; 512];
        let length = timeout(DEADLINE, stream.read(&mut answer)).await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        let closes = answer.contains("connection: close");
        assert_eq!(closes, held.len() + 1 >= BOUNDS.all * 3 / 4, "{number}: {answer}");
        if closes {
            return;
        }
        held.push(stream);
    }
    panic!("no connection was closed");
}
