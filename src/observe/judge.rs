//! The verdict on one application, and what the sync that waits for it waits for.

use crate::config::Application;
use crate::domain::commit::CommitId;
use crate::domain::health::prospect::Prospect;
use crate::domain::health::{self, Health, HealthStatus};
use crate::domain::inventory::{ApplicationState, InventoryItem};
use crate::domain::name::ApplicationName;
use crate::domain::object::ObjectKey;
use crate::domain::sync::WaitingFor;
use crate::observe::explain::Subject;
use crate::observe::{Observer, waits};
use crate::store::Store;
use crate::store::error::StoreError;
use crate::watch::observations::{Found, Observation};
use crate::watch::places::{Kind, Place};

/// Objects whose wait is explained; the others wait for the same, mostly.
const EXPLAINED: usize = 5;

/// The health of one object, as far as it can be known.
struct Verdict {
    item: InventoryItem,
    health: Health,
    /// Whether its Pods and events may say more.
    explained: bool,
    pods: Option<String>,
}

impl Verdict {
    fn is_lost(&self) -> bool {
        self.health.prospect == Prospect::Final
    }
}

/// Judges an application and records what changed.
pub(super) async fn judge(
    observer: &mut Observer,
    name: &ApplicationName,
) -> Result<(), StoreError> {
    let config = observer.context.config.load();
    let Some(application) = config.applications.get(name) else { return Ok(()) };
    let Some(place) = config.clusters.get(&application.cluster) else { return Ok(()) };
    let store = observer.context.store.clone();
    // Read before the inventory: a sync that ends in between applies another commit than this.
    let known = store.application(name).await?;
    if observer.context.watches.silence(&application.cluster).is_some() {
        return lose_sight(&store, application, known).await;
    }
    let items = store.inventory(name, &application.cluster).await?;
    let Some(place) = observer.places.reach(place).await else { return Ok(()) };
    let prunes_next = waits::prunes_next(&items);
    let Some(verdicts) = verdicts(observer, &place, items).await else {
        // Not everything is listed yet: the event that completes the list comes back here.
        return Ok(());
    };
    let lets_go =
        |verdict: &Verdict| health::allows_prune(&verdict.item.object, verdict.health.status);
    let prunes_next = prunes_next && verdicts.iter().all(lets_go);
    let overall = overall(
        known.as_ref().is_some_and(|state| state.applied.is_some()),
        verdicts.iter().map(|verdict| verdict.health.status),
    );
    let changed: Vec<_> = verdicts
        .iter()
        .filter(|verdict| {
            (verdict.item.health, &verdict.item.health_reason)
                != (verdict.health.status, &verdict.health.reason)
        })
        .map(|verdict| (verdict.item.object.clone(), verdict.health.clone()))
        .collect();
    if !changed.is_empty() || known.as_ref().is_none_or(|state| state.health != overall) {
        store.record_health(name, &application.cluster, &changed, overall).await?;
    }
    let Some(mut sync) = observer.waiting.remove(name) else {
        let late = known.as_ref().and_then(unrecorded);
        if let Some(commit) = late.filter(|_| overall.is_good() && !prunes_next) {
            store.record_healthy(name, commit).await?;
        }
        return Ok(());
    };
    if overall.is_good() {
        waits::end_well(&observer.context, &sync, prunes_next).await?;
        return Ok(());
    }
    let lost = lost(&verdicts);
    let waiting_for = explain(observer, &place, name, verdicts);
    let (named, more) = WaitingFor::named(&waiting_for);
    if (named, more) != (&sync.waiting_for[..], sync.waiting_for_more) {
        store.record_waiting(sync.id, &waiting_for).await?;
        (sync.waiting_for, sync.waiting_for_more) = (named.to_vec(), more);
    }
    if let Some(object) = lost
        && observer.explanations.has_answer(&Subject { cluster: place.id, object })
    {
        waits::end_in_vain(&observer.context, &sync).await?;
        return Ok(());
    }
    observer.waiting.insert(name.clone(), sync);
    Ok(())
}

