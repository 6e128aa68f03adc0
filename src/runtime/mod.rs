//! The only wiring: the configuration becomes adapters, the adapters become tasks, and every task
//! has an owner that sees it end.

mod reload;
mod retention;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cluster::registry::Clusters;
use crate::config::Config;
use crate::config::live::Live;
use crate::config::problem::ConfigErrors;
use crate::config::read::load;
use crate::config::watch::Watcher;
use crate::domain::declaration::{Declaration, DeclaredBy};
use crate::domain::sync::Trigger;
use crate::http::{self, App};
use crate::observe;
use crate::source::Source;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::sync::context::Context;
use crate::sync::worker;
use crate::sync::workers::Workers;
use crate::telemetry::Metrics;
use crate::trigger::timer;

pub use crate::runtime::reload::replace;
use crate::watch::Watches;

/// Longest time from the call to stop until the process ends. A call to a cluster in flight may
/// take its own timeout of 30 s.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(40);

/// The server could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The configuration is wrong.
    #[error("the configuration is wrong\n{0}")]
    Config(ConfigErrors),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address cannot be listened on.
    #[error("listen on {address}")]
    Listen {
        /// The address of the configuration.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Signals cannot be received.
    #[error("listen for signals")]
    Signals(#[source] std::io::Error),
    /// A task ended although nobody asked it to.
    #[error("the task `{0}` ended unasked; headstay stops so that it can be started anew")]
    TaskEnded(&'static str),
    /// Something would not end.
    #[error("not everything ended within {} s of the call to stop", SHUTDOWN_DEADLINE.as_secs())]
    Deadline,
}

/// A token that each of these signals cancels.
pub fn stop_on(signals: &[SignalKind]) -> Result<CancellationToken, RuntimeError> {
    let stop = CancellationToken::new();
    for kind in signals {
        let mut signal = signal(*kind).map_err(RuntimeError::Signals)?;
        let stop = stop.clone();
        tokio::spawn(async move {
            signal.recv().await;
            stop.cancel();
        });
    }
    Ok(stop)
}

/// A server that has its store and its address, and does nothing yet.
pub struct Server {
    path: PathBuf,
    watcher: Watcher,
    context: Context,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Loads the configuration, opens the store and listens.
    pub async fn open(path: &Path) -> Result<Self, RuntimeError> {
        // Before the configuration is loaded, so that a change during the start is seen.
        let watcher = Watcher::new(path).await;
        let config = load(path).map_err(RuntimeError::Config)?;
        let address = config.server.listen;
        let store = Store::open(&config.store.sqlite).await?;
        let recovered = store.recover().await?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| RuntimeError::Listen { address, source })?;
        let context = assemble(config, store);
        let address = listener.local_addr().unwrap_or(address);
        tracing::info!(
            %address, version = env!("CARGO_PKG_VERSION"), recovered,
            applications = context.config.load().applications.len(), "listening"
        );
        if let Some(warning) = http::local::unanswered(&context.config.load().server) {
            tracing::warn!("{warning}");
        }
        Ok(Self { path: path.to_owned(), watcher, context, listener, address })
    }

    /// Where it listens, with the port that the system chose where the configuration has none.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `asked` is cancelled.
    pub async fn run(self, asked: CancellationToken) -> Result<(), RuntimeError> {
        let Self { path, watcher, context, listener, address: _ } = self;
        let hangup = signal(SignalKind::hangup()).map_err(RuntimeError::Signals)?;
        let ready = Arc::new(AtomicBool::new(false));
        let stop = CancellationToken::new();
        let mut tasks = Tasks { set: JoinSet::new(), stop: stop.clone() };

        // Before the timer, which would otherwise ask for all of these checks again.
        begin(&context).await?;
        let router = http::router(App::new(context.clone(), Arc::clone(&ready)));
        tasks.spawn("http", http::accept::serve(listener, router, stop.clone()));
        tasks.spawn("worker", worker::work(context.clone(), stop.clone()));
        tasks.spawn("observer", observe::observe(context.clone(), stop.clone()));
        tasks.spawn(
            "timer",
            timer::run(Arc::clone(&context.config), context.store.clone(), stop.clone()),
        );
        tasks.spawn("retention", retention::expire(context.clone(), stop.clone()));
        tasks.spawn("configuration", reload::reload(path, watcher, context.clone(), hangup, stop));
        ready.store(true, Ordering::Relaxed);

        let ended = tokio::select! {
            () = asked.cancelled() => Ok(()),
            name = tasks.first_end() => Err(RuntimeError::TaskEnded(name)),
        };
        ready.store(false, Ordering::Relaxed);
        tracing::info!("shutting down");
        let all_ended = tasks.end().await;
        context.store.close().await;
        ended?;
        if all_ended { Ok(()) } else { Err(RuntimeError::Deadline) }
    }
}

/// The tasks of the process by name.
struct Tasks {
    set: JoinSet<&'static str>,
    stop: CancellationToken,
}

impl Tasks {
    fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.set.spawn(async move {
            task.await;
            name
        });
    }

    /// Waits until any task ends, which none does before it is asked to.
    async fn first_end(&mut self) -> &'static str {
        match self.set.join_next().await {
            Some(Ok(name)) => name,
            Some(Err(error)) => {
                tracing::error!(%error, "a task panicked");
                "panicked"
            }
            None => "none",
        }
    }

    /// Asks all to end and waits for them; false when the deadline passed first.
    async fn end(mut self) -> bool {
        self.stop.cancel();
        let all = async { while self.set.join_next().await.is_some() {} };
        tokio::time::timeout(SHUTDOWN_DEADLINE, all).await.is_ok()
    }
}

/// What a configuration declares.
fn declaration(config: &Config) -> Declaration {
    let applications = config.applications.values();
    let applications = applications.map(|one| (one.name.clone(), one.cluster.clone()));
    Declaration { by: DeclaredBy::Configuration, applications: applications.collect() }
}

/// What all syncs share, made from a configuration over an open store.
pub fn assemble(config: Config, store: Store) -> Context {
    let limits = &config.server.limits;
    Context {
        source: Source::new(&config.server.data),
        clusters: Clusters::new(limits.calls_per_cluster),
        watches: Watches::default(),
        workers: Arc::new(Workers::new(limits.workers)),
        leases: Arc::default(),
        fights: Arc::default(),
        metrics: Arc::new(Metrics::new()),
        config: Arc::new(Live::new(config)),
        store,
    }
}

/// Records which applications there are, and checks every one of them once: what was missed while the
/// process was down is made good.
pub async fn begin(context: &Context) -> Result<(), StoreError> {
    let config = context.config.load();
    context.store.configure(&declaration(&config), config.server.instance.as_str()).await?;
    timer::schedule(&config, &context.store, config.applications.keys()).await?;
    let names = config.applications.keys().cloned();
    let checks = names.map(|name| timer::check(name, Trigger::StartUp)).collect();
    context.store.enqueue_all(checks).await
}
