//! The inventories: what each application owns, by cluster.

use futures::TryStreamExt;
use serde_json::json as value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::domain::health::Health;
use crate::domain::inventory::InventoryItem;
use crate::domain::name::{ApplicationName, ClusterName, SyncId};
use crate::domain::object::ObjectKey;
use crate::store::error::{StoreError, failed};
use crate::store::rows::{self, json, parsed};
use crate::store::{ClaimKey, Dwelling, Owner, Store, claims};

/// Inserts items, as serde writes them, with what is to be done about those that are there.
macro_rules! insert {
    ($conflict:literal) => {
        concat!(
            "INSERT INTO inventory (application, cluster, api_group, kind, namespace, name, version,
                hash, git_commit, uid, resource_version, generation, health, health_reason, kept,
                prune_disabled)
             SELECT ?1, ?2, value ->> 'group', value ->> 'kind', ifnull(value ->> 'namespace', ''),
                value ->> 'name', value ->> 'version', value ->> 'hash', value ->> 'commit',
                value ->> 'uid', value ->> 'resourceVersion', value ->> 'generation',
                value ->> 'health', value ->> 'healthReason', value ->> 'kept',
                value ->> 'pruneDisabled'
             FROM json_each(?3) WHERE true
             ON CONFLICT (application, cluster, api_group, kind, namespace, name) ",
            $conflict
        )
    };
}

impl Store {
    /// What an application owns on a cluster, in the order of its objects.
    pub async fn inventory(
        &self,
        application: &ApplicationName,
        cluster: &ClusterName,
    ) -> Result<Vec<InventoryItem>, StoreError> {
        let work = async {
            // Row by row: a row takes several times the memory of its item.
            let query = sqlx::query(SELECT).bind(application.as_str()).bind(cluster.as_str());
            let mut rows = query.fetch(self.readers());
            let mut items = Vec::new();
            while let Some(row) = rows.try_next().await? {
                items.push(rows::item(&row)?);
            }
            Ok(items)
        };
        work.await.map_err(failed("read an inventory"))
    }

    /// Whether any inventory of a cluster has an object with this uid, whatever is to become of it.
    pub async fn holds(
        &self,
        key: &ObjectKey,
        cluster: &ClusterName,
        uid: &str,
    ) -> Result<bool, StoreError> {
        let work = async {
            let query = sqlx::query_scalar(HOLDS).bind(json(key)?);
            query.bind(cluster.as_str()).bind(uid).fetch_one(self.readers()).await
        };
        work.await.map_err(failed("read whether an object is held"))
    }

    /// Records of objects that an application owns whether Git says that they are never to be pruned.
    /// False: the claim is lost, and nothing is recorded.
    pub async fn remember_what_stays(
        &self,
        key: ClaimKey,
        cluster: &ClusterName,
        said: &[(ObjectKey, bool)],
    ) -> Result<bool, StoreError> {
        let work = async {
            let mut tx = self.begin().await?;
            let Some(application) = claims::held(&mut tx, key).await? else { return Ok(false) };
            write(&mut tx, &application, cluster, said, REMEMBER_WHAT_STAYS).await?;
            tx.commit().await?;
            Ok(true)
        };
        work.await.map_err(failed("record what Git says of objects"))
    }

    /// Other applications that hold these objects of a cluster, or are about to write them. Those
    /// that have moved away from it, or left the configuration, own nothing there any more.
    pub async fn owners(
        &self,
        keys: &[ObjectKey],
        cluster: &ClusterName,
        except: &ApplicationName,
    ) -> Result<Vec<Owner>, StoreError> {
        let work = async {
            let query = sqlx::query(OWNERS).bind(json(keys)?);
            let query = query.bind(cluster.as_str()).bind(except.as_str());
            let rows = query.fetch_all(self.readers()).await?;
            rows::all(&rows, owner)
        };
        work.await.map_err(failed("read who owns objects"))
    }

    /// What other applications hold there, or are about to write, whatever is to become of it: of each kind
    /// one object, with the version that it was applied in.
    pub async fn inhabitants(
        &self,
        dwelling: Dwelling<'_>,
        cluster: &ClusterName,
        except: &ApplicationName,
    ) -> Result<Vec<(Owner, String)>, StoreError> {
        let (namespace, group) = match dwelling {
            Dwelling::Namespace(name) => (Some(name), None),
            Dwelling::Group(group) => (None, Some(group)),
        };
        let work = async {
            let query = sqlx::query(INHABITANTS).bind(cluster.as_str()).bind(except.as_str());
            let rows = query.bind(namespace).bind(group).fetch_all(self.readers()).await?;
            rows::all(&rows, |row| Ok((owner(row)?, row.try_get("version")?)))
        };
        work.await.map_err(failed("read what lives in a namespace or is of a kind"))
    }
}

fn owner(row: &SqliteRow) -> Result<Owner, sqlx::Error> {
    Ok(Owner {
        object: rows::object(row)?,
        application: parsed(row, "application")?,
        applied: row.try_get::<Option<&str>, _>("hash")?.is_some(),
    })
}

/// Enters objects that are about to be written; what is there already stays as it is.
pub(super) async fn intend(
    connection: &mut SqliteConnection,
    application: &ApplicationName,
    cluster: &ClusterName,
    items: &[InventoryItem],
) -> Result<(), sqlx::Error> {
    write(connection, application, cluster, items, insert!("DO NOTHING")).await
}

