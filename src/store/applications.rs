//! What is known of each application, and when the timer looks at it next.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use crate::domain::commit::CommitId;
use crate::domain::inventory::ApplicationState;
use crate::domain::name::ApplicationName;
use crate::store::error::{StoreError, failed};
use crate::store::rows::{self, json, json_or_null, micros, parsed, word};
use crate::store::{ApplicationChange, Store};

impl Store {
    /// Makes sure that each application has its row.
    pub async fn ensure_applications(&self, names: &[ApplicationName]) -> Result<(), StoreError> {
        let work = async {
            sqlx::query(ENSURE).bind(json(names)?).execute(&self.0.writer).await.map(drop)
        };
        work.await.map_err(failed("record the applications"))
    }

    /// Removes what is known of an application that left the configuration: its state and its
    /// inventory. Its history stays until it expires.
    pub async fn forget_application(&self, name: &ApplicationName) -> Result<(), StoreError> {
        let work = async {
            let mut tx = self.begin().await?;
            for statement in FORGET {
                sqlx::query(statement).bind(name.as_str()).execute(&mut *tx).await?;
            }
            tx.commit().await
        };
        work.await.map_err(failed("forget an application"))
    }

    /// The applications at which the timer is to look by `now`.
    pub async fn due_checks(&self, now: Timestamp) -> Result<Vec<ApplicationName>, StoreError> {
        let work = async {
            let query = sqlx::query(DUE_CHECKS).bind(micros(now));
            rows::all(&query.fetch_all(self.readers()).await?, |row| parsed(row, "name"))
        };
        work.await.map_err(failed("read which applications are to be checked"))
    }

    /// Says when the timer is to look at each of these applications next, all at once.
    pub async fn schedule_checks(
        &self,
        checks: &[(ApplicationName, Timestamp)],
    ) -> Result<(), StoreError> {
        let checks: Vec<_> = checks.iter().map(|(name, at)| (name, micros(*at))).collect();
        let work = async {
            let query = sqlx::query(SCHEDULE_CHECKS).bind(json(&checks)?);
            query.execute(&self.0.writer).await.map(drop)
        };
        work.await.map_err(failed("schedule the checks of applications"))
    }

    /// What is known of an application.
    pub async fn application(
        &self,
        name: &ApplicationName,
    ) -> Result<Option<ApplicationState>, StoreError> {
        let work = async {
            let query = sqlx::query(SELECT_ONE).bind(name.as_str());
            let row = query.fetch_optional(self.readers()).await?;
            row.as_ref().map(rows::application).transpose()
        };
        work.await.map_err(failed("read an application"))
    }

    /// What is known of every application, by name.
    pub async fn applications(&self) -> Result<Vec<ApplicationState>, StoreError> {
        let work = async {
            rows::all(&sqlx::query(SELECT).fetch_all(self.readers()).await?, rows::application)
        };
        work.await.map_err(failed("read the applications"))
    }

    /// Every commit of these applications that is referred to: by the history, as wanted, applied
    /// or healthy, or by the inventory. Their mirrors must keep them.
    pub async fn commits(
        &self,
        applications: &[ApplicationName],
    ) -> Result<BTreeSet<CommitId>, StoreError> {
        let work = async {
            let rows =
                sqlx::query(COMMITS).bind(json(applications)?).fetch_all(self.readers()).await?;
            rows.iter().map(|row| parsed(row, "id")).collect::<Result<_, _>>()
        };
        work.await.map_err(failed("read which commits are in use"))
    }
}

/// Records the commit, given as JSON, that is about to be applied. What the last complete apply was
/// made from counts no longer: if this one breaks off, nothing may be skipped on its account.
pub(super) async fn begin(
    connection: &mut SqliteConnection,
    application: &ApplicationName,
    commit: &str,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(BEGIN).bind(application.as_str()).bind(commit);
    query.execute(connection).await.map(drop)
}

