//! The end of a claim: what the worker found out, in one transaction.

use std::collections::HashSet;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::domain::commit::CommitId;
use crate::domain::inventory::{Finding, unannounced};
use crate::domain::name::{ApplicationName, SyncId};
use crate::domain::plan::Inputs;
use crate::domain::sync::{
    ObjectResult, Phase, PhaseDuration, Summary, SyncState, Trigger, WaitingFor,
};
use crate::store::claims::{give_way, overtake, replace_blocked};
use crate::store::error::{StoreError, failed};
use crate::store::rows::{
    self, from_json, from_json_or_null, from_word, json, json_or_null, micros, parsed,
};
use crate::store::{
    ApplicationChange, ClaimKey, Outcome, Step, Store, applications, inventory, renders,
};

impl Store {
    /// Ends a claim. False: it was lost before, and nothing of the outcome is recorded.
    ///
    /// One that is blocked takes the place of those of its slot that are blocked already.
    ///
    /// Three outcomes are not taken literally: a sync that a person wanted to stop is `Cancelled`
    /// unless it has ended; one that would go on although its application has moved to another
    /// cluster meanwhile, or has left the configuration, begins anew; and one that would go back to
    /// the queue gives way to the one that was queued in its slot meanwhile.
    pub async fn finish(&self, key: ClaimKey, mut outcome: Outcome) -> Result<bool, StoreError> {
        let now = self.now();
        let work = async {
            let mut tx = self.begin().await?;
            let row = sqlx::query(HELD)
                .bind(key.sync.to_string())
                .bind(key.fence)
                .fetch_optional(&mut *tx)
                .await?;
            let Some(held) = row.as_ref().map(Held::read).transpose()? else { return Ok(false) };
            let application = &held.application;
            if held.has_moved_from(&outcome) {
                begin_anew(&mut outcome);
            }
            let check = held.trigger.is_check() && !held.announced;
            let repeats = check && repeats(&mut tx, key, &held, &outcome, now).await?;
            if repeats || (check && outcome.discard_if_quiet) {
                discard(&mut tx, key.sync).await?;
            } else {
                record(&mut tx, key.sync, &held, &outcome, now).await?;
                // A revision that advances without a write overtakes as well.
                if outcome.application.applied.is_some() {
                    overtake(&mut tx, key.sync, application, now).await?;
                }
            }
            applications::change(&mut tx, application, &outcome.application, now).await?;
            if let Some(render) = &outcome.render {
                renders::keep(&mut tx, application, render, now).await?;
            }
            let unannounced = held.unannounced_after(outcome.application.followed.as_ref());
            if unannounced != held.unannounced {
                applications::count_unannounced(&mut tx, application, unannounced).await?;
            }
            if let Some(cluster) = &outcome.cluster {
                inventory::put(&mut tx, application, cluster, &outcome.applied).await?;
                inventory::remove(&mut tx, application, cluster, &outcome.forget).await?;
            }
            // A person's word is the last.
            inventory::keep_from_prune(&mut tx, key.sync).await?;
            tx.commit().await?;
            Ok(true)
        };
        work.await.map_err(failed("record the outcome of a sync"))
    }
}

/// What is known of a sync at the end of its claim.
struct Held {
    application: ApplicationName,
    trigger: Trigger,
    step: Step,
    cancel_requested: bool,
    phases: Vec<PhaseDuration>,
    results: Vec<ObjectResult>,
    /// How many objects needed nothing in earlier claims.
    unchanged: u32,
    /// Whether a delivery is linked to it.
    announced: bool,
    /// Whether a delivery came for its application since it was asked for.
    told_since: bool,
    /// Commits in a row that no webhook announced, before it.
    unannounced: u32,
    /// The commit that the configured revision of its application led to when it was last looked at.
    followed: Option<CommitId>,
    /// Where its application is kept now.
    place: Place,
    /// The sync that was queued in its slot meanwhile.
    rival: Option<SyncId>,
}

impl Held {
    fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            application: parsed(row, "application")?,
            trigger: from_word(row, "trigger")?,
            step: Step::read(row)?,
            cancel_requested: row.try_get("cancel_requested")?,
            phases: from_json(row, "phases")?,
            // They are only told: to be unreadable must not keep the sync from its end.
            results: from_json_or_null(row, "results").unwrap_or_default().unwrap_or_default(),
            unchanged: from_json::<Summary>(row, "summary")?.unchanged,
            announced: row.try_get("announced")?,
            told_since: row.try_get("told_since")?,
            unannounced: row.try_get("unannounced")?,
            followed: rows::parsed_or_none(row, "followed")?,
            place: Place::read(row)?,
            rival: rows::parsed_or_none(row, "rival")?,
        })
    }

    fn unannounced_after(&self, followed: Option<&CommitId>) -> u32 {
        let before_and_now = self.followed.as_ref().zip(followed);
        let moved = before_and_now.is_some_and(|(before, now)| before != now);
        let announced = self.announced || self.told_since;
        unannounced(self.unannounced, Finding { trigger: self.trigger, moved, announced })
    }

    /// Whether the outcome speaks of a cluster on which the application is no more.
    fn has_moved_from(&self, outcome: &Outcome) -> bool {
        match (&self.place, &outcome.cluster) {
            (Place::On(now), Some(then)) => now != then.as_str(),
            (Place::Nowhere, Some(_)) => true,
            _ => false,
        }
    }
}

