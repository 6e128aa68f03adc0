//! Where a repository is: its URL, taken apart.

use crate::source::error::FetchError;

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// A folder of this machine.
    Path(String),
    /// Smart HTTP.
    Http(HttpEndpoint),
    /// `git-upload-pack` over ssh.
    Ssh(SshEndpoint),
}

/// A repository behind a web server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HttpEndpoint {
    /// Whether by TLS.
    pub(super) tls: bool,
    /// Host in lower case, with the port if the URL has one.
    pub(super) authority: String,
    /// Path with the leading `/`, without a trailing one.
    pub(super) path: String,
}

/// A repository behind an ssh server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SshEndpoint {
    /// User; none: `git`.
    pub(super) user: Option<String>,
    /// Host.
    pub(super) host: String,
    /// Port; none: 22.
    pub(super) port: Option<u16>,
    /// Path as the server's shell sees it.
    pub(super) path: String,
}

impl Endpoint {
    /// Takes a URL apart. Userinfo of http URLs is dropped: a user name alone (as Azure DevOps
    /// puts it there) says nothing, and a password has no place in a configuration.
    pub(super) fn parse(url: &str) -> Result<Self, FetchError> {
        if url.is_empty() || url.contains(['\0', '\n', '\r']) {
            return Err(FetchError::Url("it is empty or has a line break"));
        }
        match url.split_once("://") {
            Some(("http", rest)) => HttpEndpoint::parse(false, rest).map(Self::Http),
            Some(("https", rest)) => HttpEndpoint::parse(true, rest).map(Self::Http),
            Some(("ssh" | "git+ssh" | "ssh+git", rest)) => SshEndpoint::parse(rest).map(Self::Ssh),
            Some(("file", path)) if path.starts_with('/') => Ok(Self::Path(path.to_owned())),
            Some(_) => Err(FetchError::Url("only https, http, ssh and file are known")),
            // As in Git: `host:path`, unless a `/` comes before the first colon.
            None => match url.split_once(':') {
                Some((host, path)) if !host.contains('/') => {
                    SshEndpoint::checked(host, None, path.to_owned()).map(Self::Ssh)
                }
                _ => Ok(Self::Path(url.to_owned())),
            },
        }
    }
}

impl Endpoint {
    /// The URL without userinfo of http, which tells whether a mirror is one of this repository.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Path(path) => path.clone(),
            Self::Http(endpoint) => endpoint.url(),
            Self::Ssh(SshEndpoint { user, host, port, path }) => {
                let user = user.as_deref().unwrap_or("git");
                format!("ssh://{user}@[{host}]:{}/{path}", port.unwrap_or(22))
            }
        }
    }
}

impl HttpEndpoint {
    fn parse(tls: bool, rest: &str) -> Result<Self, FetchError> {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if authority.is_empty() || authority.starts_with(':') {
            return Err(FetchError::Url("it names no host"));
        }
        if path.contains(['?', '#']) {
            return Err(FetchError::Url("the URL of a repository has no query and no fragment"));
        }
        let path = path.trim_end_matches('/');
        Ok(Self { tls, authority: authority.to_ascii_lowercase(), path: format!("/{path}") })
    }

    /// The URL without userinfo.
    pub(super) fn url(&self) -> String {
        let Self { tls, authority, path } = self;
        format!("{}://{authority}{path}", if *tls { "https" } else { "http" })
    }

    /// Where a redirect of the first request leads: only to the same server, where the same
    /// credentials are known already; from http to https is a step up and allowed.
    pub(super) fn redirected(&self, location: &str) -> Result<Self, &'static str> {
        const SUFFIX: &str = "/info/refs?service=git-upload-pack";
        let base = location.strip_suffix(SUFFIX).ok_or("that is no address of a Git server")?;
        let target = if base.starts_with('/') && !base.starts_with("//") {
            Self { path: base.trim_end_matches('/').to_owned(), ..self.clone() }
        } else {
            match Endpoint::parse(base) {
                Ok(Endpoint::Http(target)) => target,
                _ => return Err("that is no http URL"),
            }
        };
        let same_server = target.authority_with_port() == self.authority_with_port();
        let upgraded = !self.tls && target.tls && target.host() == self.host();
        if target.tls == self.tls && same_server || upgraded {
            Ok(target)
        } else {
            Err("only redirects on the same host are followed: configure the new URL")
        }
    }

    /// The host without the port.
    pub(super) fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => &self.authority,
        }
    }

    fn authority_with_port(&self) -> String {
        let port = if self.tls { 443 } else { 80 };
        if self.host().len() == self.authority.len() {
            format!("{}:{port}", self.authority)
        } else {
            self.authority.clone()
        }
    }
}

