//! What people decide about a sync.

use sqlx::SqliteConnection;

use crate::domain::name::SyncId;
use crate::domain::sync::{BlockedPlan, SyncState};
use crate::store::claims::give_way;
use crate::store::error::{StoreError, failed};
use crate::store::rows::{from_json_or_null, from_word, micros, parsed_or_none};
use crate::store::{Approval, Cancellation, Store, inventory};

impl Store {
    /// Lets a blocked sync do what its plan shows, and nothing else: it is queued with the hash of
    /// that plan. `seen` is the hash of the plan that the person saw; none: whichever is stored now.
    /// What was queued in its slot meanwhile gives way to it.
    pub async fn approve(
        &self,
        id: SyncId,
        actor: &str,
        seen: Option<&str>,
    ) -> Result<Approval, StoreError> {
        let now = self.now();
        let work = async {
            let mut tx = self.begin().await?;
            let Some(decided) = read(&mut tx, id).await? else { return Ok(Approval::NotFound) };
            if decided.state != SyncState::Blocked {
                return Ok(Approval::NotBlocked(decided.state));
            }
            // It may have been planned anew since the person looked.
            if let (Some(seen), Some(plan)) = (seen, decided.plan)
                && seen != plan.hash
            {
                return Ok(Approval::AnotherPlan(plan));
            }
            if let Some(rival) = decided.rival {
                give_way(&mut tx, rival, id, now).await?;
            }
            sqlx::query(APPROVE)
                .bind(id.to_string())
                .bind(actor)
                .bind(micros(now))
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(Approval::Approved)
        };
        work.await.map_err(failed("approve a sync"))
    }

    /// Stops a sync: at once, or between two objects if a worker has it.
    pub async fn cancel(&self, id: SyncId, actor: &str) -> Result<Cancellation, StoreError> {
        let now = self.now();
        let work = async {
            let mut tx = self.begin().await?;
            let Some(decided) = read(&mut tx, id).await? else { return Ok(Cancellation::NotFound) };
            let (statement, answer) = match decided.state {
                SyncState::Running => (REQUEST_CANCEL, Cancellation::Requested),
                state if state.is_ended() => return Ok(Cancellation::Ended(state)),
                _ => (CANCEL, Cancellation::Cancelled),
            };
            sqlx::query(statement)
                .bind(id.to_string())
                .bind(actor)
                .bind(micros(now))
                .execute(&mut *tx)
                .await?;
            if answer == Cancellation::Cancelled {
                inventory::keep_from_prune(&mut tx, id).await?;
            }
            tx.commit().await?;
            Ok(answer)
        };
        work.await.map_err(failed("cancel a sync"))
    }
}

/// A sync that a person decides about.
struct Decided {
    state: SyncState,
    /// What it is to be allowed.
    plan: Option<BlockedPlan>,
    /// The sync that was queued in its slot meanwhile.
    rival: Option<SyncId>,
}

async fn read(
    connection: &mut SqliteConnection,
    id: SyncId,
) -> Result<Option<Decided>, sqlx::Error> {
    let row = sqlx::query(DECIDED).bind(id.to_string()).fetch_optional(connection).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Decided {
        state: from_word(&row, "state")?,
        // What cannot be read can be stopped all the same.
        plan: from_json_or_null(&row, "plan").unwrap_or_default(),
        rival: parsed_or_none(&row, "rival")?,
    }))
}

const DECIDED: &str = "
SELECT s.state, s.plan,
    (SELECT r.id FROM syncs AS r
     WHERE r.application = s.application AND r.slot = s.slot AND s.step = 'Start'
       AND r.state IN ('Queued', 'Retrying') AND r.step = 'Start' AND r.id <> s.id) AS rival
FROM syncs AS s WHERE s.id = ?1";

const APPROVE: &str = "
UPDATE syncs SET state = 'Queued', approved = plan ->> 'hash', approved_by = ?2,
    requested_at = ?3, due_at = ?3, attempt = 0
WHERE id = ?1";

const CANCEL: &str = "
UPDATE syncs SET state = 'Cancelled', cancelled_by = ?2, ended_at = ?3, next_attempt_at = NULL
WHERE id = ?1";

const REQUEST_CANCEL: &str = "
UPDATE syncs SET cancel_requested = 1, cancelled_by = ?2 WHERE id = ?1";
