//! Git's smart HTTP protocol (`gitprotocol-http(5)`): one request per exchange, over a client with
//! the repository's own authority, proxy and timeouts.

use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustls::CertificateError;
use secrecy::{ExposeSecret, SecretString};
use ureq::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION};
use ureq::http::{HeaderValue, Response};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Proxy};

use crate::config::Repository;
use crate::domain::repository_url::without_secrets;
use crate::source::credentials::{Basic, Scrub};
use crate::source::endpoint::HttpEndpoint;
use crate::source::error::FetchError;
use crate::source::refs::needed;
use crate::source::transport::{Connection, Exchange, Stream};

/// Longest time for one exchange, however busy; a clone of the largest repository included.
const EXCHANGE_MAX: Duration = Duration::from_hours(1);
/// Largest list of refs, in bytes.
const ADVERTISEMENT_BYTES_MAX: u64 = 64 << 20;
/// Largest body of a request (what we want and what we have), in bytes.
const REQUEST_BYTES_MAX: usize = 8 << 20;
/// Largest answer of a host's API, in bytes.
const API_BYTES_MAX: u64 = 1 << 20;
/// An answer up to this size, in bytes, is read to its end before it is handed on, so that the
/// connection can be used again: libgit2 stops reading at the end of what interests it.
const READ_AHEAD_BYTES: u64 = 64 << 10;
/// Redirects that are followed.
const REDIRECTS_MAX: usize = 5;
/// Some hosts send their web pages to what does not begin with `git/`.
const USER_AGENT: &str = concat!("git/2 (headstay ", env!("CARGO_PKG_VERSION"), ")");

/// An HTTP client with the settings of one repository. Clones share connections.
#[derive(Clone)]
pub(super) struct Client {
    agent: Agent,
    settings: Settings,
}

/// What makes one client differ from another.
#[derive(Clone, PartialEq, Eq)]
struct Settings {
    ca: Option<(PathBuf, Vec<u8>)>,
    proxy: Option<String>,
    timeout: Duration,
}

impl Client {
    /// The client for a repository: the one before, with its open connections, if its settings
    /// (the content of the file of authorities, too) are still the same.
    pub(super) fn of(repository: &Repository, before: Option<Self>) -> Result<Self, FetchError> {
        let ca = match &repository.ca {
            None => None,
            Some(path) => {
                let bytes = std::fs::read(path).map_err(|source| FetchError::Ca {
                    path: path.clone(),
                    reason: source.to_string(),
                })?;
                Some((path.clone(), bytes))
            }
        };
        let (proxy, timeout) = (repository.proxy.clone(), repository.timeout);
        let settings = Settings { ca, proxy, timeout };
        match before {
            Some(before) if before.settings == settings => Ok(before),
            _ => Ok(Self { agent: agent(&settings)?, settings }),
        }
    }

    /// POSTs an empty body to an API with a bearer token: status and body of the answer.
    pub(super) fn post_json(
        &self,
        url: &str,
        bearer: &SecretString,
    ) -> Result<(u16, Vec<u8>), FetchError> {
        let host = url.split('/').nth(2).unwrap_or_default();
        let failed = |error| self.settings.failure(error, host, &Scrub::default());
        let answer = self
            .agent
            .post(url)
            .header(AUTHORIZATION, sensitive(&format!("Bearer {}", bearer.expose_secret())))
            .header(ACCEPT, "application/vnd.github+json")
            .send_empty()
            .map_err(failed)?;
        let status = answer.status().as_u16();
        let body = answer.into_body().into_with_config().limit(API_BYTES_MAX).read_to_vec();
        Ok((status, body.map_err(failed)?))
    }
}

fn agent(settings: &Settings) -> Result<Agent, FetchError> {
    let Settings { ca, proxy, timeout } = settings;
    let roots = match ca {
        None => RootCerts::PlatformVerifier,
        Some((path, pem)) => RootCerts::from(authorities(path, pem)?.into_iter()),
    };
    let mut config = Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .no_delay(true)
        .http_status_as_error(false)
        .max_redirects(0)
        .user_agent(USER_AGENT)
        .timeout_global(Some(EXCHANGE_MAX))
        .timeout_resolve(Some(*timeout))
        .timeout_connect(Some(*timeout))
        .timeout_per_read(Some(*timeout))
        .timeout_per_write(Some(*timeout));
    // Without one of its own, the environment's (`HTTPS_PROXY`, `NO_PROXY`) counts, as in Git.
    if let Some(url) = proxy {
        config = config.proxy(Some(Proxy::new(url).map_err(|_| FetchError::Proxy)?));
    }
    Ok(config.build().into())
}

