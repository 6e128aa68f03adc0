//! What must never happen, whatever does: looked at from outside, write by write. Nothing here asks the
//! engine for its opinion.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use headstay::domain::name::SyncId;
use headstay::domain::sync::Trigger;
use headstay::sandbox::journal::Write;
use headstay::store::{Claim, Outcome, Step as At};
use serde_json::{Value, json};

use crate::git::{Git, NoObjects, Objects, render};
use crate::people::PERSON;
use crate::settings::{App, CLUSTERS, Drift, Settings};
use crate::things::{APPLICATION, INSTALLATION, INSTANCE, Key, STAYS, Thing};
use crate::world::World;

/// A rule was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub rule: &'static str,
    pub how: String,
}

impl Broken {
    pub fn new(rule: &'static str, how: impl fmt::Display) -> Self {
        Self { rule, how: how.to_string() }
    }
}

/// What the process is about: one claim.
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts of a claim")]
pub struct Act {
    app: Option<App>,
    sync: SyncId,
    /// Whether a person asked for it, or approved it.
    asked: bool,
    dry_run: bool,
    adopt: bool,
    revision: Option<String>,
    prune: Option<bool>,
    trigger: Trigger,
    /// Whether it begins with the prune.
    prunes_only: bool,
    /// The configuration when it began.
    settings: Settings,
    /// A request was sent before what happened last.
    pub in_flight: bool,
    deleted: BTreeSet<Key>,
    written: Vec<(Key, Value)>,
}

impl Act {
    pub fn begin(claim: &Claim, settings: &Settings, rules: &Rules) -> Self {
        let sync = &claim.sync;
        Self {
            app: App::named(sync.application.as_str()),
            sync: sync.id,
            asked: rules.asked.contains(&sync.id),
            dry_run: sync.options.dry_run,
            adopt: sync.options.adopt,
            revision: sync.options.revision.clone(),
            prune: sync.options.prune,
            trigger: sync.trigger,
            prunes_only: claim.step == At::Prune,
            settings: *settings,
            in_flight: false,
            deleted: BTreeSet::new(),
            written: Vec::new(),
        }
    }
}

/// What has to be remembered to judge what comes.
#[derive(Default)]
pub struct Rules {
    /// The id of this installation.
    pub id: String,
    /// The names that it has had.
    names: BTreeSet<&'static str>,
    asked: HashSet<SyncId>,
    /// The plans that a person said yes to.
    approved: HashMap<SyncId, Vec<BTreeSet<String>>>,
    /// What may be on the cluster by the last writes of each application: more than one where a process
    /// was killed before it could record a write.
    applied: BTreeMap<(App, Key), Vec<Value>>,
    /// What was applied and has been named by Git ever since: what differs from it has drifted.
    held: BTreeMap<(App, Key), Value>,
    /// What Git said is never to be pruned, when the process last saw it name it; and what it may have said
    /// so of, for nobody knows what a process saw that failed.
    stays: BTreeSet<(App, Key)>,
    may_stay: BTreeSet<(App, Key)>,
    /// What a person did not want to be deleted for a commit with these settings.
    cancelled: Vec<(App, BTreeSet<String>, Option<String>, Settings)>,
}

impl Rules {
    /// A configuration came into force.
    pub fn configured(&mut self, settings: &Settings) {
        self.names.insert(settings.instance.name());
    }

    /// A person asked for a sync.
    pub fn asked(&mut self, app: App, sync: SyncId) {
        self.asked.insert(sync);
        self.cancelled.retain(|one| one.0 != app);
    }

    /// A person said yes to a plan.
    pub fn approved(&mut self, app: App, sync: SyncId, plan: BTreeSet<String>) {
        self.approved.entry(sync).or_default().push(plan);
        self.asked(app, sync);
    }

    /// A person stopped a sync before it deleted these.
    pub fn cancelled(
        &mut self,
        app: App,
        kept: BTreeSet<String>,
        commit: Option<String>,
        settings: &Settings,
    ) {
        self.cancelled.push((app, kept, commit, *settings));
    }

