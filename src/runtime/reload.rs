//! A changed configuration comes into force.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::config::change::Delta;
use crate::config::read::load;
use crate::config::watch::Watcher;
use crate::domain::error::chain;
use crate::domain::name::ApplicationName;
use crate::domain::sync::Trigger;
use crate::runtime::declaration;
use crate::store::error::StoreError;
use crate::sync::context::Context;
use crate::trigger::timer;

/// How soon a store that could not write is asked again. It has waited itself for the lock.
const STORE_RETRY: Duration = Duration::from_millis(500);

/// Puts a changed configuration into force: at SIGHUP, and when the bytes of the file change.
pub(super) async fn reload(
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
            Ok(Ok(config)) => replace(&context, config, &stop).await,
            Ok(Err(errors)) => {
                tracing::error!(errors = %errors, "the configuration file was refused; the one before stays in force");
                context.config.refuse(errors.to_string());
            }
            Err(error) => tracing::error!(%error, "the configuration file could not be read"),
        }
    }
}

/// Puts a configuration into force, and checks what it changes. Until the store knows which
/// applications there are the one before stays in force, or for good if the process stops meanwhile.
pub async fn replace(context: &Context, config: Config, stop: &CancellationToken) {
    if !record_places(context, &config, stop).await {
        return;
    }
    let (before, Delta { changed, left }) = context.config.replace(config);
    let config = context.config.load();
    tracing::info!(
        generation = context.config.generation(),
        applications = config.applications.len(),
        changed = changed.len(),
        "configuration in force"
    );
    if !left.is_empty() {
        let left: Vec<_> = left.iter().map(ApplicationName::as_str).collect();
        let applications = left.join(", ");
        tracing::info!(
            applications,
            "these left the configuration; their objects stay where they are"
        );
    }
    let late = changed_until_restart(&before, &config);
    if !late.is_empty() {
        tracing::warn!(settings = late.join(", "), "these count from the next start on");
    }
    if let Err(error) = check_changed(context, &config, changed).await {
        tracing::error!(error = %chain(&error), "could not ask for syncs after a change of configuration");
    }
    context.store.work_bell().ring();
    context.store.waits_bell().ring();
}

/// Records which applications there are, so that no sync of the new configuration finds one at its
/// old place. As long as the store cannot, the configuration before stays in force. False: the
/// process stops.
async fn record_places(context: &Context, config: &Config, stop: &CancellationToken) -> bool {
    let (declaration, instance) = (declaration(config), config.server.instance.as_str());
    while let Err(error) = context.store.configure(&declaration, instance).await {
        tracing::warn!(
            error = %chain(&error),
            "could not record which applications there are; until then the configuration before stays in force"
        );
        tokio::select! {
            () = tokio::time::sleep(STORE_RETRY) => {}
            () = stop.cancelled() => return false,
        }
    }
    true
}

/// Checks what changed, and begins its interval anew: that may be what changed.
async fn check_changed(
    context: &Context,
    config: &Config,
    changed: BTreeSet<ApplicationName>,
) -> Result<(), StoreError> {
    timer::schedule(config, &context.store, &changed).await?;
    let checks = changed.into_iter().map(|name| timer::check(name, Trigger::Configuration));
    context.store.enqueue_all(checks.collect()).await
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;
    use crate::runtime::Server;

    /// Writes a configuration with these lines below `server` and this store.
    fn write(path: &Path, server: &str, store: &str) {
        let text =
            format!("server:\n  instance: test\n{server}store: {{url: 'sqlite://{store}'}}\n");
        std::fs::write(path, text).unwrap();
    }

    /// A configuration with these lines below `server` and this store.
    fn config(server: &str, store: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headstay.yaml");
        write(&path, server, store);
        load(&path).unwrap()
    }

    #[tokio::test]
    async fn a_configuration_comes_into_force_once_the_store_knows_its_applications() {
        let folder = tempfile::tempdir().unwrap();
        let [path, store] = ["headstay.yaml", "headstay.db"].map(|name| folder.path().join(name));
        write(&path, "  listen: 127.0.0.1:0\n", store.to_str().unwrap());
        let context = Server::open(&path).await.unwrap().context;
        write(&path, "  suspend: true\n", store.to_str().unwrap());
        let mut file = SqliteConnectOptions::new().filename(&store).connect().await.unwrap();

        let stop = CancellationToken::new();
        stop.cancel();
        let statement = "ALTER TABLE applications RENAME TO elsewhere";
        sqlx::query(statement).execute(&mut file).await.unwrap();
        replace(&context, load(&path).unwrap(), &stop).await;
        assert!(!context.config.load().server.suspend, "the store does not know of it");

        let stop = CancellationToken::new();
        let mend = async {
            let statement = "ALTER TABLE elsewhere RENAME TO applications";
            sqlx::query(statement).execute(&mut file).await.unwrap();
        };
        tokio::join!(replace(&context, load(&path).unwrap(), &stop), mend);
        assert!(context.config.load().server.suspend);
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
