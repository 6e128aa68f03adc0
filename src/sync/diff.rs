//! The diff stage: what a sync would change, asked of the API server by dry runs, before anything
//! of a stage is written.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::stream::{self, StreamExt};
use serde_json::Value;

use crate::cluster::apply::{Applied, Force};
use crate::cluster::error::ClusterError;
use crate::config::{DriftMode, OnError};
use crate::domain::commit::CommitId;
use crate::domain::diff::changes;
use crate::domain::directives;
use crate::domain::error::chain;
use crate::domain::fields;
use crate::domain::installation::{Marks, without_new_id};
use crate::domain::inventory::InventoryItem;
use crate::domain::manifest::Desired;
use crate::domain::object::{
    APPLICATION_LABEL, INSTALLATION_ANNOTATION, INSTANCE_ANNOTATION, ObjectKey,
};
use crate::domain::order;
use crate::domain::plan;
use crate::domain::prune::Deletion;
use crate::domain::stop::Stop;
use crate::domain::sync::{Action, BlockedPlan, ObjectResult, Phase};
use crate::sync::checked::{Change, Checked, Seen};
use crate::sync::error::SyncError;
use crate::sync::fetch::Target;
use crate::sync::obstacles;
use crate::sync::prune;
use crate::sync::record::{Record, Refused};
use crate::sync::scene::{Scene, Taken};

/// What a sync will do.
pub(super) struct Plan {
    /// The objects to compare with the cluster.
    pub(super) candidates: Vec<Desired>,
    /// Those of them that another application holds.
    pub(super) taken: Taken,
    /// All that Git names.
    pub(super) named: HashSet<ObjectKey>,
    /// The owned objects that Git no longer names.
    pub(super) stale: Vec<InventoryItem>,
    /// Set when it needs a person's yes.
    pub(super) blocked: Option<BlockedPlan>,
}

/// Plans without a call to the cluster.
pub(super) async fn plan(
    scene: &Scene<'_>,
    record: &mut Record,
    target: &Target,
    desired: Vec<Desired>,
    drifted: &HashSet<ObjectKey>,
) -> Result<Plan, SyncError> {
    let named: HashSet<_> = desired.iter().map(|object| object.key.clone()).collect();
    let stale: Vec<_> = plan::stale(&scene.inventory, &named).into_iter().cloned().collect();
    let said = said_anew(scene, &desired);
    let selection = plan::select(desired, &scene.owned(), drifted);
    record.unchanged = selection.unchanged;
    let blocked = match scene.access() {
        Some(_) => {
            remember_what_stays(scene, said).await?;
            prune::foresee(scene, target, &stale, &named).await?
        }
        None => None,
    };
    let taken = find_taken(scene, &selection.candidates).await?;
    Ok(Plan { candidates: selection.candidates, taken, named, stale, blocked })
}

/// The objects of the inventory of which Git says something else about their prune than it did.
fn said_anew(scene: &Scene<'_>, desired: &[Desired]) -> Vec<(ObjectKey, bool)> {
    let owned = scene.owned();
    let said = desired.iter().filter_map(|desired| {
        let stays = desired.directives().prune_disabled;
        let known = owned.get(&desired.key)?;
        (known.prune_disabled != stays).then(|| (desired.key.clone(), stays))
    });
    said.collect()
}

/// Writes down what Git says before anything else comes of its commit: that one may be refused, or not
/// written, and the next one may not name the object any more.
async fn remember_what_stays(
    scene: &Scene<'_>,
    said: Vec<(ObjectKey, bool)>,
) -> Result<(), SyncError> {
    if said.is_empty() {
        return Ok(());
    }
    let (store, cluster) = (&scene.context.store, &scene.application.cluster);
    let held = store.remember_what_stays(scene.lease.key(), cluster, &said).await?;
    if held { Ok(()) } else { Err(Stop::LeaseLost.into()) }
}

