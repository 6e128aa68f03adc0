//! A kube-apiserver of the test's own, and a person with `kubectl`.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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

const START: Duration = Duration::from_mins(1);

/// A kube-apiserver of its own, and a person with `kubectl`.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    person: kube::Client,
    pub(crate) url: String,
    pub(crate) folder: PathBuf,
    _processes: [Process; 2],
    _folder: tempfile::TempDir,
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/kube-parts");
        let parts =
            Command::new(script).stderr(Stdio::inherit()).output().expect("kube-parts runs");
        assert!(parts.status.success(), "kube-parts failed");
        let parts = PathBuf::from(String::from_utf8(parts.stdout).unwrap().trim());
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().to_path_buf();
        for (name, token) in [("admin", "admin-token"), ("nobody", "nobody-token"), ("wrong", "x")]
        {
            std::fs::write(folder.join(name), format!("{token}\n")).unwrap();
        }
        let tokens = "admin-token,admin,admin,system:masters\nnobody-token,nobody,nobody,\n";
        std::fs::write(folder.join("tokens.csv"), tokens).unwrap();
        let key =
            Command::new("openssl").args(["genrsa", "-out"]).arg(folder.join("sa.key")).output();
        assert!(key.expect("openssl runs").status.success());
        let [client, peer, api] = free_ports();
        let etcd = format!("http://127.0.0.1:{client}");
        let peers = format!("http://127.0.0.1:{peer}");
        let etcd_process = start(
            &parts.join("etcd"),
            &folder,
            &[
                "--unsafe-no-fsync=true",
                "--data-dir=data",
                &format!("--listen-client-urls={etcd}"),
                &format!("--advertise-client-urls={etcd}"),
                &format!("--listen-peer-urls={peers}"),
            ],
        );
        let api_process = start(
            &parts.join("kube-apiserver"),
            &folder,
            &[
                &format!("--etcd-servers={etcd}"),
                &format!("--secure-port={api}"),
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                "--endpoint-reconciler-type=none",
                "--cert-dir=certs",
                "--service-account-key-file=sa.key",
                "--service-account-signing-key-file=sa.key",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--token-auth-file=tokens.csv",
                "--authorization-mode=RBAC",
                "--service-cluster-ip-range=10.0.0.0/16",
                "--disable-admission-plugins=ServiceAccount",
            ],
        );
        let url = format!("https://127.0.0.1:{api}");
        let ready = folder.join("certs/apiserver.crt");
        until(async || ready.exists().then_some(())).await;
        let cluster = Self::connect(&url, &folder, "admin").await;
        let system = wanted(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}),
        );
        until(async || cluster.get(&system.resource, &system.key).await.ok()?).await;
        let mut person = kube::Config::new(url.parse().unwrap());
        person.accept_invalid_certs = true;
        person.auth_info.token = Some("admin-token".into());
        Self {
            cluster,
            person: person.try_into().unwrap(),
            url,
            folder,
            _processes: [api_process, etcd_process],
            _folder: temporary,
        }
    }

    pub(crate) async fn connect(url: &str, folder: &Path, token: &str) -> Cluster {
        let config = config::Cluster {
            name: "story".parse().unwrap(),
            access: ClusterAccess::Server {
                url: url.to_owned(),
                token: Secret::File(folder.join(token)),
                ca: Some(folder.join("certs/apiserver.crt")),
            },
            labels: BTreeMap::new(),
        };
        Cluster::connect(&config, 16).await.unwrap()
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

fn start(program: &Path, folder: &Path, arguments: &[&str]) -> Process {
    let log = std::fs::File::create(folder.join(program.file_name().unwrap())).unwrap();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    Process(command.spawn().expect("it starts"))
}

fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

async fn until<T>(condition: impl AsyncFn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(began.elapsed() < START, "the condition did not come true in time");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
