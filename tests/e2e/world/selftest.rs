//! The parts of the world work by themselves, so that a story that fails tells of Headstay.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::world::api_server::ApiServer;
use crate::world::git_host::GitHost;
use crate::world::random::random;
use crate::world::wait::{DEADLINE, wait_until};
use crate::world::{GIT_TOKEN, leash};

#[test]
fn git_clones_what_was_committed_with_the_token_only_and_not_while_the_host_is_down() {
    let host = GitHost::start();
    let repository = host.create("acme/fleet");
    let first = repository.commit(&[("a/b.yaml", Some("b: 1\n")), ("c.yaml", Some("c: 1\n"))]);
    let second = repository.commit(&[("c.yaml", None)]);
    let open = repository.url.replace("http://", &format!("http://any:{GIT_TOKEN}@"));

    assert_eq!(ls_remote(&open).as_deref(), Some(&*second));
    assert_eq!(ls_remote(&repository.url), None, "without the token");
    host.down();
    assert_eq!(ls_remote(&open), None, "while the host is down");
    host.up();

    let folder = leash::folder("clone");
    let clone = Command::new("git").args(["clone", "-q", &open]).arg(&folder).status().unwrap();
    assert!(clone.success());
    assert_eq!(std::fs::read_to_string(folder.join("a/b.yaml")).unwrap(), "b: 1\n");
    assert!(!folder.join("c.yaml").exists());

    repository.force_push("main", &first);
    assert_eq!(ls_remote(&open).as_deref(), Some(&*first));
    repository.delete_branch("main");
    assert_eq!(ls_remote(&open), None, "after the branch is gone");
}

#[test]
fn a_stalled_host_is_silent_until_the_stall_is_over() {
    let host = GitHost::start();
    let repository = host.create("acme/fleet");
    let commit = repository.commit(&[("a.yaml", Some("a: 1\n"))]);
    let open = repository.url.replace("http://", &format!("http://any:{GIT_TOKEN}@"));

    host.stall(true);
    assert_eq!(ls_remote(&open), None, "after a second of silence");
    host.stall(false);
    assert_eq!(ls_remote(&open), Some(commit));
}

#[test]
fn the_api_server_keeps_what_it_has_while_it_is_down() {
    let server = ApiServer::own();
    let admin = server.client();
    let namespace = format!("selftest-{:08x}", random() & 0xffff_ffff);
    let deployments = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    admin.create("/api/v1/namespaces", &json!({"metadata": {"name": namespace}}));

    server.stop();
    assert!(admin.call("GET", &deployments, None).is_err());
    server.start();
    server.hang();
    // A signal takes a moment to stop all threads.
    wait_until("it to hang", DEADLINE, || !answers(&server));
    server.go_on();
    assert!(answers(&server));
    admin.create(
        &deployments,
        &json!({"metadata": {"name": "web"}, "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "web:1"}]},
            },
        }}),
    );
    admin.run_pod(&format!("/api/v1/namespaces/{namespace}/pods"));
    wait_until("the Deployment to be available", DEADLINE, || {
        admin.get(&format!("{deployments}/web")).unwrap()["status"]["availableReplicas"] == 1
    });
}

/// Whether an API server says anything within a second, be it that it speaks TLS only.
fn answers(server: &ApiServer) -> bool {
    let url = server.url();
    let mut stream = TcpStream::connect(url.split_once("://").unwrap().1).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: api\r\n\r\n").unwrap();
    stream.read(&mut [0]).is_ok_and(|count| count > 0)
}

/// What `main` points to, as git sees it over HTTP, unless the host is silent for a second.
fn ls_remote(url: &str) -> Option<String> {
    let output = Command::new("git")
        .args([
            "-c",
            "credential.helper=",
            "-c",
            "http.lowSpeedLimit=1",
            "-c",
            "http.lowSpeedTime=1",
        ])
        .args(["ls-remote", url, "refs/heads/main"])
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.split_once('\t')?.0.to_owned())
}
