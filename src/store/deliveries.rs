//! Deliveries and requests: taken in by the batch, read by the page.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json as value};
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use crate::domain::delivery::Delivery;
use crate::domain::name::{DeliveryId, SyncId};
use crate::domain::sync::SyncRequest;
use crate::failpoint::failpoint;
use crate::store::coalesce::{
    Arrival, Arrived, Batch, Joined, Known, OpenSync, coalesce, host_key,
};
use crate::store::error::{StoreError, failed};
use crate::store::events::Writer;
use crate::store::rows::{self, json, micros, parsed, word};
use crate::store::syncs::{cursor_of, paged};
use crate::store::{Enqueued, NewDelivery, Page, Paged, Store};

impl Store {
    /// Journals a delivery and queues what it asks for; when this returns, both are durable. If the
    /// host sends it again, each application whose sync from the first time has not ended stays
    /// with that.
    pub async fn accept(
        &self,
        delivery: NewDelivery,
        requests: Vec<SyncRequest>,
    ) -> Result<Delivery, StoreError> {
        let arrival = Arrival { delivery: Some(delivery), requests };
        self.0.arrivals.write(arrival).await?.delivery.ok_or(StoreError::Closed)
    }

    /// Queues a sync, or joins the one that is queued in the same slot.
    pub async fn enqueue(&self, request: SyncRequest) -> Result<Enqueued, StoreError> {
        let arrival = Arrival { delivery: None, requests: vec![request] };
        let arrived = self.0.arrivals.write(arrival).await?;
        arrived.enqueued.first().copied().ok_or(StoreError::Closed)
    }

    /// Queues many syncs, which share transactions.
    pub async fn enqueue_all(&self, requests: Vec<SyncRequest>) -> Result<(), StoreError> {
        let all = requests.into_iter().map(|request| self.enqueue(request));
        futures::future::try_join_all(all).await.map(drop)
    }

    /// One delivery.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        let work = async {
            let row =
                sqlx::query(SELECT_ONE).bind(id.to_string()).fetch_optional(self.readers()).await?;
            row.as_ref().map(rows::delivery).transpose()
        };
        work.await.map_err(failed("read a delivery"))
    }

    /// All deliveries, newest first.
    pub async fn deliveries(&self, page: Page) -> Result<Paged<Delivery>, StoreError> {
        let before = cursor_of(&page)?;
        let work = async {
            let rows = sqlx::query(SELECT_PAGE)
                .bind(before)
                .bind(i64::from(page.items()) + 1)
                .fetch_all(self.readers())
                .await?;
            rows::all(&rows, rows::delivery)
        };
        let deliveries = work.await.map_err(failed("read the deliveries"))?;
        Ok(paged(deliveries, &page, |delivery| delivery.id.to_string()))
    }
}

/// Writes a batch in one transaction, and answers for each arrival.
pub(super) async fn write(
    writer: &Writer,
    arrivals: &[Arrival],
) -> Result<Vec<Arrived>, StoreError> {
    let work = async {
        let mut tx = writer.begin().await?;
        let known = look_up(&mut tx, arrivals).await?;
        let batch = coalesce(arrivals, known, Uuid::now_v7);
        insert(&mut tx, &batch, super::now()).await?;
        failpoint("accept:before");
        tx.commit().await?;
        failpoint("accept:after");
        Ok(batch.arrived)
    };
    work.await.map_err(failed("record a delivery or queue a sync"))
}

async fn look_up(
    connection: &mut SqliteConnection,
    arrivals: &[Arrival],
) -> Result<Known, sqlx::Error> {
    let mut known = Known::default();
    let requests = arrivals.iter().flat_map(|arrival| &arrival.requests);
    let applications: BTreeSet<_> = requests.map(|request| &request.application).collect();
    if !applications.is_empty() {
        for row in
            sqlx::query(OPEN_SYNCS).bind(json(&applications)?).fetch_all(&mut *connection).await?
        {
            let sync = OpenSync {
                id: parsed(&row, "id")?,
                trigger: rows::trigger(&row),
                actor: row.try_get("actor")?,
                look: rows::look(&row)?,
                retrying: row.try_get("retrying")?,
            };
            known.open.insert((parsed(&row, "application")?, row.try_get("slot")?), sync);
        }
    }
    let hosts: BTreeSet<_> =
        arrivals.iter().filter_map(|arrival| host_key(arrival.delivery.as_ref()?)).collect();
    if !hosts.is_empty() {
        for row in sqlx::query(EARLIER).bind(json(&hosts)?).fetch_all(connection).await? {
            let host = (parsed(&row, "receiver")?, row.try_get("host_id")?);
            let unfinished = known.unfinished.entry(host).or_default();
            if let Some(sync) = rows::parsed_or_none(&row, "sync")? {
                unfinished.insert(parsed(&row, "application")?, sync);
            }
        }
    }
    Ok(known)
}

