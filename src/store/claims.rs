//! Workers: taking a sync, keeping it, and what is recorded while it runs.
//!
//! A claim is a lease with a fence. Who lost it learns so from `false` or none, and must stop.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::domain::inventory::InventoryItem;
use crate::domain::name::{ApplicationName, ClusterName, SyncId};
use crate::failpoint::failpoint;
use crate::store::error::{StoreError, failed};
use crate::store::rows::{self, from_word, json, micros, parsed, select_sync};
use crate::store::{
    ApplicationChange, ApplyStart, Claim, ClaimKey, Claimable, Held, Step, Store, applications,
    inventory,
};

impl Store {
    /// Puts every running sync back into the queue, at the step that it had, and says how many
    /// there were. To be called once after `open`, before the first claim: whoever held them is
    /// gone, because we hold the lock.
    pub async fn recover(&self) -> Result<u64, StoreError> {
        let now = self.now();
        let work = async {
            let mut tx = self.begin().await?;
            let running = sqlx::query(RUNNING).fetch_all(&mut *tx).await?;
            for row in &running {
                let id = parsed(row, "id")?;
                match rows::parsed_or_none(row, "rival")? {
                    _ if row.try_get("cancel_requested")? => cancel(&mut tx, id, now).await?,
                    Some(rival) => give_way(&mut tx, id, rival, now).await?,
                    None => requeue(&mut tx, id, now).await?,
                }
            }
            failpoint("recover:before");
            tx.commit().await?;
            failpoint("recover:after");
            Ok(running.len() as u64)
        };
        work.await.map_err(failed("put interrupted syncs back into the queue"))
    }

    /// Takes the sync that has been due longest, of an application that no other worker is at.
    /// Prunes come first: they end what was begun. A sync whose holder let the lease end is taken
    /// from it. One that cannot be read fails, and holds up no other.
    pub async fn claim(&self, lease: Duration) -> Result<Option<Claim>, StoreError> {
        self.claim_of(Claimable::default(), lease).await
    }

    /// As [`claim`](Self::claim), of these.
    pub async fn claim_of(
        &self,
        which: Claimable<'_>,
        lease: Duration,
    ) -> Result<Option<Claim>, StoreError> {
        let now = self.now();
        let lease_until = after(now, lease);
        let work = async {
            let mut tx = self.begin().await?;
            let mut claim = None;
            while let Some(row) = take(&mut tx, now, lease_until, which).await? {
                match read_claim(&row, now, lease_until) {
                    Ok(read) => {
                        claim = Some(read);
                        failpoint("claim:before");
                        break;
                    }
                    Err(error) => fail_unreadable(&mut tx, &row, error, now).await?,
                }
            }
            tx.commit().await?;
            Ok(claim)
        };
        work.await.map_err(failed("claim a sync"))
    }

