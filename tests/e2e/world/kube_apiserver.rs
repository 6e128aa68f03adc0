//! A real Kubernetes API server with its etcd and its controllers, but no node: Deployments get
//! Pods, namespaces are finalised, garbage is collected, and no Pod ever runs.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

use crate::world::api_server::{User, free_port};
use crate::world::kubernetes::Kubernetes;
use crate::world::leash;
use crate::world::wait::{DEADLINE, wait_for};

/// One API server.
pub struct ApiServer {
    folder: PathBuf,
    programs: Programs,
    port: u16,
    etcd: String,
    running: Mutex<Vec<Child>>,
    process: Mutex<Option<Child>>,
}

impl ApiServer {
    /// The one that the stories of this process share; they keep apart by namespace.
    pub fn shared() -> Arc<Self> {
        static SHARED: OnceLock<Arc<ApiServer>> = OnceLock::new();
        Arc::clone(SHARED.get_or_init(|| Arc::new(Self::own())))
    }

    /// One of its own, for a story in which it goes down.
    pub fn own() -> Self {
        let server = Self::without_controllers();
        server.start_controllers();
        server
    }

    /// One of its own on which nothing happens by itself.
    pub fn without_controllers() -> Self {
        let folder = leash::folder("kubernetes");
        write_credentials(&folder);
        let etcd = format!("http://127.0.0.1:{}", free_port());
        let server = Self {
            programs: Programs::find(),
            port: free_port(),
            etcd,
            folder,
            running: Mutex::default(),
            process: Mutex::default(),
        };
        server.start_etcd();
        server.start();
        server
    }

    /// Starts the API server and waits until it is ready.
    pub fn start(&self) {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let child = self.spawn(
            &self.programs.api_server,
            &[
                ("etcd-servers", &self.etcd),
                ("secure-port", &self.port.to_string()),
                ("bind-address", "127.0.0.1"),
                ("advertise-address", "127.0.0.1"),
                ("endpoint-reconciler-type", "none"),
                ("cert-dir", &file("certificates")),
                ("service-account-key-file", &file("service-accounts.pub")),
                ("service-account-signing-key-file", &file("service-accounts.key")),
                ("service-account-issuer", "https://kubernetes.default.svc"),
                ("token-auth-file", &file("tokens.csv")),
                ("authorization-mode", "RBAC"),
                ("service-cluster-ip-range", "10.0.0.0/16"),
                ("disable-admission-plugins", "ServiceAccount"),
                ("allow-privileged", "true"),
            ],
        );
        *self.process.lock().unwrap() = Some(child);
        wait_for("a ready kube-apiserver", DEADLINE * 2, || {
            let exited = self.process.lock().unwrap().as_mut().unwrap().try_wait().unwrap();
            assert!(exited.is_none(), "kube-apiserver ended:\n{}", self.log("kube-apiserver"));
            let ready = self.client().call("GET", "/readyz", None);
            match ready {
                Ok(answer) if answer.status == 200 => Ok(()),
                _ => Err(self.log("kube-apiserver")),
            }
        });
    }

    /// Ends the API server at once; what it holds stays in etcd.
    pub fn stop(&self) {
        let mut child = self.process.lock().unwrap().take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Takes connections from now on, and answers nothing.
    pub fn hang(&self) {
        self.signal("STOP");
    }

    /// Answers again.
    pub fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.process.lock().unwrap().as_ref().unwrap().id().to_string();
        let kill = ["-c", "kill -$0 $1", signal, &id];
        assert!(Command::new("sh").args(kill).status().unwrap().success());
    }

    /// A client with the rights of the admin.
    pub fn client(&self) -> Kubernetes {
        Kubernetes::new(self.url(), User::Admin.token())
    }

