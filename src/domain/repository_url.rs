//! When two URLs name the same repository.

use std::fmt;

/// What is compared of a repository's URL: host and path. Scheme, user and port are left away, for
/// one repository is reached by https and ssh, on several ports, by several users. Everything is
/// in lower case: hosts fold the case of paths, and where one does not, a wrong match costs no
/// more than a look at the remote.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RepositoryUrl {
    /// Empty for what is local: a path or a `file://` URL.
    host: String,
    path: String,
}

impl RepositoryUrl {
    /// Reads `https://…`, `ssh://…`, `user@host:path` and the like. A path is kept as it
    /// is, and `file://` before it left away. None for what cannot name a repository.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        // No repository is named by what comes after these, where they mean anything.
        let text = if is_local(text) { text } else { before_query(text) };
        let (authority, path) = match text.split_once("://") {
            // The same repository as its path.
            Some(("file", rest)) => {
                let path = rest.strip_prefix("localhost").unwrap_or(rest);
                return path.starts_with('/').then(|| Self::local(path));
            }
            Some((_, rest)) => rest.split_once('/')?,
            // As Git reads it: a colon before the first slash ends a host.
            None => match text.split_once(':') {
                Some((authority, path)) if !authority.contains('/') => (authority, path),
                _ if text.is_empty() => return None,
                _ => return Some(Self::local(text)),
            },
        };
        Self::remote(host(authority)?, path)
    }

    /// Whether `owner/name` (or what stands for it at the host) is the end of the path.
    pub fn is_named(&self, full_name: &str) -> bool {
        let name = full_name.to_lowercase();
        let path = self.path.strip_suffix(&name);
        !name.is_empty() && path.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    }

    fn local(text: &str) -> Self {
        let path = text.trim_end_matches('/');
        Self { host: String::new(), path: if path.is_empty() { text } else { path }.to_owned() }
    }

    fn remote(host: String, path: &str) -> Option<Self> {
        let path = path.to_lowercase();
        let path = path.trim_end_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        if let Some(azure) = azure(&host, &segments) {
            return Some(azure);
        }
        let (host, path) = match (host.as_str(), segments.as_slice()) {
            (_, []) => return None,
            // Bitbucket Data Center: to clone from by https, and what its pages link to.
            (
                _,
                ["scm", key, slug]
                | ["projects", key, "repos", slug]
                | ["projects", key, "repos", slug, "browse"],
            ) => (host, format!("{key}/{slug}")),
            (_, ["users", user, "repos", slug] | ["users", user, "repos", slug, "browse"]) => {
                (host, format!("~{user}/{slug}"))
            }
            ("api.bitbucket.org", ["2.0", "repositories", owner, name]) => {
                ("bitbucket.org".to_owned(), format!("{owner}/{name}"))
            }
            ("api.github.com", ["repos", owner, name]) => {
                ("github.com".to_owned(), format!("{owner}/{name}"))
            }
            _ => (host, segments.join("/")),
        };
        Some(Self { host, path })
    }
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.is_empty() {
            f.write_str(&without_secrets(&self.path))
        } else {
            f.write_str(&without_secrets(&format!("{}/{}", self.host, self.path)))
        }
    }
}

/// A name of a repository as somebody else wrote it, without what may be a secret: query, fragment,
/// and all that may be a user or a password, however odd.
pub fn without_secrets(text: &str) -> String {
    let text = before_query(text);
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let rest = authority.rfind('@').map_or(rest, |at| &rest[at + 1..]);
    // A password with a slash in it.
    let rest = rest.rfind('@').map_or_else(|| rest.to_owned(), |at| format!("…{}", &rest[at..]));
    format!("{scheme}{rest}")
}

fn before_query(text: &str) -> &str {
    text.find(['?', '#']).map_or(text, |end| &text[..end])
}

/// Whether a text is a path of this machine, in which every character may be meant.
fn is_local(text: &str) -> bool {
    text.starts_with("file://") || (!text.contains("://") && !text.contains(':'))
}

/// The host of `[user[:password]@]host[:port]`, without the prefix by which hosts offer ssh on the
/// port of https. A user that begins with `-` is an option in disguise and makes no URL.
fn host(authority: &str) -> Option<String> {
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if user.starts_with('-') {
        return None;
    }
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => host.split(':').next()?,
    };
    let host = host.trim_end_matches('.').to_lowercase();
    let plain = ["ssh.", "altssh."].iter().find_map(|prefix| host.strip_prefix(prefix));
    let host = plain.filter(|rest| rest.contains('.')).unwrap_or(&host);
    (!host.is_empty() && !host.starts_with('-')).then(|| host.to_owned())
}