    /// The earliest time at which [`claim`](Self::claim) may find something: a sync is due whose
    /// application nobody is at, or a lease ends. None when there is nothing to wait for.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.next_due_of(Claimable::default()).await
    }

    /// As [`next_due`](Self::next_due), for [`claim_of`](Self::claim_of).
    pub async fn next_due_of(&self, which: Claimable<'_>) -> Result<Option<Timestamp>, StoreError> {
        let work = async {
            let query = sqlx::query(NEXT_DUE).bind(json(which.beside)?).bind(which.dry_runs_only);
            let row = query.fetch_one(self.readers()).await?;
            rows::time_or_none(&row, "due_at")
        };
        work.await.map_err(failed("read when the next sync is due"))
    }

    /// Keeps claims, all of them in one transaction: their leases end `lease` from now. A claim that
    /// the answer does not name is lost.
    pub async fn renew(
        &self,
        claims: &[ClaimKey],
        lease: Duration,
    ) -> Result<HashMap<ClaimKey, Held>, StoreError> {
        let lease_until = after(self.now(), lease);
        let keys: Vec<_> = claims.iter().map(|key| (key.sync.to_string(), key.fence)).collect();
        let work = async {
            let renewed = sqlx::query(RENEW)
                .bind(json(&keys)?)
                .bind(micros(lease_until))
                .fetch_all(self.writer())
                .await?;
            let held = renewed.iter().map(|row| {
                let key = ClaimKey { sync: parsed(row, "id")?, fence: row.try_get("fence")? };
                let cancel_requested = row.try_get("cancel_requested")?;
                Ok((key, Held { lease_until, cancel_requested }))
            });
            held.collect::<Result<_, sqlx::Error>>()
        };
        work.await.map_err(failed("renew the leases of syncs"))
    }

    /// To be called right before the first write to the cluster: makes the commit and every object
    /// that is about to be written known, and ends the syncs of the application that this one
    /// overtakes. False: the claim is lost, and nothing may be written.
    pub async fn begin_apply(&self, key: ClaimKey, start: ApplyStart) -> Result<bool, StoreError> {
        let now = self.now();
        let work = async {
            let mut tx = self.begin().await?;
            let commit = json(&start.commit)?;
            let held = sqlx::query(BEGIN_APPLY)
                .bind(key.sync.to_string())
                .bind(key.fence)
                .bind(&commit)
                .bind(start.rewind)
                .fetch_all(&mut *tx)
                .await?;
            let Some(held) = held.first() else { return Ok(false) };
            let application = parsed(held, "application")?;
            applications::begin(&mut tx, &application, &commit).await?;
            inventory::intend(&mut tx, &application, &start.cluster, &start.intended).await?;
            overtake(&mut tx, key.sync, &application, now).await?;
            tx.commit().await?;
            Ok(true)
        };
        work.await.map_err(failed("record what is about to be applied"))
    }

    /// Records what Git no longer names, before anything else of its commit is. What the last complete
    /// apply was made from counts no longer: it named these. False: the claim is lost, nothing is
    /// recorded.
    pub async fn let_go(
        &self,
        key: ClaimKey,
        cluster: &ClusterName,
        items: &[InventoryItem],
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let revoked = ApplicationChange { revoke_inputs: true, ..ApplicationChange::default() };
        let work = async {
            let mut tx = self.begin().await?;
            let Some(application) = held(&mut tx, key).await? else { return Ok(false) };
            inventory::put(&mut tx, &application, cluster, items).await?;
            applications::change(&mut tx, &application, &revoked, now).await?;
            tx.commit().await?;
            Ok(true)
        };
        work.await.map_err(failed("record what is let go"))
    }

    /// Records objects that were written to a cluster. False: the claim is lost, nothing is
    /// recorded.
    pub async fn record_applied(
        &self,
        key: ClaimKey,
        cluster: &ClusterName,
        items: &[InventoryItem],
    ) -> Result<bool, StoreError> {
        let work = async {
            let mut tx = self.begin().await?;
            let Some(application) = held(&mut tx, key).await? else { return Ok(false) };
            inventory::put(&mut tx, &application, cluster, items).await?;
            tx.commit().await?;
            Ok(true)
        };
        work.await.map_err(failed("record what was applied"))
    }
}

impl Step {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::Prune => "Prune",
        }
    }

    pub(super) fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        from_word(row, "step")
    }
}

/// The application of a claim that still holds.
pub(super) async fn held(
    connection: &mut SqliteConnection,
    key: ClaimKey,
) -> Result<Option<ApplicationName>, sqlx::Error> {
    let query = sqlx::query(HELD).bind(key.sync.to_string()).bind(key.fence);
    let row = query.fetch_optional(connection).await?;
    row.as_ref().map(|row| parsed(row, "application")).transpose()
}

/// The row of the sync that is next; it is `Running` now.
async fn take(
    connection: &mut SqliteConnection,
    now: Timestamp,
    lease_until: Timestamp,
    which: Claimable<'_>,
) -> Result<Option<SqliteRow>, sqlx::Error> {
    let query = sqlx::query(CLAIM).bind(micros(now)).bind(micros(lease_until));
    let query = query.bind(json(which.beside)?).bind(which.dry_runs_only);
    let taken = query.fetch_all(&mut *connection).await?;
    let Some(taken) = taken.first() else { return Ok(None) };
    let query = sqlx::query(select_sync!("WHERE s.id = ?1")).bind(taken.try_get::<&str, _>("id")?);
    query.fetch_one(connection).await.map(Some)
}