    /// A claim has ended; unless it was recorded, nobody but us knows what it wrote.
    pub fn ended(&mut self, act: &Act, recorded: bool, git: &Git) {
        let Some(app) = act.app else { return };
        for (key, body) in &act.written {
            let bodies = self.applied.entry((app, *key)).or_default();
            self.held.remove(&(app, *key));
            if recorded {
                bodies.clear();
                self.held.insert((app, *key), body.clone());
            }
            bodies.push(body.clone());
        }
        // What Git does not name and then names again is wanted anew.
        let policy = act.settings.of(app);
        let told = git.told(act.revision.as_deref(), policy.branch);
        let said = told.map(|commit| render(&commit.tree, app, policy, act.settings.instance));
        if let Some(Ok(objects)) = said {
            self.held.retain(|(one, key), _| *one != app || objects.contains_key(key));
        }
    }

    /// A claim has come to this: what it has seen Git say counts from then on.
    pub fn concluded(&mut self, act: &Act, outcome: Option<&Outcome>, git: &Git) {
        let Some(app) = act.app.filter(|_| !act.dry_run && !act.prunes_only) else { return };
        let policy = act.settings.of(app);
        let seen = outcome.and_then(|outcome| outcome.commit.as_ref());
        let seen = seen.and_then(|commit| git.commit(commit.id.as_str()));
        let commit = seen.or_else(|| git.told(act.revision.as_deref(), policy.branch));
        let said = commit.map(|commit| render(&commit.tree, app, policy, act.settings.instance));
        let applied = outcome.is_some_and(|outcome| outcome.application.applied.is_some());
        for (key, body) in said.and_then(Result::ok).unwrap_or_default() {
            if body["metadata"]["annotations"][STAYS] == "disabled" {
                self.may_stay.insert((app, key));
                if applied {
                    self.stays.insert((app, key));
                }
            } else {
                self.stays.remove(&(app, key));
                if applied {
                    self.may_stay.remove(&(app, key));
                }
            }
        }
    }

    /// Whether Git may have said, when it last named an object, that it is never to be pruned.
    pub fn may_stay(&self, app: App, key: Key) -> bool {
        self.may_stay.contains(&(app, key))
    }

    /// Whether an object bears our marks, by our hand.
    pub fn is_ours(&self, live: &Value) -> bool {
        let metadata = &live["metadata"];
        let managers = metadata["managedFields"].as_array();
        let applied =
            managers.is_some_and(|all| all.iter().any(|entry| entry["manager"] == "headstay"));
        applied
            && metadata["labels"][APPLICATION].is_string()
            && metadata["annotations"][INSTANCE].is_string()
            && !self.is_foreign(live)
    }

    /// Whether an object bears the id of another installation.
    pub fn is_foreign(&self, live: &Value) -> bool {
        let id = live["metadata"]["annotations"][INSTALLATION].as_str();
        id.is_some_and(|id| id != self.id)
    }

    /// Judges a write of the process.
    fn judge(&self, act: &mut Act, write: &Write, git: &Git, now: &Settings) -> Option<Broken> {
        let live = write.before.as_deref().or(write.after.as_deref())?;
        let request = write.request.split('?').next().unwrap_or_default();
        let Some((app, key)) = act.app.zip(Key::of(live)) else {
            return Some(Broken::new("a write of what nobody knows", request));
        };
        if act.dry_run {
            return Some(Broken::new("a dry run writes", request));
        }
        if now.suspend && !act.in_flight {
            return Some(Broken::new("a write while suspended", request));
        }
        if !act.settings.of(app).here {
            return Some(Broken::new("a write for an application that is not configured", request));
        }
        if !act.settings.of(app).automated && !act.asked {
            return Some(Broken::new("a write that nobody asked for", request));
        }
        let is_delete = request.starts_with("DELETE");
        let foreign = write.before.as_deref().is_some_and(|live| self.is_foreign(live));
        if foreign && (is_delete || !act.adopt) {
            return Some(Broken::new("a write of what another installation holds", request));
        }
        let broken = if is_delete {
            self.judge_delete(act, app, key, live, git)
        } else {
            self.judge_write(act, app, key, write, git)
        };
        act.in_flight = false;
        broken
    }

