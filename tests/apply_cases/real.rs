//! A server that is reached over HTTP: the real kube-apiserver, or the sandbox.

use std::any::Any;

use headstay::domain::fields::take_over;
use headstay::sandbox::{Options, Sandbox, World};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::Server;
use crate::case::{Answer, Ask, Case, Verb, merge_patch};
use crate::world::api_server::ApiServer;
use crate::world::kubernetes::Kubernetes;
use crate::world::wait::{DEADLINE, wait_until};

/// What it is called in a failure.
pub const NAME: &str = "the real server";

/// A server of its own.
pub struct Real {
    client: Kubernetes,
    /// What it runs in, and ends with.
    _server: Box<dyn Any>,
}

impl Real {
    /// Starts a real kube-apiserver, without controllers: nothing changes by itself.
    pub fn start() -> Self {
        let server = ApiServer::without_controllers();
        Self::with(server.client(), Box::new(server))
    }

    /// Starts a sandbox in which nothing goes on by itself.
    pub fn sandbox() -> Self {
        let runtime = Runtime::new().unwrap();
        let options = Options { world: World::Still, ..Options::default() };
        let sandbox = runtime.block_on(Sandbox::start(options)).unwrap();
        Self::with(Kubernetes::new(sandbox.url(), ""), Box::new((sandbox, runtime)))
    }

    fn with(client: Kubernetes, server: Box<dyn Any>) -> Self {
        client.create(
            "/api/v1/namespaces",
            &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cases"}}),
        );
        Self { client, _server: server }
    }

    fn live(&self, case: &Case) -> Option<Value> {
        self.client.get(&case.place())
    }
}

impl Server for Real {
    fn define(&mut self, definition: &Value) {
        let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        self.client.create(definitions, definition);
        let (group, plural) =
            (&definition["spec"]["group"], &definition["spec"]["names"]["plural"]);
        let path = format!("/apis/{}/v1/{}", group.as_str().unwrap(), plural.as_str().unwrap());
        wait_until("the kind to be served", DEADLINE, || self.client.get(&path).is_some());
    }

    fn ask(&mut self, case: &Case, ask: &Ask) -> Answer {
        let live = self.live(case);
        let query = ask.query();
        let of = ask.of.as_ref().map_or_else(String::new, |of| format!("/{of}"));
        let url = format!("{}{of}{query}", case.place());
        let (method, url, content_type, body) = match &ask.verb {
            Verb::Apply(fields) => {
                ("PATCH", url, "application/apply-patch+yaml", case.with(fields))
            }
            Verb::Create(fields) => {
                ("POST", format!("{}{query}", case.path), "application/json", case.with(fields))
            }
            Verb::Edit(changes) => {
                let mut object = live.clone().unwrap();
                merge_patch(&mut object, changes);
                ("PUT", url, "application/json", object)
            }
            Verb::Merge(patch) => ("PATCH", url, "application/merge-patch+json", patch.clone()),
            Verb::Json(patch) => ("PATCH", url, "application/json-patch+json", patch.clone()),
            Verb::Scale(patch) => {
                let url = format!("{}/scale{query}", case.place());
                ("PATCH", url, "application/merge-patch+json", patch.clone())
            }
            Verb::TakeOver => {
                let patch = take_over(live.as_ref().unwrap(), |_| true).unwrap();
                ("PATCH", url, "application/json-patch+json", patch)
            }
        };
        let answer = self.client.call(method, &url, Some((content_type, &body))).unwrap();
        let after = self.live(case);
        let body = match &ask.verb {
            Verb::Scale(_) => after.clone().unwrap(),
            _ => answer.body,
        };
        Answer { status: answer.status, body, wrote: live != after }
    }

    fn forget(&mut self, case: &Case) {
        if let Some(live) = self.live(case) {
            if live["metadata"]["finalizers"].is_array() {
                self.client.edit(&case.place(), &json!({"metadata": {"finalizers": null}}));
            }
            self.client.delete(&format!("{}?propagationPolicy=Background", case.place()));
        }
        wait_until("the object to be gone", DEADLINE, || self.live(case).is_none());
    }
}
