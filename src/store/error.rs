//! What can go wrong with the store.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use sqlx::migrate::MigrateError;

/// The store did not do what it was asked; nothing of what was asked is in it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the lock.
    #[error(
        "store {path} is in use by another process: stop that, or name another file in `store.url`"
    )]
    InUse {
        /// The SQLite file.
        path: PathBuf,
    },
    /// The folder, the file or its lock cannot be made.
    #[error("cannot create or lock store {path}: check that its folder can be written to")]
    File {
        /// The SQLite file.
        path: PathBuf,
        /// What the operating system says.
        source: Arc<io::Error>,
    },
    /// The file is there, but SQLite does not take it.
    #[error("cannot open store {path}")]
    Open {
        /// The SQLite file.
        path: PathBuf,
        /// What SQLite says.
        source: Arc<sqlx::Error>,
    },
    /// The tables could not be brought to this version's shape.
    #[error("cannot migrate store {path}: was it last used by a newer version?")]
    Migrate {
        /// The SQLite file.
        path: PathBuf,
        /// Which migration failed, and why.
        source: Arc<MigrateError>,
    },
    /// The disk is full, failing or too slow. Worth another try.
    #[error("cannot {doing}: the store is not available")]
    Unavailable {
        /// What was asked, verb first.
        doing: &'static str,
        /// What SQLite says.
        source: Arc<sqlx::Error>,
    },
    /// A row holds what this version does not understand.
    #[error("cannot {doing}: a row of the store cannot be read or written by this version")]
    Unreadable {
        /// What was asked, verb first.
        doing: &'static str,
        /// Which column, and why.
        source: Arc<sqlx::Error>,
    },
    /// A caller gave a cursor that no list has handed out.
    #[error("`{cursor}` is no cursor of this list: use the `next` of an earlier page, or none")]
    Cursor {
        /// What was given.
        cursor: String,
    },
    /// The store was closed while it was asked.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether single items of a batch could still get through on their own: the batch failed for
    /// what one of them holds, not for the state of the disk.
    pub(super) fn is_of_one_item(&self) -> bool {
        match self {
            Self::Unreadable { .. } => true,
            Self::Unavailable { source, .. } => match &**source {
                sqlx::Error::Database(error) => {
                    matches!(error.code().as_deref().and_then(primary), Some(CONSTRAINT | TOO_BIG))
                }
                _ => false,
            },
            _ => false,
        }
    }
}

/// `SQLITE_TOOBIG`: a value is longer than SQLite takes.
const TOO_BIG: u32 = 18;
/// `SQLITE_CONSTRAINT`: a rule of a table is broken.
const CONSTRAINT: u32 = 19;

/// The primary result code in an extended one: its lowest byte.
fn primary(code: &str) -> Option<u32> {
    code.parse::<u32>().ok().map(|code| code & 0xff)
}

/// Says what was being done when SQLite failed.
pub(super) fn failed(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| match error {
        sqlx::Error::PoolClosed => StoreError::Closed,
        error @ (sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::Encode(_)) => StoreError::Unreadable { doing, source: Arc::new(error) },
        error => StoreError::Unavailable { doing, source: Arc::new(error) },
    }
}
