//! A real kube-apiserver with its etcd, and nothing else.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::world::kubernetes::Kubernetes;
use crate::world::leash;
use crate::world::wait::{DEADLINE, wait_until};

const TOKEN: &str = "cases-admin-2f80ab";

/// Starts both, and gives a client that may do everything. They end with the test process.
pub fn start() -> (Kubernetes, [Child; 2]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/kube-parts");
    let parts = Command::new(script).stderr(Stdio::inherit()).output().unwrap();
    assert!(parts.status.success(), "scripts/kube-parts failed");
    let parts = PathBuf::from(String::from_utf8(parts.stdout).unwrap().trim());
    let folder = leash::folder("cases");
    fs::write(folder.join("tokens.csv"), format!("{TOKEN},admin,1,system:masters\n")).unwrap();
    let key = Command::new("openssl").args(["genrsa", "-out"]).arg(folder.join("sa.key")).output();
    assert!(key.unwrap().status.success(), "openssl failed");

    let [clients, peers, port] = free_ports();
    let etcd = format!("http://127.0.0.1:{clients}");
    let etcd_process = run(
        &parts.join("etcd"),
        &folder,
        &[
            "--data-dir=data",
            "--unsafe-no-fsync=true",
            &format!("--listen-client-urls={etcd}"),
            &format!("--advertise-client-urls={etcd}"),
            &format!("--listen-peer-urls=http://127.0.0.1:{peers}"),
        ],
    );
    let server_process = run(
        &parts.join("kube-apiserver"),
        &folder,
        &[
            &format!("--etcd-servers={etcd}"),
            &format!("--secure-port={port}"),
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            "--cert-dir=certificates",
            "--service-account-key-file=sa.key",
            "--service-account-signing-key-file=sa.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--token-auth-file=tokens.csv",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/16",
            "--disable-admission-plugins=ServiceAccount",
        ],
    );
    let client = Kubernetes::new(format!("https://127.0.0.1:{port}"), TOKEN);
    wait_until("a ready kube-apiserver", DEADLINE * 2, || {
        client.call("GET", "/readyz", None).is_ok_and(|answer| answer.status == 200)
    });
    (client, [etcd_process, server_process])
}

fn run(program: &Path, folder: &Path, arguments: &[&str]) -> Child {
    let name = program.file_name().unwrap().to_str().unwrap();
    let log = File::create(folder.join(format!("{name}.log"))).unwrap();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdout(log.try_clone().unwrap()).stderr(log);
    leash::spawn(&mut command)
}

/// Free at this moment.
fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.each_ref().map(|listener| listener.local_addr().unwrap().port())
}