/// The system's authorities and those of a PEM file.
fn authorities(path: &Path, pem: &[u8]) -> Result<Vec<Certificate<'static>>, FetchError> {
    let unusable =
        |reason: &str| FetchError::Ca { path: path.to_owned(), reason: reason.to_owned() };
    let mut own = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| unusable("it is not PEM"))? {
            own.push(certificate);
        }
    }
    if own.is_empty() {
        return Err(unusable("it holds no certificate"));
    }
    // A certificate of the system that cannot be read is one that is not trusted.
    let system = rustls_native_certs::load_native_certs().certs;
    own.extend(system.iter().map(|der| Certificate::from_der(der).to_owned()));
    Ok(own)
}

/// A repository behind a web server, with the credentials for it.
pub(super) struct HttpConnection {
    client: Client,
    /// Where it is; moves when the first request is redirected.
    endpoint: Mutex<HttpEndpoint>,
    authorization: Option<HeaderValue>,
    scrub: Scrub,
}

impl HttpConnection {
    /// Connects to nothing yet.
    pub(super) fn new(client: Client, endpoint: HttpEndpoint, basic: Option<&Basic>) -> Self {
        Self {
            client,
            endpoint: Mutex::new(endpoint),
            authorization: basic.map(|basic| sensitive(basic.header().expose_secret())),
            scrub: Scrub::of(basic),
        }
    }

    fn endpoint(&self) -> HttpEndpoint {
        self.endpoint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for the list of refs, following redirects on the same host.
    fn list(&self) -> Result<Vec<u8>, FetchError> {
        const EXPECTED: &str = "application/x-git-upload-pack-advertisement";
        for _ in 0..=REDIRECTS_MAX {
            let endpoint = self.endpoint();
            let url = format!("{}/info/refs?service=git-upload-pack", endpoint.url());
            let mut request = self.client.agent.get(&url);
            if let Some(value) = &self.authorization {
                request = request.header(AUTHORIZATION, value.clone());
            }
            let answer = request.call().map_err(|error| self.failure(error))?;
            if answer.status().is_redirection() {
                let target = self.redirect(&endpoint, &answer)?;
                *self.endpoint.lock().unwrap_or_else(PoisonError::into_inner) = target;
                continue;
            }
            let body = self.checked(answer, EXPECTED)?.into_with_config();
            let list = body.limit(ADVERTISEMENT_BYTES_MAX).read_to_vec();
            return needed(list.map_err(|error| self.failure(error))?);
        }
        let endpoint = self.endpoint();
        Err(FetchError::Redirect {
            host: endpoint.authority.clone(),
            location: endpoint.url(),
            reason: "there were too many redirects before",
        })
    }

    /// Sends what libgit2 has to say and hands back the answer.
    fn exchange(&self, request: &[u8]) -> Result<Box<dyn Read + Send>, FetchError> {
        const EXPECTED: &str = "application/x-git-upload-pack-result";
        let mut post = self
            .client
            .agent
            .post(format!("{}/git-upload-pack", self.endpoint().url()))
            .header(CONTENT_TYPE, "application/x-git-upload-pack-request")
            .header(ACCEPT, EXPECTED);
        if let Some(value) = &self.authorization {
            post = post.header(AUTHORIZATION, value.clone());
        }
        let answer = post.send(request).map_err(|error| self.failure(error))?;
        let body = self.checked(answer, EXPECTED)?;
        let mut rest = body.into_with_config().limit(u64::MAX).reader();
        let mut head = Vec::new();
        rest.by_ref()
            .take(READ_AHEAD_BYTES)
            .read_to_end(&mut head)
            .map_err(|error| self.failure(error.into()))?;
        Ok(Box::new(Cursor::new(head).chain(rest)))
    }

    /// The body of an answer that is Git's.
    fn checked(&self, answer: Response<Body>, expected: &'static str) -> Result<Body, FetchError> {
        let endpoint = self.endpoint();
        let host = endpoint.authority.clone();
        match answer.status().as_u16() {
            200 => {}
            401 if self.authorization.is_none() => {
                return Err(FetchError::CredentialsMissing { host });
            }
            401 => return Err(FetchError::Unauthorized { host }),
            403 => return Err(FetchError::Forbidden { host }),
            404 => return Err(FetchError::NotFound { url: endpoint.url() }),
            status => return Err(FetchError::Status { host, status }),
        }
        let found = answer.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        if found != expected.as_bytes() {
            let found = self.scrub.clean(&String::from_utf8_lossy(found));
            return Err(FetchError::NotGit { host, found, expected });
        }
        Ok(answer.into_body())
    }

    fn redirect(
        &self,
        from: &HttpEndpoint,
        answer: &Response<Body>,
    ) -> Result<HttpEndpoint, FetchError> {
        let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.unwrap_or_default();
        from.redirected(location).map_err(|reason| FetchError::Redirect {
            host: from.authority.clone(),
            location: self.scrub.clean(&without_secrets(location)),
            reason,
        })
    }

    fn failure(&self, error: ureq::Error) -> FetchError {
        self.client.settings.failure(error, &self.endpoint().authority, &self.scrub)
    }
}

impl Connection for HttpConnection {
    fn is_stateless(&self) -> bool {
        true
    }

