//! With real sockets: what somebody who knows no secret can hold, and who is answered nevertheless.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::DropGuard;

use super::*;

/// So few that a test can take them all.
const BOUNDS: Bounds = Bounds { all: 24, per_peer: 8, reserve: 2, waiting: 4, waiting_per_peer: 2 };
/// No answer takes that long, however busy the machine is.
const DEADLINE: Duration = Duration::from_secs(20);
/// Bytes of an answer that no buffer of the system holds.
const LARGE: usize = 8 << 20;

const IDLE: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const PIPELINED: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\nGET ";
const SLOW_HEADERS: &str = "GET / HTTP/1.1\r\nhost: a\r\nx-a";
const SLOW_BODY: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n{";
const SLOW_CHUNKS: &str = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{";
const UNREAD: &str = "GET /large HTTP/1.1\r\nhost: a\r\n\r\n";
const SLOWLY_READ: &str = "GET /large HTTP/1.1\r\nhost: slow\r\n\r\n";
const WORKED_ON: &str = "GET /long HTTP/1.1\r\nhost: a\r\n\r\n";

/// A server, and what the requests for `/long` wait for.
struct Open {
    server: SocketAddr,
    release: Arc<Semaphore>,
    /// How many of these requests have come.
    long: Arc<AtomicUsize>,
    _stop: DropGuard,
}

/// A server that nobody has come to yet.
async fn open() -> Open {
    let (release, long) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gate, come) = (Arc::clone(&release), Arc::clone(&long));
    let wait = async move || {
        come.fetch_add(1, Ordering::Relaxed);
        _ = gate.acquire().await.map(SemaphorePermit::forget);
        "done"
    };
    let router = Router::new()
        .route("/", get(async || "ok"))
        .route("/", post(async |body: String| body))
        .route("/large", get(async || "x".repeat(LARGE)))
        .route("/long", get(wait));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let server = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let shutdown = stop.clone();
    tokio::spawn(async move {
        let (seats, connections) = (Seats::new(BOUNDS), TaskTracker::new());
        tokio::select! {
            () = accept(&listener, &router, &seats, &connections, &shutdown) => {}
            () = shutdown.cancelled() => {}
        }
    });
    Open { server, release, long, _stop: stop.drop_guard() }
}

async fn connect(server: SocketAddr, from: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, from], 0))).unwrap();
    socket.connect(server).await.unwrap()
}

/// Sends a request and reads the whole answer.
async fn ask(server: SocketAddr, from: u8) -> String {
    let answer = timeout(DEADLINE, try_ask(server, from)).await.expect("an answer in time");
    assert_ne!(answer, "", "an answer");
    answer
}

/// Sends a request and reads the answer, which is nothing where the connection is closed.
async fn try_ask(server: SocketAddr, from: u8) -> String {
    let mut stream = connect(server, from).await;
    let request =
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
    let mut answer = String::new();
    if stream.write_all(request.as_bytes()).await.is_ok() {
        _ = stream.read_to_string(&mut answer).await;
    }
    answer
}

/// Sends a request whose answer is read by whoever wants to.
async fn send(server: SocketAddr, from: u8, request: &str) -> TcpStream {
    let mut stream = connect(server, from).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
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
                while request == SLOWLY_READ && stream.read_u8().await.is_ok() {
                    sleep(Duration::from_millis(100)).await;
                }
                _ = stream.read_to_end(&mut Vec::new()).await;
            });
        }
        held.join_next().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_others_hold_who_holds_little_is_answered() {
    let ways =
        [IDLE, PIPELINED, SLOW_HEADERS, SLOW_BODY, SLOW_CHUNKS, UNREAD, SLOWLY_READ, WORKED_ON, ""];
    for request in ways {
        let Open { server, .. } = &open().await;
        let server = *server;
        let mut attackers = JoinSet::new();
        for from in 2..8 {
            attackers.spawn(hold(server, from, request));
        }
        for turn in 0..25 {
            let answer = ask(server, 1).await;
            assert!(answer.ends_with("hello"), "{request:?}, {turn}: {answer}");
        }
        attackers.shutdown().await;
    }
}

#[tokio::test]
async fn a_peer_that_has_all_its_seats_gives_up_the_one_that_is_idle_longest() {
    let open = open().await;
    let server = open.server;
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
async fn who_takes_an_answer_slowly_is_not_idle() {
    let open = open().await;
    let server = open.server;
    let mut slow = send(server, 1, UNREAD).await;
    slow.read_u8().await.unwrap();
    let mut idle = Vec::new();
    for _ in 1..BOUNDS.per_peer {
        let mut stream = send(server, 1, IDLE).await;
        stream.read_u8().await.unwrap();
        idle.push(stream);
    }
    for _ in 0..2 {
        assert!(ask(server, 1).await.ends_with("hello"));
    }
    let mut answer = Vec::new();
    timeout(DEADLINE, slow.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.ends_with(&vec![b'x'; LARGE]), "the whole answer");
}

/// Takes all seats but the reserve, each with a request that is worked on.
async fn take_all(open: &Open) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for number in 0..BOUNDS.all {
        let from = u8::try_from(2 + number / BOUNDS.per_peer).unwrap();
        streams.push(send(open.server, from, WORKED_ON).await);
    }
    until(|| open.long.load(Ordering::Relaxed) == BOUNDS.all).await;
    streams
}

async fn until(is_so: impl Fn() -> bool) {
    let look = async {
        while !is_so() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(DEADLINE, look).await.expect("it comes so in time");
}

#[tokio::test]
async fn a_probe_is_answered_while_every_other_request_is_worked_on() {
    let open = open().await;
    let _taken = take_all(&open).await;
    for _ in 0..10 {
        let two = tokio::join!(ask(open.server, 1), ask(open.server, 1));
        assert!(two.0.ends_with("hello") && two.1.ends_with("hello"), "{two:?}");
    }
}

#[tokio::test]
async fn who_finds_all_seats_taken_is_answered_when_they_are_left_and_keeps_no_one_else_waiting() {
    let open = open().await;
    let mut taken = take_all(&open).await;
    // Of the reserve, too.
    for from in 10..12 {
        taken.push(send(open.server, from, WORKED_ON).await);
    }
    until(|| open.long.load(Ordering::Relaxed) == BOUNDS.all + BOUNDS.reserve).await;
    let server = open.server;
    let newcomers = u8::try_from(BOUNDS.waiting).unwrap() + 1;
    let mut newcomers: JoinSet<_> = (0..newcomers).map(|n| try_ask(server, 20 + n)).collect();
    // One finds the waiting room full, at once.
    let first = timeout(DEADLINE, newcomers.join_next()).await.expect("who waits keeps no one");
    assert_eq!(first.unwrap().unwrap(), "");
    open.release.add_permits(taken.len());
    let answers = timeout(DEADLINE, newcomers.join_all()).await.expect("they are seated");
    assert!(answers.iter().all(|answer| answer.ends_with("hello")), "{answers:?}");
}

#[tokio::test]
async fn a_client_that_has_said_all_it_has_to_say_is_answered() {
    let open = open().await;
    let server = open.server;
    let mut stream = connect(server, 1).await;
    stream.write_all(IDLE.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.ends_with("ok"), "{answer}");
}

#[tokio::test]
async fn where_seats_run_low_connections_end_with_their_answer() {
    let open = open().await;
    let server = open.server;
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