/// Asks about every object of a stage, in parallel, and reports every refusal. With
/// `onError: hold` one refusal holds the whole stage.
pub(super) async fn dry_run(
    scene: &Scene<'_>,
    record: &mut Record,
    commit: &CommitId,
    stage: Vec<Desired>,
    taken: &Taken,
) -> Result<Vec<Checked>, SyncError> {
    let asked = scene.lease.unless_stopped(ask(scene, stage, taken));
    let answers = record.time(Phase::Diff, asked).await?;
    let mut checked = Vec::new();
    let mut refused = Vec::new();
    for answer in answers {
        match answer {
            Ok(object) => checked.push(object),
            Err(refusal) => refused.push(refusal),
        }
    }
    if scene.options().dry_run {
        record.results.extend(checked.iter().map(Checked::intention));
    }
    if refused.is_empty() {
        return Ok(checked);
    }
    let hold = scene.application.sync.on_error == OnError::Hold;
    tracing::info!(
        application = %scene.application.name, %commit, refused = refused.len(), hold,
        "objects did not pass their dry run"
    );
    for refusal in refused {
        record.refuse(refusal);
    }
    if hold && record.holds && !scene.options().dry_run {
        for object in checked.iter().filter(|object| !object.change.is_none()) {
            record.results.push(ObjectResult {
                object: object.desired.key.clone(),
                action: Action::Skipped,
                fields: Vec::new(),
                message: Some("held back: another object of its stage was refused".into()),
            });
        }
        record.fail_on_failed_objects()?;
    }
    Ok(checked)
}

async fn find_taken(scene: &Scene<'_>, desired: &[Desired]) -> Result<Taken, SyncError> {
    let keys: Vec<_> = desired.iter().map(|object| object.key.clone()).collect();
    scene.taken(&keys).await
}

async fn ask(
    scene: &Scene<'_>,
    stage: Vec<Desired>,
    taken: &Taken,
) -> Vec<Result<Checked, Refused>> {
    let silence = AtomicBool::new(false);
    let owned = scene.owned();
    let at_once = scene.config.server.limits.calls_per_cluster.max(1);
    stream::iter(stage)
        .map(|desired| {
            let silence = &silence;
            let item = owned.get(&desired.key).copied();
            let other = taken.get(&desired.key);
            async move {
                if let Some(other) = other {
                    let message = format!(
                        "application {other} owns it already: remove it from one of the two"
                    );
                    return Err(Refused::beside_the_cluster(desired.key, message));
                }
                // Each further question would hold the worker for as long, and get no answer either.
                if silence.load(Ordering::Relaxed) {
                    return Err(Refused::unasked(desired.key));
                }
                check(scene, desired, item, silence).await
            }
        })
        .buffered(at_once)
        .collect()
        .await
}

/// Asks about one object; notes when nothing came back.
async fn check(
    scene: &Scene<'_>,
    desired: Desired,
    item: Option<&InventoryItem>,
    silence: &AtomicBool,
) -> Result<Checked, Refused> {
    let directives = desired.directives();
    let applied_before = item.is_some_and(|item| item.hash.is_some());
    let as_applied = item.is_some_and(|item| item.is_made_from(&desired.hash));
    let refuse = |error: &ClusterError| {
        silence.fetch_or(error.is_silence(), Ordering::Relaxed);
        Refused::by_cluster(&desired, error, as_applied)
    };
    if directives.apply == directives::ApplyMode::Ignore {
        let live = match item {
            Some(_) => scene.cluster.get(&desired.resource, &desired.key).await,
            None => Ok(None),
        };
        let live = live.map_err(|error| refuse(&error))?;
        let seen = see(scene, &desired, live.as_ref()).await;
        let change = leave("headstay.dev/apply: ignore", seen, as_applied);
        return Ok(Checked::new(desired, change));
    }
    let (wanted, live) = wanted_and_live(scene, &desired, applied_before).await;
    let live = live.map_err(|error| refuse(&error))?;
    let seen = see(scene, &desired, live.as_ref()).await;
    if let Some(live) = &live {
        if let Some(message) = other_installation(scene, live, &desired.key).await {
            let refused = Refused::beside_the_cluster(desired.key, message);
            return Err(Refused { as_applied, ..refused });
        }
        if directives.apply == directives::ApplyMode::IfNotPresent {
            let change = if !applied_before && can_be_adopted(scene, live) {
                Change::Adopt(live.clone())
            } else {
                leave("headstay.dev/apply: if-not-present", seen, as_applied)
            };
            return Ok(Checked::new(desired, change));
        }
    }
    let (wanted, obstacles) =
        obstacles::clear(scene, &desired, live.as_ref(), wanted, as_applied).await;
    // What becomes ours now gets our id, whatever else it says.
    let wanted = wanted.map(|wanted| match &live {
        Some(live) if applied_before => {
            Applied { object: without_new_id(wanted.object, live), ..wanted }
        }
        _ => wanted,
    });
    let checked = match (wanted, live) {
        (Ok(wanted), Some(live)) if !obstacles.is_empty() => {
            let fields = changes(Some(&live), &wanted.object);
            let mut checked = Checked::new(desired, Change::Configure(live));
            checked.warnings.extend(wanted.warnings);
            Checked { fields, obstacles, ..checked }
        }
        (Ok(wanted), live) => compare(desired, live.zip(seen.clone()), wanted, applied_before),
        (Err(error @ ClusterError::Immutable { .. }), Some(live)) => {
            let Some(deletion) = to_recreate(scene, &desired, &live, item) else {
                return Err(refuse(&error));
            };
            let fields = changes(Some(&live), &without_new_id(desired.value.clone(), &live));
            let change = Change::Recreate(Box::new(deletion), live);
            Checked { fields, ..Checked::new(desired, change) }
        }
        // The managed fields name a version that is gone, which the apply itself puts right.
        (Err(ClusterError::StaleFields { .. }), Some(live)) => {
            let fields = changes(Some(&live), &without_new_id(desired.value.clone(), &live));
            Checked { fields, ..Checked::new(desired, Change::Configure(live)) }
        }
        // In a plan that writes nothing, what the object needs may come with the same commit.
        (
            Err(
                ClusterError::NamespaceMissing { .. }
                | ClusterError::KindMissing { .. }
                | ClusterError::Dangling { .. },
            ),
            live,
        ) if scene.options().dry_run => {
            Checked::new(desired, live.map_or(Change::Create, Change::Configure))
        }
        (Err(error), _) => return Err(refuse(&error)),
    };
    Ok(mind_drift(scene, checked, item, seen))
}

