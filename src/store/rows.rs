//! Rows ⇄ the domain's records. What a row cannot say is an error of sqlx that names the column.

use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer};
use sqlx::Row;
use sqlx::error::BoxDynError;
use sqlx::sqlite::SqliteRow;

use crate::domain::delivery::Delivery;
use crate::domain::inventory::{ApplicationState, InventoryItem};
use crate::domain::object::ObjectKey;
use crate::domain::plan::Inputs;
use crate::domain::sync::{
    Failure, FailureCause, Look, Phase, Sync, SyncOptions, SyncRequest, SyncState, Trigger,
};

/// Selects what [`sync`] reads, from `syncs AS s`. Of the deliveries it takes the newest hundred: a
/// sync that a storm of webhooks joined covers many more.
macro_rules! select_sync {
    ($($tail:literal)?) => {
        concat!(
            "SELECT s.*, (SELECT json_group_array(delivery) FROM (
                SELECT delivery FROM sync_deliveries WHERE sync = s.id
                ORDER BY delivery DESC LIMIT 100)) AS deliveries
             FROM syncs AS s ",
            $($tail)?
        )
    };
}
pub(super) use select_sync;

type Result<T> = std::result::Result<T, sqlx::Error>;

/// A record or list as JSON.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// A record as JSON, or no value.
pub(super) fn json_or_null<T: Serialize>(value: Option<&T>) -> Result<Option<String>> {
    value.map(json).transpose()
}

/// The name of an enum's variant, as it is shown.
pub(super) fn word<T: Serialize>(value: T) -> Result<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        Ok(_) => Err(sqlx::Error::Encode("a word was expected".into())),
        Err(error) => Err(sqlx::Error::Encode(error.into())),
    }
}

/// The last microsecond that can be read again: the last second is not complete.
const MICROS_MAX: i64 = 253_402_207_200_000_000;

/// A time as a column keeps it.
pub(super) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond().min(MICROS_MAX)
}

/// The time `micros` made.
pub(super) fn time(row: &SqliteRow, column: &'static str) -> Result<Timestamp> {
    Timestamp::from_microsecond(row.try_get(column)?).map_err(|error| unreadable(column, error))
}

/// The time `micros` made, or none.
pub(super) fn time_or_none(row: &SqliteRow, column: &'static str) -> Result<Option<Timestamp>> {
    let micros: Option<i64> = row.try_get(column)?;
    let time = micros.map(Timestamp::from_microsecond).transpose();
    time.map_err(|error| unreadable(column, error))
}

/// An id, a name, a commit.
pub(super) fn parsed<T>(row: &SqliteRow, column: &'static str) -> Result<T>
where
    T: FromStr<Err: Into<BoxDynError>>,
{
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|error| unreadable(column, error))
}