/// Azure DevOps' names of one repository, brought to `dev.azure.com/organisation/project/name`:
/// `dev.azure.com/o/p/_git/n`, `o.visualstudio.com[/DefaultCollection]/p/_git/n`, for ssh
/// `v3/o/p/n` on either host. A project named as the repository may be left away.
fn azure(host: &str, segments: &[&str]) -> Option<RepositoryUrl> {
    const HOST: &str = "dev.azure.com";
    let old_organisation = host.strip_suffix(".visualstudio.com");
    if host != HOST && old_organisation.is_none() {
        return None;
    }
    let segments: Vec<&str> =
        segments.iter().copied().filter(|segment| *segment != "defaultcollection").collect();
    let (organisation, project, name) = match (old_organisation, segments.as_slice()) {
        (None | Some("vs-ssh"), ["v3", organisation, project, name])
        | (None, [organisation, project, "_git", name]) => (*organisation, *project, *name),
        (None, [organisation, "_git", name]) => (*organisation, *name, *name),
        (Some(organisation), [project, "_git", name]) => (organisation, *project, *name),
        (Some(organisation), ["_git", name]) => (organisation, *name, *name),
        _ => return None,
    };
    let path = format!("{organisation}/{project}/{name}");
    Some(RepositoryUrl { host: HOST.to_owned(), path })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        let a = RepositoryUrl::parse(a);
        a.is_some() && a == RepositoryUrl::parse(b)
    }

    #[test]
    fn spellings_of_one_repository_are_the_same() {
        for (a, b) in [
            ("https://example.com/org/repo", "https://example.com/org/repo"),
            ("https://example.com/org/repo", "https://example.com/org/repo.git"),
            ("https://example.com/org/repo", "https://example.com//org/repo.git/"),
            ("https://example.com/org/repo", "git@example.com:org/repo"),
            ("https://example.com/org/repo", "git@example.com:/org/repo.git"),
            ("https://example.com/org/repo", "user@example.com:org/repo"),
            ("https://example.com/org/repo", "example.com:org/repo"),
            ("https://example.com/org/repo", "ssh://git@example.com/org/repo"),
            ("https://example.com/org/repo", "ssh://git@example.com:22/org/repo"),
            ("https://example.com:443/org/repo", "ssh://git@example.com:2222/org/repo"),
            ("https://example.com:443/org/repo", "ssh://git@ssh.example.com:443/org/repo"),
            ("https://github.com/org/repo", "ssh://git@ssh.github.com:443/org/repo.git"),
            ("https://bitbucket.org/org/repo", "ssh://git@altssh.bitbucket.org:443/org/repo"),
            ("https://example.com/org/repo", "ssh://user-name@example.com/org/repo"),
            ("https://example.com/org/repo", "GIT@EXAMPLE.COM:ORG/REPO"),
            ("https://example.com/org/repo%20", "https://example.com/org/repo%20"),
            ("https://user:p@ss@example.com/org/repo", "http://example.com/org/repo"),
            ("https://example.com/a/b/c/repo", "git@example.com:a/b/c/repo.git"),
            ("https://[::1]:3000/org/repo", "ssh://git@[::1]:22/org/repo"),
            ("https://example.com/scm/key/repo.git", "ssh://git@example.com:7999/key/repo.git"),
            ("https://example.com/scm/~ada/repo", "ssh://git@example.com:7999/~ada/repo"),
            ("https://example.com/scm/key/repo.git", "https://example.com/projects/KEY/repos/repo"),
            (
                "https://example.com/scm/key/repo",
                "https://example.com/projects/KEY/repos/repo/browse",
            ),
            (
                "https://example.com/scm/~ada/repo",
                "https://example.com/users/ada/repos/repo/browse",
            ),
            (
                "https://bitbucket.org/org/repo",
                "https://api.bitbucket.org/2.0/repositories/org/repo",
            ),
            ("git@github.com:org/repo", "https://api.github.com/repos/org/repo"),
            (" https://example.com/org/repo\n", "https://example.com./org/repo"),
            ("https://example.com/org/repo", "https://example.com/org/repo.git?token=a/b#c"),
            ("file:///srv/git/a.git", "file:///srv/git/a.git"),
            ("/srv/git/a.git", "/srv/git/a.git"),
            ("file:///srv/git/a.git", "/srv/git/a.git"),
            ("file://localhost/srv/git/a.git", "/srv/git/a.git/"),
        ] {
            assert!(same(a, b), "{a} and {b}");
        }
    }

    #[test]
    fn spellings_of_azure_devops_are_the_same() {
        let canonical = "https://dev.azure.com/org/proj/_git/repo";
        for url in [
            "https://org@dev.azure.com/org/proj/_git/repo",
            "git@ssh.dev.azure.com:v3/org/proj/repo",
            "ssh://git@ssh.dev.azure.com:22/v3/org/proj/repo",
            "org@vs-ssh.visualstudio.com:v3/org/proj/repo",
            "https://org.visualstudio.com/proj/_git/repo",
            "https://org.visualstudio.com/DefaultCollection/proj/_git/repo",
            "https://org.visualstudio.com/proj/DefaultCollection/_git/repo",
        ] {
            assert!(same(canonical, url), "{url}");
        }
        let shortened = "https://dev.azure.com/org/repo/_git/repo";
        for url in [
            "https://dev.azure.com/org/_git/repo",
            "https://org.visualstudio.com/_git/repo",
            "https://org.visualstudio.com/DefaultCollection/_git/repo",
            "git@ssh.dev.azure.com:v3/org/repo/repo",
        ] {
            assert!(same(shortened, url), "{url}");
        }
        assert!(!same(canonical, shortened));
    }

    #[test]
    fn different_repositories_differ() {
        for (a, b) in [
            ("https://example.com/org/a..d", "https://example.com/org/abcd"),
            ("https://an.example.com/org/repo", "https://an-example.com/org/repo"),
            ("https://example.com/org/repo", "https://example.com/org/repo-2"),
            ("https://example.com/org/repo", "https://example.com/other/repo"),
            ("https://example.com/org/repo", "ssh://git@unknown.example.com/org/repo"),
            ("https://example.com/org/repo", "ssh://-user-name@example.com/org/repo"),
            ("https://example.com/repo", "https://ssh.com/repo"),
            ("https://com/repo", "https://ssh.com/repo"),
            ("/srv/git/a", "/srv/git/A"),
            ("/srv/git/a.git", "/srv/git/a"),
        ] {
            assert!(!same(a, b), "{a} and {b}");
        }
    }

    #[test]
    fn what_names_no_repository_is_none() {
        for text in [
            "",
            "  ",
            "https://",
            "https:///a/b",
            "https://example.com",
            "https://example.com/",
            "https://example.com/.git",
            "://",
            ":",
            "@:",
            ":a",
            "https://[::1/a",
            "git@:a/b",
        ] {
            assert_eq!(RepositoryUrl::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_full_name_is_the_end_of_the_path_at_a_slash() {
        let url =
            RepositoryUrl::parse("https://git.example.com/bitbucket/scm/KEY/repo.git").unwrap();
        assert!(url.is_named("KEY/repo"));
        for other in ["", "Y/repo", "KEY/repo-2", "KEY"] {
            assert!(!url.is_named(other), "{other}");
        }
    }

    #[test]
    fn nothing_that_may_be_a_password_is_shown() {
        for (text, shown) in [
            ("https://git.example/a/b", "https://git.example/a/b"),
            ("https://ada:p@ss@git.example:3000/a", "https://git.example:3000/a"),
            ("ssh://git@git.example", "ssh://git.example"),
            ("https://token@git.example?a@b", "https://git.example"),
            ("https://git.example/a?access_token=b", "https://git.example/a"),
            ("https://git.example/a#token", "https://git.example/a"),
            ("https://ada:p/w@git.example/a", "https://…@git.example/a"),
            ("git@git.example:a/b", "git.example:a/b"),
            ("ada:hunter2@git.example:a/b", "git.example:a/b"),
            ("acme/fleet?token=a", "acme/fleet"),
            ("/srv/git/a", "/srv/git/a"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
        let secret = "hunter2";
        for url in [
            "https://git.example/a/b?t=hunter2",
            "https://ada:hunter2@git.example/a",
            "https://ada:x/hunter2@git.example/a",
            "ada:hunter2@git.example:a/b",
            "ada:hunter2@git.example/a/b",
            "hunter2@git.example/a",
            "file:///srv/a?hunter2",
            "/srv/a#hunter2",
        ] {
            let told = RepositoryUrl::parse(url).map(|url| url.to_string()).unwrap_or_default();
            assert!(!told.contains(secret), "{url}: {told}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*", url in "[a-z@:/\\[\\].~-]{0,40}") {
            let _ = RepositoryUrl::parse(&text);
            let _ = RepositoryUrl::parse(&url);
        }
    }
}
