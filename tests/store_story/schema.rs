//! The shape of the tables after every migration.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row};

use crate::world::World;

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
