//! The only wiring: the configuration becomes adapters, the adapters become tasks, and every task
//! has an owner that sees it end.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cluster::registry::Clusters;
use crate::config::live::Live;
use crate::config::problem::ConfigErrors;
use crate::config::read::load;
use crate::config::watch::Watcher;
use crate::config::{Config, change};
use crate::domain::name::{ApplicationName, ClusterName};
use crate::domain::sync::Trigger;
use crate::http::{self, App};
use crate::observe;
use crate::queue::Queue;
use crate::source::Source;
use crate::store::error::StoreError;
use crate::store::{Retention, Store};
use crate::sync::context::Context;
use crate::sync::error::chain;
use crate::sync::worker;
use crate::sync::workers::Workers;
use crate::telemetry::Metrics;
use crate::trigger::timer;

/// Longest time from the wish to stop until the process ends. A call to a cluster in flight may
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
    #[error("not everything ended within {} s of the wish to stop", SHUTDOWN_DEADLINE.as_secs())]
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
        let context = Context {
            queue: Queue::new(store.clone()),
            source: Source::new(&config.server.data),
            clusters: Clusters::new(config.server.limits.calls_per_cluster),
            workers: Arc::new(Workers::new(config.server.limits.workers)),
            metrics: Arc::new(Metrics::new()),
            config: Arc::new(Live::new(config)),
            store,
        };
        let address = listener.local_addr().unwrap_or(address);
        tracing::info!(
            %address, version = env!("CARGO_PKG_VERSION"), recovered,
            applications = context.config.load().applications.len(), "listening"
        );
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

        context.store.configure(&places(&context.config.load())).await?;
        // Before the timer, which would otherwise ask for all of these checks again.
        start_applications(&context).await?;
        let router = http::router(App::new(context.clone(), Arc::clone(&ready)));
        tasks.spawn("http", http::accept::serve(listener, router, stop.clone()));
        tasks.spawn("worker", worker::work(context.clone(), stop.clone()));
        tasks.spawn("observer", observe::observe(context.clone(), stop.clone()));
        tasks.spawn(
            "timer",
            timer::run(
                Arc::clone(&context.config),
                context.store.clone(),
                context.queue.clone(),
                stop.clone(),
            ),
        );
        tasks.spawn("retention", expire(context.clone(), stop.clone()));
        tasks.spawn("configuration", reload(path, watcher, context.clone(), hangup, stop));
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

/// The applications, each with the cluster that it is kept on.
fn places(config: &Config) -> Vec<(ApplicationName, ClusterName)> {
    let applications = config.applications.values();
    applications.map(|one| (one.name.clone(), one.cluster.clone())).collect()
}

/// Checks every application once: what was missed while the process was down is made good.
async fn start_applications(context: &Context) -> Result<(), StoreError> {
    let config = context.config.load();
    timer::schedule(&config, &context.store, config.applications.keys()).await?;
    let names = config.applications.keys().cloned();
    let checks = names.map(|name| timer::check(name, Trigger::StartUp)).collect();
    context.queue.enqueue_all(checks).await
}

/// Puts a changed configuration into force: at SIGHUP, and when the bytes of the file change.
async fn reload(
    path: PathBuf,
    mut watcher: Watcher,
    context: Context,
    mut hangup: Signal,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = watcher.changed() => {}
            _ = hangup.recv() => {
                watcher.look_now().await;
            }
            () = stop.cancelled() => return,
        }
        let path = path.clone();
        let loaded = tokio::task::spawn_blocking(move || load(&path)).await;
        match loaded {
            Ok(Ok(config)) => replace(&context, config).await,
            Ok(Err(errors)) => {
                tracing::error!(errors = %errors, "the configuration file was refused; the one before stays in force");
                context.config.refuse(errors.to_string());
            }
            Err(error) => tracing::error!(%error, "the configuration file could not be read"),
        }
    }
}

async fn replace(context: &Context, config: Config) {
    // First, so that no sync of the new configuration finds an application at its old place.
    if let Err(error) = context.store.configure(&places(&config)).await {
        tracing::error!(error = %chain(&error), "could not record which applications there are");
    }
    let before = context.config.replace(config);
    let config = context.config.load();
    let changed = change::changed_applications(&before, &config);
    tracing::info!(
        applications = config.applications.len(),
        changed = changed.len(),
        "configuration in force"
    );
    let late = changed_until_restart(&before, &config);
    if !late.is_empty() {
        tracing::warn!(settings = late.join(", "), "these count from the next start on");
    }
    if let Err(error) = check_changed(context, &config, changed).await {
        tracing::error!(error = %chain(&error), "could not ask for syncs after a change of configuration");
    }
    context.queue.ring();
    context.queue.ring_waiting();
}