/// What would come of an apply, and what is there.
async fn wanted_and_live(
    scene: &Scene<'_>,
    desired: &Desired,
    applied_before: bool,
) -> (Result<Applied, ClusterError>, Result<Option<Value>, ClusterError>) {
    let force = force(desired.directives().apply);
    let wanted = scene.cluster.dry_run(desired, force);
    if applied_before {
        // It is there, most likely: both questions at once.
        return tokio::join!(wanted, scene.cluster.get(&desired.resource, &desired.key));
    }
    let wanted = wanted.await;
    let live = match &wanted {
        Ok(Applied { created: true, .. }) => Ok(None),
        _ => scene.cluster.get(&desired.resource, &desired.key).await,
    };
    (wanted, live)
}

/// The right to make an object anew; none if Git does not ask for it, or it is not ours to delete.
fn to_recreate(
    scene: &Scene<'_>,
    desired: &Desired,
    live: &Value,
    item: Option<&InventoryItem>,
) -> Option<Deletion> {
    let uid = item.and_then(|item| item.uid.as_deref());
    Deletion::to_recreate(desired, live, &scene.application.name, uid, &scene.installation)
}

/// Whether an object that is only to be there becomes ours by its marks. Whoever asks to adopt takes over
/// what an installation has applied, too.
fn can_be_adopted(scene: &Scene<'_>, live: &Value) -> bool {
    let theirs = scene.options().adopt && fields::is_applied(live, None);
    theirs || fields::can_be_adopted(live, scene.application.name.as_str())
}

async fn see(scene: &Scene<'_>, desired: &Desired, live: Option<&Value>) -> Option<Seen> {
    match live {
        Some(live) => Some(Seen::of(scene, &desired.resource, live).await),
        None => None,
    }
}

fn compare(
    desired: Desired,
    live: Option<(Value, Seen)>,
    wanted: Applied,
    applied_before: bool,
) -> Checked {
    let Some((live, seen)) = live else {
        // Of a new object everything is new: that is not told field by field.
        let mut checked = Checked::new(desired, Change::Create);
        checked.warnings.extend(wanted.warnings);
        return checked;
    };
    let fields = changes(Some(&live), &wanted.object);
    let adopted = !applied_before && fields::take_over(&live, |_| true).is_some();
    let same = fields.is_empty() && fields::same_fields(&live, &wanted.object);
    let change = if same && !adopted { Change::None(seen) } else { Change::Configure(live) };
    let mut checked = Checked { fields, ..Checked::new(desired, change) };
    checked.warnings.extend(wanted.warnings);
    checked
}

/// An object that is left alone. That is told when Git begins to say so, or says something new of it,
/// and not with each change by others.
fn leave(why: &str, seen: Option<Seen>, as_applied: bool) -> Change {
    match seen {
        Some(seen) if as_applied => Change::None(seen),
        seen => Change::Leave(why.to_owned(), seen),
    }
}

/// Whether an object takes the fields that others own.
pub(super) fn force(asked: directives::ApplyMode) -> Force {
    if asked == directives::ApplyMode::Merge { Force::No } else { Force::Yes }
}

