//! The observer: syncs that wait for health, and the health of what is applied. It holds no claim,
//! so each write asks whether the sync still waits.

use crate::domain::commit::CommitId;
use crate::domain::health::{Health, HealthStatus};
use crate::domain::name::{ApplicationName, ClusterName, SyncId};
use crate::domain::object::ObjectKey;
use crate::domain::sync::{PhaseDuration, Sync, SyncState, WaitingFor};
use crate::store::claims::fail_unreadable;
use crate::store::error::{StoreError, failed};
use crate::store::finish::merge_phases;
use crate::store::rows::{self, from_json, json, json_or_null, micros, parsed, select_sync};
use crate::store::{ApplicationChange, Step, Store, WaitingEnd, applications, inventory};

impl Store {
    /// Every sync that waits for health, oldest first. One that cannot be read waits no more: it
    /// fails.
    pub async fn waiting(&self) -> Result<Vec<Sync>, StoreError> {
        let now = self.now();
        let work = async {
            let query = sqlx::query(select_sync!("WHERE s.state = 'Waiting' ORDER BY s.id"));
            let mut waiting = Vec::new();
            for row in query.fetch_all(self.readers()).await? {
                match rows::sync(&row) {
                    Ok(sync) => waiting.push(sync),
                    Err(error) => {
                        let mut tx = self.begin().await?;
                        fail_unreadable(&mut tx, &row, error, now).await?;
                        tx.commit().await?;
                    }
                }
            }
            Ok(waiting)
        };
        work.await.map_err(failed("read the waiting syncs"))
    }

    /// Records what a sync waits for, of which only the first are named. False: it does not wait any more.
    pub async fn record_waiting(
        &self,
        id: SyncId,
        waiting_for: &[WaitingFor],
    ) -> Result<bool, StoreError> {
        let (named, more) = WaitingFor::named(waiting_for);
        let work = async {
            let recorded = sqlx::query(RECORD_WAITING)
                .bind(id.to_string())
                .bind(json(named)?)
                .bind(more)
                .execute(self.writer())
                .await?;
            Ok(recorded.rows_affected() > 0)
        };
        work.await.map_err(failed("record what a sync waits for"))
    }

    /// Ends the wait of a sync. False: it does not wait any more.
    pub async fn end_waiting(&self, id: SyncId, end: WaitingEnd) -> Result<bool, StoreError> {
        let now = self.now();
        let work = async {
            let mut tx = self.begin().await?;
            let row = sqlx::query(WAITING).bind(id.to_string()).fetch_optional(&mut *tx).await?;
            let Some(row) = row else { return Ok(false) };
            let state = end.state();
            let (step, failure) = match &end {
                WaitingEnd::Healthy { .. } => (Step::Start, None),
                WaitingEnd::PruneNext { .. } => (Step::Prune, None),
                WaitingEnd::Failed { failure, .. } | WaitingEnd::Cancelled { failure, .. } => {
                    (Step::Start, Some(failure))
                }
            };
            let before = from_json::<Vec<_>>(&row, "phases")?;
            let phases = merge_phases(&before, end.phases(), Step::Prune);
            sqlx::query(END_WAITING)
                .bind(id.to_string())
                .bind(state.as_str())
                .bind(step.as_str())
                .bind(micros(now))
                .bind(state.is_ended().then(|| micros(now)))
                .bind(json_or_null(failure)?)
                .bind(json(&phases)?)
                .execute(&mut *tx)
                .await?;
            if let WaitingEnd::Healthy { commit, .. } = end {
                let healthy = ApplicationChange { healthy: Some(commit), ..Default::default() };
                let application = parsed(&row, "application")?;
                applications::change(&mut tx, &application, &healthy, now).await?;
            }
            tx.commit().await?;
            Ok(true)
        };
        work.await.map_err(failed("end the wait of a sync"))
    }

    /// Records the health of objects of an inventory, and of their application as a whole. Objects
    /// that the inventory of that cluster does not have are passed over.
    pub async fn record_health(
        &self,
        application: &ApplicationName,
        cluster: &ClusterName,
        objects: &[(ObjectKey, Health)],
        health: HealthStatus,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let change = ApplicationChange { health: Some(health), ..Default::default() };
        let work = async {
            let mut tx = self.begin().await?;
            inventory::judge(&mut tx, application, cluster, objects).await?;
            applications::change(&mut tx, application, &change, now).await?;
            tx.commit().await
        };
        work.await.map_err(failed("record the health of an application"))
    }

    /// Records that what is applied works, unless another commit was applied meanwhile.
    pub async fn record_healthy(
        &self,
        application: &ApplicationName,
        commit: &CommitId,
    ) -> Result<(), StoreError> {
        let work = async {
            let mut tx = self.begin().await?;
            let query = sqlx::query(RECORD_HEALTHY).bind(application.as_str());
            query.bind(commit.as_str()).execute(&mut *tx).await?;
            tx.commit().await
        };
        work.await.map_err(failed("record the healthy commit of an application"))
    }
}

impl WaitingEnd {
    /// The state that the sync gets.
    pub fn state(&self) -> SyncState {
        match self {
            Self::Healthy { .. } => SyncState::Succeeded,
            Self::PruneNext { .. } => SyncState::Queued,
            Self::Failed { .. } => SyncState::Failed,
            Self::Cancelled { .. } => SyncState::Cancelled,
        }
    }

    /// The phases that it adds.
    pub fn phases(&self) -> &[PhaseDuration] {
        match self {
            Self::Healthy { phases, .. }
            | Self::PruneNext { phases }
            | Self::Failed { phases, .. }
            | Self::Cancelled { phases, .. } => phases,
        }
    }
}

const RECORD_WAITING: &str = "
UPDATE syncs SET waiting_for = ?2, waiting_for_more = ?3 WHERE id = ?1 AND state = 'Waiting'";

const RECORD_HEALTHY: &str = "
UPDATE applications SET healthy = ?2
WHERE name = ?1 AND applied ->> 'id' = ?2 AND inputs IS NOT NULL";

const WAITING: &str = "
SELECT application, phases FROM syncs WHERE id = ?1 AND state = 'Waiting'";

/// A failed sync goes on to show what it waited for in vain. Attempts are counted per step.
const END_WAITING: &str = "
UPDATE syncs SET state = ?2, step = ?3, due_at = ?4, ended_at = ?5, error = ?6, phases = ?7,
    attempt = iif(?2 = 'Queued', 0, attempt),
    waiting_for = iif(?2 = 'Failed', waiting_for, '[]'),
    waiting_for_more = iif(?2 = 'Failed', waiting_for_more, 0)
WHERE id = ?1";
