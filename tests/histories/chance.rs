//! Histories by chance: the same seed gives the same history.

use fastrand::Rng;

use crate::git::{Branch, Edit, Folder};
use crate::settings::{App, Change, Drift};
use crate::step::{Asked, At, Cut, Moment, Step};
use crate::things::{Key, Note, Space, Spec, Thing};

/// A history.
#[derive(Debug, Clone)]
pub struct History {
    /// How many applications there are at first.
    pub apps: usize,
    pub steps: Vec<Step>,
}

impl History {
    /// The same without one edit of a commit; none: there is no such edit.
    pub fn without_edit(&self, step: usize, edit: usize) -> Option<Self> {
        let mut shorter = self.clone();
        let mut step = &mut shorter.steps[step];
        if let Step::WorkWhile(_, then) = step {
            step = then;
        }
        let Step::Commit(_, edits) = step else { return None };
        (edit < edits.len()).then(|| edits.remove(edit))?;
        Some(shorter)
    }
}

/// The history of a seed.
pub fn history(seed: u64) -> History {
    let mut rng = Rng::with_seed(seed);
    let apps = rng.usize(1..=3);
    let leaning = Leaning::of(rng.u8(0..11), &mut rng);
    // Few things, so that much happens to each.
    let some = (0..rng.usize(2..=4)).map(|_| Thing::ALL[rng.usize(0..Thing::ALL.len())]);
    let things = leaning.things.iter().copied().chain(some).collect();
    let mut chance = Chance { rng, shade: 0, things, leaning };
    let mut steps = chance.beginning(apps);
    for _ in 0..chance.rng.usize(4..=14) {
        chance.more(&mut steps);
    }
    History { apps, steps }
}

struct Chance {
    rng: Rng,
    shade: u16,
    things: Vec<Thing>,
    leaning: Leaning,
}

/// What happens in a history more often than in others: much of what goes wrong takes some steps of the
/// same kind.
struct Leaning {
    step: u8,
    event: u8,
    note: u8,
    things: &'static [Thing],
}

impl Leaning {
    fn of(kind: u8, rng: &mut Rng) -> Self {
        let (step, event, note, things): (_, _, _, &[Thing]) = match kind {
            // Waits for health, which somebody cancels or approves.
            0 => (30, 14, NO_NOTE, &[Thing::Web]),
            1 => (10, 15, NO_NOTE, &[Thing::Disk, Thing::Place]),
            // Killed, with objects that are made once.
            2 => (27, 0, 1, &[]),
            // Kinds that come and go.
            3 => (37, 0, NO_NOTE, &[Thing::Gears, Thing::Gear]),
            // Settings that change.
            4 => (18, 6, NO_NOTE, &[Thing::Web]),
            // Drift, and who asks about it.
            5 => (22, 9, 3, &[]),
            // What is kept by hand, and then is not.
            6 => (10, 11, 0, &[Thing::Disk]),
            // Something happens while something else does.
            7 => (25, 0, NO_NOTE, &[Thing::Web]),
            // Another installation has its hands in it.
            8 => (12, 20, NO_NOTE, &[]),
            _ => (rng.u8(0..40), rng.u8(0..21), rng.u8(0..24), &[]),
        };
        Self { step, event, note, things }
    }
}

/// The number of a note that is none.
const NO_NOTE: u8 = 23;