/// Nothing is known of an application whose cluster is silent, whatever was seen before.
async fn lose_sight(
    store: &Store,
    application: &Application,
    known: Option<ApplicationState>,
) -> Result<(), StoreError> {
    let unknown = HealthStatus::Unknown;
    if known.is_some_and(|state| state.health != unknown) {
        store.record_health(&application.name, &application.cluster, &[], unknown).await?;
    }
    Ok(())
}

/// The first object whose failure is final: no wait will make the application work.
fn lost(verdicts: &[Verdict]) -> Option<ObjectKey> {
    let lost = verdicts.iter().filter(|verdict| verdict.is_lost());
    lost.map(|verdict| &verdict.item.object).min().cloned()
}

/// The health of an application. That it has no objects is well only where that was applied.
fn overall(applied: bool, mut all: impl Iterator<Item = HealthStatus>) -> HealthStatus {
    match all.next() {
        None if !applied => HealthStatus::Unknown,
        first => health::worst(first.into_iter().chain(all)),
    }
}

/// The commit that was applied in full and is not known to have been healthy: its sync may have
/// given up waiting.
fn unrecorded(state: &ApplicationState) -> Option<&CommitId> {
    state.inputs.as_ref()?;
    let applied = &state.applied.as_ref()?.id;
    (state.healthy.as_ref() != Some(applied)).then_some(applied)
}

/// The health of every object that is applied and not about to be pruned; none while a list is
/// not complete.
async fn verdicts(
    observer: &mut Observer,
    place: &Place,
    items: Vec<InventoryItem>,
) -> Option<Vec<Verdict>> {
    let now = observer.context.store.now();
    let mut verdicts = Vec::with_capacity(items.len());
    let mut complete = true;
    for item in items {
        if !item.counts_for_health() {
            continue;
        }
        let kind = item.object.group_kind();
        if !health::is_watched(&kind) {
            let health = Health::recorded(item.health, item.health_reason.clone());
            verdicts.push(Verdict { item, health, explained: false, pods: None });
            continue;
        }
        let resource = match observer.places.kind(place, &kind, &item.version).await {
            Kind::Served(resource) => resource,
            Kind::NotServed => {
                let health = gone("its kind is no longer served");
                verdicts.push(Verdict { item, health, explained: false, pods: None });
                continue;
            }
            Kind::Unanswered => {
                complete = false;
                continue;
            }
        };
        let namespace = item.object.namespace.as_deref();
        let scope = observer.context.watches.ensure(place, &resource, namespace);
        match observer.context.watches.find(&scope, &item.object) {
            Found::NotListed => complete = false,
            Found::Refused(reason) => {
                let health = Health::because(HealthStatus::Unknown, reason);
                verdicts.push(Verdict { item, health, explained: false, pods: None });
            }
            Found::CutShort(uid) if item.uid.as_ref() == Some(&uid) => {
                let health = gone("it was deleted before it had finished");
                verdicts.push(Verdict { item, health, explained: true, pods: None });
            }
            Found::CutShort(_) | Found::Absent => {
                let health = absent(&item);
                verdicts.push(Verdict { item, health, explained: true, pods: None });
            }
            Found::Live(seen) => {
                let (health, pods) = (weigh(&item, &seen).at(now), seen.pods);
                verdicts.push(Verdict { item, health, explained: true, pods });
            }
        }
    }
    complete.then_some(verdicts)
}

fn gone(reason: &str) -> Health {
    Health::because(HealthStatus::Missing, reason)
}

fn absent(item: &InventoryItem) -> Health {
    if !item.is_done() {
        return gone("it is not there");
    }
    // A Job may be cleared away right after its end, which is then not seen.
    match item.health {
        HealthStatus::Progressing | HealthStatus::Unknown => Health::healthy(),
        seen => Health::recorded(seen, item.health_reason.clone()),
    }
}

/// Nothing is healthy before a state newer than our apply was seen.
fn weigh(item: &InventoryItem, seen: &Observation) -> Health {
    let other = item.uid.as_ref().is_some_and(|uid| *uid != seen.uid);
    if other || is_older(seen, item) {
        return Health::progressing("the state after the apply was not seen yet");
    }
    seen.health.clone()
}

