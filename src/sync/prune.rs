//! The prune stage: what Git no longer names is deleted, after the new state was seen to work. What
//! that is, and whether so much may go, `domain::prune` decides about the live objects, right
//! before the first of them is deleted.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use futures::stream::{self, StreamExt};

use crate::cluster::delete::Deleted;
use crate::cluster::error::ClusterError;
use crate::cluster::serving::Serving;
use crate::domain::commit::CommitId;
use crate::domain::error::chain;
use crate::domain::inventory::{InventoryItem, Kept};
use crate::domain::object::ObjectKey;
use crate::domain::order;
use crate::domain::plan;
use crate::domain::prune::{self, Claims, Deletion, Fate, Live, PruneBounds, Sight, terminating};
use crate::domain::stop::Stop;
use crate::domain::sync::{Action, BlockedPlan, FailureCause, ObjectResult, Phase};
use crate::failpoint::failpoint;
use crate::sync::ended::Ended;
use crate::sync::error::SyncError;
use crate::sync::fetch::Target;
use crate::sync::handover;
use crate::sync::record::{Record, Refused};
use crate::sync::render;
use crate::sync::scene::{Scene, WriteAccess};
use crate::sync::wanted::Wanted;

const NOT_PRUNED: &str = "Git no longer names it, and the application does not prune";

const KIND_GONE: &str = "its kind is no longer served";

/// How often an object is looked at that changes between the look and its delete.
const LOOKS: usize = 4;

/// The plan that a person is asked about before anything of a commit is written; none: nobody needs
/// to be. What is deleted in the end is decided anew by [`prune()`].
pub(super) async fn foresee(
    scene: &Scene<'_>,
    target: &Target,
    stale: &[InventoryItem],
    named: &HashSet<ObjectKey>,
) -> Result<Option<BlockedPlan>, SyncError> {
    let all: Vec<_> = stale.iter().map(|item| item.object.clone()).collect();
    // The cluster is asked only where it matters: most syncs prune little.
    if !scene.prunes() || permit(scene, &target.commit.id, all).is_none() {
        return Ok(None);
    }
    let survey = survey(scene, &target.commit.id, stale, named).await?;
    Ok(permit(scene, &target.commit.id, survey.deletes()))
}

/// What a prune comes to.
pub(super) enum Planned {
    /// It may be done.
    Plan(Plan),
    /// It needs a person's yes.
    Blocked(BlockedPlan),
}

/// What becomes of each object of the inventory that Git does not name.
pub(super) struct Plan {
    survey: Survey,
    stale: Vec<InventoryItem>,
    /// All that Git names.
    named: HashSet<ObjectKey>,
}

/// Looks at what Git does not name, and decides what becomes of it.
pub(super) async fn plan(
    scene: &Scene<'_>,
    record: &mut Record,
    target: &Target,
) -> Result<Planned, SyncError> {
    let commit = &target.commit.id;
    let rendered = scene.lease.unless_stopped(render::objects(scene, commit));
    let desired = record.time(Phase::Prune, rendered).await??;
    let named: HashSet<_> = desired.into_iter().map(|object| object.key).collect();
    let stale: Vec<_> = plan::stale(&scene.inventory, &named).into_iter().cloned().collect();
    let looked = scene.lease.unless_stopped(survey(scene, commit, &stale, &named));
    let survey = record.time(Phase::Prune, looked).await??;
    Ok(match permit(scene, commit, survey.deletes()) {
        Some(plan) => Planned::Blocked(plan),
        None => Planned::Plan(Plan { survey, stale, named }),
    })
}

