//! The end of every history: what was broken is mended, time passes, and all comes to rest at what Git
//! says.

use std::collections::BTreeMap;

use headstay::domain::sync::SyncState;
use headstay::store::{Page, SyncFilter};

use crate::git::{Branch, Edit, Folder, render};
use crate::rules::Broken;
use crate::settings::{App, Change, Drift};
use crate::step::{Asked, Step};
use crate::things::{APPLICATION, Key, Note, STAYS, Thing, rendered, says};
use crate::world::World;

/// Rounds in which all must come to rest.
const ROUNDS: usize = 12;

impl World {
    /// Lets all come to rest, and looks whether it is as it should be.
    pub async fn come_to_rest(&mut self) {
        self.told.push("in the end: all is mended, and time passes".to_owned());
        self.mend().await;
        let mut told = 0;
        for round in 0..ROUNDS {
            if round > 1 {
                self.told.truncate(told);
                self.told.push("    and so on".to_owned());
            }
            if round < 2 {
                told = self.told.len();
            }
            let before = (self.versions(), self.history().await);
            self.round().await;
            if self.broken.is_some() {
                return;
            }
            if round > 1 && before == (self.versions(), self.history().await) {
                self.broken = self.unlike_git().await;
                return;
            }
        }
        self.broken = Some(Broken::new("no rest", self.history().await));
    }

    /// What people put right: servers, files, and two applications that claim the same object.
    async fn mend(&mut self) {
        let mut steps = vec![Step::Api(true), Step::Host(true), Step::Served(true)];
        steps.extend(self.refused.clone().into_iter().map(|key| Step::Refuse(key, false)));
        steps.push(Step::Commit(Branch::Main, self.mended()));
        for app in App::ALL {
            steps.extend(
                [
                    Change::Branch(app, Branch::Main),
                    Change::Automated(app, true),
                    Change::Prune(app, true),
                    Change::Drift(app, Drift::Heal),
                    Change::AllowEmpty(app, true),
                    // Of its own, so that no two claim the same.
                    Change::Folder(app, Folder(app.0)),
                ]
                .map(Step::Configure),
            );
        }
        steps.push(Step::Configure(Change::Suspend(false)));
        steps.extend(App::ALL.map(|app| Step::Ask(app, Asked::Adopt)));
        steps.extend([Step::WorkAll, Step::Vacate]);
        // What is in use stays until Git changes, or somebody asks.
        steps.extend(App::ALL.map(|app| Step::Ask(app, Asked::Plain)));
        for step in steps {
            let changes = match &step {
                Step::Configure(change) => {
                    let mut after = self.settings;
                    after.make(*change);
                    after != self.settings
                }
                Step::Api(_) => !self.api_is_up,
                Step::Host(_) => !self.git.up,
                _ => true,
            };
            if changes {
                self.take(&step).await;
            }
            if self.broken.is_some() {
                return;
            }
        }
    }

    /// Edits after which no file is broken, nothing is named twice, and every kind has its definition.
    fn mended(&self) -> Vec<Edit> {
        let tree = &self.git.head(Branch::Main).tree;
        let mut edits = Vec::new();
        let mut seen = Vec::new();
        let defined = tree.iter().any(|(folder, files)| {
            let good = files
                .things
                .get(&Thing::Gears)
                .is_some_and(|spec| !matches!(spec.note, Note::Wrong | Note::LeftAlone));
            self.settings.present().any(|app| app.0 == folder.0) && good
        });
        for (folder, files) in tree {
            if files.broken {
                edits.push(Edit::Break(*folder, false));
            }
            for (thing, spec) in &files.things {
                let undefined = match thing {
                    Thing::Gear => !defined,
                    Thing::Gears => spec.note == Note::LeftAlone,
                    _ => false,
                };
                if spec.note == Note::Wrong || undefined || seen.contains(thing) {
                    edits.push(Edit::Remove(*folder, *thing));
                } else if self.settings.present().any(|app| app.0 == folder.0) {
                    seen.push(*thing);
                }
            }
        }
        edits
    }

