//! An HTTP proxy that opens tunnels (`CONNECT`), and remembers to where.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::world::api_server::free_port;
use crate::world::git_host::{close, runtime};

/// One proxy on a port of its own.
pub struct Proxy {
    port: u16,
    targets: Arc<Mutex<Vec<String>>>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    /// Starts it.
    pub fn start() -> Self {
        let proxy =
            Self { port: free_port(), targets: Arc::default(), listening: Mutex::default() };
        proxy.up();
        proxy
    }

    /// `http://…`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The targets of all tunnels so far, as the clients named them.
    pub fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap().clone()
    }

    /// Refuses connections.
    pub fn down(&self) {
        close(&self.listening);
    }

    /// Takes connections again.
    pub fn up(&self) {
        let listener = runtime().block_on(TcpListener::bind(("127.0.0.1", self.port))).unwrap();
        let listening = runtime().spawn(accept(listener, Arc::clone(&self.targets)));
        *self.listening.lock().unwrap() = Some(listening);
    }
}

async fn accept(listener: TcpListener, targets: Arc<Mutex<Vec<String>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(tunnel(stream, Arc::clone(&targets)));
    }
}

/// Opens the tunnel that a client asks for; none when it hangs up, or asks for something else.
async fn tunnel(stream: TcpStream, targets: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut client = BufReader::new(stream);
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line: &String| !line.trim().is_empty()) {
        let mut line = String::new();
        client.read_line(&mut line).await.ok().filter(|count| *count > 0)?;
        lines.push(line);
    }
    let target = lines[0].strip_prefix("CONNECT ")?.split_once(' ')?.0.to_owned();
    let mut server = TcpStream::connect(&target).await.ok()?;
    targets.lock().unwrap().push(target);
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
    copy_bidirectional(&mut client, &mut server).await.ok().map(drop)
}
