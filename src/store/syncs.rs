//! Reading the queue and the history.

use sqlx::{QueryBuilder, Row};
use uuid::Uuid;

use crate::domain::commit::CommitId;
use crate::domain::name::{ApplicationName, SyncId};
use crate::domain::plan::Inputs;
use crate::domain::sync::{ObjectResult, Sync, SyncState, Trigger};
use crate::store::error::{StoreError, failed};
use crate::store::rows::{self, from_json, select_sync};
use crate::store::{Page, Paged, QueueDepth, Store, SyncFilter};

impl Store {
    /// What the newest sync of an application was made from that a person asked to prune, and that has
    /// yet to do so: it waits for health, or for its turn.
    pub async fn prune_to_come(
        &self,
        application: &ApplicationName,
    ) -> Result<Option<Inputs>, StoreError> {
        let work = async {
            let query = sqlx::query_scalar(PRUNE_TO_COME).bind(application.as_str());
            let inputs: Option<Option<String>> = query.fetch_optional(self.readers()).await?;
            Ok::<_, sqlx::Error>(inputs.flatten().map(Inputs::from))
        };
        work.await.map_err(failed("read whether a prune is to come"))
    }

    /// One sync; of its deliveries the newest hundred.
    pub async fn sync(&self, id: SyncId) -> Result<Option<Sync>, StoreError> {
        let work = async {
            let row = sqlx::query(select_sync!("WHERE s.id = ?1"))
                .bind(id.to_string())
                .fetch_optional(self.readers())
                .await?;
            row.as_ref().map(rows::shown).transpose()
        };
        work.await.map_err(failed("read a sync"))
    }

    /// What became of each object in a sync, in the order in which it was reported.
    pub async fn results(&self, id: SyncId) -> Result<Vec<ObjectResult>, StoreError> {
        let work = async {
            let row = sqlx::query("SELECT results FROM sync_results WHERE sync = ?1")
                .bind(id.to_string())
                .fetch_optional(self.readers())
                .await?;
            row.map_or(Ok(Vec::new()), |row| from_json(&row, "results"))
        };
        work.await.map_err(failed("read the results of a sync"))
    }

    /// The syncs that `filter` lets through, newest first.
    pub async fn syncs(&self, filter: &SyncFilter, page: Page) -> Result<Paged<Sync>, StoreError> {
        let before = cursor_of(&page)?;
        let SyncFilter { application, state, trigger, commit, real } = filter;
        let mut query = QueryBuilder::new(select_sync!("WHERE true"));
        for (condition, value) in [
            (" AND s.id < ", before.as_deref()),
            (" AND s.application = ", application.as_ref().map(ApplicationName::as_str)),
            (" AND s.state = ", state.map(SyncState::as_str)),
            (" AND s.trigger = ", trigger.map(Trigger::as_str)),
            (" AND s.git_commit ->> 'id' = ", commit.as_ref().map(CommitId::as_str)),
        ] {
            if let Some(value) = value {
                query.push(condition).push_bind(value.to_owned());
            }
        }
        if *real {
            query.push(" AND s.options ->> 'dryRun' = 0");
        }
        query.push(" ORDER BY s.id DESC LIMIT ").push_bind(i64::from(page.items()) + 1);
        let work = async {
            let rows = query.build().fetch_all(self.readers()).await?;
            rows::all(&rows, rows::shown)
        };
        let syncs = work.await.map_err(failed("read the history"))?;
        Ok(paged(syncs, &page, |sync| sync.id.to_string()))
    }

    /// How many syncs have not ended.
    pub async fn queue_depth(&self) -> Result<QueueDepth, StoreError> {
        let work = async {
            let mut depth = QueueDepth::default();
            for row in sqlx::query(COUNT_OPEN).fetch_all(self.readers()).await? {
                let count = match row.try_get("state")? {
                    "Queued" => &mut depth.queued,
                    "Running" => &mut depth.running,
                    "Waiting" => &mut depth.waiting,
                    "Retrying" => &mut depth.retrying,
                    _ => &mut depth.blocked,
                };
                *count = u64::try_from(row.try_get::<i64, _>("count")?).unwrap_or_default();
            }
            Ok(depth)
        };
        work.await.map_err(failed("count the queue"))
    }
}

const COUNT_OPEN: &str = "
SELECT state, count(*) AS count FROM syncs
WHERE state IN ('Queued', 'Running', 'Waiting', 'Retrying', 'Blocked') GROUP BY state";

impl Page {
    /// How many items the page holds at most.
    pub(super) fn items(&self) -> u32 {
        self.limit.clamp(1, Self::LIMIT_MAX)
    }
}

/// The id after which a page begins. Lists are ordered by id, which is the order of time.
pub(super) fn cursor_of(page: &Page) -> Result<Option<String>, StoreError> {
    let Some(cursor) = &page.cursor else { return Ok(None) };
    match cursor.parse::<Uuid>() {
        Ok(id) => Ok(Some(id.to_string())),
        Err(_) => Err(StoreError::Cursor { cursor: cursor.clone() }),
    }
}

/// Cuts off the item that was only read to know whether there is a next page.
pub(super) fn paged<T>(mut items: Vec<T>, page: &Page, id: impl Fn(&T) -> String) -> Paged<T> {
    let limit = page.items() as usize;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(id);
    Paged { items, next }
}

const PRUNE_TO_COME: &str = "
SELECT inputs FROM syncs
WHERE application = ?1 AND options ->> 'prune' AND NOT options ->> 'dryRun'
  AND (state = 'Waiting' OR (state IN ('Queued', 'Retrying') AND step = 'Prune'))
ORDER BY id DESC LIMIT 1";
