//! A stand-in for a Kubernetes API server: in this process, in memory, on loopback.
//!
//! It is no cluster: nothing runs, and nothing is kept. It is there for `headstay demo`, and so that
//! the stories of the test suite run in seconds and under faults that a real server does not have on
//! request. The real server is the measure: where both differ, this one is wrong. What it does not
//! do is in `docs/sandbox.md`.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs`, `connections.rs` | `Sandbox`: start, address, stop; the connections |
//! | `serve.rs`, `route.rs`, `objects.rs`, `refusal.rs` | a request, its answer, and the words of a refusal |
//! | `state.rs`, `storage.rs` | the objects and their versions |
//! | `kinds.rs`, `kinds.txt`, `facts.txt`, `object.rs` | the kinds, and what is known of them |
//! | `read.rs`, `watch.rs`, `select.rs`, `table.rs`, `table.txt` | reading, in every form |
//! | `write.rs`, `patch.rs`, `scale.rs`, `delete.rs`, `rules.rs` | writing, and what is refused |
//! | `merge/` | the type of every field, who owns it, and what is filled in |
//! | `discovery.rs`, `openapi.rs` | what clients ask before they ask for objects |
//! | `world/` | the simulated controllers and kubelet |
//! | `fault.rs`, `journal.rs` | what goes wrong on request, and what was written |

mod connections;
mod delete;
mod discovery;
pub mod fault;
pub mod journal;
mod kinds;
pub mod merge;
mod object;
mod objects;
mod openapi;
mod patch;
mod read;
mod refusal;
mod route;
mod rules;
mod scale;
mod select;
mod serve;
mod state;
mod storage;
mod table;
mod watch;
mod world;
mod write;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::sandbox::fault::Faults;
use crate::sandbox::state::{Shared, State};

/// The version of the API server that it stands in for, and is held to.
pub const VERSION: &str = "v1.36.3";

/// How a sandbox is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port on 127.0.0.1; 0: any.
    pub port: u16,
    /// What goes on in it by itself.
    pub world: World,
    /// How many changes are remembered; a watch that is further behind is told 410.
    pub history: usize,
}

/// What goes on in a sandbox by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// Only what the API server does: workloads get no Pods, and what lost its owner stays.
    Still,
    /// Workloads get Pods that nobody runs: a test says of them what it likes. What lost its owner
    /// goes.
    Controllers,
    /// Pods run after this time, and those of Jobs end after as much again.
    Nodes(Duration),
}

impl Default for Options {
    fn default() -> Self {
        let world = World::Nodes(Duration::from_millis(300));
        Self { port: 0, world, history: storage::HISTORY }
    }
}

/// A sandbox cannot begin.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox cannot listen on 127.0.0.1:{port}: choose another port, or 0 for any")]
pub struct SandboxError {
    port: u16,
    source: std::io::Error,
}

/// A sandbox that runs. It ends when it is dropped, and everything in it with it.
pub struct Sandbox {
    shared: Arc<Shared>,
    address: SocketAddr,
    connections: Mutex<Option<JoinHandle<()>>>,
    world: JoinHandle<()>,
}

impl Sandbox {
    /// Starts a sandbox, on the runtime of the caller.
    pub async fn start(options: Options) -> Result<Self, SandboxError> {
        let listener = listen(options.port).await?;
        let failed = |source| SandboxError { port: options.port, source };
        let address = listener.local_addr().map_err(failed)?;
        let mut state = State::new(options.history);
        world::begin(&mut state);
        let shared = Arc::new(Shared::new(state));
        let world = tokio::spawn(world::run(Arc::clone(&shared), options.world));
        let connections = tokio::spawn(connections::serve(listener, Arc::clone(&shared)));
        tracing::info!(%address, "a sandbox runs: it is no cluster");
        Ok(Self { shared, address, connections: Mutex::new(Some(connections)), world })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:…`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A kubeconfig that leads to it. There is nothing secret in it: the sandbox knows no users.
    pub fn kubeconfig(&self) -> String {
        format!(
            "\
apiVersion: v1
kind: Config
current-context: sandbox
contexts: [{{name: sandbox, context: {{cluster: sandbox, user: sandbox}}}}]
clusters: [{{name: sandbox, cluster: {{server: \"{}\"}}}}]
users: [{{name: sandbox, user: {{}}}}]
",
            self.url()
        )
    }

    /// What is to go wrong.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// What clients have written since the last call. The first call begins the record.
    pub fn journal(&self) -> Vec<journal::Write> {
        self.shared.journal.read()
    }

    /// Every object there is.
    pub fn objects(&self) -> Vec<Arc<serde_json::Value>> {
        self.shared.with(|state| state.store.all().map(|(_, object)| Arc::clone(object)).collect())
    }

    /// Stops to serve a group of custom resources, as when the server behind it is down; none: all
    /// are served again.
    pub fn withdraw(&self, group: Option<&str>) {
        self.shared.with(|state| state.withdraw(group));
    }

    /// Forgets all changes so far: watches and lists that go on from before are told 410.
    pub fn compact(&self) {
        self.shared.with(|state| state.store.compact());
    }

    /// Ends every connection and takes no new one, as a server that goes down; it keeps what it has.
    pub async fn disconnect(&self) {
        if let Some(connections) = self.connections.lock().await.take() {
            connections.abort();
            // It was aborted, and says so.
            let _ = connections.await;
        }
    }

    /// Takes connections again, at the same address.
    pub async fn reconnect(&self) -> Result<(), SandboxError> {
        let mut connections = self.connections.lock().await;
        if connections.is_none() {
            let listener = listen(self.address.port()).await?;
            let serving = connections::serve(listener, Arc::clone(&self.shared));
            *connections = Some(tokio::spawn(serving));
        }
        Ok(())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.world.abort();
        if let Some(connections) = self.connections.get_mut() {
            connections.abort();
        }
    }
}

async fn listen(port: u16) -> Result<TcpListener, SandboxError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    listener.map_err(|source| SandboxError { port, source })
}