/// Where an application is kept, as of the last `Store::configure`.
enum Place {
    /// On this cluster.
    On(String),
    /// It left the configuration.
    Nowhere,
    /// The store was not told of it.
    Unknown,
}

impl Place {
    fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let (cluster, since) = (row.try_get("cluster")?, row.try_get("cluster_since")?);
        Ok(match (cluster, since) {
            (Some(cluster), _) => Self::On(cluster),
            (None, Some::<i64>(_)) => Self::Nowhere,
            (None, None) => Self::Unknown,
        })
    }
}

/// What was found out at another place counts there only.
fn begin_anew(outcome: &mut Outcome) {
    outcome.application = ApplicationChange::default();
    if !outcome.state.is_ended() {
        outcome.state = SyncState::Queued;
        outcome.step = Step::Start;
        outcome.next_attempt_at = None;
    }
}

/// The state in which a claim really ends.
fn end_state(held: &Held, outcome: &Outcome) -> SyncState {
    if held.cancel_requested && !outcome.state.is_ended() {
        SyncState::Cancelled
    } else {
        outcome.state
    }
}

/// Whether a check failed as the sync before it did. Then it is counted there.
async fn repeats(
    connection: &mut SqliteConnection,
    key: ClaimKey,
    held: &Held,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let (SyncState::Failed | SyncState::Retrying, Some(error)) = (outcome.state, &outcome.error)
    else {
        return Ok(false);
    };
    // What it changed is told, also what it did before its prune.
    if held.results.iter().chain(&outcome.results).any(|result| result.action.is_change()) {
        return Ok(false);
    }
    let counted = sqlx::query(REPEAT)
        .bind(key.sync.to_string())
        .bind(micros(now))
        .bind(&error.message)
        .bind(outcome.commit.as_ref().map(|commit| commit.id.as_str()))
        .bind(json(&error.details)?)
        .execute(connection)
        .await?;
    Ok(counted.rows_affected() > 0)
}

async fn discard(connection: &mut SqliteConnection, id: SyncId) -> Result<(), sqlx::Error> {
    let query = sqlx::query("DELETE FROM syncs WHERE id = ?1").bind(id.to_string());
    query.execute(connection).await.map(drop)
}

async fn record(
    connection: &mut SqliteConnection,
    id: SyncId,
    held: &Held,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let state = end_state(held, outcome);
    let phases = merge_phases(&held.phases, &outcome.phases, held.step);
    let results = merge_results(&held.results, &outcome.results, held.step);
    let mut summary = Summary::of(&results);
    summary.unchanged += if held.step == Step::Prune { held.unchanged } else { outcome.unchanged };
    let queued = matches!(state, SyncState::Queued | SyncState::Retrying);
    let overtaken = state == SyncState::Superseded;
    let rival = held.rival.filter(|_| overtaken || (queued && outcome.step == Step::Start));
    if let Some(rival) = rival {
        give_way(connection, id, rival, now).await?;
    } else if overtaken {
        // Whatever overtook it has no sync yet.
        applications::check_now(connection, &held.application, now).await?;
    }
    let state = if rival.is_some() { SyncState::Superseded } else { state };
    if state == SyncState::Blocked {
        replace_blocked(connection, id, now).await?;
    }
    let next_attempt_at = outcome.next_attempt_at.filter(|_| state == SyncState::Retrying);
    let (waiting_for, waiting_for_more) = WaitingFor::named(&outcome.waiting_for);
    sqlx::query(RECORD)
        .bind(id.to_string())
        .bind(state.as_str())
        .bind(outcome.step.as_str())
        .bind(json_or_null(outcome.commit.as_ref())?)
        .bind(outcome.rewind)
        .bind(micros(outcome.next_attempt_at.unwrap_or(now)))
        .bind(next_attempt_at.map(micros))
        .bind(outcome.deadline.map(micros))
        .bind(outcome.applied_at.map(micros))
        .bind(state.is_ended().then(|| micros(now)))
        .bind(json(waiting_for)?)
        .bind(json(&phases)?)
        .bind(json_or_null(outcome.error.as_ref())?)
        .bind(json_or_null(outcome.plan.as_ref())?)
        .bind(json(&summary)?)
        .bind(outcome.inputs.as_ref().map(Inputs::to_string))
        .bind(waiting_for_more)
        .execute(&mut *connection)
        .await?;
    sqlx::query(PUT_RESULTS).bind(id.to_string()).bind(json(&results)?).execute(connection).await?;
    Ok(())
}

