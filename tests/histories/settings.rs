//! The configuration of a history.

use std::fmt::{self, Write as _};
use std::path::Path;

use crate::git::{Branch, Folder};
use crate::things::Space;

/// An application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct App(pub u8);

impl App {
    pub const ALL: [Self; 3] = [Self(0), Self(1), Self(2)];

    pub fn name(self) -> &'static str {
        ["ada", "bob", "cleo"][usize::from(self.0)]
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|app| app.name() == name)
    }
}

/// The name of the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance(pub bool);

impl Instance {
    pub fn name(self) -> &'static str {
        if self.0 { "other" } else { "main" }
    }
}

/// The names that the one cluster can have.
pub const CLUSTERS: [&str; 2] = ["harbour", "haven"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drift {
    Heal,
    Report,
    Ignore,
}

/// The settings of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are so many settings")]
pub struct Policy {
    /// Whether it is in the configuration.
    pub here: bool,
    pub branch: Branch,
    pub folder: Folder,
    pub space: Space,
    pub automated: bool,
    pub prune: bool,
    pub drift: Drift,
    /// `pruneLimit.objects`
    pub limit: usize,
    pub allow_empty: bool,
    /// `onError: hold`
    pub hold: bool,
}

/// All of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    pub instance: Instance,
    /// Whether the cluster has its other name.
    pub renamed: bool,
    pub suspend: bool,
    pub apps: [Policy; 3],
}

/// A change of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Here(App, bool),
    Branch(App, Branch),
    Folder(App, Folder),
    Space(App, Space),
    Automated(App, bool),
    Prune(App, bool),
    Drift(App, Drift),
    Limit(App, usize),
    AllowEmpty(App, bool),
    Hold(App, bool),
    Instance(bool),
    Renamed(bool),
    Suspend(bool),
}

impl Settings {
    /// So many applications, each with a folder of its own.
    pub fn new(apps: usize) -> Self {
        let policy = |number: usize| Policy {
            here: number < apps,
            branch: Branch::Main,
            folder: Folder::ALL[number],
            space: Space::East,
            automated: true,
            prune: true,
            drift: Drift::Heal,
            limit: 3,
            allow_empty: false,
            hold: true,
        };
        let apps = [policy(0), policy(1), policy(2)];
        Self { instance: Instance(false), renamed: false, suspend: false, apps }
    }

    pub fn of(&self, app: App) -> &Policy {
        &self.apps[usize::from(app.0)]
    }

    pub fn of_mut(&mut self, app: App) -> &mut Policy {
        &mut self.apps[usize::from(app.0)]
    }

    /// The applications that are configured.
    pub fn present(&self) -> impl Iterator<Item = App> {
        App::ALL.into_iter().filter(|app| self.of(*app).here)
    }

    pub fn cluster(&self) -> &'static str {
        CLUSTERS[usize::from(self.renamed)]
    }

    pub fn make(&mut self, change: Change) {
        match change {
            Change::Here(app, here) => self.of_mut(app).here = here,
            Change::Branch(app, branch) => self.of_mut(app).branch = branch,
            Change::Folder(app, folder) => self.of_mut(app).folder = folder,
            Change::Space(app, space) => self.of_mut(app).space = space,
            Change::Automated(app, automated) => self.of_mut(app).automated = automated,
            Change::Prune(app, prune) => self.of_mut(app).prune = prune,
            Change::Drift(app, drift) => self.of_mut(app).drift = drift,
            Change::Limit(app, limit) => self.of_mut(app).limit = limit,
            Change::AllowEmpty(app, empty) => self.of_mut(app).allow_empty = empty,
            Change::Hold(app, hold) => self.of_mut(app).hold = hold,
            Change::Instance(other) => self.instance = Instance(other),
            Change::Renamed(renamed) => self.renamed = renamed,
            Change::Suspend(suspend) => self.suspend = suspend,
        }
    }

    /// The file.
    pub fn text(&self, folder: &Path) -> String {
        let folder = folder.display();
        let mut text = format!(
            "server: {{listen: '127.0.0.1:0', instance: {}, suspend: {}, data: '{folder}', limits: {{callsPerCluster: 1}}}}
store: {{url: 'sqlite://{folder}/headstay.db'}}
clusters: [{{name: {}, kubeconfig: '{folder}/kubeconfig'}}]
repositories: [{{name: fleet, url: '{folder}/fleet.git'}}]
applications:
",
            self.instance.name(),
            self.suspend,
            self.cluster(),
        );
        for app in self.present() {
            let policy = self.of(app);
            let _ = writeln!(
                text,
                "- {{name: {}, repository: fleet, revision: {}, path: {}, cluster: {}, namespace: {},
   sync: {{automated: {}, prune: {}, drift: {}, allowEmpty: {}, onError: {}, interval: 1h,
          pruneLimit: {{objects: {}}}, retry: {{limit: 3, initial: 1h, max: 1h}}}}}}",
                app.name(),
                policy.branch.name(),
                policy.folder.name(),
                self.cluster(),
                policy.space.name(),
                policy.automated,
                policy.prune,
                policy.drift,
                policy.allow_empty,
                if policy.hold { "hold" } else { "continue" },
                policy.limit,
            );
        }
        text
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Heal => "heal",
            Self::Report => "report",
            Self::Ignore => "ignore",
        })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Here(app, true) => write!(f, "{} is configured", app.name()),
            Self::Here(app, false) => write!(f, "{} leaves the configuration", app.name()),
            Self::Branch(app, branch) => write!(f, "{} revision: {}", app.name(), branch.name()),
            Self::Folder(app, folder) => write!(f, "{} path: {}", app.name(), folder.name()),
            Self::Space(app, space) => write!(f, "{} namespace: {}", app.name(), space.name()),
            Self::Automated(app, yes) => write!(f, "{} automated: {yes}", app.name()),
            Self::Prune(app, yes) => write!(f, "{} prune: {yes}", app.name()),
            Self::Drift(app, drift) => write!(f, "{} drift: {drift}", app.name()),
            Self::Limit(app, objects) => write!(f, "{} pruneLimit.objects: {objects}", app.name()),
            Self::AllowEmpty(app, yes) => write!(f, "{} allowEmpty: {yes}", app.name()),
            Self::Hold(app, true) => write!(f, "{} onError: hold", app.name()),
            Self::Hold(app, false) => write!(f, "{} onError: continue", app.name()),
            Self::Instance(other) => write!(f, "server.instance: {}", Instance(other).name()),
            Self::Renamed(renamed) => {
                write!(f, "the cluster is called {}", CLUSTERS[usize::from(renamed)])
            }
            Self::Suspend(suspend) => write!(f, "server.suspend: {suspend}"),
        }
    }
}