/// Changes what is known of an application.
pub(super) async fn change(
    connection: &mut SqliteConnection,
    application: &ApplicationName,
    change: &ApplicationChange,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    if *change == ApplicationChange::default() {
        return Ok(());
    }
    let (applied, applied_at, inputs) = match &change.applied {
        Some((commit, at, inputs)) => (Some(json(commit)?), Some(micros(*at)), Some(inputs)),
        None => (None, None, None),
    };
    sqlx::query(CHANGE)
        .bind(application.as_str())
        .bind(json_or_null(change.wanted.as_ref())?)
        .bind(applied)
        .bind(applied_at)
        .bind(inputs)
        .bind(change.healthy.as_ref().map(CommitId::as_str))
        .bind(change.health.map(word).transpose()?)
        .bind(change.checked_at.map(micros))
        .bind(change.unannounced)
        .bind(change.revoke_inputs)
        .bind(micros(now))
        .execute(connection)
        .await
        .map(drop)
}

macro_rules! select_application {
    ($tail:literal) => {
        concat!(
            "SELECT a.*, (SELECT max(id) FROM syncs WHERE application = a.name) AS last_sync
             FROM applications AS a ",
            $tail
        )
    };
}
const SELECT: &str = select_application!("ORDER BY a.name");
const SELECT_ONE: &str = select_application!("WHERE a.name = ?1");

const ENSURE: &str = "
INSERT OR IGNORE INTO applications (name) SELECT value FROM json_each(?1)";

const FORGET: [&str; 2] =
    ["DELETE FROM inventory WHERE application = ?1", "DELETE FROM applications WHERE name = ?1"];

const DUE_CHECKS: &str = "
SELECT name FROM applications WHERE next_check_at IS NULL OR next_check_at <= ?1
ORDER BY next_check_at, name";

// The WHERE tells SQLite that ON CONFLICT begins no join.
const SCHEDULE_CHECKS: &str = "
INSERT INTO applications (name, next_check_at)
SELECT value ->> 0, value ->> 1 FROM json_each(?1) WHERE true
ON CONFLICT (name) DO UPDATE SET next_check_at = excluded.next_check_at";

const BEGIN: &str = "
INSERT INTO applications (name, wanted) VALUES (?1, ?2)
ON CONFLICT (name) DO UPDATE SET wanted = excluded.wanted, inputs = NULL";

const CHANGE: &str = "
INSERT INTO applications (name, wanted, applied, applied_at, inputs, healthy, health,
    health_changed_at, checked_at, unannounced)
VALUES (?1, ?2, ?3, ?4, iif(?10, NULL, ?5), ?6, ifnull(?7, 'Unknown'), iif(?7 IS NULL, NULL, ?11),
    ?8, ifnull(?9, 0))
ON CONFLICT (name) DO UPDATE SET
    wanted = ifnull(?2, wanted),
    applied = ifnull(?3, applied),
    applied_at = ifnull(?4, applied_at),
    inputs = iif(?10, NULL, ifnull(?5, inputs)),
    healthy = ifnull(?6, healthy),
    health_changed_at = iif(ifnull(?7, health) = health, health_changed_at, ?11),
    health = ifnull(?7, health),
    checked_at = ifnull(?8, checked_at),
    unannounced = ifnull(?9, unannounced)";

const COMMITS: &str = "
WITH asked AS (SELECT value AS name FROM json_each(?1))
SELECT git_commit ->> 'id' AS id FROM syncs
    WHERE application IN (SELECT name FROM asked) AND git_commit IS NOT NULL
UNION SELECT wanted ->> 'id' FROM applications
    WHERE name IN (SELECT name FROM asked) AND wanted IS NOT NULL
UNION SELECT applied ->> 'id' FROM applications
    WHERE name IN (SELECT name FROM asked) AND applied IS NOT NULL
UNION SELECT healthy FROM applications
    WHERE name IN (SELECT name FROM asked) AND healthy IS NOT NULL
UNION SELECT git_commit FROM inventory WHERE application IN (SELECT name FROM asked)";