    fn judge_delete(
        &self,
        act: &mut Act,
        app: App,
        key: Key,
        live: &Value,
        git: &Git,
    ) -> Option<Broken> {
        let policy = act.settings.of(app);
        let metadata = &live["metadata"];
        let (label, instance) =
            (&metadata["labels"][APPLICATION], &metadata["annotations"][INSTANCE]);
        let ours = self.names.iter().any(|name| *instance == *name);
        if *label != app.name() || !ours {
            return Some(Broken::new("a delete of what is not marked as ours", key));
        }
        if metadata["annotations"][STAYS] == "disabled" {
            return Some(Broken::new("a delete of what is never to be pruned", key));
        }
        if !act.prune.unwrap_or(policy.prune) {
            return Some(Broken::new("a delete without prune", key));
        }
        if let Some(broken) = named(act, app, key, git).or_else(|| goes_along(act, app, key, git)) {
            return Some(broken);
        }
        if self.stays.contains(&(app, key)) {
            return Some(Broken::new("a delete of what Git said is never to be pruned", key));
        }
        act.deleted.insert(key);
        let yes = self.approved.get(&act.sync).is_some_and(|plans| {
            plans.iter().any(|plan| act.deleted.iter().all(|key| plan.contains(&key.to_string())))
        });
        if !yes && (key.thing.is_guarded() || act.deleted.len() > policy.limit) {
            let how = format!("{key}, the {}. of at most {}", act.deleted.len(), policy.limit);
            return Some(Broken::new("a delete beyond pruneLimit without a yes", how));
        }
        let told = git.told(act.revision.as_deref(), policy.branch).map(|commit| &commit.id);
        let cancelled = self.cancelled.iter().any(|(of, keys, commit, settings)| {
            let same = commit.as_ref() == told && *settings == act.settings;
            *of == app && keys.contains(&key.to_string()) && same
        });
        if cancelled && !act.asked {
            let how = format!("{key} by {:?}", act.trigger);
            return Some(Broken::new("a delete that a person cancelled", how));
        }
        None
    }

    fn judge_write(
        &self,
        act: &mut Act,
        app: App,
        key: Key,
        write: &Write,
        git: &Git,
    ) -> Option<Broken> {
        if act.prunes_only {
            return Some(Broken::new("a prune writes", key));
        }
        if write.body.is_array() {
            // Only who owns which field changes.
            return None;
        }
        let policy = act.settings.of(app);
        let mut body = write.body.clone();
        let annotations = body["metadata"]["annotations"].as_object_mut();
        let id = annotations.and_then(|annotations| annotations.remove(INSTALLATION));
        if id != Some(json!(self.id)) {
            return Some(Broken::new("a write without our id", key));
        }
        let body = &body;
        let commit = git.told(act.revision.as_deref(), policy.branch);
        let objects = commit.map(|commit| render(&commit.tree, app, policy, act.settings.instance));
        let wanted = objects.and_then(Result::ok).and_then(|objects| objects.get(&key).cloned());
        if wanted.is_some() && *body == marks(app, body) {
            // What is left as it is, is marked as its new owner's all the same.
            return None;
        }
        let applied = self.applied.get(&(app, key)).map_or(&[][..], Vec::as_slice);
        act.written.push((key, body.clone()));
        if wanted.as_ref() != Some(body) && !applied.contains(body) {
            let how = format!("{key}: {body}; wanted: {wanted:?}; applied: {applied:?}");
            return Some(Broken::new("a write of what no commit says with these settings", how));
        }
        let may_drift = body["metadata"]["annotations"]["headstay.dev/drift"] == "ignore";
        let ours = write
            .before
            .as_ref()
            .is_none_or(|live| live["metadata"]["labels"][APPLICATION] == app.name());
        let drifted = self.held.get(&(app, key)) == Some(body) && ours;
        if drifted && !act.asked && (policy.drift != Drift::Heal || may_drift) {
            return Some(Broken::new("drift is healed that is to be left", key));
        }
        None
    }
}

