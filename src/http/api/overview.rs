//! What is told of an application: its settings, its state, and what a person should know.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::config::{Application, Config};
use crate::domain::inventory::ApplicationState;
use crate::domain::name::ClusterName;
use crate::domain::object::APPLICATION_LABEL;
use crate::domain::sync::{FailureClass, Phase, Sync, SyncState};
use crate::http::App;
use crate::http::problem::Problem;
use crate::store::error::StoreError;
use crate::store::{Page, Store, SyncFilter};

/// Commits in a row that the timer must find before the webhook is called broken: one can be a
/// push within the moment of a start.
const UNANNOUNCED_COMMITS: u32 = 2;

/// The configuration of an application and what is known of it.
pub(super) struct Known {
    pub(super) application: Arc<Application>,
    pub(super) state: ApplicationState,
    pub(super) last_sync: Option<Sync>,
    /// The sync that says where the application stands.
    decisive: Option<Sync>,
}

/// How many syncs of a commit, or of a state, are read to find the one that says where the
/// application stands.
const SYNCS_LOOKED_AT: u32 = 10;
/// What a sync is in while it is accepted and has no result; it may have no commit yet.
const UNDER_WAY: [SyncState; 3] = [SyncState::Running, SyncState::Queued, SyncState::Retrying];

/// Reads the syncs that tell of an application.
pub(super) async fn know(
    store: &Store,
    application: Arc<Application>,
    state: ApplicationState,
) -> Result<Known, StoreError> {
    let last_sync = match state.last_sync {
        Some(id) => store.sync(id).await?,
        None => None,
    };
    let decisive = match &last_sync {
        Some(last) if is_beside(last) => {
            let earlier = before(store, &state).await?;
            // Where nothing else is known, a look that is under way is told at least.
            earlier.or_else(|| last_sync.clone().filter(|last| !last.state.is_ended()))
        }
        _ => last_sync.clone(),
    };
    Ok(Known { application, state, last_sync, decisive })
}

/// The sync that says where an application stands although a later one says nothing of it: one that
/// is under way, else the one that was to apply the wanted commit.
async fn before(store: &Store, state: &ApplicationState) -> Result<Option<Sync>, StoreError> {
    let of_application =
        SyncFilter { application: Some(state.name.clone()), ..SyncFilter::default() };
    let mut filters: Vec<_> = UNDER_WAY
        .map(|state| SyncFilter { state: Some(state), ..of_application.clone() })
        .into_iter()
        .collect();
    if let Some(wanted) = &state.wanted {
        filters.push(SyncFilter { commit: Some(wanted.id.clone()), ..of_application });
    }
    for filter in filters {
        let page = Page { cursor: None, limit: SYNCS_LOOKED_AT };
        let syncs = store.syncs(&filter, page).await?.items;
        if let Some(sync) = syncs.into_iter().find(|sync| !is_beside(sync)) {
            return Ok(Some(sync));
        }
    }
    Ok(None)
}

/// Whether a sync says nothing of where its application stands: a dry run, a check that is under
/// way, one that only put back what had drifted, or a wish for a revision that does not exist.
fn is_beside(sync: &Sync) -> bool {
    let healed = sync.commit.is_none() && sync.error.is_none();
    let looks = sync.trigger.is_check() && (healed || !sync.state.is_ended());
    let mistaken = sync.options.revision.is_some()
        && sync.commit.is_none()
        && sync.state == SyncState::Failed
        && sync.error.as_ref().is_some_and(|error| error.class == FailureClass::Permanent);
    sync.options.dry_run || looks || mistaken
}

/// Reads what is known of every configured application, by name.
pub(super) async fn all(app: &App, config: &Config) -> Result<Vec<Known>, Problem> {
    let store = &app.context.store;
    let mut states: HashMap<_, _> =
        store.applications().await?.into_iter().map(|state| (state.name.clone(), state)).collect();
    let mut known = Vec::with_capacity(config.applications.len());
    for (name, application) in &config.applications {
        let state = states.remove(name).unwrap_or_else(|| ApplicationState::new(name.clone()));
        known.push(know(store, Arc::clone(application), state).await?);
    }
    Ok(known)
}

/// An application as the lists show it.
pub(super) fn summary(config: &Config, known: &Known) -> Value {
    let Known { application, state, last_sync, decisive } = known;
    json!({
        "name": application.name,
        "repository": application.repository,
        "revision": application.revision.to_string(),
        "path": application.path,
        "cluster": application.cluster,
        "namespace": application.namespace,
        "wanted": state.wanted,
        "applied": state.applied,
        "appliedAt": state.applied_at,
        "healthy": state.healthy,
        "syncState": standing(state, decisive.as_ref()),
        "health": state.health,
        "checkedAt": state.checked_at,
        "lastSync": last_sync.as_ref().map(|sync| json!({
            "id": sync.id,
            "state": sync.state,
            "trigger": sync.trigger,
            "queuedAt": sync.queued_at,
            "endedAt": sync.ended_at,
            "commit": sync.commit.as_ref().map(|commit| &commit.id),
            "waitingFor": sync.waiting_for,
            "error": sync.error.as_ref().map(|error| &error.message),
        })),
        "conditions": conditions(config, known),
    })
}

