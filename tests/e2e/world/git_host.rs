//! A Git host: bare repositories behind real smart HTTP (`git http-backend`) and a password, with
//! the ways in which hosts fail.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{Request, Response, StatusCode};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::world::GIT_TOKEN;
use crate::world::api_server::free_port;
use crate::world::leash;
use crate::world::repository::Repository;

/// One host on a port of its own.
pub struct GitHost {
    root: PathBuf,
    port: u16,
    stalled: watch::Sender<bool>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl GitHost {
    /// Starts an empty host.
    pub fn start() -> Self {
        let (stalled, _) = watch::channel(false);
        let host = Self {
            root: leash::folder("git"),
            port: free_port(),
            stalled,
            listening: Mutex::default(),
        };
        host.up();
        host
    }

    /// Makes an empty repository, whose HEAD is `main`.
    pub fn create(&self, name: &str) -> Repository {
        let path = self.root.join(format!("{name}.git"));
        Repository::create(&path, format!("http://127.0.0.1:{}/{name}.git", self.port))
    }

    /// The port on which it is, when it is up.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Refuses connections.
    pub fn down(&self) {
        close(&self.listening);
    }

    /// Takes connections again.
    pub fn up(&self) {
        let listener = runtime().block_on(TcpListener::bind(("127.0.0.1", self.port))).unwrap();
        let host = Served { root: self.root.as_path().into(), stalled: self.stalled.subscribe() };
        let router = Router::new().fallback(serve).with_state(host);
        let listening = runtime().spawn(async { axum::serve(listener, router).await.unwrap() });
        *self.listening.lock().unwrap() = Some(listening);
    }

    /// Takes requests and leaves them unanswered, until it is told otherwise.
    pub fn stall(&self, stalled: bool) {
        self.stalled.send_replace(stalled);
    }
}

#[derive(Clone)]
struct Served {
    root: Arc<Path>,
    stalled: watch::Receiver<bool>,
}

async fn serve(State(mut host): State<Served>, request: Request<Body>) -> Response<Body> {
    // Fails only when the host is gone, and its stall with it.
    let _ = host.stalled.wait_for(|stalled| !stalled).await;
    let (parts, body) = request.into_parts();
    if !knows_the_token(&parts) {
        return answer(StatusCode::UNAUTHORIZED).body("who are you?".into()).unwrap();
    }
    let body = to_bytes(body, usize::MAX).await.unwrap();
    tokio::task::spawn_blocking(move || run_backend(&host.root, &parts, &body)).await.unwrap()
}

fn knows_the_token(request: &Parts) -> bool {
    let header = request.headers.get("authorization").and_then(|value| value.to_str().ok());
    let credentials = header
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|value| BASE64_STANDARD.decode(value).ok())
        .and_then(|value| String::from_utf8(value).ok());
    credentials.is_some_and(|text| text.split_once(':').is_some_and(|(_, word)| word == GIT_TOKEN))
}

/// Every connection takes one request, so that a host which is down is down for all.
fn answer(status: StatusCode) -> axum::http::response::Builder {
    Response::builder()
        .status(status)
        .header("connection", "close")
        .header("www-authenticate", "Basic realm=\"git\"")
}

/// One run of the CGI program that comes with git.
fn run_backend(root: &Path, request: &Parts, body: &Bytes) -> Response<Body> {
    let header = |name: &str| {
        request.headers.get(name).map_or("", |value| value.to_str().unwrap_or_default())
    };
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", request.method.as_str())
        .env("PATH_INFO", request.uri.path())
        .env("QUERY_STRING", request.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_USER", "headstay")
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = backend.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // It may answer, and close its input, before it has read all of it.
        scope.spawn(move || drop(stdin.write_all(body)));
        backend.wait_with_output().unwrap()
    });
    read_cgi(&output.stdout)
}

fn read_cgi(output: &[u8]) -> Response<Body> {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&output[..end]).unwrap();
    let headers: Vec<(&str, &str)> =
        head.lines().map(|line| line.split_once(": ").unwrap()).collect();
    let status = headers.iter().find(|(name, _)| *name == "Status");
    let status = status.map_or(StatusCode::OK, |(_, text)| text[..3].parse().unwrap());
    let mut response = answer(status);
    for (name, value) in headers.into_iter().filter(|(name, _)| *name != "Status") {
        response = response.header(name, value);
    }
    response.body(output[end + 4..].to_vec().into()).unwrap()
}

/// Where the servers of the world run.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

/// Ends a task that takes connections.
pub fn close(listening: &Mutex<Option<JoinHandle<()>>>) {
    let listening = listening.lock().unwrap().take().unwrap();
    listening.abort();
    // The port is closed only when the task is gone.
    assert!(runtime().block_on(listening).unwrap_err().is_cancelled());
}
