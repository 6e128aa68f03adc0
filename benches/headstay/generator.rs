//! Sends deliveries: many connections, one thread.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::world::WEBHOOK_SECRET;
use crate::world::repository::Repository;
use crate::world::webhook::{NO_COMMIT, sign};

/// Connections, each with one delivery at a time.
const CONNECTIONS: u32 = 64;
/// Bytes of a body.
const BODY: usize = 10_000;

/// The time that each delivery took, and the time that all of them took.
pub struct Sent {
    /// One per delivery, all of which were answered with 202.
    pub took: Vec<Duration>,
    /// From the first to the last.
    pub within: Duration,
}

impl Sent {
    /// Deliveries a second.
    pub fn rate(&self) -> f64 {
        f64::from(u32::try_from(self.took.len()).unwrap()) / self.within.as_secs_f64()
    }
}

/// Sends pushes of `main` to the receiver `github`.
pub struct Generator {
    address: String,
    body: Vec<u8>,
    signature: String,
}

impl Generator {
    /// Makes the body once, as large as a push with a few commits is.
    pub fn new(address: String, repository: &Repository) -> Self {
        let mut push = json!({
            "ref": "refs/heads/main",
            "before": NO_COMMIT,
            "after": repository.head("main"),
            "deleted": false,
            "repository": {"full_name": "acme/fleet", "clone_url": repository.url},
            "pusher": {"name": "ada"},
            "commits": [],
        });
        let commit = json!({"id": NO_COMMIT, "message": "Change a thing", "modified": ["a.yaml"]});
        while push.to_string().len() + commit.to_string().len() < BODY {
            push["commits"].as_array_mut().unwrap().push(commit.clone());
        }
        push["filler"] = "x".repeat(BODY.saturating_sub(push.to_string().len() + 12)).into();
        let body = push.to_string().into_bytes();
        let signature = sign(WEBHOOK_SECRET, &body);
        Self { address, body, signature }
    }

    /// As many as are answered: each connection sends the next when the last is answered.
    pub fn closed(&self, length: Duration) -> Sent {
        self.run(|_| {
            let end = Instant::now() + length;
            move |_| (Instant::now() < end).then(Instant::now)
        })
    }

    /// So many a second, each at its time, answered or not; a delay counts from that time.
    pub fn paced(&self, rate: u32, length: Duration) -> Sent {
        let (begin, gap) = (Instant::now(), Duration::from_secs(1) / rate);
        self.run(|connection| {
            move |nth| {
                let after = gap * (nth * CONNECTIONS + connection);
                (after < length).then(|| begin + after)
            }
        })
    }

    fn run<N: Fn(u32) -> Option<Instant>>(&self, next: impl Fn(u32) -> N) -> Sent {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let begin = Instant::now();
        let all = (0..CONNECTIONS).map(|connection| self.converse(next(connection)));
        let took = runtime.block_on(join_all(all)).into_iter().flatten().collect();
        Sent { took, within: begin.elapsed() }
    }

    async fn converse(&self, next: impl Fn(u32) -> Option<Instant>) -> Vec<Duration> {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut took = Vec::new();
        for nth in 0.. {
            let Some(at) = next(nth) else { break };
            tokio::time::sleep_until(at.into()).await;
            stream.write_all(&self.request()).await.unwrap();
            let answer = read(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
            took.push(at.elapsed());
        }
        took
    }

    fn request(&self) -> Vec<u8> {
        let head = format!(
            "POST /webhooks/github HTTP/1.1\r\nhost: headstay\r\ncontent-type: application/json\r\n\
             x-github-event: push\r\nx-github-delivery: {}\r\nx-hub-signature-256: {}\r\n\
             content-length: {}\r\n\r\n",
            Uuid::now_v7(),
            self.signature,
            self.body.len(),
        );
        [head.as_bytes(), &self.body].concat()
    }
}

/// Reads one answer.
async fn read(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    loop {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "the connection was closed");
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return text.into_owned();
        }
    }
}
