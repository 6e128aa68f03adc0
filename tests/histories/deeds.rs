//! What people do, and what becomes of the cluster.

use headstay::domain::inventory::Kept;
use headstay::domain::sync::{Sync, SyncOptions, SyncRequest, SyncState, Trigger};
use headstay::sandbox::fault::{Effect, Fault};
use headstay::store::{Page, SyncFilter};
use headstay::sync;
use serde_json::json;

use crate::settings::App;
use crate::step::{Asked, Step};
use crate::things::{FINALIZER, GROUP, Key, STAYS, content, elsewhere, working};
use crate::world::World;

impl World {
    /// The steps of people, and of the cluster.
    pub async fn involve(&mut self, step: &Step) {
        match step {
            Step::Ask(app, request) => self.ask(*app, *request).await,
            Step::Preview(app) => {
                let name = app.name().parse().unwrap();
                let context = self.engine().context.clone();
                // What it says is not the matter here.
                drop(self.clock.passing(sync::preview(&context, &name)).await);
            }
            Step::Approve(app) => {
                self.approve(*app).await;
            }
            Step::Cancel(app) => self.cancel(*app).await,
            Step::Edit(key, shade) => {
                self.people.merge(&key.path(), &content(key.thing, *shade)).await;
            }
            Step::Delete(key) => self.people.delete(&key.path()).await,
            Step::Keep(key, kept) => {
                let value = kept.then_some("disabled");
                let patch = json!({"metadata": {"annotations": {STAYS: value}}});
                self.people.merge(&key.path(), &patch).await;
            }
            Step::Seize(app, key, shade) => {
                self.people.apply(&key.path(), &elsewhere(*app, *key, *shade)).await;
            }
            Step::Vacate => self.vacate().await,
            Step::Release => self.release().await,
            Step::Api(true) => {
                self.sandbox.reconnect().await.unwrap();
                self.api_is_up = true;
            }
            Step::Api(false) => {
                self.sandbox.disconnect().await;
                self.api_is_up = false;
            }
            Step::Refuse(key, refused) => self.refuse(*key, *refused),
            Step::Stumble(cut, code) => {
                let (request, skip) = (cut.at.part().to_owned(), usize::from(cut.skip));
                let effect = Effect::Refuse(*code);
                self.sandbox.faults().plan(Fault { request, skip, times: 1, effect });
            }
            Step::Served(served) => self.sandbox.withdraw((!served).then_some(GROUP)),
            _ => {}
        }
    }

    fn refuse(&mut self, key: Key, refused: bool) {
        self.refused.retain(|one| *one != key);
        if refused {
            self.refused.push(key);
        }
        self.plan_faults();
    }

    pub async fn make_healthy(&mut self) {
        for live in self.sandbox.objects() {
            if let (Some(key), Some(status)) = (Key::of(&live), working(&live)) {
                self.people.merge(&format!("{}/status", key.path()), &status).await;
            }
        }
        self.engine().observe(&self.clock).await;
    }

    async fn vacate(&self) {
        for live in self.sandbox.objects() {
            if let Some(key) = Key::of(&live).filter(|_| self.rules.is_foreign(&live)) {
                self.people.delete(&key.path()).await;
            }
        }
    }

    /// Takes our own finalizer off what is on its way out; others are for others to take off.
    async fn release(&self) {
        for live in self.sandbox.objects() {
            let metadata = &live["metadata"];
            let finalizers = metadata["finalizers"].as_array().cloned().unwrap_or_default();
            let rest: Vec<_> = finalizers.iter().filter(|one| **one != FINALIZER).collect();
            let leaves = metadata["deletionTimestamp"].is_string();
            if let Some(key) = Key::of(&live).filter(|_| leaves && rest.len() < finalizers.len()) {
                self.people.merge(&key.path(), &json!({"metadata": {"finalizers": rest}})).await;
            }
        }
    }

    async fn ask(&mut self, app: App, request: Asked) {
        if !self.settings.of(app).here {
            return;
        }
        let branch = self.settings.of(app).branch;
        let back = |steps| Some(self.git.back(branch, steps).id.clone());
        let nonsense = || Some("nonsense".to_owned());
        let adopt = request == Asked::Adopt;
        let (revision, dry_run, prune) = match request {
            Asked::Plain | Asked::Adopt => (None, false, None),
            Asked::DryRun => (None, true, None),
            Asked::Back(steps) => (back(steps), false, None),
            Asked::DryRunOf(steps) => (back(steps), true, None),
            Asked::Nonsense => (nonsense(), false, None),
            Asked::DryRunOfNonsense => (nonsense(), true, None),
            Asked::Prune(prune) => (None, false, Some(prune)),
        };
        let request = SyncRequest {
            application: app.name().parse().unwrap(),
            trigger: Trigger::Manual,
            actor: Some("eve".to_owned()),
            options: SyncOptions { revision, dry_run, prune, adopt },
        };
        let id = self.engine().context.store.enqueue(request).await.unwrap().id;
        self.rules.asked(app, id);
    }

    /// The newest sync of an application that has not ended.
    async fn open(&self, app: App, state: Option<SyncState>) -> Option<Sync> {
        let application = Some(app.name().parse().unwrap());
        let filter = SyncFilter { application, state, ..SyncFilter::default() };
        let page = Page { cursor: None, limit: 20 };
        let syncs = self.engine().context.store.syncs(&filter, page).await.unwrap().items;
        syncs.into_iter().find(|sync| !sync.state.is_ended())
    }

    /// Approves what is blocked; false when nothing is.
    pub async fn approve(&mut self, app: App) -> bool {
        let Some(sync) = self.open(app, Some(SyncState::Blocked)).await else { return false };
        let id = sync.id;
        let seen = sync.plan.as_ref().map(|plan| plan.hash.as_str());
        self.engine().context.store.approve(id, "eve", seen).await.unwrap();
        let plan = sync.plan.map(|plan| plan.prune).unwrap_or_default();
        self.rules.approved(app, id, plan.iter().map(ToString::to_string).collect());
        true
    }

    async fn cancel(&mut self, app: App) {
        let Some(sync) = self.open(app, None).await else { return };
        let store = &self.engine().context.store;
        let cluster = self.settings.cluster().parse().unwrap();
        let owned = store.inventory(&sync.application, &cluster).await.unwrap();
        store.cancel(sync.id, "eve").await.unwrap();
        let kept = owned.iter().filter(|item| item.kept == Some(Kept::UntilHealthy));
        let kept = kept.map(|item| item.object.to_string()).collect();
        let commit = sync.commit.map(|commit| commit.id.to_string());
        self.rules.cancelled(app, kept, commit, &self.settings);
    }
}
