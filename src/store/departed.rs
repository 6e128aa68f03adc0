//! What is left on clusters of applications that left the configuration.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::Row;

use crate::domain::name::{ApplicationName, ClusterName};
use crate::store::Store;
use crate::store::error::{StoreError, failed};
use crate::store::rows::{self, parsed};

/// Objects that stay where an application was that has left the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "DepartedApplication")]
pub struct Departed {
    /// Its name.
    pub application: ApplicationName,
    /// The cluster that they are on.
    pub cluster: ClusterName,
    /// How many there are.
    pub objects: u64,
}

impl Store {
    /// What stays of all applications that have left, by name. It is forgotten with their history.
    pub async fn departed(&self) -> Result<Vec<Departed>, StoreError> {
        let work = async {
            let found = sqlx::query(DEPARTED).fetch_all(self.readers()).await?;
            rows::all(&found, |row| {
                Ok(Departed {
                    application: parsed(row, "name")?,
                    cluster: parsed(row, "cluster")?,
                    objects: u64::try_from(row.try_get::<i64, _>("objects")?).unwrap_or_default(),
                })
            })
        };
        work.await.map_err(failed("read what is left of applications"))
    }
}

const DEPARTED: &str = "
SELECT a.name, i.cluster, count(*) AS objects
FROM applications AS a JOIN inventory AS i ON i.application = a.name
WHERE a.cluster IS NULL AND i.cluster <> '' AND i.hash IS NOT NULL
GROUP BY a.name, i.cluster ORDER BY a.name, i.cluster";
