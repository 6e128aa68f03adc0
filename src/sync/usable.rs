//! Waits of an apply: until what others of a commit need is usable, and until what is made anew is gone.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::Writer;
use crate::cluster::delete::Deleted;
use crate::cluster::error::ClusterError;
use crate::domain::health::expectation::Expectation;
use crate::domain::health::{self, HealthStatus};
use crate::domain::manifest::Desired;
use crate::domain::prune::{Deletion, terminating};
use crate::failpoint::failpoint;
use crate::sync::error::SyncError;
use crate::sync::scene::Scene;

/// How long a definition or a namespace may take to become usable before the sync fails.
const ESTABLISH_TIMEOUT: Duration = Duration::from_mins(1);
/// First and longest pause between two looks at it.
const ESTABLISH_PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];
/// How long a worker waits for a deleted object to go before it is made anew; whoever holds it longer by
/// a finalizer is waited for without one, by the next attempt.
const RECREATE_TIMEOUT: Duration = Duration::from_secs(10);

/// Deletes an object that is to be made anew, and waits until it is gone.
pub(super) async fn recreate(
    scene: &Scene<'_>,
    writer: &Writer<'_>,
    desired: &Desired,
    deletion: &Deletion,
) -> Result<(), ClusterError> {
    let deleted = writer.delete(deletion).await?;
    failpoint("recreate:deleted");
    let begun = Instant::now();
    let mut pause = ESTABLISH_PAUSES[0];
    if deleted == Deleted::Gone {
        return Ok(());
    }
    loop {
        let live = scene.cluster.get(&desired.resource, &desired.key).await?;
        let Some(live) = live.filter(|live| live["metadata"]["uid"] == *deletion.uid()) else {
            return Ok(());
        };
        if begun.elapsed() > RECREATE_TIMEOUT {
            let names = live["metadata"]["finalizers"].as_array().into_iter().flatten();
            let names: Vec<_> = names.filter_map(Value::as_str).map(str::to_owned).collect();
            let object = Box::new(desired.key.clone());
            return Err(ClusterError::Terminating { object, why: terminating(&names) });
        }
        scene.lease.may_write().map_err(ClusterError::Stopped)?;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(ESTABLISH_PAUSES[1]);
    }
}

/// Waits until definitions are served and namespaces active, and forgets what discovery knew.
pub(super) async fn establish(
    scene: &Scene<'_>,
    foundations: &[Box<Desired>],
) -> Result<(), SyncError> {
    let begun = Instant::now();
    let mut definitions = false;
    for desired in foundations {
        definitions |= desired.key.kind == "CustomResourceDefinition";
        let mut pause = ESTABLISH_PAUSES[0];
        loop {
            let live = scene.cluster.get(&desired.resource, &desired.key).await;
            let live = live.map_err(scene.cluster_error())?;
            let usable = live.is_some_and(|object| {
                health::assess(&object, None, Expectation::Nothing).status == HealthStatus::Healthy
            });
            if usable {
                break;
            }
            if begun.elapsed() > ESTABLISH_TIMEOUT {
                return Err(SyncError::NotEstablished {
                    object: desired.key.clone(),
                    seconds: ESTABLISH_TIMEOUT.as_secs(),
                });
            }
            scene.lease.may_write()?;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(ESTABLISH_PAUSES[1]);
        }
    }
    if definitions {
        scene.cluster.forget_discovery().await;
    }
    Ok(())
}
