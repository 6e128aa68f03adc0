//! The world of one history: a cluster, a repository, a configuration and the process, in a folder of
//! their own, and how each step of a history is made to happen.

use std::fs;
use std::pin::Pin;
use std::time::Duration;

use headstay::domain::sync::Trigger;
use headstay::sandbox::fault::{Effect, Fault};
use headstay::sandbox::{Options, Sandbox, World as Controllers};
use headstay::store::{Claim, Outcome};
use headstay::sync;
use headstay::sync::lease::Lease;
use headstay::trigger::timer;
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::chance::History;
use crate::clock::{Clock, Idle};
use crate::engine::Engine;
use crate::git::Git;
use crate::people::People;
use crate::rules::{Act, Broken, Rules};
use crate::settings::{App, Change, Settings};
use crate::step::{Cut, Moment, Step};
use crate::things::Key;

/// How long a request is held while something else happens, by the clock of the history.
const HELD: Duration = Duration::from_secs(2);

pub struct World {
    pub folder: TempDir,
    pub clock: Clock,
    pub sandbox: Sandbox,
    pub people: People,
    pub git: Git,
    pub settings: Settings,
    pub rules: Rules,
    engine: Option<Engine>,
    /// What the API server refuses.
    pub refused: Vec<Key>,
    pub api_is_up: bool,
    /// The rule that was broken first.
    pub broken: Option<Broken>,
    /// What happened, for who reads it.
    pub told: Vec<String>,
}

impl World {
    pub async fn begin(history: &History) -> Self {
        let folder = folder();
        let clock = Clock::start();
        let options = Options { world: Controllers::Still, ..Options::default() };
        let sandbox = Sandbox::start(options).await.unwrap();
        let people = People::new(sandbox.url());
        for name in ["east", "west"] {
            people.create("/api/v1/namespaces", &json!({"metadata": {"name": name}})).await;
        }
        sandbox.journal();
        let settings = Settings::new(history.apps);
        fs::write(folder.path().join("kubeconfig"), sandbox.kubeconfig()).unwrap();
        let mut world = Self {
            git: Git::new(folder.path()),
            rules: Rules::default(),
            engine: None,
            refused: Vec::new(),
            api_is_up: true,
            broken: None,
            told: Vec::new(),
            folder,
            clock,
            sandbox,
            people,
            settings,
        };
        world.start().await;
        world
    }

    pub fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    async fn start(&mut self) {
        self.rules.configured(&self.settings);
        let folder = self.folder.path();
        fs::write(folder.join("headstay.yaml"), self.settings.text(folder)).unwrap();
        let engine = Engine::start(folder).await;
        let name = self.settings.instance.name().parse().unwrap();
        self.rules.id = engine.context.store.installation(&name).await.unwrap().id.to_string();
        self.engine = Some(engine);
    }

    pub async fn restart(&mut self) {
        self.engine.take().unwrap().end().await;
        self.start().await;
    }

    pub async fn end(mut self) -> Option<Broken> {
        self.engine.take().unwrap().end().await;
        self.broken
    }

    /// Has a step happen, and looks whether a rule was broken.
    pub async fn take(&mut self, step: &Step) {
        self.told.push(step.to_string());
        self.take_silently(step).await;
    }

    /// The same, of which nothing is told but what comes of it.
    pub async fn take_silently(&mut self, step: &Step) {
        self.perform(step).await;
        if self.broken.is_none() {
            self.absorb(None);
        }
        if self.broken.is_none() {
            self.broken = self.orphans().await;
        }
    }

