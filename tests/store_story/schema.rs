//! The shape of the tables after every migration.

use headstay::store::Store;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row};

use crate::world::{World, cluster, commit, declaration, inputs, name};

#[tokio::test]
async fn migrations_lead_to_these_tables() {
    let world = World::new().await;
    let path = world.path();
    world.store.close().await;
    let mut file = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let columns = sqlx::query(
        "SELECT t.name AS 'table', c.name AS 'column', c.type, c.\"notnull\", c.pk
         FROM pragma_table_list AS t, pragma_table_info(t.name) AS c
         WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE '\\_%' ESCAPE '\\'
         ORDER BY t.name, c.cid",
    );
    let columns = columns.fetch_all(&mut file).await.unwrap();
    let columns = columns.iter().map(|row| {
        let (table, column): (&str, &str) = (row.get("table"), row.get("column"));
        let (kind, not_null): (&str, bool) = (row.get("type"), row.get("notnull"));
        let key = if row.get::<i64, _>("pk") > 0 { " key" } else { "" };
        format!("{table}.{column} {kind}{}{key}", if not_null { "" } else { "?" })
    });
    let indices = sqlx::query("SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql <> ''");
    let indices = indices.fetch_all(&mut file).await.unwrap();
    let indices = indices.iter().map(|row| row.get::<String, _>("sql"));
    let schema: Vec<_> = columns.chain(indices).collect();
    insta::assert_snapshot!(schema.join("\n"));
}

/// Two rows as the first migration has them, of an application whose commit was applied in full.
const BEFORE_CLUSTERS: &str = r#"
INSERT INTO applications (name, applied, inputs) VALUES ('shop', '{"id":
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "author": "Ada <ada@example.org>", "message": "",
    "committedAt": "2026-01-02T03:04:05Z"}', 'inputs');
INSERT INTO inventory
    (application, api_group, kind, namespace, name, version, git_commit, health, kept)
VALUES
    ('shop', 'apps', 'Deployment', 'shop', 'web', 'v1',
        'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'Healthy', NULL),
    ('gone', '', 'Namespace', '', 'gone', 'v1',
        'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'Unknown', 'byPolicy');"#;

#[tokio::test]
async fn an_inventory_from_before_clusters_is_that_of_the_cluster_configured_first() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("headstay.db");
    let mut file = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    sqlx::migrate!("src/store/migrations").run_to(1, &mut file).await.unwrap();
    sqlx::raw_sql(BEFORE_CLUSTERS).execute(&mut file).await.unwrap();
    file.close().await.unwrap();

    let store = Store::open(&path).await.unwrap();
    let owned = async |application: &str, on: &str| {
        store.inventory(&name(application), &cluster(on)).await.unwrap().len()
    };
    store.configure(&declaration(&[("shop", "main")]), "headstay").await.unwrap();
    let shop = store.application(&name("shop")).await.unwrap().unwrap();
    assert_eq!(shop.applied.unwrap().id, commit('a').id);
    let inputs = shop.inputs.expect("it has not moved");
    assert!(inputs.may_be(&self::inputs("a")), "what it was made from counts");
    assert!(!inputs.are(&inputs), "and is known again after a render");
    assert_eq!((owned("shop", "main").await, shop.left_behind.len()), (1, 0));

    let both = declaration(&[("shop", "other"), ("gone", "main")]);
    store.configure(&both, "headstay").await.unwrap();
    assert_eq!((owned("shop", "main").await, owned("shop", "other").await), (1, 0));
    assert_eq!(owned("gone", "main").await, 1, "it came back");
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_reads_the_store() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new().await;
    let folder = world.path().parent().unwrap().to_owned();
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let files: Vec<_> = folder.read_dir().unwrap().map(Result::unwrap).collect();
    assert!(files.len() >= 3, "the file, its log and its lock");
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.path());
    }
}
