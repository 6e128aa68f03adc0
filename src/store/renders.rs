//! What is kept of renders: where each application's files were read, and what they name.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::domain::footprint::{Footprint, Names, Render};
use crate::domain::name::ApplicationName;
use crate::domain::sync::Failure;
use crate::store::Store;
use crate::store::error::{StoreError, failed};
use crate::store::rows::{from_json, from_json_or_null, json, json_or_null, micros, parsed};

/// How many renders of an application are kept beside that of its last complete apply: of commits
/// that failed or wait for a person, and of the branch before it was put back.
const KEPT_MAX: u32 = 4;

/// A render that was kept, without the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRender {
    /// The application that was rendered.
    pub application: ApplicationName,
    /// The settings that went into it.
    pub settings: String,
    /// The digest of the footprint.
    pub digest: String,
    /// What it was made from.
    pub footprint: Footprint,
    /// Why it failed, if it did for the bytes of the commit alone.
    pub failure: Option<Failure>,
}

impl Store {
    /// What was kept of the renders of these applications.
    pub async fn renders(
        &self,
        applications: &[&ApplicationName],
    ) -> Result<Vec<KeptRender>, StoreError> {
        let work = async {
            let query = sqlx::query(SELECT).bind(json(applications)?);
            let rows = query.fetch_all(self.readers()).await?;
            // What cannot be read is rendered anew.
            Ok::<_, sqlx::Error>(rows.iter().filter_map(|row| kept(row).ok()).collect())
        };
        work.await.map_err(failed("read what is known of renders"))
    }

    /// What an application names by one of its renders; none: its files cannot be read.
    pub async fn names(&self, render: &KeptRender) -> Result<Option<Names>, StoreError> {
        let work = async {
            let query = sqlx::query(SELECT_NAMES).bind(render.application.as_str());
            let query = query.bind(&render.settings).bind(&render.digest);
            let row = query.fetch_optional(self.readers()).await?;
            let names: Option<Vec<u8>> = row.map(|row| row.try_get("names")).transpose()?.flatten();
            Ok(names.map(|names| Names::from_bytes(&names)))
        };
        work.await.map_err(failed("read what an application names"))
    }

    /// Keeps renders that were made for somebody else than the application itself.
    pub async fn keep_renders(
        &self,
        renders: &[(ApplicationName, Render)],
    ) -> Result<(), StoreError> {
        if renders.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let work = async {
            let mut tx = self.begin().await?;
            for (application, render) in renders {
                keep(&mut tx, application, render, now).await?;
            }
            tx.commit().await
        };
        work.await.map_err(failed("record what applications name"))
    }
}

/// Keeps a render, and lets the oldest go.
pub(super) async fn keep(
    connection: &mut SqliteConnection,
    application: &ApplicationName,
    render: &Render,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(KEEP)
        .bind(application.as_str())
        .bind(&render.settings)
        .bind(render.footprint.digest())
        .bind(json(&render.footprint)?)
        .bind(render.names.as_ref().map(Names::to_bytes))
        .bind(json_or_null(render.failure.as_ref())?)
        .bind(micros(now))
        .execute(&mut *connection)
        .await?;
    let query = sqlx::query(LET_GO).bind(application.as_str()).bind(KEPT_MAX);
    query.execute(connection).await.map(drop)
}

fn kept(row: &SqliteRow) -> Result<KeptRender, sqlx::Error> {
    Ok(KeptRender {
        application: parsed(row, "application")?,
        settings: row.try_get("settings")?,
        digest: row.try_get("digest")?,
        footprint: from_json(row, "footprint")?,
        failure: from_json_or_null(row, "failure")?,
    })
}

const SELECT: &str = "
SELECT application, settings, digest, footprint, failure FROM renders
WHERE application IN (SELECT value FROM json_each(?1))";

const SELECT_NAMES: &str = "
SELECT names FROM renders WHERE application = ?1 AND settings = ?2 AND digest = ?3";

/// Of one that is kept already nothing else can be new than when it was last made.
const KEEP: &str = "
INSERT INTO renders (application, settings, digest, footprint, names, failure, rendered_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO UPDATE SET rendered_at = excluded.rendered_at";

const LET_GO: &str = "
DELETE FROM renders WHERE application = ?1
  AND rowid NOT IN (
    SELECT rowid FROM renders WHERE application = ?1 ORDER BY rendered_at DESC LIMIT ?2)
  AND digest IS NOT (
    SELECT substr(inputs, 1, instr(inputs, ':') - 1) FROM applications WHERE name = ?1)";