/// Whether Git names an object that goes with one that is deleted: a custom resource with its definition.
fn goes_along(act: &Act, app: App, key: Key, git: &Git) -> Option<Broken> {
    let policy = act.settings.of(app);
    let commit =
        git.told(act.revision.as_deref(), policy.branch).filter(|_| key.thing == Thing::Gears)?;
    let objects = render(&commit.tree, app, policy, act.settings.instance).ok()?;
    let gear = objects.into_keys().find(|key| key.thing == Thing::Gear)?;
    Some(Broken::new("a delete that takes along what Git names", gear))
}

/// Whether Git names an object that is deleted.
fn named(act: &Act, app: App, key: Key, git: &Git) -> Option<Broken> {
    let policy = act.settings.of(app);
    let instance = act.settings.instance;
    let commit = git.told(act.revision.as_deref(), policy.branch)?;
    let of = |objects: &Result<Objects, _>| {
        objects.as_ref().ok().and_then(|objects: &Objects| objects.get(&key)).cloned()
    };
    if of(&render(&commit.tree, app, policy, instance)).is_some() {
        let how = format!("{key} of {}", app.name());
        return Some(Broken::new("a delete of what Git names", how));
    }
    for other in act.settings.present().filter(|other| *other != app) {
        let theirs = act.settings.of(other);
        if git.told(None, theirs.branch).is_none_or(|other| other.id != commit.id) {
            continue;
        }
        let objects = render(&commit.tree, other, theirs, instance);
        let how = format!("{key} goes from {} to {}", app.name(), other.name());
        // Who leaves it alone does not take it.
        if of(&objects).is_some_and(|body| !is_left_alone(&body)) {
            return Some(Broken::new("a delete of what is handed over", how));
        }
        if objects == Err(NoObjects::Broken) {
            return Some(Broken::new("a delete of what may be handed over", how));
        }
    }
    None
}

impl World {
    /// Judges what was written since the last time.
    pub fn absorb(&mut self, act: Option<&mut Act>) {
        let mut act = act;
        for write in self.sandbox.journal() {
            if write.client == PERSON || (write.before.is_none() && write.after.is_none()) {
                continue;
            }
            let line = write.request.split('?').next().unwrap_or_default();
            self.told.push(format!("    > {line}"));
            let broken = match act.as_deref_mut() {
                Some(act) => self.rules.judge(act, &write, &self.git, &self.settings),
                None => Some(Broken::new("a write outside of any sync", line)),
            };
            if self.broken.is_none() {
                self.broken = broken;
            }
        }
    }

    /// Looks for objects that are marked as ours and that no inventory knows.
    pub async fn orphans(&self) -> Option<Broken> {
        let known = self.inventory(&CLUSTERS).await;
        let orphan = self.sandbox.objects().into_iter().find_map(|live| {
            let key = Key::of(&live).filter(|_| self.rules.is_ours(&live))?;
            (!known.contains(&key.to_string())).then_some((key, live))
        });
        let (key, live) = orphan?;
        let rule = if live["metadata"]["deletionTimestamp"].is_string() {
            "an object that is on its way out is forgotten"
        } else {
            "an object with our marks is in no inventory"
        };
        Some(Broken::new(rule, key))
    }

    /// All that the store knows to be on the cluster, by these names of it.
    pub async fn inventory(&self, clusters: &[&str]) -> HashSet<String> {
        let store = &self.engine().context.store;
        let mut known = HashSet::new();
        for app in App::ALL {
            for cluster in clusters {
                let (name, cluster) = (app.name().parse().unwrap(), cluster.parse().unwrap());
                let items = store.inventory(&name, &cluster).await.unwrap();
                known.extend(items.iter().map(|item| item.object.to_string()));
            }
        }
        known
    }
}

/// The least that makes an object an application's own; its version goes with it.
fn marks(app: App, body: &Value) -> Value {
    let version = &body["metadata"]["resourceVersion"];
    let mut marks = json!({"metadata": {"resourceVersion": version}});
    marks["metadata"]["labels"][APPLICATION] = json!(app.name());
    if let Some(instance) = body["metadata"]["annotations"].get(INSTANCE) {
        marks["metadata"]["annotations"][INSTANCE] = instance.clone();
    }
    marks
}

fn is_left_alone(body: &Value) -> bool {
    body["metadata"]["annotations"]["headstay.dev/apply"] == "ignore"
}
