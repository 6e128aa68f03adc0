//! What a batch of arrivals comes to: which deliveries are repeated, which requests join a sync that
//! is queued already, and what is to be written. A plain function.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use crate::domain::delivery::{CoveringSync, Delivery, Outcome};
use crate::domain::name::{ApplicationName, DeliveryId, ReceiverName, SyncId};
use crate::domain::sync::{Look, SyncRequest, Trigger};
use crate::store::{Enqueued, NewDelivery};

/// A delivery, or a request of somebody else.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) delivery: Option<NewDelivery>,
    pub(super) requests: Vec<SyncRequest>,
}

/// What became of an [`Arrival`].
#[derive(Debug, PartialEq)]
pub(super) struct Arrived {
    pub(super) delivery: Option<Delivery>,
    /// One per request.
    pub(super) enqueued: Vec<Enqueued>,
}

/// What the tables hold of what a batch touches.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The sync that has yet to begin, by application and slot.
    pub(super) open: HashMap<(ApplicationName, String), OpenSync>,
    /// Of earlier verified deliveries by the host's id: the syncs that have not ended.
    pub(super) unfinished: HashMap<HostKey, BTreeMap<ApplicationName, SyncId>>,
}

/// A host's id of a delivery, which only means something at one receiver.
pub(super) type HostKey = (ReceiverName, String);

/// A sync that has yet to begin.
#[derive(Debug, Clone)]
pub(super) struct OpenSync {
    pub(super) id: SyncId,
    pub(super) trigger: Trigger,
    pub(super) actor: Option<String>,
    pub(super) look: Look,
    pub(super) retrying: bool,
}

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) queued: Vec<(SyncId, SyncRequest)>,
    pub(super) joined: BTreeMap<SyncId, Joined>,
    pub(super) links: Vec<(SyncId, DeliveryId)>,
    pub(super) announced: BTreeSet<ApplicationName>,
    /// One per arrival.
    pub(super) arrived: Vec<Arrived>,
}

/// A sync that requests have joined.
#[derive(Debug, PartialEq)]
pub(super) struct Joined {
    /// What asked for it, as of now: who looks around yields to who was told.
    pub(super) trigger: Trigger,
    pub(super) actor: Option<String>,
    pub(super) look: Look,
    /// It was to be tried again later: begin anew, now.
    pub(super) wake: bool,
}

/// Decides about a batch, in the order in which it came. `id` makes the next id.
pub(super) fn coalesce(
    arrivals: &[Arrival],
    mut known: Known,
    mut id: impl FnMut() -> Uuid,
) -> Batch {
    let mut batch = Batch::default();
    for Arrival { delivery, requests } in arrivals {
        let host = delivery.as_ref().and_then(host_key);
        let earlier = host.as_ref().and_then(|host| known.unfinished.get(host)).cloned();
        let enqueued: Vec<_> = requests
            .iter()
            .map(|request| match earlier.as_ref().and_then(|of| of.get(&request.application)) {
                Some(&id) => Enqueued { id, coalesced: true },
                None => enqueue(request, &mut known.open, &mut batch, &mut id),
            })
            .collect();
        let applications = requests.iter().map(|request| request.application.clone());
        let covering = applications.zip(enqueued.iter().map(|one| one.id));
        let delivery = delivery.as_ref().map(|new| {
            let delivery = DeliveryId::from_uuid(id());
            let covering: BTreeMap<_, _> = covering.clone().collect();
            batch.links.extend(covering.values().map(|&sync| (sync, delivery)));
            as_stored(new, delivery, earlier.is_some(), covering)
        });
        if let Some(host) = host {
            known.unfinished.entry(host).or_default().extend(covering);
        }
        let announced = requests.iter().filter(|request| request.trigger == Trigger::Webhook);
        batch.announced.extend(announced.map(|request| request.application.clone()));
        batch.arrived.push(Arrived { delivery, enqueued });
    }
    batch
}

/// The host's id, if this delivery proved to come from the host: a forger must not be able to
/// occupy an id.
pub(super) fn host_key(delivery: &NewDelivery) -> Option<HostKey> {
    let verified = matches!(delivery.outcome, Outcome::Accepted | Outcome::Ignored);
    let host_id = delivery.host_id.as_ref().filter(|_| verified)?;
    Some((delivery.receiver.clone(), host_id.clone()))
}

