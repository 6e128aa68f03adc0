//! Fetches over HTTP from Git's own server program.

use std::error::Error;
use std::io::Write;
use std::net::TcpListener;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tempfile::{NamedTempFile, TempDir};

use super::*;
use crate::config::RepositoryAuth;
use crate::config::secret::Secret;
use crate::source::testing::{RSA_KEY, Remote, Response, Server, git_http_backend, repository};

fn secret(value: &str) -> (NamedTempFile, Secret) {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(value.as_bytes()).unwrap();
    let secret = Secret::File(file.path().to_owned());
    (file, secret)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

async fn fetch(source: &Source, repository: &Arc<Repository>) -> Result<Fetched, String> {
    let revisions = [Revision::parse("main")];
    source.fetch(repository, &revisions, Timestamp::now()).await.map_err(|error| chain(&error))
}

/// The whole chain of an error, as it is logged.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[tokio::test]
async fn the_right_credentials_fetch_and_the_wrong_are_not_shown() {
    let (remote, data) = (Remote::new(), TempDir::new().unwrap());
    let first = remote.commit("main", &[("a.yaml", "a: 1")]);
    let server =
        Server::start(git_http_backend(remote.folder.path(), &basic("x-access-token", "s3cr3t")));
    let url = format!("http://ada:inl1ne@{}/fleet.git", server.address);
    let source = Source::new(data.path());
    let (_good, good) = secret("s3cr3t\n");
    let good = repository(&url, RepositoryAuth::Token(good));
    fetch(&source, &good).await.unwrap();
    let main = Revision::parse("main");
    assert_eq!(source.resolve(&good, &main).await.unwrap().id, first);

    for number in 0..30 {
        remote.commit("main", &[("a.yaml", &format!("a: {number}"))]);
    }
    fetch(&source, &good).await.unwrap();
    let last = remote.commit("main", &[("a.yaml", "a: 30")]);
    fetch(&source, &good).await.unwrap();
    assert_eq!(source.resolve(&good, &main).await.unwrap().id, last);
    assert_eq!(*server.connections.lock().unwrap(), 1, "connections are used again");

    let (_bad, bad) = secret("wr0ng");
    let host = server.address;
    let error = fetch(&source, &repository(&url, RepositoryAuth::Token(bad))).await.unwrap_err();
    let refused = format!("fetch of repository `fleet` failed: {host} refused the credentials");
    assert_eq!(error, format!("{refused} (401): check `auth`"));
    let error = fetch(&source, &repository(&url, RepositoryAuth::None)).await.unwrap_err();
    assert!(error.ends_with("asks for credentials (401): configure `auth`"), "{error}");
    let missing = repository(&url.replace("fleet", "no"), good.auth.clone());
    let error = fetch(&source, &missing).await.unwrap_err();
    assert!(error.contains(&format!("http://{host}/no.git was not found (404)")), "{error}");
}

#[tokio::test]
async fn a_commit_is_found_also_where_the_server_gives_none_out_by_id() {
    let (remote, data) = (Remote::new(), TempDir::new().unwrap());
    let old = remote.commit("main", &[("a.yaml", "a: 1")]);
    remote.commit("main", &[("a.yaml", "a: 2")]);
    let server = Server::start(git_http_backend(remote.folder.path(), &basic("a", "b")));
    let (_file, password) = secret("b");
    let auth = RepositoryAuth::Basic { username: "a".to_owned(), password };
    let repository = repository(&server.url("/fleet.git"), auth);
    let source = Source::new(data.path());
    let revision = Revision::Commit(old.clone());
    source.fetch(&repository, std::slice::from_ref(&revision), Timestamp::now()).await.unwrap();
    assert_eq!(source.resolve(&repository, &revision).await.unwrap().id, old);
}

#[tokio::test]
async fn silence_ends_in_a_timeout() {
    // The kernel accepts for a listener that never does.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let mut repository =
        (*repository(&format!("http://{address}/x"), RepositoryAuth::None)).clone();
    repository.timeout = Duration::from_millis(300);
    let data = TempDir::new().unwrap();
    let error = fetch(&Source::new(data.path()), &Arc::new(repository)).await.unwrap_err();
    assert!(error.contains(&format!("{address} did not answer within 0.3 s")), "{error}");
}

#[tokio::test]
async fn what_is_no_git_server_is_told_so() {
    let server = Server::start(|request| match request.target.as_str() {
        target if target.starts_with("/away") => {
            Response::new(302, &[("Location", "https://ada:pw@other.example/x?state=pw")], "")
        }
        target if target.starts_with("/page") => {
            Response::new(200, &[("Content-Type", "text/html")], "<html>")
        }
        target if target.starts_with("/garbage") => Response::new(
            200,
            &[("Content-Type", "application/x-git-upload-pack-advertisement")],
            "zzzz\0\u{1b}[31m",
        ),
        _ => Response::new(500, &[], "oops"),
    });
    let data = TempDir::new().unwrap();
    for (path, expected) in [
        ("/away", "redirects to https://other.example/x: that is no address of a Git server"),
        ("/page", "answered with `text/html` where a Git server answers with"),
        ("/garbage", "the Git server's answer was of no use"),
        ("/broken", "answered with status 500"),
    ] {
        let repository = repository(&server.url(path), RepositoryAuth::None);
        let error = fetch(&Source::new(data.path()), &repository).await.unwrap_err();
        assert!(error.contains(expected), "{path}: {error}");
    }
}

#[tokio::test]
async fn a_github_app_exchanges_its_key_for_a_token_once() {
    let (remote, data) = (Remote::new(), TempDir::new().unwrap());
    remote.commit("main", &[("a.yaml", "a: 1")]);
    let git = git_http_backend(remote.folder.path(), &basic("x-access-token", "ghs_1"));
    let server = Server::start(move |request| {
        if request.target != "/api/v3/app/installations/42/access_tokens" {
            return git(request);
        }
        assert!(request.headers["authorization"].starts_with("Bearer ey"));
        Response::new(201, &[], r#"{"token": "ghs_1", "expires_at": "2999-01-01T00:00:00Z"}"#)
    });
    let (_file, private_key) = secret(RSA_KEY);
    let auth = RepositoryAuth::GitHubApp { id: 17, installation: 42, private_key };
    let repository = repository(&server.url("/fleet.git"), auth);
    let source = Source::new(data.path());
    fetch(&source, &repository).await.unwrap();
    fetch(&source, &repository).await.unwrap();
    let exchanges = server.requests().iter().filter(|line| line.contains("access_tokens")).count();
    assert_eq!(exchanges, 1);
}

#[tokio::test]
async fn a_repository_with_sha_256_ids_is_refused_in_plain_words() {
    let (folder, data) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = folder.path().join("fleet.git");
    let script = "git init -q --bare --object-format=sha256 -b main $0 && cd $0 &&
        tree=$(git hash-object -t tree -w --stdin </dev/null) &&
        git -c user.name=Ada -c user.email=ada@example.org commit-tree -m first $tree |
        xargs git update-ref refs/heads/main";
    let made = std::process::Command::new("sh").args(["-c", script]).arg(&path).status();
    assert!(made.unwrap().success());
    let server = Server::start(git_http_backend(folder.path(), &basic("a", "b")));
    let (_file, password) = secret("b");
    let auth = RepositoryAuth::Basic { username: "a".to_owned(), password };
    for (url, auth) in [
        (server.url("/fleet.git"), auth),
        (path.to_str().unwrap().to_owned(), RepositoryAuth::None),
    ] {
        let source = Source::new(data.path());
        let error = fetch(&source, &repository(&url, auth)).await.unwrap_err();
        assert!(error.contains("its objects have SHA-256 ids"), "{url}: {error}");
    }
}