/// What only drifted, and is not to be healed, is left as it is.
fn mind_drift(
    scene: &Scene<'_>,
    mut checked: Checked,
    item: Option<&InventoryItem>,
    seen: Option<Seen>,
) -> Checked {
    let as_applied = item.is_some_and(|item| item.is_made_from(&checked.desired.hash));
    let asked = scene.trigger().is_person();
    let is_done = item.is_some_and(|item| item.is_done_for(asked));
    let ignored = checked.desired.directives().drift_ignored;
    let untold = ignored || scene.application.sync.drift == DriftMode::Ignore;
    let left = !scene.heals() || ignored;
    checked.change = match (checked.change, seen) {
        (Change::Create, _) if as_applied && is_done => {
            Change::Leave("its work is done, and it was cleared away".to_owned(), None)
        }
        (Change::Create, _) if as_applied && left => Change::Leave(DRIFT_LEFT.to_owned(), None),
        (Change::Configure(_) | Change::Recreate(..), Some(seen))
            if as_applied && left && untold =>
        {
            Change::None(seen)
        }
        (Change::Configure(_) | Change::Recreate(..), seen) if as_applied && left => {
            Change::Leave(DRIFT_LEFT.to_owned(), seen)
        }
        (change, _) => change,
    };
    if as_applied && checked.is_written() && !asked {
        let (cluster, now) = (&scene.application.cluster, scene.context.store.now());
        if let Some(why) = scene.context.fights.rest(cluster, &checked.desired.key, now) {
            checked.change = Change::Rest(why);
        }
    }
    checked
}

const DRIFT_LEFT: &str = "drift is not healed here";

/// Says why an object that another installation holds is refused, unless a person asks to take over what
/// Git names.
async fn other_installation(scene: &Scene<'_>, live: &Value, key: &ObjectKey) -> Option<String> {
    if scene.options().adopt {
        return None;
    }
    match scene.installation.marks(live) {
        Marks::Ours | Marks::Nobodys => return None,
        Marks::OfOurName => match is_held(scene, live, key).await {
            Ok(true) => return None,
            Ok(false) => {}
            Err(error) => return Some(chain(&error)),
        },
        Marks::Theirs => {}
    }
    let metadata = &live["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let id = match metadata["annotations"][INSTALLATION_ANNOTATION].as_str() {
        Some(id) => format!("the installation {id}"),
        None => "an installation".to_owned(),
    };
    Some(format!(
        "it belongs to application {} of the headstay instance `{}`, {id} that is not this one: if that is \
         gone, or gives it away, `headstay sync {} --adopt` takes it over",
        text(&metadata["labels"][APPLICATION_LABEL]),
        text(&metadata["annotations"][INSTANCE_ANNOTATION]),
        scene.application.name,
    ))
}

/// Whether an inventory of this installation has the very object.
async fn is_held(scene: &Scene<'_>, live: &Value, key: &ObjectKey) -> Result<bool, SyncError> {
    let Some(uid) = live["metadata"]["uid"].as_str() else { return Ok(false) };
    Ok(scene.context.store.holds(key, &scene.application.cluster, uid).await?)
}

/// What a sync would change now, for the API: every object is asked about, nothing is written.
pub struct Preview {
    /// The commit.
    pub commit: CommitId,
    /// Each object that is asked about and how it would change.
    pub objects: Vec<Checked>,
    /// Objects that the cluster refuses, each with the reason.
    pub refused: Vec<(ObjectKey, String)>,
    /// What would become of the owned objects that Git no longer names.
    pub stale: Vec<ObjectResult>,
}

/// Compares the newest commit with the cluster, all objects of it.
pub(super) async fn preview(
    scene: &Scene<'_>,
    target: &Target,
    desired: Vec<Desired>,
) -> Result<Preview, SyncError> {
    let named: HashSet<_> = desired.iter().map(|object| object.key.clone()).collect();
    let stale: Vec<_> = plan::stale(&scene.inventory, &named).into_iter().cloned().collect();
    let stale = prune::foretell(scene, target, &stale, &named).await?;
    let mut objects = Vec::new();
    let mut refused = Vec::new();
    let taken = find_taken(scene, &desired).await?;
    for answer in ask(scene, desired, &taken).await {
        match answer {
            Ok(checked) => objects.push(checked),
            Err(refusal) => refused.push((refusal.object, refusal.message)),
        }
    }
    // An API server that is away refuses nothing: that is no difference.
    if !refused.is_empty() {
        scene.cluster.answers().await.map_err(scene.cluster_error())?;
    }
    Ok(Preview { commit: target.commit.id.clone(), objects, refused, stale })
}

/// Whether a rendered object is a definition or a place that others of the commit need.
pub(super) fn is_foundation(desired: &Desired) -> bool {
    order::is_foundation(&desired.key)
}