/// The phases of a sync after a claim, in their order. One that began with the prune adds to what
/// was before.
pub(super) fn merge_phases(
    old: &[PhaseDuration],
    new: &[PhaseDuration],
    step: Step,
) -> Vec<PhaseDuration> {
    let old = if step == Step::Prune { old } else { &[] };
    let mut phases: Vec<PhaseDuration> = Vec::with_capacity(old.len() + new.len());
    for timed in old.iter().chain(new) {
        match phases.iter_mut().find(|known| known.phase == timed.phase) {
            // It waits anew before each step.
            Some(known) if known.phase == Phase::Queue => {
                known.duration_ms.0 += timed.duration_ms.0;
            }
            Some(known) => known.duration_ms = timed.duration_ms,
            None => phases.push(timed.clone()),
        }
    }
    phases.sort_by_key(|timed| timed.phase);
    phases
}

/// The results of a sync after a claim. One that began with the prune adds to what was before.
fn merge_results(old: &[ObjectResult], new: &[ObjectResult], step: Step) -> Vec<ObjectResult> {
    let replaced: HashSet<_> = new.iter().map(|result| &result.object).collect();
    let stays = |old: &&ObjectResult| step == Step::Prune && !replaced.contains(&old.object);
    old.iter().filter(stays).chain(new).cloned().collect()
}

const HELD: &str = "
SELECT s.application, s.trigger, s.step, s.cancel_requested, s.phases, s.summary,
    iif(s.step = 'Prune', (SELECT results FROM sync_results WHERE sync = s.id), NULL) AS results,
    EXISTS (SELECT 1 FROM sync_deliveries WHERE sync = s.id) AS announced,
    a.cluster, a.cluster_since, ifnull(a.announced_at >= s.queued_at, 0) AS told_since,
    ifnull(a.unannounced, 0) AS unannounced, a.followed,
    (SELECT r.id FROM syncs AS r
     WHERE r.application = s.application AND r.slot = s.slot
       AND r.state IN ('Queued', 'Retrying') AND r.step = 'Start') AS rival
FROM syncs AS s LEFT JOIN applications AS a ON a.name = s.application
WHERE s.id = ?1 AND s.fence = ?2 AND s.state = 'Running'";

/// A plan that is shown anew was not approved, whatever was approved before. Attempts are counted
/// per step, and who gives its claim back has not failed.
const RECORD: &str = "
UPDATE syncs SET state = ?2, step = ?3, lease_until = NULL,
    rewind = iif(?4 IS NULL, rewind, ?5), git_commit = ifnull(?4, git_commit),
    due_at = ?6, next_attempt_at = ?7, deadline = ?8, applied_at = ifnull(?9, applied_at),
    ended_at = ?10, waiting_for = ?11, waiting_for_more = ?17, phases = ?12,
    error = iif(?2 = 'Queued' AND step = ?3, error, ?13), plan = ifnull(?14, plan),
    summary = ?15,
    inputs = ifnull(?16, inputs),
    attempt = CASE WHEN ?2 <> 'Queued' THEN attempt WHEN step = ?3 THEN max(attempt - 1, 0) ELSE 0 END,
    approved = iif(?2 = 'Blocked', NULL, approved)
WHERE id = ?1";

/// The newest sync of the application before this one, if it failed in the same way at the same
/// commit. One that was asked for meanwhile is queued after it.
const REPEAT: &str = "
UPDATE syncs SET repeats = repeats + 1, repeated_at = ?2
WHERE state = 'Failed' AND error ->> 'message' = ?3 AND git_commit ->> 'id' IS ?4
  AND ifnull(error -> 'details', '[]') = ?5
  AND options ->> 'dryRun' = 0
  AND id = (SELECT before.id FROM syncs AS before JOIN syncs AS this ON this.id = ?1
            WHERE before.application = this.application AND before.id < this.id
              AND before.options ->> 'dryRun' = 0
            ORDER BY before.id DESC LIMIT 1)";

const PUT_RESULTS: &str = "
INSERT INTO sync_results (sync, results) VALUES (?1, ?2)
ON CONFLICT (sync) DO UPDATE SET results = excluded.results";
