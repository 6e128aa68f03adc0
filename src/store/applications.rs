//! What is known of each application, and when the timer looks at it next.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use crate::domain::commit::CommitId;
use crate::domain::declaration::Declaration;
use crate::domain::installation::Installation;
use crate::domain::inventory::ApplicationState;
use crate::domain::name::{ApplicationName, InstanceName};
use crate::domain::sync::{Failure, FailureCause, Phase};
use crate::store::error::{StoreError, failed};
use crate::store::rows::{self, json, json_or_null, micros, parsed, word};
use crate::store::{ApplicationChange, Store};

impl Store {
    /// Takes what a source declares, and the name of this installation. An application that has
    /// moved begins anew there: nothing is applied yet, and what waits for the health of the old
    /// place or for a yes to its plan, or would prune there, ends. So does that of an application
    /// that left. To be called at the start and whenever the declaration has changed.
    pub async fn configure(
        &self,
        declaration: &Declaration,
        instance: &str,
    ) -> Result<(), StoreError> {
        let now = micros(self.now());
        let work = async {
            let (by, list) = (declaration.by.as_str(), json(&declaration.applications)?);
            let moved = json(&gone("the application has moved to another cluster"))?;
            let left = json(&gone("the application has left the configuration"))?;
            let mut tx = self.begin().await?;
            for statement in [DECLARE, END_OF_GONE, PLACE, LEAVE, ADOPT] {
                let query = sqlx::query(statement).bind(&list).bind(now).bind(by);
                query.bind(&moved).bind(&left).execute(&mut *tx).await?;
            }
            sqlx::query(INSTANCE).bind(instance).bind(now).execute(&mut *tx).await?;
            tx.commit().await
        };
        work.await.map_err(failed("record which applications there are"))
    }