/// Checks what changed, and begins its interval anew: that may be what changed.
async fn check_changed(
    context: &Context,
    config: &Config,
    changed: BTreeSet<ApplicationName>,
) -> Result<(), StoreError> {
    timer::schedule(config, &context.store, &changed).await?;
    let checks = changed.into_iter().map(|name| timer::check(name, Trigger::Configuration));
    context.queue.enqueue_all(checks.collect()).await
}

/// The settings that differ although only a start of the process puts them into force.
fn changed_until_restart(before: &Config, after: &Config) -> Vec<&'static str> {
    let (old, new) = (&before.server, &after.server);
    let (old_limits, new_limits) = (&old.limits, &new.limits);
    [
        ("server.listen", old.listen != new.listen),
        ("server.data", old.data != new.data),
        ("server.limits.workers", old_limits.workers != new_limits.workers),
        (
            "server.limits.callsPerCluster",
            old_limits.calls_per_cluster != new_limits.calls_per_cluster,
        ),
        ("server.limits.bodiesBytes", old_limits.bodies_bytes != new_limits.bodies_bytes),
        ("store", before.store != after.store),
    ]
    .into_iter()
    .filter_map(|(setting, differs)| differs.then_some(setting))
    .collect()
}

/// How often history that is beyond its retention, and mirrors that are of no use, are looked for.
const RETENTION_PERIOD: Duration = Duration::from_mins(10);

async fn expire(context: Context, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(RETENTION_PERIOD);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = expire_once(&context).await {
            tracing::warn!(%error, "could not remove old history");
        }
    }
}

async fn expire_once(context: &Context) -> Result<(), StoreError> {
    let config = context.config.load();
    let retention = config.server.retention;
    let age = jiff::SignedDuration::try_from(retention.age).unwrap_or(jiff::SignedDuration::MAX);
    let older_than = context.store.now().saturating_sub(age).unwrap_or(jiff::Timestamp::MIN);
    let expired = context
        .store
        .expire(Retention { syncs_per_application: retention.syncs_per_application, older_than })
        .await?;
    if expired.syncs + expired.deliveries + expired.left_behind > 0 {
        tracing::info!(
            syncs = expired.syncs,
            deliveries = expired.deliveries,
            left_behind = expired.left_behind,
            "old history removed"
        );
    }
    let configured = config.repositories.keys().cloned().collect();
    context.source.remove_unconfigured(&configured, context.store.now()).await;
    for repository in config.repositories.values() {
        let followers: Vec<_> = config
            .applications
            .values()
            .filter(|application| application.repository == repository.name)
            .map(|application| application.name.clone())
            .collect();
        let commits = context.store.commits(&followers).await?;
        if let Err(error) = context.source.retain(repository, &commits).await {
            tracing::debug!(%error, repository = %repository.name, "no commits to let go");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration with these lines below `server` and this store.
    fn config(server: &str, store: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headstay.yaml");
        let text =
            format!("server:\n  instance: test\n{server}store: {{url: 'sqlite://{store}'}}\n");
        std::fs::write(&path, text).unwrap();
        load(&path).unwrap()
    }

    #[test]
    fn what_needs_a_restart_is_named() {
        let before = config("", "var/a.db");
        for (server, store, named) in [
            ("  suspend: true\n  limits: {bodyBytes: 1MiB}\n", "var/a.db", &[][..]),
            ("  listen: 127.0.0.1:1\n", "var/b.db", &["server.listen", "store"]),
            ("  data: elsewhere\n", "var/a.db", &["server.data"]),
            (
                "  limits: {workers: 9, callsPerCluster: 9, bodiesBytes: 99MiB}\n",
                "var/a.db",
                &[
                    "server.limits.workers",
                    "server.limits.callsPerCluster",
                    "server.limits.bodiesBytes",
                ],
            ),
        ] {
            assert_eq!(changed_until_restart(&before, &config(server, store)), named, "{server}");
        }
    }
}
