//! `repositories`.

use crate::config::problem::{Place, Problems};
use crate::config::raw::repository as raw;
use crate::config::{Repository, RepositoryAuth};

/// A repository whose credentials are whole, and fit its URL.
pub(super) fn repository(
    raw: raw::Repository,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Option<Repository> {
    let raw::Repository { name, url, aliases, auth, ca, proxy, timeout } = raw;
    let place = place.key("auth");
    let checked = match auth {
        None => Ok(RepositoryAuth::None),
        Some(raw) => repository_auth(raw),
    };
    let checked = checked.and_then(|auth| fits(&auth, &url).map(|()| auth));
    match checked {
        Ok(auth) => Some(Repository {
            name,
            url,
            aliases: aliases.into_iter().map(|raw::Alias(url)| url).collect(),
            auth,
            ca,
            proxy,
            timeout: timeout.0,
        }),
        Err(message) => {
            problems.report_whole(&place, message);
            None
        }
    }
}

fn repository_auth(raw: raw::RepositoryAuth) -> Result<RepositoryAuth, &'static str> {
    let raw::RepositoryAuth { token, username, password, ssh_key, known_hosts, github_app } = raw;
    match (token, (username, password), (ssh_key, known_hosts), github_app) {
        (Some(token), (None, None), (None, None), None) => Ok(RepositoryAuth::Token(token.into())),
        (None, (Some(username), Some(password)), (None, None), None) => {
            Ok(RepositoryAuth::Basic { username, password: password.into() })
        }
        (None, (None, None), (Some(key), Some(known_hosts)), None) => {
            Ok(RepositoryAuth::Ssh { key: key.into(), known_hosts: known_hosts.into() })
        }
        (
            None,
            (None, None),
            (None, None),
            Some(raw::GithubApp { id, installation, private_key }),
        ) => {
            let private_key = private_key.into();
            Ok(RepositoryAuth::GitHubApp { id, installation, private_key })
        }
        _ => Err("expected exactly one of: `token`; `username` and `password`; `sshKey` and \
                  `knownHosts`; `githubApp`"),
    }
}

/// How a repository is reached, as its URL says.
enum Transport {
    Http,
    Ssh,
    Local,
}

fn transport(url: &str) -> Transport {
    match url.split_once("://") {
        Some(("https" | "http", _)) => Transport::Http,
        Some(("ssh", _)) => Transport::Ssh,
        Some(_) => Transport::Local,
        None => {
            // `user@host:path`: as Git has it, a slash before the colon makes it a path.
            let host = url.split_once(':').map(|(host, _)| host);
            match host {
                Some(host) if !host.contains('/') => Transport::Ssh,
                _ => Transport::Local,
            }
        }
    }
}

fn fits(auth: &RepositoryAuth, url: &str) -> Result<(), &'static str> {
    match (transport(url), auth) {
        (Transport::Ssh, RepositoryAuth::Ssh { .. }) | (Transport::Local, RepositoryAuth::None) => {
            Ok(())
        }
        (Transport::Http, RepositoryAuth::Ssh { .. }) => {
            Err("an ssh key does not fit the URL, which is http")
        }
        (Transport::Http, _) => Ok(()),
        (Transport::Ssh, _) => Err("the URL is ssh: expected `sshKey` and `knownHosts`"),
        (Transport::Local, _) => Err("the URL is a path on this machine: nothing to show there"),
    }
}
