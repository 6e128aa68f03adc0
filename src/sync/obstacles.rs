//! What stands in the way of an object that the API server refuses to change as it is wanted.

use serde_json::Value;

use crate::cluster::apply::Applied;
use crate::cluster::error::ClusterError;
use crate::domain::directives;
use crate::domain::manifest::Desired;
use crate::domain::obstacle::{self, Obstacle};
use crate::sync::scene::Scene;

/// What is in the way on the live object and can be cleared, and what would come of the apply then. A
/// refusal that has another reason stays what it is, and one of an object that could be made anew as
/// it is wanted is about something that cannot be changed.
pub(super) async fn clear(
    scene: &Scene<'_>,
    desired: &Desired,
    live: Option<&Value>,
    wanted: Result<Applied, ClusterError>,
    as_applied: bool,
) -> (Result<Applied, ClusterError>, Vec<Obstacle>) {
    let merges = desired.directives().apply == directives::ApplyMode::Merge;
    let (Some(live), false) = (live, merges) else { return (wanted, Vec::new()) };
    let mut obstacles = match &wanted {
        Err(error) => error.obstacles(),
        Ok(_) => Vec::new(),
    };
    // Of what was taken before, the bytes are not to blame, whatever the refusal says.
    let may_be_rekeyed = wanted.as_ref().map_or_else(ClusterError::is_of_the_object, |_| true);
    if as_applied && may_be_rekeyed {
        obstacles.push(Obstacle::Rekeyed);
    }
    let clears = obstacle::clear(live, &desired.value, &obstacles).is_some();
    let refusal = match wanted {
        Err(refusal) if refusal.is_of_the_object() => refusal,
        wanted => return (wanted, if clears { obstacles } else { Vec::new() }),
    };
    if clears {
        match scene.cluster.dry_run_cleared(desired, live, &obstacles).await {
            Ok(wanted) => return (Ok(wanted), obstacles),
            Err(error @ ClusterError::Immutable { .. }) => return (Err(error), Vec::new()),
            Err(_) => {}
        }
    }
    let is_invalid = matches!(refusal, ClusterError::Invalid { .. });
    let anew = is_invalid && scene.cluster.could_be_made(desired).await;
    (Err(if anew { refusal.of_a_change() } else { refusal }), Vec::new())
}
