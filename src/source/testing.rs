//! Repositories to fetch from, and a web server in front of them.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use git2::{Index, IndexEntry, IndexTime, ObjectType, Oid, Repository as Git, Signature};
use tempfile::TempDir;

use crate::config::{Repository, RepositoryAuth};
use crate::domain::commit::CommitId;
use crate::source::transport::ready;

/// A private key made for these tests, as GitHub hands them out.
pub(super) const RSA_KEY: &str = include_str!("testing-key.pem");

/// What a host serves.
pub(super) struct Remote {
    pub(super) folder: TempDir,
    pub(super) git: Git,
}

impl Remote {
    pub(super) fn new() -> Self {
        ready().unwrap();
        let folder = TempDir::new().unwrap();
        let git = Git::init_bare(folder.path().join("fleet.git")).unwrap();
        Self { folder, git }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("fleet.git")
    }

    /// Commits these files, and no others, on top of a branch. A content `-> x` is a symlink.
    pub(super) fn commit(&self, branch: &str, files: &[(&str, &str)]) -> CommitId {
        let parent = self.git.refname_to_id(&format!("refs/heads/{branch}")).ok();
        self.write(branch, files, parent)
    }

    /// Puts a branch on a commit without history.
    pub(super) fn force_push(&self, branch: &str, files: &[(&str, &str)]) -> CommitId {
        self.write(branch, files, None)
    }

    fn write(&self, branch: &str, files: &[(&str, &str)], parent: Option<Oid>) -> CommitId {
        let mut index = Index::new().unwrap();
        for (path, content) in files {
            let (mode, content) = match content.strip_prefix("-> ") {
                Some(target) => (0o120_000, target),
                None => (0o100_644, *content),
            };
            let id = self.git.blob(content.as_bytes()).unwrap();
            index.add(&entry(path, mode, id)).unwrap();
        }
        let tree = self.git.find_tree(index.write_tree_to(&self.git).unwrap()).unwrap();
        let parent = parent.map(|id| self.git.find_commit(id).unwrap());
        let ada = Signature::now("Ada", "ada@example.org").unwrap();
        let parents: Vec<_> = parent.iter().collect();
        let message = format!("change {branch}\n\nbecause");
        let id = self.git.commit(None, &ada, &ada, &message, &tree, &parents).unwrap();
        self.git.reference(&format!("refs/heads/{branch}"), id, true, "").unwrap();
        id.to_string().parse().unwrap()
    }

    pub(super) fn tag(&self, name: &str, commit: &CommitId) {
        let object = self.object(commit);
        self.git.tag_lightweight(name, &object, true).unwrap();
    }

    pub(super) fn annotated_tag(&self, name: &str, commit: &CommitId) {
        let ada = Signature::now("Ada", "ada@example.org").unwrap();
        self.git.tag(name, &self.object(commit), &ada, "release", true).unwrap();
    }

    pub(super) fn delete(&self, name: &str) {
        self.git.find_reference(name).unwrap().delete().unwrap();
    }

    fn object(&self, commit: &CommitId) -> git2::Object<'_> {
        let id = Oid::from_str(commit.as_str()).unwrap();
        self.git.find_object(id, Some(ObjectType::Commit)).unwrap()
    }
}

fn entry(path: &str, mode: u32, id: Oid) -> IndexEntry {
    let never = IndexTime::new(0, 0);
    IndexEntry {
        ctime: never,
        mtime: never,
        dev: 0,
        ino: 0,
        mode,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: path.into(),
    }
}

/// A repository as it is configured.
pub(super) fn repository(url: &str, auth: RepositoryAuth) -> Arc<Repository> {
    Arc::new(Repository {
        name: "fleet".parse().unwrap(),
        url: url.to_owned(),
        aliases: Vec::new(),
        auth,
        ca: None,
        proxy: None,
        timeout: Duration::from_secs(20),
    })
}

/// A request to a [`Server`].
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Vec<u8>,
}

/// What a [`Server`] answers.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Response {
    pub(super) fn new(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Self { status, headers, body: body.as_bytes().to_vec() }
    }
}

/// A web server on a port of its own, until the tests end.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// Method and target of every request so far.
    pub(super) requests: Arc<Mutex<Vec<String>>>,
    /// Number of connections so far.
    pub(super) connections: Arc<Mutex<usize>>,
}

impl Server {
    pub(super) fn start(answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, connections) = (Arc::<Mutex<Vec<_>>>::default(), Arc::default());
        let server = Self { address, requests: requests.clone(), connections };
        let (answer, connections) = (Arc::new(answer), server.connections.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                *connections.lock().unwrap() += 1;
                let (answer, requests) = (answer.clone(), requests.clone());
                thread::spawn(move || converse(stream, &*answer, &requests));
            }
        });
        server
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn converse(
    stream: TcpStream,
    answer: &dyn Fn(&Request) -> Response,
    requests: &Mutex<Vec<String>>,
) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let request = read_request(&mut reader)?;
        requests.lock().unwrap().push(format!("{} {}", request.method, request.target));
        let Response { status, headers, body } = answer(&request);
        let mut head = format!("HTTP/1.1 {status} Status\r\n");
        for (name, value) in headers {
            head.extend([&name, ": ", &value, "\r\n"]);
        }
        head.extend(["Content-Length: ", &body.len().to_string(), "\r\n\r\n"]);
        writer.write_all(head.as_bytes()).ok()?;
        writer.write_all(&body).ok()?;
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, target, headers, body })
}

/// Git's own server program behind basic authentication.
pub(super) fn git_http_backend(
    root: &Path,
    authorization: &str,
) -> impl Fn(&Request) -> Response + use<> {
    let (root, authorization) = (root.to_owned(), authorization.to_owned());
    move |request| {
        if request.headers.get("authorization") != Some(&authorization) {
            let body = format!("bad: {:?}", request.headers.get("authorization"));
            return Response::new(401, &[("WWW-Authenticate", "Basic realm=\"git\"")], &body);
        }
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let mut child = Command::new("git")
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("REQUEST_METHOD", &request.method)
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("REMOTE_USER", "ada")
            .env("CONTENT_TYPE", request.headers.get("content-type").map_or("", String::as_str))
            .env("CONTENT_LENGTH", request.body.len().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&request.body).unwrap();
        let mut output = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
        child.wait().unwrap();
        cgi_response(&output)
    }
}

fn cgi_response(output: &[u8]) -> Response {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let mut response = Response::new(200, &[], "");
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        let (name, value) = line.split_once(": ").unwrap();
        if name == "Status" {
            response.status = value[..3].parse().unwrap();
        } else {
            response.headers.push((name.to_owned(), value.to_owned()));
        }
    }
    response.body = output[end + 4..].to_vec();
    response
}