fn read_claim(
    row: &SqliteRow,
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<Claim, sqlx::Error> {
    let sync = rows::sync(row)?;
    let key = ClaimKey { sync: sync.id, fence: row.try_get("fence")? };
    let waited = now.duration_since(rows::time(row, "due_at")?).try_into().unwrap_or_default();
    Ok(Claim { key, sync, step: Step::read(row)?, waited, lease_until })
}

/// Ends a sync whose row is damaged, or from a version that knows more. Its application is checked
/// at once instead, so that nothing that was accepted is lost.
pub(super) async fn fail_unreadable(
    connection: &mut SqliteConnection,
    row: &SqliteRow,
    error: sqlx::Error,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let failure = rows::told(error)?;
    let id: &str = row.try_get("id")?;
    tracing::error!(sync = id, error = failure.message, "a sync was given up");
    for statement in [FAIL, CHECK_INSTEAD] {
        sqlx::query(statement)
            .bind(id)
            .bind(micros(now))
            .bind(json(&failure)?)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// A sync back in the queue, due now.
async fn requeue(
    connection: &mut SqliteConnection,
    id: SyncId,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(REQUEUE).bind(id.to_string()).bind(micros(now));
    query.execute(connection).await.map(drop)
}

/// A sync that ends because a person wants it to.
async fn cancel(
    connection: &mut SqliteConnection,
    id: SyncId,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(CANCEL).bind(id.to_string()).bind(micros(now));
    query.execute(&mut *connection).await?;
    inventory::keep_from_prune(connection, id).await
}

/// Ends the older syncs of an application that wait for something this one decides anew. A yes to what
/// one of them was to prune is kept for this one: it counts for what was shown, and for nothing else.
pub(super) async fn overtake(
    connection: &mut SqliteConnection,
    id: SyncId,
    application: &ApplicationName,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    for statement in [HAND_OVER_YES, OVERTAKE] {
        let query = sqlx::query(statement).bind(id.to_string()).bind(application.as_str());
        query.bind(micros(now)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Ends the blocked syncs of the slot of one that blocks now, in favour of it: of the plans for one
/// request only the newest waits for a yes.
pub(super) async fn replace_blocked(
    connection: &mut SqliteConnection,
    id: SyncId,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(BLOCKED_BESIDE).bind(id.to_string());
    for row in query.fetch_all(&mut *connection).await? {
        give_way(connection, parsed(&row, "id")?, id, now).await?;
    }
    Ok(())
}

/// Ends a sync in favour of another one of the same slot, which then covers its deliveries, too,
/// and goes on in the name of the more telling trigger.
pub(super) async fn give_way(
    connection: &mut SqliteConnection,
    id: SyncId,
    rival: SyncId,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    for statement in [SUPERSEDE, HAND_OVER_DELIVERIES, HAND_OVER_LOOK, HAND_OVER_TRIGGER] {
        sqlx::query(statement)
            .bind(id.to_string())
            .bind(rival.to_string())
            .bind(micros(now))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// `duration` after `time`, or the end of time.
fn after(time: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    time.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

const RUNNING: &str = "
SELECT s.id, s.cancel_requested, r.id AS rival FROM syncs AS s
LEFT JOIN syncs AS r ON r.application = s.application AND r.slot = s.slot AND s.step = 'Start'
  AND r.state IN ('Queued', 'Retrying') AND r.step = 'Start'
WHERE s.state = 'Running'";

const REQUEUE: &str = "
UPDATE syncs SET state = 'Queued', due_at = ?2, lease_until = NULL WHERE id = ?1";

const CANCEL: &str = "
UPDATE syncs SET state = 'Cancelled', ended_at = ?2, lease_until = NULL WHERE id = ?1";

const CLAIM: &str = "
UPDATE syncs SET state = 'Running', fence = fence + 1, lease_until = ?2, attempt = attempt + 1,
    started_at = ifnull(started_at, ?1), next_attempt_at = NULL
WHERE id = (
    SELECT s.id FROM syncs AS s
    WHERE s.state IN ('Queued', 'Retrying', 'Running')
      AND CASE s.state WHEN 'Running' THEN s.lease_until <= ?1 ELSE s.due_at <= ?1
          AND NOT EXISTS (SELECT 1 FROM syncs AS r
                          WHERE r.application = s.application AND r.state = 'Running') END
      AND s.application NOT IN (SELECT value FROM json_each(?3))
      AND (NOT ?4 OR s.options ->> 'dryRun')
    ORDER BY s.step = 'Prune' DESC, s.due_at, s.id LIMIT 1)
RETURNING id";

const FAIL: &str = "
UPDATE syncs SET state = 'Failed', ended_at = ?2, error = ?3, lease_until = NULL,
    next_attempt_at = NULL
WHERE id = ?1 AND state IN ('Running', 'Waiting')";

const CHECK_INSTEAD: &str = "
UPDATE applications SET next_check_at = ?2
WHERE name = (SELECT application FROM syncs WHERE id = ?1)";

const NEXT_DUE: &str = "
SELECT min(CASE s.state WHEN 'Running' THEN s.lease_until ELSE s.due_at END) AS due_at
FROM syncs AS s
WHERE s.state IN ('Queued', 'Retrying', 'Running')
  AND (s.state = 'Running'
       OR NOT EXISTS (SELECT 1 FROM syncs AS r
                      WHERE r.application = s.application AND r.state = 'Running'))
  AND s.application NOT IN (SELECT value FROM json_each(?1))
  AND (NOT ?2 OR s.options ->> 'dryRun')";

const RENEW: &str = "
UPDATE syncs SET lease_until = ?2 FROM json_each(?1) AS claim
WHERE syncs.id = claim.value ->> 0 AND syncs.fence = claim.value ->> 1 AND syncs.state = 'Running'
RETURNING id, fence, cancel_requested";

const HELD: &str = "
SELECT application FROM syncs WHERE id = ?1 AND fence = ?2 AND state = 'Running'";

const BEGIN_APPLY: &str = "
UPDATE syncs SET git_commit = ?3, rewind = ?4
WHERE id = ?1 AND fence = ?2 AND state = 'Running' RETURNING application";

/// Who writes now ends whatever waits for the health of what is written over, or would prune for
/// it, however old that is. Of the older syncs that wait for a retry or for a yes it ends those
/// whose request it covers: all, if it brings the application to its own revision, else those of its
/// slot. So a person's sync of another revision leaves alone what a push asked for.
const OVERTAKE: &str = "
UPDATE syncs SET state = 'Superseded', superseded_by = ?1, ended_at = ?3, next_attempt_at = NULL
WHERE application = ?2 AND id <> ?1
  AND (state = 'Waiting'
       OR (state IN ('Queued', 'Retrying') AND step = 'Prune')
       OR (state IN ('Blocked', 'Retrying') AND id < ?1
           AND EXISTS (SELECT 1 FROM syncs AS newer WHERE newer.id = ?1
                       AND (newer.options ->> 'revision' IS NULL OR newer.slot = syncs.slot))))";

const HAND_OVER_YES: &str = "
UPDATE syncs SET approved = j.approved, approved_by = j.approved_by, plan = j.plan
FROM (SELECT approved, approved_by, plan FROM syncs
      WHERE application = ?2 AND id <> ?1 AND approved IS NOT NULL
        AND state IN ('Queued', 'Retrying', 'Waiting') AND step = 'Prune'
      ORDER BY id DESC LIMIT 1) AS j
WHERE syncs.id = ?1 AND syncs.approved IS NULL AND syncs.state <> 'Blocked'";

const BLOCKED_BESIDE: &str = "
SELECT s.id FROM syncs AS s JOIN syncs AS newer ON newer.id = ?1
WHERE s.application = newer.application AND s.slot = newer.slot AND s.state = 'Blocked'
  AND s.id <> newer.id";

const SUPERSEDE: &str = "
UPDATE syncs SET state = 'Superseded', superseded_by = ?2, ended_at = ?3, next_attempt_at = NULL,
    lease_until = NULL
WHERE id = ?1";

const HAND_OVER_DELIVERIES: &str = "
INSERT OR IGNORE INTO sync_deliveries (sync, delivery)
SELECT ?2, delivery FROM sync_deliveries WHERE sync = ?1";

const HAND_OVER_LOOK: &str = "
UPDATE syncs SET look = max(look, (SELECT look FROM syncs WHERE id = ?1)) WHERE id = ?2";

const HAND_OVER_TRIGGER: &str = "
UPDATE syncs SET trigger = j.trigger, actor = j.actor
FROM (SELECT trigger, actor FROM syncs
      WHERE id = ?1 AND trigger NOT IN ('timer', 'start-up')) AS j
WHERE syncs.id = ?2 AND syncs.trigger IN ('timer', 'start-up')";