    fn host(&self) -> String {
        self.endpoint().authority
    }

    fn open(self: std::sync::Arc<Self>, exchange: Exchange) -> Result<Box<dyn Stream>, FetchError> {
        Ok(match exchange {
            Exchange::List => Box::new(Answer(Box::new(Cursor::new(self.list()?)))),
            Exchange::Fetch => Box::new(Rpc::Request { connection: self, body: Vec::new() }),
        })
    }
}

/// An answer that nothing needs to be sent for.
struct Answer(Box<dyn Read + Send>);

impl Read for Answer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Answer {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One exchange: all of the request is gathered, and sent when the answer is first read.
enum Rpc {
    Request { connection: std::sync::Arc<HttpConnection>, body: Vec<u8> },
    Answer { connection: std::sync::Arc<HttpConnection>, answer: Box<dyn Read + Send> },
}

impl Read for Rpc {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Self::Request { connection, body } = self {
            let answer = connection.exchange(body).map_err(io::Error::other)?;
            *self = Self::Answer { connection: connection.clone(), answer };
        }
        match self {
            Self::Request { .. } => Ok(0),
            Self::Answer { connection, answer } => answer
                .read(buffer)
                .map_err(|error| io::Error::other(connection.failure(error.into()))),
        }
    }
}

impl Write for Rpc {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Request { body, .. } if body.len() + bytes.len() <= REQUEST_BYTES_MAX => {
                body.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn sensitive(value: &str) -> HeaderValue {
    // What is no header value (a line break in a token) is sent as nothing and refused by the host.
    let mut value =
        HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

impl Settings {
    /// Puts a failure of the client into our words.
    fn failure(&self, error: ureq::Error, host: &str, scrub: &Scrub) -> FetchError {
        if let Some(rustls::Error::InvalidCertificate(error)) = tls_error(&error) {
            let reason = scrub.clean(&certificate_problem(error));
            return FetchError::Certificate { host: host.to_owned(), reason };
        }
        // With a proxy between, it may be the one that is not there.
        let host = match &self.proxy {
            Some(proxy) => format!("{host} (by the proxy {})", scrub.clean(proxy)),
            None => host.to_owned(),
        };
        match error {
            ureq::Error::Timeout(which) => {
                let global = which == ureq::Timeout::Global;
                let after = if global { EXCHANGE_MAX } else { self.timeout };
                FetchError::Timeout { host, what: which.to_string(), after }
            }
            ureq::Error::BodyExceedsLimit(limit) => {
                FetchError::ManyRefs { bound: "bytes of refs", limit }
            }
            ureq::Error::HostNotFound => {
                FetchError::Connection { host, reason: "the host name is not known".to_owned() }
            }
            other => FetchError::Connection { host, reason: scrub.clean(&other.to_string()) },
        }
    }
}

/// What TLS found wrong, if it was that.
fn tls_error(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

fn certificate_problem(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "no known authority has signed it; name the file of the right one in `ca`".to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            // rustls names them as `DnsName("example.org")`.
            let name = |shown: &String| {
                let name = shown.split_once('(').map_or(shown.as_str(), |(_, name)| name);
                name.trim_matches(['"', ')']).to_owned()
            };
            let names: Vec<_> = presented.iter().map(name).collect();
            format!("it is for other hosts: {}; check the URL", names.join(", "))
        }
        other => other.to_string(),
    }
}