/// Joins the sync of the slot, or queues a new one.
fn enqueue(
    request: &SyncRequest,
    open: &mut HashMap<(ApplicationName, String), OpenSync>,
    batch: &mut Batch,
    id: &mut impl FnMut() -> Uuid,
) -> Enqueued {
    match open.entry((request.application.clone(), request.slot())) {
        Entry::Occupied(mut entry) => {
            let sync = entry.get_mut();
            let wake = sync.retrying && !request.trigger.is_check();
            // What begins anew does so for who wants it now; but what a person wants stays theirs.
            let anew = wake && (request.trigger.is_person() || !sync.trigger.is_person());
            if anew || (sync.trigger.is_check() && !request.trigger.is_check()) {
                sync.trigger = request.trigger;
                sync.actor.clone_from(&request.actor);
            }
            sync.look = sync.look.max(request.trigger.look());
            sync.retrying &= !wake;
            let woken = batch.joined.get(&sync.id).is_some_and(|joined| joined.wake);
            let (trigger, actor) = (sync.trigger, sync.actor.clone());
            let joined = Joined { trigger, actor, look: sync.look, wake: wake || woken };
            batch.joined.insert(sync.id, joined);
            Enqueued { id: sync.id, coalesced: true }
        }
        Entry::Vacant(entry) => {
            let id = SyncId::from_uuid(id());
            entry.insert(OpenSync {
                id,
                trigger: request.trigger,
                actor: request.actor.clone(),
                look: request.trigger.look(),
                retrying: false,
            });
            batch.queued.push((id, request.clone()));
            Enqueued { id, coalesced: false }
        }
    }
}

fn as_stored(
    new: &NewDelivery,
    id: DeliveryId,
    repeated: bool,
    covering: BTreeMap<ApplicationName, SyncId>,
) -> Delivery {
    let NewDelivery { receiver, host_id, event, received_at, repository, .. } = new.clone();
    let syncs = covering.into_iter().map(|(application, id)| CoveringSync { id, application });
    Delivery {
        id,
        receiver,
        host_id,
        event,
        received_at,
        repository,
        refs: new.refs.clone(),
        pusher: new.pusher.clone(),
        body_bytes: new.body_bytes,
        outcome: new.outcome,
        reason: new.reason.clone(),
        repeated,
        syncs: syncs.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sync::SyncOptions;

    fn request(trigger: Trigger) -> Arrival {
        let request = SyncRequest {
            application: "shop".parse().unwrap(),
            trigger,
            actor: Some(trigger.as_str().into()),
            options: SyncOptions::default(),
        };
        Arrival { delivery: None, requests: vec![request] }
    }

    #[test]
    fn a_storm_of_wishes_is_one_sync() {
        let arrivals =
            [request(Trigger::Timer), request(Trigger::Webhook), request(Trigger::Manual)];
        let batch = coalesce(&arrivals, Known::default(), Uuid::now_v7);
        assert_eq!(batch.queued.len(), 1);
        let id = batch.queued[0].0;
        let joined = Joined {
            trigger: Trigger::Webhook,
            actor: Some("webhook".into()),
            look: Look::Changed,
            wake: false,
        };
        assert_eq!(batch.joined, BTreeMap::from([(id, joined)]));
        assert_eq!(batch.announced.len(), 1);
        let coalesced = batch.arrived.iter().map(|arrived| arrived.enqueued[0].coalesced);
        assert_eq!(coalesced.collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn only_news_wake_a_sync_that_is_to_be_tried_later() {
        for (trigger, wake) in [
            (Trigger::Timer, false),
            (Trigger::StartUp, false),
            (Trigger::Webhook, true),
            (Trigger::Manual, true),
            (Trigger::Drift, true),
        ] {
            let id = SyncId::from_uuid(Uuid::now_v7());
            let sync = OpenSync {
                id,
                trigger: Trigger::Manual,
                actor: None,
                look: Look::Changed,
                retrying: true,
            };
            let mut known = Known::default();
            known.open.insert(("shop".parse().unwrap(), String::new()), sync);
            let batch = coalesce(&[request(trigger), request(Trigger::Timer)], known, Uuid::now_v7);
            let joined = &batch.joined[&id];
            assert_eq!((joined.wake, joined.trigger), (wake, Trigger::Manual), "{trigger:?}");
            let actor = (trigger == Trigger::Manual).then_some("manual");
            assert_eq!(joined.actor.as_deref(), actor, "{trigger:?}");
        }
    }

    #[test]
    fn what_begins_anew_does_so_in_the_name_of_who_woke_it_but_never_takes_it_from_a_person() {
        use Trigger::{Configuration, Manual, Timer, Webhook};
        for (open, retrying, asked_by, named) in [
            (Webhook, true, Webhook, true),
            (Webhook, false, Webhook, false),
            (Configuration, true, Webhook, true),
            (Webhook, true, Manual, true),
            (Manual, true, Webhook, false),
            (Webhook, true, Timer, false),
            (Timer, false, Webhook, true),
        ] {
            let (id, look) = (SyncId::from_uuid(Uuid::now_v7()), Look::Changed);
            let sync = OpenSync { id, trigger: open, actor: None, look, retrying };
            let mut known = Known::default();
            known.open.insert(("shop".parse().unwrap(), String::new()), sync);
            let batch = coalesce(&[request(asked_by)], known, Uuid::now_v7);
            let joined = &batch.joined[&id];
            let expected = if named { asked_by } else { open };
            assert_eq!(joined.trigger, expected, "{open:?} {retrying} {asked_by:?}");
            assert_eq!(joined.actor.is_some(), named, "{open:?} {retrying} {asked_by:?}");
        }
    }
}