/// Deletes what was planned to go, what depends on others first.
pub(super) async fn prune(
    scene: &Scene<'_>,
    access: &WriteAccess<'_>,
    wanted: &Wanted<'_>,
    record: &mut Record,
    plan: Plan,
) -> Result<Ended, SyncError> {
    let Plan { survey: Survey { claims, mut fates }, stale, named } = plan;
    let keys = stale.iter().map(|item| item.object.clone()).collect();
    let mut items: HashMap<_, _> =
        stale.into_iter().map(|item| (item.object.clone(), item)).collect();
    // What was to go when it was planned may stay after all, and then what it lives in does, too.
    let mut staying = Vec::from_iter(named);
    for group in order::prune_order(keys) {
        let group: Vec<_> = group
            .into_iter()
            .filter_map(|key| Some((items.remove(&key)?, fates.remove(&key)?)))
            .map(|(item, fate)| (item, fate.map(|fate| fate.beside(&staying))))
            .collect();
        let scope = Scope { scene, access, wanted, claims: &claims };
        let (mut stopped, mut overtaken) = (Ok(()), false);
        for (item, verdict) in record.time(Phase::Prune, scope.carry_out(group)).await {
            match verdict {
                Verdict::Stopped(stop) => stopped = Err(stop),
                Verdict::Overtaken => overtaken = true,
                verdict => {
                    if matches!(&verdict, Verdict::Settled(fate) if fate.stays()) {
                        staying.push(item.object.clone());
                    }
                    note(record, &item, verdict);
                }
            }
        }
        stopped?;
        if overtaken {
            return Ok(Ended::Overtaken);
        }
        // A definition or a namespace that went now would take along what was refused.
        record.fail_on_failed_objects()?;
    }
    Ok(Ended::Pruned)
}

/// What a sync that may write would prune, or keep and why.
pub(super) async fn foretell(
    scene: &Scene<'_>,
    target: &Target,
    stale: &[InventoryItem],
    named: &HashSet<ObjectKey>,
) -> Result<Vec<ObjectResult>, SyncError> {
    let mut fates = if scene.prunes() {
        survey(scene, &target.commit.id, stale, named).await?.fates
    } else {
        HashMap::new()
    };
    let foretold = stale.iter().map(|item| {
        let (action, message) = match fates.remove(&item.object) {
            None => (Action::Skipped, Some(NOT_PRUNED.to_owned())),
            Some(Ok(Fate::Keep(_, why) | Fate::Release(why))) => (Action::Skipped, Some(why)),
            Some(Ok(Fate::KindGone)) => (Action::Skipped, Some(KIND_GONE.to_owned())),
            Some(_) => (Action::Pruned, None),
        };
        ObjectResult { object: item.object.clone(), action, fields: Vec::new(), message }
    });
    Ok(foretold.collect())
}

/// What is deleted already and went since leaves the inventory. What is there under its name again is
/// decided about anew.
pub(super) async fn forget_what_went(
    scene: &Scene<'_>,
    record: &mut Record,
    stale: &mut Vec<InventoryItem>,
) -> Result<(), SyncError> {
    let going = stale.iter().filter(|item| item.kept == Some(Kept::Terminating));
    let at_once = scene.config.server.limits.calls_per_cluster.max(1);
    let silence = AtomicBool::new(false);
    let found = stream::iter(going.cloned().collect::<Vec<_>>())
        .map(|item| {
            let silence = &silence;
            async move {
                // Who cannot be asked now is asked by the next check.
                if silence.load(Ordering::Relaxed) {
                    return None;
                }
                let found = find(scene, &item).await;
                if matches!(&found, Err(NotSeen::Refused(error)) if error.is_silence()) {
                    silence.store(true, Ordering::Relaxed);
                }
                Some((item.object, found.ok()?))
            }
        })
        .buffer_unordered(at_once)
        .filter_map(std::future::ready)
        .collect::<HashMap<_, _>>();
    let found = scene.lease.unless_stopped(found).await?;
    stale.retain_mut(|item| match found.get(&item.object) {
        Some(Live::Absent | Live::KindGone) => {
            record.forget.push(item.object.clone());
            false
        }
        Some(Live::There(sight)) if !sight.is_going() => {
            item.kept = Some(Kept::UntilHealthy);
            true
        }
        _ => true,
    });
    Ok(())
}

fn permit(scene: &Scene<'_>, commit: &CommitId, prune: Vec<ObjectKey>) -> Option<BlockedPlan> {
    let limit = &scene.application.sync.prune_limit;
    let bounds = PruneBounds {
        percent: limit.percent,
        objects: limit.objects,
        guarded: &|kind| limit.kinds.iter().any(|name| name.matches(kind)),
    };
    prune::needs_a_yes(commit, prune, scene.inventory.len(), &bounds, scene.approval())
}

/// What becomes of the objects that Git does not name, as far as the cluster could be asked.
struct Survey {
    claims: Claims,
    fates: HashMap<ObjectKey, Result<Fate, NotSeen>>,
}

impl Survey {
    /// The objects that are deleted, or would be if nothing else is found out about them.
    fn deletes(&self) -> Vec<ObjectKey> {
        let deleted =
            self.fates.iter().filter(|(_, fate)| matches!(fate, Ok(Fate::Delete(_)) | Err(_)));
        let mut keys: Vec<_> = deleted.map(|(key, _)| key.clone()).collect();
        keys.sort_unstable();
        keys
    }
}