/// Enters objects, or replaces what is there; but what Git said of them is only ever told by
/// [`Store::remember_what_stays`].
pub(super) async fn put(
    connection: &mut SqliteConnection,
    application: &ApplicationName,
    cluster: &ClusterName,
    items: &[InventoryItem],
) -> Result<(), sqlx::Error> {
    let statement = insert!(
        "DO UPDATE SET version = excluded.version, hash = excluded.hash,
            git_commit = excluded.git_commit, uid = excluded.uid,
            resource_version = excluded.resource_version, generation = excluded.generation,
            health = excluded.health, health_reason = excluded.health_reason,
            kept = excluded.kept"
    );
    write(connection, application, cluster, items, statement).await
}

/// Removes objects.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    application: &ApplicationName,
    cluster: &ClusterName,
    keys: &[ObjectKey],
) -> Result<(), sqlx::Error> {
    write(connection, application, cluster, keys, REMOVE).await
}

/// Records the health of objects that are there.
pub(super) async fn judge(
    connection: &mut SqliteConnection,
    application: &ApplicationName,
    cluster: &ClusterName,
    objects: &[(ObjectKey, Health)],
) -> Result<(), sqlx::Error> {
    let objects: Vec<_> = objects
        .iter()
        .map(|(object, health)| value!({ "object": object, "health": health }))
        .collect();
    write(connection, application, cluster, &objects, JUDGE).await
}

/// Keeps what a sync was to prune after it was healthy: a person has stopped it.
pub(super) async fn keep_from_prune(
    connection: &mut SqliteConnection,
    sync: SyncId,
) -> Result<(), sqlx::Error> {
    sqlx::query(KEEP_FROM_PRUNE).bind(sync.to_string()).execute(connection).await.map(drop)
}

async fn write(
    connection: &mut SqliteConnection,
    application: &ApplicationName,
    cluster: &ClusterName,
    list: &[impl serde::Serialize],
    statement: &'static str,
) -> Result<(), sqlx::Error> {
    if list.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(statement).bind(application.as_str()).bind(cluster.as_str());
    query.bind(json(list)?).execute(connection).await.map(drop)
}

/// Only of what the sync has applied itself is known that it was to prune for it.
const KEEP_FROM_PRUNE: &str = "
UPDATE inventory SET kept = 'byPerson' FROM (
    SELECT s.application, a.cluster FROM syncs AS s JOIN applications AS a ON a.name = s.application
    WHERE s.id = ?1 AND s.state = 'Cancelled' AND s.cancelled_by IS NOT NULL
      AND s.applied_at IS NOT NULL) AS stopped
WHERE inventory.application = stopped.application AND inventory.cluster = stopped.cluster
  AND inventory.kept IN ('untilHealthy', 'refused')";

const SELECT: &str = "
SELECT * FROM inventory WHERE application = ?1 AND cluster = ?2
ORDER BY api_group, kind, namespace, name";

const HOLDS: &str = "
SELECT EXISTS (
    SELECT 1 FROM inventory
    WHERE cluster = ?2 AND api_group = ?1 ->> 'group' AND kind = ?1 ->> 'kind'
      AND namespace = ifnull(?1 ->> 'namespace', '') AND name = ?1 ->> 'name' AND uid = ?3)";

const OWNERS: &str = "
SELECT i.* FROM json_each(?1) AS k
CROSS JOIN inventory AS i ON i.cluster = ?2
  AND i.api_group = k.value ->> 'group' AND i.kind = k.value ->> 'kind'
  AND i.namespace = ifnull(k.value ->> 'namespace', '') AND i.name = k.value ->> 'name'
CROSS JOIN applications AS a ON a.name = i.application AND a.cluster = i.cluster
WHERE i.application <> ?3 AND i.kept IS NULL";

const INHABITANTS: &str = "
SELECT i.* FROM inventory AS i
JOIN applications AS a ON a.name = i.application AND a.cluster = i.cluster
WHERE i.cluster = ?1 AND i.application <> ?2 AND (i.namespace = ?3 OR i.api_group = ?4)
GROUP BY i.api_group, i.kind";

const REMOVE: &str = "
DELETE FROM inventory
WHERE (application, cluster, api_group, kind, namespace, name) IN (
    SELECT ?1, ?2, value ->> 'group', value ->> 'kind', ifnull(value ->> 'namespace', ''),
        value ->> 'name'
    FROM json_each(?3))";

const REMEMBER_WHAT_STAYS: &str = "
UPDATE inventory SET prune_disabled = value ->> 1 FROM json_each(?3)
WHERE application = ?1 AND cluster = ?2
  AND api_group = value ->> '$[0].group' AND kind = value ->> '$[0].kind'
  AND namespace = ifnull(value ->> '$[0].namespace', '') AND name = value ->> '$[0].name'";

/// Materialized, or SQLite would read the whole list again for every row.
const JUDGE: &str = "
WITH j AS MATERIALIZED (
    SELECT value ->> '$.object.group' AS api_group, value ->> '$.object.kind' AS kind,
        ifnull(value ->> '$.object.namespace', '') AS namespace, value ->> '$.object.name' AS name,
        value ->> '$.health.status' AS health, value ->> '$.health.reason' AS reason
    FROM json_each(?3))
UPDATE inventory SET health = j.health, health_reason = j.reason FROM j
WHERE inventory.application = ?1 AND inventory.cluster = ?2
  AND inventory.api_group = j.api_group AND inventory.kind = j.kind
  AND inventory.namespace = j.namespace AND inventory.name = j.name";