    async fn round(&mut self) {
        let mut steps = vec![Step::Release, Step::Wait];
        steps.extend(self.settings.present().map(Step::Tick).collect::<Vec<_>>());
        steps.extend([Step::WorkAll, Step::Healthy, Step::WorkAll, Step::Late]);
        self.told
            .push("a round: finalizers are taken off, retries come due, checks, work".to_owned());
        for step in steps {
            self.take_silently(&step).await;
        }
        for app in App::ALL {
            if self.approve(app).await {
                self.told.push(format!("somebody approves what is blocked of {}", app.name()));
                self.take_silently(&Step::WorkAll).await;
            }
        }
    }

    fn versions(&self) -> BTreeMap<Key, String> {
        let objects = self.sandbox.objects().into_iter();
        let version = |live: &serde_json::Value| live["metadata"]["resourceVersion"].to_string();
        objects.filter_map(|live| Some((Key::of(&live)?, version(&live)))).collect()
    }

    /// The syncs that are remembered, and where each stands.
    async fn history(&self) -> String {
        let page = Page { cursor: None, limit: 200 };
        let store = &self.engine().context.store;
        let syncs = store.syncs(&SyncFilter::default(), page).await.unwrap().items;
        let line = |sync: &headstay::domain::sync::Sync| {
            let error =
                sync.error.as_ref().map(|error| format!(" {} {:?}", error.message, error.details));
            let (app, state) = (&sync.application, sync.state.as_str());
            format!("{} {app} {:?} {state}{}", sync.id, sync.trigger, error.unwrap_or_default())
        };
        syncs.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// What is not as the heads say.
    async fn unlike_git(&self) -> Option<Broken> {
        let page = Page { cursor: None, limit: 200 };
        let store = &self.engine().context.store;
        let syncs = store.syncs(&SyncFilter::default(), page).await.unwrap().items;
        let open = syncs.iter().find(|sync| {
            let here =
                App::named(sync.application.as_str()).is_some_and(|app| self.settings.of(app).here);
            here && !sync.state.is_ended() || sync.state == SyncState::Running
        });
        if open.is_some() {
            return Some(Broken::new("a sync that does not end", self.history().await));
        }
        let live: BTreeMap<_, _> = self
            .sandbox
            .objects()
            .into_iter()
            .filter_map(|live| Some((Key::of(&live)?, live)))
            .collect();
        let mut wanted = BTreeMap::new();
        for app in self.settings.present() {
            let policy = self.settings.of(app);
            let tree = &self.git.head(policy.branch).tree;
            let objects = render(tree, app, policy, self.settings.instance).unwrap_or_default();
            for key in objects.into_keys() {
                let spec = tree[&policy.folder].things[&key.thing];
                // Two applications that follow different branches may claim the same.
                wanted.entry(key).or_insert_with(Vec::new).push((app, spec));
            }
        }
        for (key, claims) in &wanted {
            let [(app, spec)] = claims[..] else { continue };
            let space = self.settings.of(app).space;
            let body = rendered(key.thing, spec, space, app, self.settings.instance);
            if matches!(spec.note, Note::LeftAlone) {
                continue;
            }
            let Some(live) = live.get(key) else {
                if spec.note == Note::MayDrift {
                    continue;
                }
                return Some(Broken::new("what Git names is not there", key));
            };
            let left = matches!(spec.note, Note::Once | Note::MayDrift);
            if !left && !says(live, &body) {
                let how = format!("{key}: {live}, wanted: {body}");
                return Some(Broken::new("an object is not as Git says", how));
            }
        }
        // What was left behind under another name of the cluster stays.
        let ours = self.inventory(&[self.settings.cluster()]).await;
        live.iter().filter(|(key, _)| ours.contains(&key.to_string())).find_map(|(key, live)| {
            let app = App::named(live["metadata"]["labels"][APPLICATION].as_str()?)?;
            let stays = live["metadata"]["annotations"][STAYS] == "disabled"
                || self.rules.may_stay(app, *key);
            let stale =
                self.rules.is_ours(live) && self.settings.of(app).here && !wanted.contains_key(key);
            (stale && !stays).then(|| Broken::new("what Git does not name is still there", key))
        })
    }
}
