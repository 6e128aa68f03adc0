//! The sandbox in the place of an API server: it is in this process, and nothing else is started.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use headstay::sandbox::fault::{Effect, Fault};
use headstay::sandbox::{Options, Sandbox, World};

use crate::world::api_server::{User, free_port};
use crate::world::git_host::runtime;
use crate::world::kubernetes::Kubernetes;
use crate::world::leash;

/// One sandbox. It knows no users: everybody may do everything.
pub struct ApiServer {
    folder: PathBuf,
    sandbox: Sandbox,
}

impl ApiServer {
    /// The one that the stories of this process share; they keep apart by namespace.
    pub fn shared() -> Arc<Self> {
        static SHARED: OnceLock<Arc<ApiServer>> = OnceLock::new();
        Arc::clone(SHARED.get_or_init(|| Arc::new(Self::own())))
    }

    /// One of its own, for a story in which something happens to it.
    pub fn own() -> Self {
        // As at the real one, there is no node: a story says of Pods what it likes.
        let world = World::Controllers;
        let options = Options { port: free_port(), world, ..Options::default() };
        let sandbox = runtime().block_on(Sandbox::start(options)).unwrap();
        let folder = leash::folder("kubernetes");
        fs::write(folder.join("kubeconfig"), sandbox.kubeconfig()).unwrap();
        Self { folder, sandbox }
    }

    /// Takes connections again.
    pub fn start(&self) {
        runtime().block_on(self.sandbox.reconnect()).unwrap();
    }

    /// Takes no connections any more; what it holds stays.
    pub fn stop(&self) {
        runtime().block_on(self.sandbox.disconnect());
    }

    /// Takes requests from now on, and answers none.
    pub fn hang(&self) {
        let effect = Effect::Delay(Duration::from_hours(1));
        self.answer_all_with(effect);
    }

    /// Answers what comes from now on.
    pub fn go_on(&self) {
        self.sandbox.faults().clear();
    }

    /// This becomes of all requests from now on.
    pub fn answer_all_with(&self, effect: Effect) {
        let fault = Fault { request: String::new(), skip: 0, times: usize::MAX, effect };
        self.sandbox.faults().plan(fault);
    }

    /// A client.
    pub fn client(&self) -> Kubernetes {
        Kubernetes::new(self.url(), User::Admin.token())
    }

    /// The kubeconfig.
    pub fn kubeconfig(&self, _: User) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// `http://…`
    pub fn url(&self) -> String {
        self.sandbox.url()
    }

    /// The sandbox, for what only it can do.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }
}