impl SshEndpoint {
    fn parse(rest: &str) -> Result<Self, FetchError> {
        let (authority, path) =
            rest.split_once('/').ok_or(FetchError::Url("it names no path on the host"))?;
        // `/~user/x` means the home folder of a user, as in Git.
        let path = if path.starts_with('~') { path.to_owned() } else { format!("/{path}") };
        let after_user = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        match after_user.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let port = port.parse().map_err(|_| FetchError::Url("the port is no number"))?;
                let end = authority.len() - after_user.len() + host.len();
                Self::checked(&authority[..end], Some(port), path)
            }
            _ => Self::checked(authority, None, path),
        }
    }

    /// Refuses what the ssh program could take for one of its options.
    fn checked(authority: &str, port: Option<u16>, path: String) -> Result<Self, FetchError> {
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user.split_once(':').map_or(user, |(name, _)| name)), host),
            None => (None, authority),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let odd = |text: &str| {
            text.is_empty() || text.starts_with('-') || text.contains([' ', '\t', '\'', '"', '\\'])
        };
        if odd(host) || user.is_some_and(odd) {
            return Err(FetchError::Url("user or host is empty or has characters it may not have"));
        }
        if path.is_empty() || path.starts_with('-') {
            return Err(FetchError::Url("it names no path on the host"));
        }
        Ok(Self { user: user.map(str::to_owned), host: host.to_owned(), port, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(url: &str) -> HttpEndpoint {
        match Endpoint::parse(url).unwrap() {
            Endpoint::Http(endpoint) => endpoint,
            other => panic!("{url} is {other:?}"),
        }
    }

    fn ssh(url: &str) -> (Option<String>, String, Option<u16>, String) {
        match Endpoint::parse(url).unwrap() {
            Endpoint::Ssh(SshEndpoint { user, host, port, path }) => (user, host, port, path),
            other => panic!("{url} is {other:?}"),
        }
    }

    #[test]
    fn urls_are_read_as_git_reads_them() {
        let git = || Some("git".to_owned());
        let own = str::to_owned;
        assert_eq!(
            http("https://u:p@Example.org:8443/a/b.git/").url(),
            "https://example.org:8443/a/b.git"
        );
        assert_eq!(http("https://example.org").url(), "https://example.org/");
        assert_eq!(ssh("git@h.org:a/b.git"), (git(), own("h.org"), None, own("a/b.git")));
        assert_eq!(ssh("ssh://git@h.org:22/a/b"), (git(), own("h.org"), Some(22), own("/a/b")));
        assert_eq!(ssh("ssh://h.org/~me/b"), (None, own("h.org"), None, own("~me/b")));
        assert_eq!(ssh("ssh://git@[::1]:22/b"), (git(), own("::1"), Some(22), own("/b")));
        assert_eq!(ssh("ssh://[::1]/b"), (None, own("::1"), None, own("/b")));
        for path in ["/srv/git/fleet", "file:///srv/git/fleet"] {
            assert_eq!(Endpoint::parse(path).unwrap(), Endpoint::Path(own("/srv/git/fleet")));
        }
        assert_eq!(Endpoint::parse("./a:b").unwrap(), Endpoint::Path(own("./a:b")));
    }

    #[test]
    fn urls_that_could_mean_something_else_are_refused() {
        for url in [
            "",
            "git://h/x",
            "ftp://h/x",
            "https:///x",
            "https://h/x?y",
            "ssh://-oProxyCommand=x/y",
            "-oProxyCommand=x:y",
            "ssh://a b/y",
            "ssh://h",
            "ssh://h:port/y",
            "git@h:",
            "git@h:-x",
            "file://relative",
        ] {
            assert!(Endpoint::parse(url).is_err(), "{url} was taken");
        }
    }

    #[test]
    fn redirects_stay_on_the_host() {
        const SUFFIX: &str = "/info/refs?service=git-upload-pack";
        let from = http("https://h.org/old.git");
        let to = |location: &str| from.redirected(&format!("{location}{SUFFIX}")).map(|e| e.url());
        assert_eq!(to("https://h.org/new"), Ok("https://h.org/new".to_owned()));
        assert_eq!(to("https://h.org:443/new"), Ok("https://h.org:443/new".to_owned()));
        assert_eq!(to("/new"), Ok("https://h.org/new".to_owned()));
        for bad in
            ["https://other.org/new", "http://h.org/new", "//other.org/x", "https://h.org:1/x"]
        {
            assert!(to(bad).is_err(), "{bad} was followed");
        }
        assert!(from.redirected("https://h.org/login").is_err());
        let plain = http("http://h.org/x");
        assert!(plain.redirected(&format!("https://h.org/x{SUFFIX}")).is_ok());
    }
}