    /// Writes a kubeconfig for a user; the same path each time.
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        let path = self.folder.join(format!("{user:?}.kubeconfig"));
        let content = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "tests",
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
            "clusters": [{"name": "tests", "cluster": {
                "server": self.url(),
                "certificate-authority": self.authority(),
            }}],
            "users": [{"name": "tests", "user": {"token": user.token()}}],
        });
        // Whole at any moment: another story may be reading it.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).unwrap();
        file.write_all(content.to_string().as_bytes()).unwrap();
        file.persist(&path).unwrap();
        path
    }

    /// The file of its certificate, which is its own authority.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("certificates/apiserver.crt")
    }

    /// `https://…`
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    fn start_etcd(&self) {
        let peers = format!("http://127.0.0.1:{}", free_port());
        let etcd = self.spawn(
            &self.programs.etcd,
            &[
                ("data-dir", &self.folder.join("etcd").display().to_string()),
                ("listen-client-urls", &self.etcd),
                ("advertise-client-urls", &self.etcd),
                ("listen-peer-urls", &peers),
                ("initial-advertise-peer-urls", &peers),
                ("initial-cluster", &format!("default={peers}")),
                ("unsafe-no-fsync", "true"),
            ],
        );
        self.running.lock().unwrap().push(etcd);
    }

    fn start_controllers(&self) {
        let controllers = self.spawn(
            &self.programs.controllers,
            &[
                ("kubeconfig", &self.kubeconfig(User::Admin).display().to_string()),
                ("leader-elect", "false"),
                ("secure-port", "0"),
                ("controllers", CONTROLLERS),
                ("kube-api-qps", "500"),
                ("kube-api-burst", "500"),
            ],
        );
        self.running.lock().unwrap().push(controllers);
    }

    fn spawn(&self, program: &Path, flags: &[(&str, &str)]) -> Child {
        let log = self.log_file(program.file_name().unwrap().to_str().unwrap());
        let log = File::options().create(true).append(true).open(log).unwrap();
        leash::spawn(
            Command::new(program)
                .args(flags.iter().map(|(flag, value)| format!("--{flag}={value}")))
                .stdout(log.try_clone().unwrap())
                .stderr(log),
        )
    }

    fn log_file(&self, program: &str) -> PathBuf {
        self.folder.join(format!("{program}.log"))
    }

    /// The end of a program's log.
    fn log(&self, program: &str) -> String {
        let log = fs::read_to_string(self.log_file(program)).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        let api_server = self.process.get_mut().unwrap().take();
        for mut child in self.running.get_mut().unwrap().drain(..).chain(api_server) {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What the stories need of the controllers; the others only cost time.
const CONTROLLERS: &str = "deployment-controller,replicaset-controller,statefulset-controller,\
    job-controller,namespace-controller,garbage-collector-controller,ttl-after-finished-controller";

struct Programs {
    etcd: PathBuf,
    api_server: PathBuf,
    controllers: PathBuf,
}

impl Programs {
    /// Finds the programs, or gets them, which takes minutes on a new machine.
    fn find() -> Self {
        let folder = kube_parts(&mut Command::new(KUBE_PARTS));
        let mut controllers = folder.join("kube-controller-manager");
        if !controllers.exists() {
            // The assets of setup-envtest come without the controllers.
            let cache = kube_parts(Command::new(KUBE_PARTS).env_remove("KUBEBUILDER_ASSETS"));
            controllers = cache.join("kube-controller-manager");
        }
        Self { etcd: folder.join("etcd"), api_server: folder.join("kube-apiserver"), controllers }
    }
}

const KUBE_PARTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kube-parts");

fn kube_parts(script: &mut Command) -> PathBuf {
    let output = script.stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    assert!(
        output.status.success(),
        "scripts/kube-parts: {}; its own words are above",
        output.status
    );
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

fn write_credentials(folder: &Path) {
    let admin = User::Admin.token();
    let deployer = User::Deployer.token();
    let tokens = format!("{admin},admin,1,system:masters\n{deployer},deployer,2\n");
    fs::write(folder.join("tokens.csv"), tokens).unwrap();

    let random = ring::rand::SystemRandom::new();
    let curve = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let private = EcdsaKeyPair::generate_pkcs8(curve, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(curve, private.as_ref(), &random).unwrap();
    let public = [P256_PUBLIC_KEY, pair.public_key().as_ref()].concat();
    fs::write(folder.join("service-accounts.key"), pem("PRIVATE KEY", private.as_ref())).unwrap();
    fs::write(folder.join("service-accounts.pub"), pem("PUBLIC KEY", &public)).unwrap();
}

/// What comes before the point of a public key on the curve P-256 (RFC 5480).
const P256_PUBLIC_KEY: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\
    \x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";

fn pem(label: &str, der: &[u8]) -> String {
    let content = BASE64_STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n")
}