/// Where an application stands against Git, in one word.
fn standing(state: &ApplicationState, sync: Option<&Sync>) -> &'static str {
    match sync.map(|sync| sync.state) {
        Some(SyncState::Queued | SyncState::Running) => "Syncing",
        Some(SyncState::Blocked) => "Blocked",
        // What was applied but does not work is the business of its health.
        Some(SyncState::Failed | SyncState::Retrying) if !failed_by_health(sync) => "Failed",
        _ if at_wanted(state) => "Synced",
        _ if state.applied.is_none() && state.wanted.is_none() => "Unknown",
        _ => "OutOfSync",
    }
}

fn failed_by_health(sync: Option<&Sync>) -> bool {
    sync.and_then(|sync| sync.error.as_ref()).is_some_and(|error| error.phase == Phase::Health)
}

fn at_wanted(state: &ApplicationState) -> bool {
    // A partial apply leaves no inputs behind.
    match (&state.wanted, &state.applied, &state.inputs) {
        (Some(wanted), Some(applied), Some(_)) => wanted.id == applied.id,
        _ => false,
    }
}

/// What a person should know of an application beyond its state.
fn conditions(config: &Config, known: &Known) -> Vec<Value> {
    let mut conditions = Vec::new();
    let mut tell = |kind: &str, message: String| {
        conditions.push(json!({"type": kind, "message": message}));
    };
    if config.server.suspend {
        tell("Suspended", "server.suspend is set: nothing is written to any cluster".into());
    }
    if known.state.unannounced >= UNANNOUNCED_COMMITS {
        tell(
            "WebhookMissing",
            format!(
                "the timer found {} commits in a row that no webhook announced: check the webhook \
                 of repository {}",
                known.state.unannounced, known.application.repository
            ),
        );
    }
    for (cluster, objects) in &known.state.left_behind {
        tell("LeftBehind", left_behind(&known.application, cluster, *objects));
    }
    let Some(sync) = &known.decisive else { return conditions };
    if let Some(plan) = &sync.plan
        && sync.state == SyncState::Blocked
    {
        let id = sync.id;
        tell("Blocked", format!("{}: approve with POST /api/v1/syncs/{id}/approve", plan.reason));
    }
    if let Some(error) = &sync.error
        && matches!(sync.state, SyncState::Failed | SyncState::Retrying)
    {
        tell("SyncFailed", error.message.clone());
    }
    for waiting in &sync.waiting_for {
        if sync.state == SyncState::Waiting {
            tell("WaitingForHealth", format!("{}: {}", waiting.object, waiting.reason));
        }
    }
    conditions
}

fn left_behind(application: &Application, cluster: &ClusterName, objects: u64) -> String {
    let (name, now) = (&application.name, &application.cluster);
    let objects =
        if objects == 1 { "1 object is".to_owned() } else { format!("{objects} objects are") };
    format!(
        "{objects} no longer managed on cluster {cluster}, since the application is kept on {now}. \
         If both are one API server under two names, do not delete by label: what Git names is \
         managed as on {now}. Else delete there what has the label {APPLICATION_LABEL}={name}, or \
         move the application back (told for as long as history is kept, server.retention.age)"
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::domain::name::SyncId;
    use crate::domain::sync::{Failure, SyncOptions, SyncRequest, Trigger};

    fn wish(trigger: Trigger) -> SyncRequest {
        let application = "shop".parse().unwrap();
        SyncRequest { application, trigger, actor: None, options: SyncOptions::default() }
    }

    #[tokio::test]
    async fn a_push_that_is_worked_on_decides_although_a_check_came_later() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Store::open(&folder.path().join("headstay.db")).await.unwrap();
        let push = store.enqueue(wish(Trigger::Webhook)).await.unwrap().id;
        store.claim(Duration::from_mins(1)).await.unwrap().unwrap();
        let check = store.enqueue(wish(Trigger::Timer)).await.unwrap().id;

        assert!(is_beside(&store.sync(check).await.unwrap().unwrap()));
        let state = ApplicationState::new("shop".parse().unwrap());
        let decisive = before(&store, &state).await.unwrap().unwrap();
        assert_eq!((decisive.id, standing(&state, Some(&decisive))), (push, "Syncing"));
    }

    #[test]
    fn a_revision_that_does_not_exist_says_nothing_of_the_application() {
        let failed = |revision: Option<&str>, class| {
            let mut wish = wish(Trigger::Manual);
            wish.options.revision = revision.map(str::to_owned);
            let id = SyncId::from_uuid(uuid::Uuid::nil());
            let mut sync = Sync::asked_for(id, wish, Timestamp::UNIX_EPOCH);
            sync.state = SyncState::Failed;
            sync.error = Some(Failure {
                phase: Phase::Fetch,
                class,
                message: "there is no such branch or tag".to_owned(),
                details: Vec::new(),
            });
            sync
        };
        let (permanent, transient) = (FailureClass::Permanent, FailureClass::Transient);
        for (revision, class, beside) in [
            (Some("mian"), permanent, true),
            (Some("main"), transient, false),
            (None, permanent, false),
        ] {
            assert_eq!(is_beside(&failed(revision, class)), beside, "{revision:?}, {class:?}");
        }
    }
}
