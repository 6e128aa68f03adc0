//! What is told of an application: its settings, its state, and what a person should know.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::{Application, Config};
use crate::domain::application::{ApplicationSyncState, decides};
use crate::domain::commit::{Commit, CommitId};
use crate::domain::health::HealthStatus;
use crate::domain::inventory::ApplicationState;
use crate::domain::name::{ApplicationName, ClusterName, RepositoryName, SyncId};
use crate::domain::object::APPLICATION_LABEL;
use crate::domain::sync::{Sync, SyncState, Trigger, WaitingFor};
use crate::http::App;
use crate::http::problem::Problem;
use crate::source::Outage;
use crate::store::error::StoreError;
use crate::store::{Page, Store, SyncFilter};
use crate::sync::context::Context;
use crate::watch::heartbeat::Silence;

/// An application as the lists show it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ApplicationSummary {
    name: ApplicationName,
    /// The repository of the configuration that it is read from.
    repository: RepositoryName,
    /// What it follows: a branch, a tag, a range of versions or a commit.
    revision: String,
    /// The folder or file of the repository that it is read from; empty: all.
    path: String,
    /// The cluster that it is applied to.
    cluster: ClusterName,
    /// The namespace of objects that name none; null: there is none.
    namespace: Option<String>,
    /// The commit that the revision pointed to when last looked; null: none was found yet.
    wanted: Option<Commit>,
    /// The last commit of which every object was written; null: none yet.
    applied: Option<Commit>,
    /// When objects were last written for it, or all were found to be as wanted at first. A commit, or a
    /// check, that changes nothing of it does not move it.
    applied_at: Option<Timestamp>,
    /// The last applied commit that was seen to work; null: none yet.
    healthy: Option<CommitId>,
    sync_state: ApplicationSyncState,
    /// The worst health of its objects; Unknown while the cluster does not answer.
    health: HealthStatus,
    /// Since when its health is this; null: it was never judged.
    health_since: Option<Timestamp>,
    /// When Git and the cluster were last compared in full, whatever asked for it; null: not yet. A
    /// webhook compares what Git has changed.
    checked_at: Option<Timestamp>,
    /// The last sync that was queued; null: there was none.
    last_sync: Option<LastSync>,
    /// What a person should know.
    conditions: Vec<Condition>,
}

/// The last sync of an application, in short.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct LastSync {
    id: SyncId,
    state: SyncState,
    /// What asked for it first.
    trigger: Trigger,
    /// When it was first asked for.
    queued_at: Timestamp,
    /// When it ended; null: it has not.
    ended_at: Option<Timestamp>,
    /// The commit that it brings the application to; null: it is not known yet.
    commit: Option<CommitId>,
    /// What it waits for.
    waiting_for: Vec<WaitingFor>,
    /// Why it, or its last attempt, failed; null: it did not.
    error: Option<String>,
}

/// Something that a person should know of an application.
#[derive(Serialize, JsonSchema)]
struct Condition {
    #[serde(rename = "type")]
    kind: ConditionType,
    /// What is the matter and what to do.
    message: String,
}

/// What kind of thing a person should know.
#[derive(Serialize, JsonSchema)]
enum ConditionType {
    /// `server.suspend` is set: nothing is written to any cluster.
    Suspended,
    /// The timer found commits that no webhook announced.
    WebhookMissing,
    /// An object is put back again and again, because somebody else writes it, too.
    Fight,
    /// Objects stayed on a cluster that the application was kept on before.
    LeftBehind,
    /// The cluster does not answer, so that nothing is known of what is on it.
    ClusterUnavailable,
    /// The repository cannot be fetched: what was pushed to it since is not known.
    RepositoryUnavailable,
    /// A sync waits for a person's yes.
    Blocked,
    /// The last sync, or its last attempt, failed. While it is tried again, that is still so.
    SyncFailed,
    /// A sync waits for this object to be healthy.
    WaitingForHealth,
}

/// Commits in a row that the timer must find before the webhook is called broken: one can be a
/// push within the moment of a start.
const UNANNOUNCED_COMMITS: u32 = 2;