/// Why nothing was found out about an object.
enum NotSeen {
    /// The cluster refused, or did not answer.
    Refused(ClusterError),
    /// Its kind is not served for now.
    NotServed(String),
    /// The API server did not answer about another one: each further question would hold the
    /// worker for as long, and get no answer either.
    Unasked,
}

async fn survey(
    scene: &Scene<'_>,
    commit: &CommitId,
    stale: &[InventoryItem],
    named: &HashSet<ObjectKey>,
) -> Result<Survey, SyncError> {
    let keys: Vec<_> = stale.iter().map(|item| item.object.clone()).collect();
    let mut claims = handover::claims(scene, commit, &keys).await?;
    let stale_keys: HashSet<_> = keys.iter().collect();
    let kept = scene.inventory.iter().filter(|item| !stale_keys.contains(&item.object));
    claims.named = kept.filter_map(|item| item.uid.clone()).collect();
    let silence = AtomicBool::new(false);
    let at_once = scene.config.server.limits.calls_per_cluster.max(1);
    let fates: HashMap<_, _> = stream::iter(stale.to_vec())
        .map(|item| {
            let (silence, claims) = (&silence, &claims);
            async move {
                if silence.load(Ordering::Relaxed) && !claims.are_on(&item.object) {
                    return (item.object.clone(), Err(NotSeen::Unasked));
                }
                let fate = see(scene, &item, claims).await;
                if matches!(&fate, Err(NotSeen::Refused(error)) if error.is_silence()) {
                    silence.store(true, Ordering::Relaxed);
                }
                (item.object.clone(), fate)
            }
        })
        .buffer_unordered(at_once)
        .collect()
        .await;
    let stays = |fate: &Result<Fate, NotSeen>| fate.as_ref().map_or(true, Fate::stays);
    let staying: HashSet<_> = fates
        .iter()
        .filter(|(_, fate)| stays(fate))
        .map(|(key, _)| key)
        .chain(named)
        .cloned()
        .collect();
    let beside = |(key, fate): (_, Result<Fate, _>)| (key, fate.map(|fate| fate.beside(&staying)));
    Ok(Survey { claims, fates: fates.into_iter().map(beside).collect() })
}

async fn see(scene: &Scene<'_>, item: &InventoryItem, claims: &Claims) -> Result<Fate, NotSeen> {
    let live = if claims.are_on(&item.object) { Live::Absent } else { find(scene, item).await? };
    Ok(prune::fate(item, live, claims))
}

async fn find(scene: &Scene<'_>, item: &InventoryItem) -> Result<Live, NotSeen> {
    let kind = item.object.group_kind();
    let serving = scene.cluster.serving(&kind, &item.version).await.map_err(NotSeen::Refused)?;
    let resource = match serving {
        Serving::Served(resource) => resource,
        Serving::Gone => return Ok(Live::KindGone),
        Serving::Unknown(why) => return Err(NotSeen::NotServed(why)),
    };
    let live = scene.cluster.get(&resource, &item.object).await.map_err(NotSeen::Refused)?;
    Ok(live.map_or(Live::Absent, |live| {
        let sight = Sight::of(&live, resource, item, &scene.application.name, &scene.installation);
        Live::There(Box::new(sight))
    }))
}

/// What the deletes of a sync are decided and done with.
struct Scope<'a> {
    scene: &'a Scene<'a>,
    access: &'a WriteAccess<'a>,
    wanted: &'a Wanted<'a>,
    claims: &'a Claims,
}

/// What became of an object that Git does not name.
enum Verdict {
    /// As it was decided, without a delete.
    Settled(Fate),
    /// It is deleted, and gone.
    Gone,
    /// It is deleted, and goes when these finalizers are through.
    Terminating(Vec<String>),
    /// It could not be deleted.
    NotDone(NotSeen),
    /// It was not begun: the sync has to stop. Its next run looks at it anew.
    Stopped(Stop),
    /// It was not begun: what it was to be deleted for is not wanted any more.
    Overtaken,
}