/// Whether this was seen before our apply. Kinds without a generation have their resource versions
/// compared, where these are numbers: those of aggregated APIs need not be.
fn is_older(seen: &Observation, item: &InventoryItem) -> bool {
    if item.generation.is_some() {
        return item.generation > seen.generation;
    }
    let number = |version: &str| version.parse::<u64>().ok();
    let applied = item.resource_version.as_deref().and_then(number);
    matches!((applied, number(&seen.resource_version)), (Some(applied), Some(seen)) if seen < applied)
}

/// What a sync waits for, and why: what it waits for in vain first, then the worst.
fn explain(
    observer: &mut Observer,
    place: &Place,
    application: &ApplicationName,
    mut verdicts: Vec<Verdict>,
) -> Vec<WaitingFor> {
    verdicts.retain(|verdict| !verdict.health.status.is_good());
    verdicts.sort_by(|a, b| {
        let rank = |one: &Verdict| std::cmp::Reverse((one.is_lost(), one.health.status));
        rank(a).cmp(&rank(b)).then_with(|| a.item.object.cmp(&b.item.object))
    });
    let mut waiting_for = Vec::with_capacity(verdicts.len());
    for (nth, verdict) in verdicts.into_iter().enumerate() {
        let Verdict { item, health, explained, pods } = verdict;
        let object: ObjectKey = item.object;
        let reason = if nth < EXPLAINED && explained {
            let subject = Subject { cluster: place.id.clone(), object: object.clone() };
            let explanations = &mut observer.explanations;
            explanations.explain(&place.cluster, subject, application, &health, pods.as_deref())
        } else {
            health.reason.unwrap_or_default()
        };
        waiting_for.push(WaitingFor { object, health: health.status, reason });
    }
    waiting_for
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_was_never_applied_nothing_is_known() {
        use HealthStatus::{Healthy, Missing, Unknown};
        for (applied, all, expected) in [
            (false, vec![], Unknown),
            (true, vec![], Healthy),
            (false, vec![Healthy, Missing], Missing),
        ] {
            assert_eq!(overall(applied, all.iter().copied()), expected, "{applied} {all:?}");
        }
    }

    #[test]
    fn nothing_is_believed_that_was_seen_before_the_apply() {
        use HealthStatus::{Healthy, Progressing};
        // Applied generation and resource version, seen ones, and what is believed.
        let cases = [
            ((Some(3), "20"), (Some(2), "30"), Progressing),
            ((Some(3), "20"), (Some(3), "15"), Healthy),
            ((None, "20"), (None, "19"), Progressing),
            ((None, "9"), (None, "10"), Healthy),
            ((None, "20"), (None, "20"), Healthy),
            ((None, "a2"), (None, "a1"), Healthy),
        ];
        for (applied, seen, expected) in cases {
            let item = item(applied.0, applied.1);
            let observation = Observation {
                uid: "u".to_owned(),
                resource_version: seen.1.to_owned(),
                generation: seen.0,
                health: Health::healthy(),
                pods: None,
                application: None,
            };
            assert_eq!(weigh(&item, &observation).status, expected, "{applied:?} {seen:?}");
            let other = Observation { uid: "v".to_owned(), ..observation };
            assert_eq!(weigh(&item, &other).status, Progressing, "another object of the name");
        }
    }

    fn item(generation: Option<i64>, resource_version: &str) -> InventoryItem {
        InventoryItem {
            object: ObjectKey {
                group: String::new(),
                kind: "Service".to_owned(),
                namespace: Some("shop".to_owned()),
                name: "web".to_owned(),
            },
            version: "v1".to_owned(),
            hash: Some("h".to_owned()),
            commit: "a".repeat(40).parse().unwrap(),
            uid: Some("u".to_owned()),
            resource_version: Some(resource_version.to_owned()),
            generation,
            health: HealthStatus::Progressing,
            health_reason: None,
            kept: None,
            prune_disabled: false,
        }
    }
}