/// The configuration of an application and what is known of it.
pub(in crate::http) struct Known {
    pub(in crate::http) application: Arc<Application>,
    pub(in crate::http) state: ApplicationState,
    pub(super) last_sync: Option<Sync>,
    /// The sync that says where the application stands.
    decisive: Option<Sync>,
    /// The cluster is silent.
    silence: Option<Arc<Silence>>,
    /// The repository cannot be fetched.
    outage: Option<Outage>,
    /// Objects that are put back again and again.
    fights: Vec<String>,
}

/// How many syncs of a commit, or of a state, are read to find the one that says where the
/// application stands.
const SYNCS_LOOKED_AT: u32 = 10;
/// What a sync is in while it is accepted and has no result; it may have no commit yet.
const UNDER_WAY: [SyncState; 3] = [SyncState::Running, SyncState::Queued, SyncState::Retrying];

/// Reads the syncs that tell of an application, and asks whether its hosts answer.
pub(super) async fn know(
    context: &Context,
    application: Arc<Application>,
    mut state: ApplicationState,
) -> Result<Known, StoreError> {
    let store = &context.store;
    let silence = context.watches.silence(&application.cluster);
    if let Some(silence) = &silence
        && state.health != HealthStatus::Unknown
    {
        // The observer is about to record it.
        state.health = HealthStatus::Unknown;
        state.health_changed_at = Some(silence.since);
    }
    let outage = context.source.outage(&application.repository);
    let fights = context.fights.told(&application.name, store.now());
    let last_sync = match state.last_sync {
        Some(id) => store.sync(id).await?,
        None => None,
    };
    let decisive = match &last_sync {
        Some(last) if !decides(last, &state) => {
            let earlier = before(store, &state).await?;
            // Where nothing else is known, a look that is under way is told at least.
            earlier.or_else(|| last_sync.clone().filter(|last| !last.state.is_ended()))
        }
        _ => last_sync.clone(),
    };
    Ok(Known { application, state, last_sync, decisive, silence, outage, fights })
}

/// The sync that says where an application stands although a later one says nothing of it: one that
/// is under way, else the newest of the last ones, else the one that was to apply the wanted commit.
async fn before(store: &Store, state: &ApplicationState) -> Result<Option<Sync>, StoreError> {
    let of_application =
        SyncFilter { application: Some(state.name.clone()), ..SyncFilter::default() };
    let mut filters: Vec<_> = UNDER_WAY
        .map(|state| SyncFilter { state: Some(state), ..of_application.clone() })
        .into_iter()
        .collect();
    filters.push(of_application.clone());
    if let Some(wanted) = &state.wanted {
        filters.push(SyncFilter { commit: Some(wanted.id.clone()), ..of_application });
    }
    for filter in filters {
        let page = Page { cursor: None, limit: SYNCS_LOOKED_AT };
        let syncs = store.syncs(&filter, page).await?.items;
        if let Some(sync) = syncs.into_iter().find(|sync| decides(sync, state)) {
            return Ok(Some(sync));
        }
    }
    Ok(None)
}

/// Reads what is known of every configured application, by name.
pub(in crate::http) async fn all(app: &App, config: &Config) -> Result<Vec<Known>, Problem> {
    let context = &app.context;
    let mut states: HashMap<_, _> = context
        .store
        .applications()
        .await?
        .into_iter()
        .map(|state| (state.name.clone(), state))
        .collect();
    let mut known = Vec::with_capacity(config.applications.len());
    for (name, application) in &config.applications {
        let state = states.remove(name).unwrap_or_else(|| ApplicationState::new(name.clone()));
        known.push(know(context, Arc::clone(application), state).await?);
    }
    Ok(known)
}

impl Known {
    /// Where the application stands against Git.
    pub(in crate::http) fn sync_state(&self) -> ApplicationSyncState {
        ApplicationSyncState::of(&self.state, self.decisive.as_ref())
    }
}

impl ApplicationSummary {
    /// What is told of an application by its configuration and what is known.
    pub(super) fn of(config: &Config, known: &Known) -> Self {
        let Known { application, state, last_sync, .. } = known;
        Self {
            name: application.name.clone(),
            repository: application.repository.clone(),
            revision: application.revision.to_string(),
            path: application.path.clone(),
            cluster: application.cluster.clone(),
            namespace: application.namespace.clone(),
            wanted: state.wanted.clone(),
            applied: state.applied.clone(),
            applied_at: state.applied_at,
            healthy: state.healthy.clone(),
            sync_state: known.sync_state(),
            health: state.health,
            health_since: state.health_changed_at,
            checked_at: state.checked_at,
            last_sync: last_sync.as_ref().map(LastSync::of),
            conditions: conditions(config, known),
        }
    }
}

