//! Opening and closing: one process, one writing connection, a few that read.

#[cfg(unix)]
use std::fs::Permissions;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection, SqlitePool};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::domain::name::InstallationId;
use crate::store::error::StoreError;
use crate::store::events::{self, Events, Writer};
use crate::store::rows::parsed;
use crate::store::writable::Writable;
use crate::store::writer::Arrivals;
use crate::store::{Inner, Store};

/// How long SQLite waits for a lock that a backup holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Reads at once.
const READERS_MAX: u32 = 4;
/// The write-ahead log is cut to this after a checkpoint, in bytes.
const LOG_BYTES_KEPT: &str = "67108864";

impl Store {
    /// Opens the store at `path`; makes it, with its folder, if there is none. Only its owner may
    /// read it.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = lock(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("journal_size_limit", LOG_BYTES_KEPT)
            .pragma("temp_store", "memory")
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let unopened = |source| StoreError::Open { path: path.into(), source: Arc::new(source) };
        let mut first = SqliteConnection::connect_with(&options).await.map_err(unopened)?;
        sqlx::migrate!("src/store/migrations").run(&mut first).await.map_err(|source| {
            StoreError::Migrate { path: path.into(), source: Arc::new(source) }
        })?;
        let installation = identify(&mut first).await.map_err(unopened)?;
        first.close().await.map_err(unopened)?;
        let pool = writer(options).await.map_err(unopened)?;
        let writer = Writer { pool, events: Events::new() };
        let (arrivals, task) = Arrivals::spawn(writer.clone());
        let task = Mutex::new(Some(task));
        Ok(Self(Arc::new(Inner {
            writer,
            readers: readers(path),
            arrivals,
            writable: Writable::default(),
            installation,
            task,
            _lock: lock,
        })))
    }

    /// Ends every write that was begun, then closes the file; what is asked for later is refused.
    /// The lock is held until the last clone is dropped.
    pub async fn close(&self) {
        self.0.arrivals.close();
        if let Some(task) = self.0.task.lock().await.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the task that writes deliveries did not end by itself");
        }
        self.0.readers.close().await;
        self.writer().close().await;
    }
}

/// Makes folder and file, closes the file to others (one that was brought back from a copy may be open to
/// them), and takes the lock that no second process gets.
fn lock(path: &Path) -> Result<File, StoreError> {
    let failed = |source| StoreError::File { path: path.into(), source: Arc::new(source) };
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    if let Some(folder) = path.parent() {
        create_folder(folder).map_err(failed)?;
    }
    let lock = create_file(&PathBuf::from(name)).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { path: path.into() }),
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    // SQLite gives its own files beside this one the same mode.
    create_file(path).map_err(failed)?;
    Ok(lock)
}

fn create_folder(path: &Path) -> io::Result<()> {
    let mut folder = DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    folder.mode(0o700);
    folder.create(path)
}

fn create_file(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new();
    file.write(true).create(true).truncate(false);
    #[cfg(unix)]
    file.mode(0o600);
    let file = file.open(path)?;
    #[cfg(unix)]
    if let Err(error) = file.set_permissions(Permissions::from_mode(0o600)) {
        tracing::warn!(path = %path.display(), %error, "others may read the store");
    }
    Ok(file)
}

/// The id of this installation; made where there is none.
async fn identify(connection: &mut SqliteConnection) -> Result<InstallationId, sqlx::Error> {
    let new = Uuid::now_v7().to_string();
    sqlx::query(IDENTIFY).bind(new).execute(&mut *connection).await?;
    let row = sqlx::query("SELECT id FROM installation").fetch_one(connection).await?;
    parsed(&row, "id")
}

const IDENTIFY: &str = "
INSERT INTO installation (id) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM installation)";

/// A pool of one: SQLite takes one writer at a time, and waiting for it here is cheaper and fairer
/// than in SQLite.
async fn writer(options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(|connection, _| events::note_changes(connection).boxed())
        // On a full disk SQLite may roll back by itself, which sqlx does not notice: it would
        // refuse every later transaction on this connection. So such a connection is closed.
        .after_release(|connection, _| {
            async move {
                if connection.is_in_transaction() {
                    connection.ping().await?;
                }
                Ok(!connection.is_in_transaction())
            }
            .boxed()
        })
        .connect_with(options)
        .await
}

fn readers(path: &Path) -> SqlitePool {
    let options =
        SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
    SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_lazy_with(options)
}
