//! The steps of a history, in words.

use std::fmt;

use crate::git::{Branch, Edit};
use crate::settings::{App, Change};
use crate::things::Key;

/// One thing that happens. Each can happen at any time; where there is nothing that it could be about,
/// nothing happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Somebody pushes a commit. Nobody is told.
    Commit(Branch, Vec<Edit>),
    /// Somebody moves a branch back by so many commits.
    ForceBack(Branch, u8),
    /// The host tells of a push.
    Deliver(Branch),
    /// The interval of an application is over.
    Tick(App),
    /// The configuration changes, and is read again.
    Configure(Change),
    /// The process ends, the configuration changes, and the process starts.
    ConfigureWhileDown(Change),
    /// The process is killed between two steps, and starts again.
    Restart,
    /// The worker takes the sync that is due, and works on it to the end.
    Work,
    /// The same, until nothing is due.
    WorkAll,
    /// The worker takes a sync, and something else happens at one of its requests.
    WorkWhile(Cut, Box<Step>),
    /// The worker takes a sync, and the process is killed at one of its requests.
    Killed(Cut, Moment),
    /// The worker takes a sync, and the process is killed before the end of it is recorded.
    KilledAtTheEnd,
    /// So much time passes that every retry is due.
    Wait,
    /// So much time passes that every wait for health is over.
    Late,
    /// What was applied works, and the observer sees it.
    Healthy,
    /// A person asks for a sync.
    Ask(App, Asked),
    /// A person asks for a preview.
    Preview(App),
    /// A person approves the sync that is blocked.
    Approve(App),
    /// A person cancels the newest sync that has not ended.
    Cancel(App),
    /// A person edits a live object.
    Edit(Key, u16),
    /// A person deletes a live object.
    Delete(Key),
    /// A person says, or unsays, on a live object that it is never to be pruned.
    Keep(Key, bool),
    /// Another installation makes an object, or takes it over.
    Seize(App, Key, u16),
    /// The other installation deletes what it holds.
    Vacate,
    /// Whoever holds objects by finalizers lets go of them.
    Release,
    /// The API server goes away, or comes back.
    Api(bool),
    /// The API server refuses every write of an object, or does no more.
    Refuse(Key, bool),
    /// The API server answers the next request of a kind with an error.
    Stumble(Cut, u16),
    /// The group of the custom resource is not served, or is again.
    Served(bool),
    /// The Git host goes away, or comes back.
    Host(bool),
}

/// A request of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    pub at: At,
    /// How many such requests come first.
    pub skip: u8,
}

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    Read,
    DryRun,
    Write,
    Create,
    Delete,
}

impl At {
    /// A part of such a request.
    pub fn part(self) -> &'static str {
        match self {
            Self::Read => "GET /api",
            Self::DryRun => "dryRun=All",
            Self::Write => "timeout=30s",
            Self::Create => "POST /api",
            Self::Delete => "DELETE /api",
        }
    }
}

/// When a process is killed that has sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    BeforeItsEffect,
    AfterItsEffect,
}

/// What a person asks of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Plain,
    DryRun,
    /// Of the commit that is so many before the head.
    Back(u8),
    /// The same, as a dry run.
    DryRunOf(u8),
    /// Of a branch that is not there.
    Nonsense,
    /// The same, as a dry run.
    DryRunOfNonsense,
    Prune(bool),
    /// To take over what another installation holds.
    Adopt,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(branch, edits) => {
                let edits: Vec<_> = edits.iter().map(ToString::to_string).collect();
                write!(f, "commit to {}: {}", branch.name(), edits.join(", "))
            }
            Self::ForceBack(branch, steps) => {
                write!(f, "{} is pushed back by {steps} commits", branch.name())
            }
            Self::Deliver(branch) => write!(f, "a webhook tells of {}", branch.name()),
            Self::Tick(app) => write!(f, "the timer asks for a check of {}", app.name()),
            Self::Configure(change) => write!(f, "configuration: {change}"),
            Self::ConfigureWhileDown(change) => write!(f, "configuration while down: {change}"),
            Self::Restart => f.write_str("restart"),
            Self::Work => f.write_str("work on the sync that is due"),
            Self::WorkAll => f.write_str("work until nothing is due"),
            Self::WorkWhile(cut, step) => {
                write!(f, "work on the sync that is due, and {cut}: {step}")
            }
            Self::Killed(cut, moment) => {
                let moment = match moment {
                    Moment::BeforeItsEffect => "before its effect",
                    Moment::AfterItsEffect => "after its effect",
                };
                write!(f, "work on the sync that is due, and {cut}, {moment}: killed, restart")
            }
            Self::KilledAtTheEnd => f.write_str(
                "work on the sync that is due; killed before its end is recorded, restart",
            ),
            Self::Wait => f.write_str("retries come due"),
            Self::Late => f.write_str("deadlines pass"),
            Self::Healthy => f.write_str("what was applied works, and is observed"),
            Self::Ask(app, request) => write!(f, "somebody asks: {request} {}", app.name()),
            Self::Preview(app) => write!(f, "somebody asks: diff {}", app.name()),
            Self::Approve(app) => write!(f, "somebody approves what is blocked of {}", app.name()),
            Self::Cancel(app) => write!(f, "somebody cancels the newest sync of {}", app.name()),
            Self::Edit(key, shade) => write!(f, "somebody edits {key}: {shade}"),
            Self::Delete(key) => write!(f, "somebody deletes {key}"),
            Self::Keep(key, true) => write!(f, "somebody annotates {key}: prune disabled"),
            Self::Keep(key, false) => write!(f, "somebody takes prune: disabled off {key}"),
            Self::Seize(app, key, shade) => {
                write!(f, "another installation takes {key} for {}: {shade}", app.name())
            }
            Self::Vacate => f.write_str("the other installation deletes what it holds"),
            Self::Release => f.write_str("finalizers are taken off"),
            Self::Api(up) => write!(f, "the API server {}", comes_or_goes(*up)),
            Self::Refuse(key, true) => write!(f, "the API server refuses {key}"),
            Self::Refuse(key, false) => write!(f, "the API server takes {key} again"),
            Self::Stumble(cut, code) => write!(f, "{code} {cut}"),
            Self::Served(true) => f.write_str("the custom kind is served again"),
            Self::Served(false) => f.write_str("the custom kind is not served"),
            Self::Host(up) => write!(f, "the Git host {}", comes_or_goes(*up)),
        }
    }
}

fn comes_or_goes(up: bool) -> &'static str {
    if up { "is back" } else { "goes away" }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.at {
            At::Read => "read",
            At::DryRun => "dry run",
            At::Write => "write",
            At::Create => "create",
            At::Delete => "deletion",
        };
        write!(f, "at {what} {}", self.skip + 1)
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("sync"),
            Self::DryRun => f.write_str("sync --dry-run"),
            Self::Back(steps) => write!(f, "sync --revision HEAD~{steps}"),
            Self::DryRunOf(steps) => write!(f, "sync --dry-run --revision HEAD~{steps}"),
            Self::Nonsense => f.write_str("sync --revision nonsense"),
            Self::DryRunOfNonsense => f.write_str("sync --dry-run --revision nonsense"),
            Self::Prune(prune) => write!(f, "sync --prune {prune}"),
            Self::Adopt => f.write_str("sync --adopt"),
        }
    }
}