async fn insert(
    connection: &mut SqliteConnection,
    batch: &Batch,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let deliveries = batch.arrived.iter().filter_map(|arrived| arrived.delivery.as_ref());
    let deliveries = deliveries.map(delivery_row).collect::<Result<Vec<_>, _>>()?;
    let queued = batch.queued.iter().map(|(id, request)| queued_row(*id, request));
    let joined = batch.joined.iter().map(|(id, joined)| joined_row(*id, joined));
    let woken = batch.joined.iter().filter(|(_, joined)| joined.wake).map(|(id, _)| value!(id));
    let links = batch.links.iter().map(|(sync, delivery)| value!([sync, delivery]));
    let announced = batch.announced.iter().map(|application| value!(application));
    for (statement, list) in [
        (INSERT_DELIVERIES, deliveries),
        (INSERT_SYNCS, queued.collect()),
        (JOIN_SYNCS, joined.collect()),
        (WAKE_SYNCS, woken.clone().collect()),
        (FORGET_RESULTS, woken.collect()),
        (INSERT_LINKS, links.collect()),
        (ANNOUNCE, announced.collect()),
    ] {
        if !list.is_empty() {
            sqlx::query(statement)
                .bind(json(&list)?)
                .bind(micros(now))
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

fn delivery_row(delivery: &Delivery) -> Result<Value, sqlx::Error> {
    Ok(value!({
        "id": delivery.id,
        "receiver": delivery.receiver,
        "hostId": delivery.host_id,
        "event": delivery.event,
        "receivedAt": micros(delivery.received_at),
        "repository": delivery.repository,
        "refs": delivery.refs,
        "pusher": delivery.pusher,
        "bodyBytes": delivery.body_bytes,
        "outcome": word(delivery.outcome)?,
        "reason": delivery.reason,
        "repeated": delivery.repeated,
    }))
}

fn queued_row(id: SyncId, request: &SyncRequest) -> Value {
    value!({
        "id": id,
        "application": request.application,
        "slot": request.slot(),
        "trigger": request.trigger,
        "actor": request.actor,
        "options": request.options,
        "look": rows::look_number(request.trigger.look()),
    })
}

fn joined_row(id: SyncId, Joined { trigger, actor, look, .. }: &Joined) -> Value {
    value!({ "id": id, "trigger": trigger, "actor": actor, "look": rows::look_number(*look) })
}

/// By the index, or SQLite would read the whole history of each application.
const OPEN_SYNCS: &str = "
SELECT s.id, s.application, s.slot, s.trigger, s.actor, s.look,
    s.state = 'Retrying' AS retrying
FROM json_each(?1) AS a
CROSS JOIN syncs AS s INDEXED BY syncs_slot ON s.application = a.value
  AND s.state IN ('Queued', 'Retrying') AND s.step = 'Start'";

/// The `+` keeps SQLite from looking by state instead of by id.
const EARLIER: &str = "
SELECT d.receiver, d.host_id, s.id AS sync, s.application
FROM json_each(?1) AS k
CROSS JOIN deliveries AS d ON d.receiver = k.value ->> 0 AND d.host_id = k.value ->> 1
  AND d.outcome IN ('accepted', 'ignored')
LEFT JOIN sync_deliveries AS c ON c.delivery = d.id
LEFT JOIN syncs AS s ON s.id = c.sync
  AND +s.state IN ('Queued', 'Running', 'Waiting', 'Retrying', 'Blocked')";

const INSERT_DELIVERIES: &str = "
INSERT INTO deliveries (id, receiver, host_id, event, received_at, repository, refs, pusher,
    body_bytes, outcome, reason, repeated)
SELECT value ->> 'id', value ->> 'receiver', value ->> 'hostId', value ->> 'event',
    value ->> 'receivedAt', value ->> 'repository', value ->> 'refs', value ->> 'pusher',
    value ->> 'bodyBytes', value ->> 'outcome', value ->> 'reason', value ->> 'repeated'
FROM json_each(?1)";

const INSERT_SYNCS: &str = "
INSERT INTO syncs (id, application, slot, trigger, actor, options, look, state, due_at, queued_at,
    requested_at)
SELECT value ->> 'id', value ->> 'application', value ->> 'slot', value ->> 'trigger',
    value ->> 'actor', value ->> 'options', value ->> 'look', 'Queued', ?2, ?2, ?2
FROM json_each(?1)";

/// Touches no column of an index, because most arrivals of a storm end here.
const JOIN_SYNCS: &str = "
UPDATE syncs SET requested_at = ?2, trigger = j.trigger, actor = j.actor, look = j.look
FROM (SELECT value ->> 'id' AS id, value ->> 'trigger' AS trigger, value ->> 'actor' AS actor,
          value ->> 'look' AS look
      FROM json_each(?1)) AS j
WHERE syncs.id = j.id";

/// What its attempts came to says nothing of the newer request: the sync begins anew with it.
const WAKE_SYNCS: &str = "
UPDATE syncs SET state = 'Queued', due_at = ?2, queued_at = ?2, started_at = NULL, attempt = 0,
    next_attempt_at = NULL, git_commit = NULL, rewind = 0, inputs = NULL, applied_at = NULL,
    phases = '[]', error = NULL, summary = '{}'
WHERE id IN (SELECT value FROM json_each(?1))";

const FORGET_RESULTS: &str = "
DELETE FROM sync_results WHERE sync IN (SELECT value FROM json_each(?1))";

const INSERT_LINKS: &str = "
INSERT INTO sync_deliveries (sync, delivery)
SELECT value ->> 0, value ->> 1 FROM json_each(?1)";

const ANNOUNCE: &str = "
INSERT INTO applications (name, announced_at) SELECT value, ?2 FROM json_each(?1) WHERE true
ON CONFLICT (name) DO UPDATE SET announced_at = excluded.announced_at, unannounced = 0";

macro_rules! select_delivery {
    ($tail:literal) => {
        concat!(
            "SELECT d.*, (SELECT json_group_array(
                json_object('id', s.id, 'application', s.application) ORDER BY s.application)
                FROM sync_deliveries AS c JOIN syncs AS s ON s.id = c.sync
                WHERE c.delivery = d.id) AS syncs
             FROM deliveries AS d ",
            $tail
        )
    };
}
const SELECT_ONE: &str = select_delivery!("WHERE d.id = ?1");
/// Every id is less than `g`, because its digits are hexadecimal.
const SELECT_PAGE: &str =
    select_delivery!("WHERE d.id < ifnull(?1, 'g') ORDER BY d.id DESC LIMIT ?2");