/// An id, a name, a commit, or none.
pub(super) fn parsed_or_none<T>(row: &SqliteRow, column: &'static str) -> Result<Option<T>>
where
    T: FromStr<Err: Into<BoxDynError>>,
{
    let text: Option<&str> = row.try_get(column)?;
    text.map(str::parse).transpose().map_err(|error| unreadable(column, error))
}

/// What `json` made.
pub(super) fn from_json<T: DeserializeOwned>(row: &SqliteRow, column: &'static str) -> Result<T> {
    serde_json::from_str(row.try_get(column)?).map_err(|error| unreadable(column, error))
}

/// What `json_or_null` made.
pub(super) fn from_json_or_null<T: DeserializeOwned>(
    row: &SqliteRow,
    column: &'static str,
) -> Result<Option<T>> {
    let text: Option<&str> = row.try_get(column)?;
    let value = text.map(serde_json::from_str).transpose();
    value.map_err(|error| unreadable(column, error))
}

/// What `word` made.
pub(super) fn from_word<T: DeserializeOwned>(row: &SqliteRow, column: &'static str) -> Result<T> {
    let word: StrDeserializer<'_, serde::de::value::Error> =
        row.try_get::<&str, _>(column)?.into_deserializer();
    T::deserialize(word).map_err(|error| unreadable(column, error))
}

/// As [`from_word`], of a column that may be empty.
pub(super) fn from_word_or_none<T: DeserializeOwned>(
    row: &SqliteRow,
    column: &'static str,
) -> Result<Option<T>> {
    match row.try_get::<Option<&str>, _>(column)? {
        Some(_) => from_word(row, column).map(Some),
        None => Ok(None),
    }
}

fn unreadable(column: &'static str, error: impl Into<BoxDynError>) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: error.into() }
}

/// Reads every row, or fails with the first that cannot be read.
pub(super) fn all<T>(rows: &[SqliteRow], read: fn(&SqliteRow) -> Result<T>) -> Result<Vec<T>> {
    rows.iter().map(read).collect()
}

/// How closely a sync looks, kept as a number so that SQL can take the greater of two.
pub(super) fn look_number(look: Look) -> i64 {
    match look {
        Look::Not => 0,
        Look::Changed => 1,
        Look::All => 2,
    }
}

pub(super) fn look(row: &SqliteRow) -> Result<Look> {
    Ok(match row.try_get::<i64, _>("look")? {
        0 => Look::Not,
        1 => Look::Changed,
        _ => Look::All,
    })
}

/// What is told of a sync whose row cannot be read; any other error stays one.
pub(super) fn told(error: sqlx::Error) -> Result<Failure> {
    let sqlx::Error::ColumnDecode { index, source } = error else { return Err(error) };
    let message = format!(
        "this sync cannot be read from the store: column `{index}`: {source}; the row is damaged or was \
         written by another version: ask for a new sync"
    );
    Ok(Failure::new(Phase::Queue, FailureCause::Environment, message, Vec::new()))
}

/// What asked for a sync. What this version does not know is taken for a check, which yields to
/// every request that joins it.
pub(super) fn trigger(row: &SqliteRow) -> Trigger {
    from_word(row, "trigger").unwrap_or(Trigger::Timer)
}

/// A row of [`select_sync!`] for those who only look. One that cannot be read is not left out: it
/// has what can be read, and an error that says what cannot.
pub(super) fn shown(row: &SqliteRow) -> Result<Sync> {
    let error = match sync(row) {
        Ok(sync) => return Ok(sync),
        Err(error) => told(error)?,
    };
    let request = SyncRequest {
        application: parsed(row, "application")?,
        trigger: trigger(row),
        actor: None,
        options: SyncOptions::default(),
    };
    let mut shown = Sync::asked_for(parsed(row, "id")?, request, time(row, "queued_at")?);
    shown.state = from_word(row, "state").unwrap_or(SyncState::Failed);
    shown.commit = from_json_or_null(row, "git_commit").ok().flatten();
    shown.ended_at = time_or_none(row, "ended_at")?;
    shown.error = Some(error);
    Ok(shown)
}

/// A row of [`select_sync!`].
pub(super) fn sync(row: &SqliteRow) -> Result<Sync> {
    Ok(Sync {
        id: parsed(row, "id")?,
        application: parsed(row, "application")?,
        trigger: from_word(row, "trigger")?,
        actor: row.try_get("actor")?,
        options: from_json(row, "options")?,
        look: look(row)?,
        inputs: inputs(row)?,
        state: from_word(row, "state")?,
        commit: from_json_or_null(row, "git_commit")?,
        rewind: row.try_get("rewind")?,
        queued_at: time(row, "queued_at")?,
        requested_at: time(row, "requested_at")?,
        started_at: time_or_none(row, "started_at")?,
        applied_at: time_or_none(row, "applied_at")?,
        ended_at: time_or_none(row, "ended_at")?,
        attempt: row.try_get("attempt")?,
        next_attempt_at: time_or_none(row, "next_attempt_at")?,
        deadline: time_or_none(row, "deadline")?,
        waiting_for: from_json(row, "waiting_for")?,
        waiting_for_more: row.try_get("waiting_for_more")?,
        phases: from_json(row, "phases")?,
        error: from_json_or_null(row, "error")?,
        plan: from_json_or_null(row, "plan")?,
        approved: row.try_get("approved")?,
        cancelled_by: row.try_get("cancelled_by")?,
        repeats: row.try_get("repeats")?,
        repeated_at: time_or_none(row, "repeated_at")?,
        superseded_by: parsed_or_none(row, "superseded_by")?,
        deliveries: from_json(row, "deliveries")?,
        summary: from_json(row, "summary")?,
    })
}

/// A row of `deliveries`, with its syncs as JSON.
pub(super) fn delivery(row: &SqliteRow) -> Result<Delivery> {
    let body_bytes: i64 = row.try_get("body_bytes")?;
    Ok(Delivery {
        id: parsed(row, "id")?,
        receiver: parsed(row, "receiver")?,
        host_id: row.try_get("host_id")?,
        event: row.try_get("event")?,
        received_at: time(row, "received_at")?,
        repository: row.try_get("repository")?,
        refs: from_json(row, "refs")?,
        pusher: row.try_get("pusher")?,
        body_bytes: body_bytes.try_into().map_err(|error| unreadable("body_bytes", error))?,
        outcome: from_word(row, "outcome")?,
        reason: row.try_get("reason")?,
        repeated: row.try_get("repeated")?,
        syncs: from_json(row, "syncs")?,
    })
}

/// A row of `applications`, with its last sync.
pub(super) fn application(row: &SqliteRow) -> Result<ApplicationState> {
    Ok(ApplicationState {
        name: parsed(row, "name")?,
        wanted: from_json_or_null(row, "wanted")?,
        applied: from_json_or_null(row, "applied")?,
        applied_at: time_or_none(row, "applied_at")?,
        healthy: parsed_or_none(row, "healthy")?,
        inputs: inputs(row)?,
        settings: row.try_get("settings")?,
        health: from_word(row, "health")?,
        health_changed_at: time_or_none(row, "health_changed_at")?,
        last_sync: parsed_or_none(row, "last_sync")?,
        checked_at: time_or_none(row, "checked_at")?,
        next_check_at: time_or_none(row, "next_check_at")?,
        unannounced: row.try_get("unannounced")?,
        announced_at: time_or_none(row, "announced_at")?,
        left_behind: from_json(row, "left_behind")?,
    })
}

fn inputs(row: &SqliteRow) -> Result<Option<Inputs>> {
    Ok(row.try_get::<Option<String>, _>("inputs")?.map(Inputs::from))
}

/// A row of `inventory`.
pub(super) fn item(row: &SqliteRow) -> Result<InventoryItem> {
    Ok(InventoryItem {
        object: object(row)?,
        version: row.try_get("version")?,
        hash: row.try_get("hash")?,
        commit: parsed(row, "git_commit")?,
        uid: row.try_get("uid")?,
        resource_version: row.try_get("resource_version")?,
        generation: row.try_get("generation")?,
        health: from_word(row, "health")?,
        health_reason: row.try_get("health_reason")?,
        kept: from_word_or_none(row, "kept")?,
        prune_disabled: row.try_get("prune_disabled")?,
    })
}

/// The columns that name an object.
pub(super) fn object(row: &SqliteRow) -> Result<ObjectKey> {
    let namespace: String = row.try_get("namespace")?;
    Ok(ObjectKey {
        group: row.try_get("api_group")?,
        kind: row.try_get("kind")?,
        namespace: Some(namespace).filter(|namespace| !namespace.is_empty()),
        name: row.try_get("name")?,
    })
}