    fn perform<'a>(&'a mut self, step: &'a Step) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
        Box::pin(async move {
            match step {
                Step::Commit(branch, edits) if self.git.up => self.git.push(*branch, edits),
                Step::ForceBack(branch, steps) if self.git.up => {
                    self.git.force_back(*branch, *steps);
                }
                Step::Commit(..) | Step::ForceBack(..) => {}
                Step::Host(up) => self.git.set_up(*up),
                Step::Deliver(branch) => self.engine().deliver(*branch).await,
                Step::Tick(app) => self.tick(*app).await,
                Step::Configure(change) => self.configure(*change).await,
                Step::ConfigureWhileDown(change) => {
                    self.settings.make(*change);
                    self.restart().await;
                }
                Step::Restart => self.restart().await,
                Step::Work => {
                    self.work(None, None).await;
                }
                Step::WorkAll => while self.broken.is_none() && self.work(None, None).await {},
                Step::WorkWhile(cut, step) => {
                    self.work(Some((*cut, Effect::Delay(HELD))), Some(step)).await;
                }
                Step::Killed(cut, moment) => {
                    let effect = match moment {
                        Moment::BeforeItsEffect => Effect::Delay(HELD),
                        Moment::AfterItsEffect => Effect::SlowBody(HELD),
                    };
                    self.work(Some((*cut, effect)), None).await;
                }
                Step::KilledAtTheEnd => {
                    if self.run(None, None).await.is_some() {
                        self.restart().await;
                    }
                }
                Step::Wait => {
                    // Kinds that were not served may be asked for again.
                    for _ in 0..5 {
                        self.clock.pass_long().await;
                    }
                    self.engine().tamper(RETRY_NOW).await;
                }
                Step::Late => {
                    self.engine().tamper(LATE).await;
                    self.engine().observe(&self.clock).await;
                }
                Step::Healthy => self.make_healthy().await,
                step => self.involve(step).await,
            }
        })
    }

    pub async fn configure(&mut self, change: Change) {
        self.settings.make(change);
        self.rules.configured(&self.settings);
        let folder = self.folder.path();
        fs::write(folder.join("headstay.yaml"), self.settings.text(folder)).unwrap();
        self.engine().reload().await;
    }

    pub async fn tick(&self, app: App) {
        if self.settings.of(app).here {
            let name = app.name().parse().unwrap();
            let check = timer::check(name, Trigger::Timer);
            self.engine().context.store.enqueue(check).await.unwrap();
        }
    }

    /// Works on the sync that is due; false when there is none. `held`: a request that is held up while
    /// `then` happens, or in which the process is killed.
    pub async fn work(&mut self, held: Option<(Cut, Effect)>, then: Option<&Step>) -> bool {
        let killed = held.is_some() && then.is_none();
        let Some((claim, ran)) = self.run(held, then).await else { return false };
        match ran {
            Some(outcome) => {
                self.tell(&outcome);
                self.engine().settle(&claim, outcome).await;
            }
            None if killed => self.restart().await,
            None => {}
        }
        true
    }

    /// Runs the sync that is due; without an outcome, it was left where it was.
    async fn run(
        &mut self,
        held: Option<(Cut, Effect)>,
        then: Option<&Step>,
    ) -> Option<(Claim, Option<Outcome>)> {
        if self.settings.suspend {
            return None;
        }
        let claim = self.engine().claim().await?;
        let mut act = Act::begin(&claim, &self.settings, &self.rules);
        let context = self.engine().context.clone();
        let lease = Lease::new(&context, &claim, CancellationToken::new());
        let mut run = Box::pin(sync::run(&context, &claim, &lease));
        let planned = held.map(|(cut, effect)| self.hold(cut, effect));
        let mut pending = planned;
        let mut idle = Idle::default();
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = &mut run => break Some(outcome),
                () = self.clock.pause() => {}
            }
            if pending.is_some_and(|planned| self.sandbox.faults().left() < planned) {
                pending = None;
                self.clock.pause().await;
                self.absorb(Some(&mut act));
                let Some(then) = then else { break None };
                act.in_flight = true;
                self.perform(then).await;
            }
            if idle.is_long(self.engine().calls()) {
                self.clock.pass().await;
            }
        };
        drop(run);
        if pending.is_some() {
            self.plan_faults();
        }
        if outcome.is_none() {
            // What is under way is seen through, or never is.
            self.clock.pause().await;
        }
        self.absorb(Some(&mut act));
        self.rules.ended(&act, outcome.is_some(), &self.git);
        self.rules.concluded(&act, outcome.as_ref(), &self.git);
        Some((claim, outcome))
    }

    /// Plans that a request is held; returns how many faults are planned with it.
    fn hold(&self, cut: Cut, effect: Effect) -> usize {
        let (request, skip) = (cut.at.part().to_owned(), usize::from(cut.skip));
        self.sandbox.faults().plan(Fault { request, skip, times: 1, effect });
        self.sandbox.faults().left()
    }

    /// What is refused is refused; nothing else is planned any more.
    pub fn plan_faults(&self) {
        self.sandbox.faults().clear();
        for key in &self.refused {
            let request = format!("{}?fieldManager", key.path());
            let effect = Effect::Refuse(403);
            self.sandbox.faults().plan(Fault { request, skip: 0, times: 100_000, effect });
        }
    }

    fn tell(&mut self, outcome: &Outcome) {
        let why = outcome.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
        let plan = outcome.plan.as_ref().map(|plan| plan.reason.clone()).unwrap_or_default();
        let done: Vec<_> = outcome
            .results
            .iter()
            .map(|result| {
                let why = result.message.as_ref().map(|why| format!(" ({why})"));
                format!("{:?} {}{}", result.action, result.object, why.unwrap_or_default())
            })
            .collect();
        let quiet = if outcome.discard_if_quiet { " quietly" } else { "" };
        self.told.push(format!("    {:?}{quiet} {why}{plan} {}", outcome.state, done.join(", ")));
    }
}

const RETRY_NOW: &str = "UPDATE syncs SET due_at = 0 WHERE state = 'Retrying'";
const LATE: &str = "UPDATE syncs SET deadline = 0 WHERE state = 'Waiting'";

/// In memory, where that is a folder: a commit of a history need not outlive a power cut.
fn folder() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory).unwrap() } else { TempDir::new().unwrap() }
}