    /// This installation, by the name that it has now.
    pub async fn installation(&self, now: &InstanceName) -> Result<Installation, StoreError> {
        let work = async {
            let query = sqlx::query_scalar(FORMER_INSTANCES).bind(now.as_str());
            query.fetch_all(self.readers()).await
        };
        let former = work.await.map_err(failed("read the names of this installation"))?;
        Ok(Installation { id: self.0.installation, instance: now.to_string(), former })
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
            query.execute(self.writer()).await.map(drop)
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

    /// Every commit that is referred to: by the history, as wanted, applied or healthy, or by an
    /// inventory, also of applications that left the configuration. The mirrors must keep them.
    pub async fn commits(&self) -> Result<BTreeSet<CommitId>, StoreError> {
        let work = async {
            let rows = sqlx::query(COMMITS).fetch_all(self.readers()).await?;
            rows.iter().map(|row| parsed(row, "id")).collect::<Result<_, _>>()
        };
        work.await.map_err(failed("read which commits are in use"))
    }
}

/// Why a sync ends whose application is no more where it was.
fn gone(why: &str) -> Failure {
    Failure::new(Phase::Health, FailureCause::Person, why.to_owned(), Vec::new())
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

/// Records how many commits in a row no webhook announced.
pub(super) async fn count_unannounced(
    connection: &mut SqliteConnection,
    application: &ApplicationName,
    count: u32,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query("UPDATE applications SET unannounced = ?2 WHERE name = ?1");
    query.bind(application.as_str()).bind(count).execute(connection).await.map(drop)
}

/// Has the timer look at an application at once.
pub(super) async fn check_now(
    connection: &mut SqliteConnection,
    application: &ApplicationName,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query("UPDATE applications SET next_check_at = ?2 WHERE name = ?1");
    query.bind(application.as_str()).bind(micros(now)).execute(connection).await.map(drop)
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
        Some((commit, at, inputs)) => {
            (Some(json(commit)?), Some(micros(*at)), Some(inputs.to_string()))
        }
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
        .bind(change.revoke_inputs)
        .bind(micros(now))
        .bind(change.settings.as_deref())
        .bind(change.wrote)
        .bind(change.followed.as_ref().map(CommitId::as_str))
        .execute(connection)
        .await
        .map(drop)
}

/// What is left behind is asked for on both sides of the cluster, so that the rows on it are not
/// read.
macro_rules! select_application {
    ($tail:literal) => {
        concat!(
            "SELECT a.*, (SELECT max(id) FROM syncs WHERE application = a.name) AS last_sync,
                (SELECT json_group_object(cluster, objects) FROM (
                    SELECT cluster, count(*) AS objects FROM inventory
                    WHERE application = a.name AND cluster < a.cluster GROUP BY cluster
                    UNION ALL SELECT cluster, count(*) FROM inventory
                    WHERE application = a.name AND cluster > a.cluster GROUP BY cluster))
                AS left_behind
             FROM applications AS a ",
            $tail
        )
    };
}
const SELECT: &str = select_application!("ORDER BY a.name");
const SELECT_ONE: &str = select_application!("WHERE a.name = ?1");

/// What one source declares is that of no other any more.
const DECLARE: &str = "
UPDATE applications SET declared_by = ?3
WHERE declared_by <> ?3 AND name IN (SELECT value ->> 0 FROM json_each(?1))";

/// Syncs that speak of a place where their application is no more.
const END_OF_GONE: &str = "
UPDATE syncs SET state = 'Cancelled', ended_at = ?2, next_attempt_at = NULL,
    error = iif(application IN (SELECT value ->> 0 FROM json_each(?1)), ?4, ?5)
WHERE (state IN ('Waiting', 'Blocked') OR (state IN ('Queued', 'Retrying') AND step = 'Prune'))
  AND application NOT IN (SELECT name FROM applications WHERE declared_by <> ?3)
  AND (application NOT IN (SELECT value ->> 0 FROM json_each(?1)) OR application IN (
    SELECT a.name FROM json_each(?1) AS k JOIN applications AS a ON a.name = k.value ->> 0
    WHERE a.cluster NOT IN ('', k.value ->> 1)))";

/// A row without a cluster is from before these were known: it is taken to be of this one.
const PLACE: &str = "
INSERT INTO applications (name, cluster, cluster_since, declared_by)
SELECT value ->> 0, value ->> 1, ?2, ?3 FROM json_each(?1) WHERE true
ON CONFLICT (name) DO UPDATE SET cluster = excluded.cluster, cluster_since = excluded.cluster_since,
    applied = iif(cluster = '', applied, NULL), applied_at = iif(cluster = '', applied_at, NULL),
    healthy = iif(cluster = '', healthy, NULL), inputs = iif(cluster = '', inputs, NULL),
    health = iif(cluster = '', health, 'Unknown'),
    health_changed_at = iif(cluster = '', health_changed_at, NULL),
    checked_at = iif(cluster = '', checked_at, NULL),
    settings = iif(cluster = '', settings, NULL)
WHERE cluster IS NOT excluded.cluster";

const LEAVE: &str = "
UPDATE applications SET cluster = NULL, cluster_since = ?2
WHERE cluster IS NOT NULL AND declared_by = ?3 AND name NOT IN (SELECT value ->> 0 FROM json_each(?1))";

const INSTANCE: &str = "INSERT OR IGNORE INTO instances (name, since) VALUES (?1, ?2)";

const FORMER_INSTANCES: &str = "
SELECT name FROM instances WHERE name <> ?1 ORDER BY since";

const ADOPT: &str = "
UPDATE OR REPLACE inventory SET cluster = k.cluster
FROM (SELECT value ->> 0 AS name, value ->> 1 AS cluster FROM json_each(?1)) AS k
WHERE inventory.cluster = '' AND inventory.application = k.name";

const DUE_CHECKS: &str = "
SELECT name FROM applications
WHERE cluster IS NOT NULL AND (next_check_at IS NULL OR next_check_at <= ?1)
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
    health_changed_at, checked_at, settings, followed)
VALUES (?1, ?2, ?3, ?4, iif(?9, NULL, ?5), ?6, ifnull(?7, 'Unknown'), iif(?7 IS NULL, NULL, ?10),
    ?8, ?11, ?13)
ON CONFLICT (name) DO UPDATE SET
    wanted = ifnull(?2, wanted),
    applied = ifnull(?3, applied),
    applied_at = iif(?12, ifnull(?4, applied_at), ifnull(applied_at, ?4)),
    inputs = iif(?9, NULL, ifnull(?5, inputs)),
    healthy = ifnull(?6, healthy),
    health_changed_at = iif(ifnull(?7, health) = health, health_changed_at, ?10),
    health = ifnull(?7, health),
    checked_at = ifnull(?8, checked_at),
    settings = ifnull(?11, settings),
    followed = ifnull(?13, followed)";

const COMMITS: &str = "
SELECT git_commit ->> 'id' AS id FROM syncs WHERE git_commit IS NOT NULL
UNION SELECT wanted ->> 'id' FROM applications WHERE wanted IS NOT NULL
UNION SELECT applied ->> 'id' FROM applications WHERE applied IS NOT NULL
UNION SELECT healthy FROM applications WHERE healthy IS NOT NULL
UNION SELECT git_commit FROM inventory";