impl Chance {
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.usize(0..of.len())]
    }

    /// A number below a bound, and more often than others that to which the history leans.
    fn leaning(&mut self, to: u8, bound: u8) -> u8 {
        if self.rng.u8(0..4) == 0 { to } else { self.rng.u8(0..bound) }
    }

    fn thing(&mut self) -> Thing {
        let at = self.rng.usize(0..self.things.len());
        self.things[at]
    }

    fn app(&mut self) -> App {
        self.one(&App::ALL[..2])
    }

    fn space(&mut self) -> Space {
        if self.rng.u8(0..8) == 0 { Space::West } else { Space::East }
    }

    fn key(&mut self) -> Key {
        let (thing, space) = (self.thing(), self.space());
        Key::new(thing, space)
    }

    fn branch(&mut self) -> Branch {
        if self.rng.u8(0..6) == 0 { Branch::Side } else { Branch::Main }
    }

    fn folder(&mut self) -> Folder {
        self.one(&[Folder(0), Folder(0), Folder(0), Folder(1), Folder(1), Folder(2), Folder(3)])
    }

    fn spec(&mut self) -> Spec {
        self.shade += 1;
        let note = match self.leaning(self.leaning.note, 24) {
            0 => Note::Stays,
            1 => Note::Once,
            2 => Note::LeftAlone,
            3 => Note::MayDrift,
            4 => Note::Held,
            5 => Note::Wrong,
            _ => Note::Nothing,
        };
        Spec { shade: self.shade, note }
    }

    /// A first commit that gives every application something.
    fn beginning(&mut self, apps: usize) -> Vec<Step> {
        let mut edits = Vec::new();
        for folder in &Folder::ALL[..apps] {
            for _ in 0..self.rng.usize(1..=4) {
                let (thing, spec) = (self.thing(), self.spec());
                edits.push(Edit::Put(*folder, thing, spec));
            }
        }
        let mut steps = vec![Step::Commit(Branch::Main, edits)];
        if self.rng.u8(0..5) == 0 {
            let moment = self.one(&[Moment::BeforeItsEffect, Moment::AfterItsEffect]);
            steps.push(Step::Killed(self.cut(), moment));
        }
        steps.push(Step::WorkAll);
        if self.rng.bool() {
            steps.push(Step::Healthy);
        }
        steps
    }

    fn edit(&mut self) -> Edit {
        let (folder, thing) = (self.folder(), self.thing());
        match self.rng.u8(0..20) {
            0..8 => Edit::Put(folder, thing, self.spec()),
            8..13 => Edit::Remove(folder, thing),
            13..16 => Edit::Move(folder, self.folder(), thing),
            16 => Edit::Empty(folder),
            17 => Edit::Break(folder, true),
            _ => Edit::Break(folder, false),
        }
    }

    fn change(&mut self) -> Change {
        let (app, yes) = (self.app(), self.rng.bool());
        match self.rng.u8(0..16) {
            0 => Change::Here(app, yes),
            1 => Change::Branch(app, self.branch()),
            2..4 => Change::Folder(app, self.folder()),
            4 => Change::Space(app, self.space()),
            5..7 => Change::Automated(app, yes),
            7..9 => Change::Prune(app, yes),
            9..11 => Change::Drift(app, self.one(&[Drift::Heal, Drift::Report, Drift::Ignore])),
            11 => Change::Limit(app, self.one(&[0, 1, 1, 2, 100])),
            12 => Change::AllowEmpty(app, yes),
            13 => match self.rng.u8(0..3) {
                0 => Change::Instance(yes),
                1 => Change::Renamed(yes),
                _ => Change::Hold(app, yes),
            },
            _ => Change::Suspend(self.rng.u8(0..3) == 0),
        }
    }

    fn request(&mut self) -> Asked {
        match self.rng.u8(0..10) {
            0..4 => Asked::Plain,
            4 => Asked::DryRun,
            5 => Asked::Back(self.rng.u8(1..3)),
            6 => Asked::DryRunOf(1),
            7 => self.one(&[Asked::Nonsense, Asked::DryRunOfNonsense]),
            8 => self.one(&[Asked::Prune(true), Asked::Prune(false)]),
            _ => Asked::Adopt,
        }
    }

    fn cut(&mut self) -> Cut {
        let at = self.one(&[At::Read, At::DryRun, At::Write, At::Write, At::Create, At::Delete]);
        Cut { at, skip: self.one(&[0, 0, 1, 2]) }
    }

    fn commit(&mut self) -> Step {
        let edits = (0..self.rng.usize(1..=3)).map(|_| self.edit()).collect();
        Step::Commit(self.branch(), edits)
    }

    /// What may happen at any moment.
    fn event(&mut self) -> Step {
        match self.leaning(self.leaning.event, 21) {
            0..6 => self.commit(),
            6..9 => Step::Configure(self.change()),
            9 => Step::Edit(self.key(), 9000 + self.rng.u16(0..100)),
            10 => Step::Delete(self.key()),
            11..13 => Step::Keep(self.key(), self.rng.bool()),
            13 => Step::Ask(self.app(), self.request()),
            14 => Step::Cancel(self.app()),
            15 => Step::Approve(self.app()),
            16 => Step::ForceBack(self.branch(), self.rng.u8(1..3)),
            17 => Step::Refuse(self.key(), self.rng.u8(0..3) > 0),
            18 => Step::Tick(self.app()),
            20 => Step::Seize(self.app(), self.key(), 8000 + self.rng.u16(0..100)),
            _ => Step::Deliver(self.branch()),
        }
    }

    fn more(&mut self, steps: &mut Vec<Step>) {
        match self.leaning(self.leaning.step, 40) {
            0..10 => {
                steps.push(self.commit());
                self.told(steps);
            }
            10..18 => steps.push(self.event()),
            18..21 => {
                steps.push(Step::Configure(self.change()));
                steps.push(Step::Work);
            }
            21 => steps.push(Step::ConfigureWhileDown(self.change())),
            22..25 => {
                steps.push(Step::Ask(self.app(), self.request()));
                steps.push(Step::Work);
            }
            25..27 => {
                let event = Box::new(self.event());
                steps.push(Step::WorkWhile(self.cut(), event));
            }
            27..29 => {
                let moment = self.one(&[Moment::BeforeItsEffect, Moment::AfterItsEffect]);
                steps.push(Step::Killed(self.cut(), moment));
            }
            29 => steps.push(if self.rng.bool() { Step::Restart } else { Step::KilledAtTheEnd }),
            30..34 => steps.extend([Step::Healthy, Step::Work]),
            34 => steps.push(if self.rng.bool() { Step::Wait } else { Step::Late }),
            35 => steps.push(Step::Api(self.rng.u8(0..3) > 0)),
            36 => steps.push(Step::Stumble(self.cut(), self.one(&[403, 409, 429, 500, 503]))),
            37 => steps.push(if self.rng.bool() {
                Step::Served(self.rng.bool())
            } else {
                Step::Release
            }),
            38 => steps.push(Step::Host(self.rng.u8(0..3) > 0)),
            _ => steps.push(Step::Preview(self.app())),
        }
        if self.rng.u8(0..3) == 0 {
            steps.push(if self.rng.bool() { Step::Work } else { Step::WorkAll });
        }
    }

    /// Somebody or something tells of a commit, or nothing does.
    fn told(&mut self, steps: &mut Vec<Step>) {
        match self.rng.u8(0..6) {
            0..3 => steps.push(Step::Deliver(Branch::Main)),
            3 => steps.push(Step::Tick(self.app())),
            4 => steps.extend(App::ALL.map(Step::Tick)),
            _ => return,
        }
        match self.rng.u8(0..5) {
            0 => {}
            1 => steps.push(Step::Work),
            2 => {
                let moment = self.one(&[Moment::BeforeItsEffect, Moment::AfterItsEffect]);
                steps.push(Step::Killed(self.cut(), moment));
            }
            _ => steps.push(Step::WorkAll),
        }
    }
}
