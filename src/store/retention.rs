//! Letting history go.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::store::error::{StoreError, failed};
use crate::store::rows::{json, micros};
use crate::store::{Expired, Retention, Store};

/// Rows deleted in one transaction, so that nobody waits long for the writing connection.
const CHUNK: usize = 500;

impl Store {
    /// Deletes history beyond what is to be kept: syncs that ended, and deliveries that no sync
    /// refers to. Of each application the last sync stays, and the last that applied all.
    ///
    /// An application that left the configuration, or a cluster, may come back, and then owns again
    /// what it left behind. That is remembered as long as history is: who came back later would
    /// prune what others have long relied on.
    pub async fn expire(&self, retention: Retention) -> Result<Expired, StoreError> {
        let older_than = micros(retention.older_than);
        let work = async {
            let syncs = sqlx::query(EXPIRED_SYNCS)
                .bind(retention.syncs_per_application)
                .bind(older_than)
                .fetch_all(self.readers())
                .await?;
            let syncs = self.delete(DELETE_SYNCS, &ids(&syncs)?).await?;
            let deliveries =
                sqlx::query(EXPIRED_DELIVERIES).bind(older_than).fetch_all(self.readers()).await?;
            let deliveries = self.delete(DELETE_DELIVERIES, &ids(&deliveries)?).await?;
            let mut tx = self.begin().await?;
            let left = sqlx::query(FORGET_LEFT_BEHIND).bind(older_than).execute(&mut *tx).await?;
            sqlx::query(FORGET_APPLICATIONS).bind(older_than).execute(&mut *tx).await?;
            sqlx::query(FORGET_RENDERS).execute(&mut *tx).await?;
            tx.commit().await?;
            Ok(Expired { syncs, deliveries, left_behind: left.rows_affected() })
        };
        work.await.map_err(failed("delete old history"))
    }

    /// Deletes rows by id, and says how many there were.
    async fn delete(&self, statement: &'static str, ids: &[String]) -> Result<u64, sqlx::Error> {
        let mut deleted = 0;
        for chunk in ids.chunks(CHUNK) {
            let query = sqlx::query(statement).bind(json(chunk)?);
            deleted += query.execute(self.writer()).await?.rows_affected();
        }
        Ok(deleted)
    }
}

fn ids(rows: &[SqliteRow]) -> Result<Vec<String>, sqlx::Error> {
    rows.iter().map(|row| row.try_get("id")).collect()
}

/// A sync that ended never begins again, and a delivery without syncs never gets one: so both can
/// be looked for first and deleted later.
const EXPIRED_SYNCS: &str = "
SELECT id FROM (
    SELECT s.id, s.state, s.ended_at, s.applied_at,
        row_number() OVER (PARTITION BY s.application ORDER BY s.id DESC) AS nth,
        row_number() OVER (PARTITION BY s.application, s.applied_at IS NULL ORDER BY s.id DESC)
            AS nth_of_kind,
        a.cluster IS NULL AND a.cluster_since < ?2 AS of_former
    FROM syncs AS s LEFT JOIN applications AS a ON a.name = s.application)
WHERE state IN ('Succeeded', 'Failed', 'Superseded', 'Cancelled')
  AND (of_former OR nth > 1 AND NOT (applied_at IS NOT NULL AND nth_of_kind = 1))
  AND (nth > ?1 OR ended_at < ?2)";

const DELETE_SYNCS: &str = "DELETE FROM syncs WHERE id IN (SELECT value FROM json_each(?1))";

const EXPIRED_DELIVERIES: &str = "
SELECT id FROM deliveries AS d WHERE received_at < ?1
  AND NOT EXISTS (SELECT 1 FROM sync_deliveries WHERE delivery = d.id)";

const DELETE_DELIVERIES: &str =
    "DELETE FROM deliveries WHERE id IN (SELECT value FROM json_each(?1))";

const FORGET_LEFT_BEHIND: &str = "
DELETE FROM inventory WHERE (application, cluster) IN (
    SELECT DISTINCT i.application, i.cluster FROM applications AS a
    JOIN inventory AS i ON i.application = a.name
    WHERE a.cluster IS NOT i.cluster AND a.cluster_since < ?1)";

const FORGET_APPLICATIONS: &str = "
DELETE FROM applications AS a WHERE cluster IS NULL AND cluster_since < ?1
  AND NOT EXISTS (SELECT 1 FROM syncs WHERE application = a.name)";

const FORGET_RENDERS: &str =
    "DELETE FROM renders WHERE application NOT IN (SELECT name FROM applications)";