impl Scope<'_> {
    /// Deletes what may go at the same time; the verdicts are in the order of the objects.
    async fn carry_out(
        &self,
        group: Vec<(InventoryItem, Result<Fate, NotSeen>)>,
    ) -> Vec<(InventoryItem, Verdict)> {
        let silence = AtomicBool::new(false);
        let at_once = self.scene.config.server.limits.calls_per_cluster.max(1);
        stream::iter(group)
            .map(|(item, fate)| {
                let silence = &silence;
                async move {
                    let verdict = match fate {
                        Ok(Fate::Delete(_)) if silence.load(Ordering::Relaxed) => {
                            Verdict::NotDone(NotSeen::Unasked)
                        }
                        Ok(Fate::Delete(deletion)) => self.delete(&item, deletion).await,
                        Ok(fate) => Verdict::Settled(fate),
                        Err(not_seen) => Verdict::NotDone(not_seen),
                    };
                    if matches!(&verdict, Verdict::NotDone(NotSeen::Refused(error)) if error.is_silence())
                    {
                        silence.store(true, Ordering::Relaxed);
                    }
                    (item, verdict)
                }
            })
            .buffered(at_once)
            .collect()
            .await
    }

    /// Deletes one object as it was seen. One that changed meanwhile is looked at again, and what is
    /// then seen decides.
    async fn delete(&self, item: &InventoryItem, mut deletion: Box<Deletion>) -> Verdict {
        let gate = || self.access.gate();
        let writer = self.scene.cluster.writer(&gate);
        let mut looks = 1;
        loop {
            match self.wanted.confirm().await {
                Ok(true) => {}
                Ok(false) => return Verdict::Overtaken,
                Err(SyncError::Stopped(stop)) => return Verdict::Stopped(stop),
                Err(error) => return Verdict::NotDone(NotSeen::NotServed(chain(&error))),
            }
            failpoint("prune:before");
            let deleted = writer.delete(&deletion).await;
            failpoint("prune:after");
            match deleted {
                Ok(Deleted::Gone) => return Verdict::Gone,
                Ok(Deleted::Terminating(finalizers)) => return Verdict::Terminating(finalizers),
                Err(ClusterError::Stopped(stop)) => return Verdict::Stopped(stop),
                Err(ClusterError::Conflict { .. }) if looks < LOOKS => looks += 1,
                Err(error) => return Verdict::NotDone(NotSeen::Refused(error)),
            }
            match see(self.scene, item, self.claims).await {
                Ok(Fate::Delete(as_it_is)) => deletion = as_it_is,
                Ok(fate) => return Verdict::Settled(fate),
                Err(not_seen) => return Verdict::NotDone(not_seen),
            }
        }
    }
}

fn note(record: &mut Record, item: &InventoryItem, verdict: Verdict) {
    let object = || item.object.clone();
    let refuse = |record: &mut Record, message| {
        let (object, cause) = (object(), FailureCause::Environment);
        record.refuse(Refused { object, message, cause, as_applied: false });
    };
    let (action, message) = match verdict {
        Verdict::Gone | Verdict::Settled(Fate::Gone | Fate::Delete(_)) => (Action::Pruned, None),
        Verdict::Settled(Fate::Release(why)) => (Action::Skipped, Some(why)),
        Verdict::Settled(Fate::KindGone) => (Action::Skipped, Some(KIND_GONE.to_owned())),
        Verdict::Settled(Fate::Keep(kept, why)) => {
            return keep(record, item, kept, Action::Skipped, why);
        }
        Verdict::Terminating(finalizers) => {
            let why = terminating(&finalizers);
            return keep(record, item, Kept::Terminating, Action::Pruned, why);
        }
        Verdict::NotDone(NotSeen::Refused(error)) => {
            record.kept.push(InventoryItem { kept: Some(Kept::Refused), ..item.clone() });
            return refuse(record, chain(&error));
        }
        Verdict::NotDone(NotSeen::NotServed(why)) => return refuse(record, why),
        Verdict::NotDone(NotSeen::Unasked) => return record.refuse(Refused::unasked(object())),
        Verdict::Stopped(_) | Verdict::Overtaken => return,
    };
    record.forget.push(object());
    record.results.push(ObjectResult { object: object(), action, fields: Vec::new(), message });
}

/// An object that stays in the inventory, and why.
fn keep(record: &mut Record, item: &InventoryItem, kept: Kept, action: Action, why: String) {
    record.kept.push(InventoryItem { kept: Some(kept), ..item.clone() });
    record.results.push(ObjectResult {
        object: item.object.clone(),
        action,
        fields: Vec::new(),
        message: Some(why),
    });
}
