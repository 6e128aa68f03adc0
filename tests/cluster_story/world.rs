//! A cluster room that is connected to a real kube-apiserver, and a person with `kubectl`.

#[path = "../e2e/world/api_server.rs"]
#[allow(dead_code, unreachable_pub, reason = "not all of it is used here")]
pub(crate) mod api_server;
#[path = "../e2e/world/call.rs"]
#[allow(dead_code, unreachable_pub, reason = "not all of it is used here")]
pub(crate) mod call;
#[path = "../e2e/world/kubernetes.rs"]
#[allow(dead_code, unreachable_pub, reason = "not all of it is used here")]
pub(crate) mod kubernetes;
#[path = "../e2e/world/leash.rs"]
#[allow(dead_code, unreachable_pub, reason = "not all of it is used here")]
pub(crate) mod leash;
#[path = "../e2e/world/random.rs"]
#[allow(dead_code, unreachable_pub, reason = "not all of it is used here")]
pub(crate) mod random;
#[path = "../e2e/world/wait.rs"]
#[allow(dead_code, unreachable_pub, reason = "not all of it is used here")]
pub(crate) mod wait;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use headstay::cluster::apply::{Applied, Force};
use headstay::cluster::error::ClusterError;
use headstay::cluster::{Cluster, Writer};
use headstay::config::secret::Secret;
use headstay::config::{self, ClusterAccess};
use headstay::domain::manifest::Desired;
use headstay::domain::object::Resource;
use headstay::domain::stop::Stop;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use serde_json::{Value, json};

use crate::wanted;
use crate::world::api_server::{ApiServer, User};

/// Longest time until a condition comes true.
const PATIENCE: Duration = Duration::from_mins(1);

/// An API server of its own, without controllers, and who uses it.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    person: kube::Client,
    api_server: ApiServer,
    /// Of the tokens, by the names of who has them.
    tokens: PathBuf,
}

impl World {
    pub(crate) async fn start() -> Self {
        let api_server = tokio::task::spawn_blocking(ApiServer::without_controllers).await.unwrap();
        let tokens = leash::folder("tokens");
        let known = [("admin", User::Admin.token()), ("nobody", User::Deployer.token())];
        for (name, token) in known.into_iter().chain([("wrong", "x")]) {
            std::fs::write(tokens.join(name), format!("{token}\n")).unwrap();
        }
        let url = api_server.url();
        let cluster = connect(&url, &api_server, tokens.join("admin")).await;
        let mut person = kube::Config::new(url.parse().unwrap());
        person.accept_invalid_certs = true;
        person.auth_info.token = Some(User::Admin.token().into());
        Self { cluster, person: person.try_into().unwrap(), api_server, tokens }
    }

    /// The cluster for who has a token.
    pub(crate) async fn connect_as(&self, who: &str) -> Cluster {
        connect(&self.api_server.url(), &self.api_server, self.tokens.join(who)).await
    }

    /// A cluster where nobody listens.
    pub(crate) async fn connect_in_vain(&self) -> Cluster {
        connect("https://127.0.0.1:1", &self.api_server, self.tokens.join("admin")).await
    }

    /// The cluster for who may always write.
    pub(crate) fn writer(&self) -> Writer<'_> {
        self.cluster.writer(&open)
    }

    pub(crate) async fn apply(&self, desired: &Desired) -> Result<Applied, ClusterError> {
        self.writer().apply(desired, Force::Yes).await
    }

    pub(crate) async fn until<T>(&self, condition: impl AsyncFn(&Cluster) -> Option<T>) -> T {
        until(async || condition(&self.cluster).await).await
    }

    pub(crate) async fn live(&self, desired: &Desired) -> Value {
        self.cluster.get(&desired.resource, &desired.key).await.unwrap().expect("it is there")
    }

    pub(crate) async fn namespace(&self, name: &str) {
        let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.apply(&wanted(manifest)).await.unwrap();
    }

    fn api(&self, desired: &Desired) -> Api<DynamicObject> {
        let Resource { group, version, kind, plural, .. } = desired.resource.clone();
        let api_version = desired.resource.api_version();
        let kind = ApiResource { group, version, api_version, kind, plural };
        match &desired.key.namespace {
            Some(namespace) => Api::namespaced_with(self.person.clone(), namespace, &kind),
            None => Api::all_with(self.person.clone(), &kind),
        }
    }

    pub(crate) async fn as_kubectl(&self, manager: &str, manifest: &Value) {
        let params =
            PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
        let object = serde_json::from_value(manifest.clone()).unwrap();
        self.api(&wanted(manifest.clone())).create(&params, &object).await.unwrap();
    }

    pub(crate) async fn merge(&self, desired: &Desired, manager: &str, patch: &Value) {
        let params =
            PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        self.api(desired).patch(&desired.key.name, &params, &Patch::Merge(patch)).await.unwrap();
    }

    pub(crate) async fn status(&self, desired: &Desired, patch: &Value) {
        let api = self.api(desired);
        let params = PatchParams::default();
        api.patch_status(&desired.key.name, &params, &Patch::Merge(patch)).await.unwrap();
    }
}

/// A gate that lets every write pass.
#[expect(clippy::unnecessary_wraps, reason = "a gate may close")]
pub(crate) fn open() -> Result<(), Stop> {
    Ok(())
}

async fn connect(url: &str, api_server: &ApiServer, token: PathBuf) -> Cluster {
    let access = ClusterAccess::Server {
        url: url.to_owned(),
        token: Secret::File(token),
        ca: Some(api_server.authority()),
    };
    let name = "story".parse().unwrap();
    let config = config::Cluster { name, access, labels: BTreeMap::new() };
    Cluster::connect(&config, 16).await.unwrap()
}

async fn until<T>(condition: impl AsyncFn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(began.elapsed() < PATIENCE, "the condition did not come true in time");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