impl LastSync {
    fn of(sync: &Sync) -> Self {
        Self {
            id: sync.id,
            state: sync.state,
            trigger: sync.trigger,
            queued_at: sync.queued_at,
            ended_at: sync.ended_at,
            commit: sync.commit.as_ref().map(|commit| commit.id.clone()),
            waiting_for: sync.waiting_for.clone(),
            error: sync.error.as_ref().map(|error| error.message.clone()),
        }
    }
}

/// What a person should know of an application beyond its state.
fn conditions(config: &Config, known: &Known) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let mut tell = |kind: ConditionType, message: String| {
        conditions.push(Condition { kind, message });
    };
    if config.server.suspend {
        tell(
            ConditionType::Suspended,
            "server.suspend is set: nothing is written to any cluster".into(),
        );
    }
    if known.state.unannounced >= UNANNOUNCED_COMMITS {
        tell(
            ConditionType::WebhookMissing,
            format!(
                "the timer found {} commits in a row that no webhook announced: check the webhook \
                 of repository {}",
                known.state.unannounced, known.application.repository
            ),
        );
    }
    for fight in &known.fights {
        tell(ConditionType::Fight, fight.clone());
    }
    for (cluster, objects) in &known.state.left_behind {
        tell(ConditionType::LeftBehind, left_behind(&known.application, cluster, *objects));
    }
    if let Some(silence) = &known.silence {
        tell(ConditionType::ClusterUnavailable, silent(&known.application.cluster, silence));
    }
    if let Some(Outage { since, reason }) = &known.outage {
        let repository = &known.application.repository;
        tell(
            ConditionType::RepositoryUnavailable,
            format!("repository {repository} cannot be fetched since {since}: {reason}"),
        );
    }
    let Some(sync) = &known.decisive else { return conditions };
    if let Some(plan) = &sync.plan
        && sync.state == SyncState::Blocked
    {
        let (id, hash) = (sync.id, &plan.hash);
        tell(
            ConditionType::Blocked,
            format!(
                "{}: approve with POST /api/v1/syncs/{id}/approve {{\"plan\": \"{hash}\"}}",
                plan.reason
            ),
        );
    }
    if let Some(error) = &sync.error
        && tells_of_a_failure(sync.state)
    {
        tell(ConditionType::SyncFailed, error.message.clone());
    }
    for waiting in &sync.waiting_for {
        if sync.state == SyncState::Waiting {
            tell(
                ConditionType::WaitingForHealth,
                format!("{}: {}", waiting.object, waiting.reason),
            );
        }
    }
    conditions
}

/// Whether an error of a sync in this state is what a person should know. While it is tried again the
/// last attempt has still failed; one that was stopped, or that a newer one took over from, has ended.
fn tells_of_a_failure(state: SyncState) -> bool {
    use SyncState::{Failed, Queued, Retrying, Running};
    matches!(state, Failed | Retrying | Queued | Running)
}

fn silent(cluster: &ClusterName, silence: &Silence) -> String {
    let Silence { since, reason } = silence;
    format!("cluster {cluster} does not answer since {since}, so health is not known: {reason}")
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

    use super::*;
    use crate::domain::sync::{SyncOptions, SyncRequest};

    fn request(trigger: Trigger) -> SyncRequest {
        let application = "shop".parse().unwrap();
        SyncRequest { application, trigger, actor: None, options: SyncOptions::default() }
    }

    #[tokio::test]
    async fn a_push_that_is_worked_on_decides_although_a_check_came_later() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Store::open(&folder.path().join("headstay.db")).await.unwrap();
        let push = store.enqueue(request(Trigger::Webhook)).await.unwrap().id;
        store.claim(Duration::from_mins(1)).await.unwrap().unwrap();
        let check = store.enqueue(request(Trigger::Timer)).await.unwrap().id;

        let state = ApplicationState::new("shop".parse().unwrap());
        assert!(!decides(&store.sync(check).await.unwrap().unwrap(), &state));
        let decisive = before(&store, &state).await.unwrap().unwrap();
        assert_eq!(
            (decisive.id, ApplicationSyncState::of(&state, Some(&decisive))),
            (push, ApplicationSyncState::Syncing)
        );
    }
}
