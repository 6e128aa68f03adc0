//! The rules that texts of the configuration keep. The schema names the rule of a text with
//! `x-rule`; this is what the name means.

use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;

use secrecy::SecretString;

use crate::config::secret::{Secret, SecretError};
use crate::config::value::{
    self, FolderPath, FollowedRevision, Kind, Refusal, Size, Span, StoreUrl,
};
use crate::domain::name::ApplicationName;
use crate::domain::quoted::{Quoted, may_be_secret};

/// What a configuration points to outside of itself.
pub trait Surroundings {
    /// Whether a secret is there and not empty.
    fn secret(&self, secret: &Secret) -> Result<(), SecretError>;
    /// Whether a file can be opened.
    fn file(&self, path: &Path) -> Result<(), std::io::Error>;
    /// The value of a secret that is there.
    fn value(&self, secret: &Secret) -> Option<SecretString>;
    /// Whether there is anything at a path.
    fn exists(&self, path: &Path) -> bool;
    /// The contexts of a kubeconfig, or of the default one, and the current one; or why it cannot be
    /// read.
    fn contexts(&self, kubeconfig: Option<&Path>) -> Result<Contexts, String>;
}

/// The contexts of a kubeconfig.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contexts {
    /// Their names.
    pub names: Vec<String>,
    /// The one that is taken where none is asked for.
    pub current: Option<String>,
}

/// Whether a text keeps the rule of that name. A rule without a meaning here is an error of the
/// schema, and refuses everything.
pub(super) fn check(rule: &str, text: &str, around: &dyn Surroundings) -> Result<(), Refusal> {
    match rule {
        "name" => text.parse::<ApplicationName>().map(drop).map_err(|e| Refusal::Expected(e.rule)),
        "duration" => parses::<Span>(text),
        "size" => parses::<Size>(text),
        "path" => parses::<FolderPath>(text),
        "revision" => parses::<FollowedRevision>(text),
        "kind" => parses::<Kind>(text),
        "store-url" => parses::<StoreUrl>(text),
        "git-url" => git_url(text),
        "repository-url" => git_url(text).and_then(|()| no_mistyped_url(text, around)),
        "cluster-url" => cluster_url(text),
        "proxy-url" => proxy_url(text),
        "address" => expect(text.parse::<SocketAddr>().is_ok(), ADDRESS),
        "namespace" => expect(is_label(text), NAMESPACE),
        "label-key" => expect(is_label_key(text), LABEL_KEY),
        "label-value" => expect(text.is_empty() || is_label_name(text), LABEL_VALUE),
        "text" => expect(is_plain(text), TEXT),
        // What does not fit may have a secret in it, so it is not shown.
        "user" => expect_unseen(is_plain(text) && !text.contains(':'), USER),
        // Who is refused for its sake is told its name.
        "header" => {
            let is_name = http::HeaderName::from_str(text).is_ok();
            expect_unseen(is_name && !may_be_secret(text), HEADER)
        }
        "variable" => variable(text, around),
        "secret-file" => readable_secret(&Secret::File(text.into()), around),
        "file" => around.file(Path::new(text)).map_err(|error| {
            Refusal::Because(format!("file {} cannot be read: {error}", Quoted(text)))
        }),
        unknown => Err(Refusal::Because(format!("the schema names an unknown rule, `{unknown}`"))),
    }
}

/// What a rule wants, in a few words, where there is no text at all.
pub(super) fn noun(rule: &str) -> &'static str {
    match rule {
        "name" => "a name",
        "duration" => value::DURATION,
        "size" => value::SIZE,
        "path" => "a path",
        "revision" => value::REVISION,
        "kind" => value::KIND,
        "store-url" => "sqlite://PATH",
        "git-url" | "repository-url" => GIT_URL,
        "cluster-url" | "proxy-url" => "a URL",
        "address" => ADDRESS,
        "namespace" => "a namespace",
        "variable" => "the name of an environment variable",
        "secret-file" | "file" => "the path of a file",
        "user" => "a user name",
        "header" => HEADER,
        _ => "a text",
    }
}

const ADDRESS: &str = "an IP address and a port like 127.0.0.1:8080 or [::]:8080";
const NAMESPACE: &str = "a namespace: 1 to 63 of the characters a-z, 0-9 and `-`, beginning and \
                         ending with a letter or digit";
const LABEL_KEY: &str = "a label's key like `team` or `example.org/team`";
const LABEL_VALUE: &str = "a label's value: at most 63 letters, digits, `-`, `_` and `.`, \
                           beginning and ending with a letter or digit";
const TEXT: &str = "a text of 1 to 253 characters without control characters";
const USER: &str = "a user name without `:`";
const HEADER: &str = "the name of an HTTP header like X-Token";
const GIT_URL: &str = "https://…, http://…, ssh://…, user@host:path, file://… or a path";

/// Longest text of a free form, as long as the longest name in Kubernetes.
const TEXT_MAX: usize = 253;

fn expect(good: bool, expected: &'static str) -> Result<(), Refusal> {
    if good { Ok(()) } else { Err(Refusal::Expected(expected)) }
}

fn expect_unseen(good: bool, expected: &str) -> Result<(), Refusal> {
    if good { Ok(()) } else { Err(Refusal::Because(format!("expected {expected}"))) }
}

fn parses<T: FromStr<Err = Refusal>>(text: &str) -> Result<(), Refusal> {
    text.parse::<T>().map(drop)
}

fn is_plain(text: &str) -> bool {
    (1..=TEXT_MAX).contains(&text.chars().count()) && !text.contains(char::is_control)
}

fn is_label(text: &str) -> bool {
    is_label_name(text) && text.bytes().all(|b| !b.is_ascii_uppercase() && b != b'_' && b != b'.')
}

fn is_label_name(text: &str) -> bool {
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => {
            prefix.len() <= TEXT_MAX && prefix.split('.').all(is_label) && is_label_name(name)
        }
        None => is_label_name(text),
    }
}

fn variable(name: &str, around: &dyn Surroundings) -> Result<(), Refusal> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if name.is_empty() || !name.bytes().all(plain) || name.as_bytes()[0].is_ascii_digit() {
        // What is no name of a variable may be the secret itself, so it is not shown.
        return Err(Refusal::Because(
            "expected the name of an environment variable: letters, digits and `_`".to_owned(),
        ));
    }
    readable_secret(&Secret::Env(name.to_owned()), around)
}

fn readable_secret(secret: &Secret, around: &dyn Surroundings) -> Result<(), Refusal> {
    around.secret(secret).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|source| format!(": {source}"));
        Refusal::Because(format!("{error}{}", cause.unwrap_or_default()))
    })
}

fn git_url(text: &str) -> Result<(), Refusal> {
    // Any part of a URL may hold a secret, so none is shown.
    let expected = || Refusal::Because(format!("expected {GIT_URL}, without query and blanks"));
    if !is_plain(text) || text.contains([' ', '?', '#']) || text.starts_with('-') {
        return Err(expected());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        // A path, or `user@host:path`: neither has room for a password.
        return Ok(());
    };
    let host_needed = match scheme {
        "https" | "http" | "ssh" => true,
        "file" => false,
        _ => return Err(expected()),
    };
    // A host alone is no repository.
    let has_no_path = rest.split_once('/').is_none_or(|(_, path)| path.is_empty());
    let (user, host) = split_authority(rest);
    let allowed_user = |user: &str| scheme == "ssh" && !user.contains(':');
    if user.is_some_and(|user| !allowed_user(user)) {
        return Err(Refusal::Because(
            "a URL here holds no user or password: remove what is before the `@` and use `auth`"
                .to_owned(),
        ));
    }
    if host_needed && (host.is_empty() || has_no_path) { Err(expected()) } else { Ok(()) }
}

/// Refuses what is taken for a path or for `user@host:path` and was most likely meant to be something
/// else: a URL without its scheme, or with a mistyped one.
fn no_mistyped_url(text: &str, around: &dyn Surroundings) -> Result<(), Refusal> {
    if text.contains("://") || text.starts_with(['/', '.']) || around.exists(Path::new(text)) {
        return Ok(());
    }
    let refused = |what: &str, meant: Option<String>| {
        let meant = meant.filter(|meant| !may_be_secret(meant));
        let meant = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
        Err(Refusal::Because(format!("{what}{meant}")))
    };
    if text.starts_with('~') {
        return refused("`~` is not expanded here: write the whole path", None);
    }
    for scheme in ["https", "http", "ssh", "file"] {
        let rest = text.strip_prefix(scheme).map(|rest| rest.trim_start_matches([':', '/']));
        if let Some(rest) = rest.filter(|rest| text.len() - rest.len() > scheme.len()) {
            return refused(
                &format!("expected `{scheme}://` before the host"),
                Some(format!("{scheme}://{rest}")),
            );
        }
    }
    // `user@host:path`
    if text.split_once(':').is_some_and(|(host, _)| !host.contains('/')) {
        return Ok(());
    }
    let (first, rest) = text.split_once('/').unwrap_or((text, ""));
    let meant = if first.contains('@') {
        Some(format!("{first}:{rest}"))
    } else {
        first.contains('.').then(|| format!("https://{text}"))
    };
    refused(&format!("there is nothing at the path {}", Quoted(text)), meant)
}

/// The part before the `@`, if there is one, and host with port.
fn split_authority(rest: &str) -> (Option<&str>, &str) {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    }
}

fn cluster_url(text: &str) -> Result<(), Refusal> {
    let expected = || {
        Refusal::Because(
            "expected the URL of an API server like https://10.0.0.1:6443, without user or \
             password; http:// only for a loopback address, because the token is sent to it"
                .to_owned(),
        )
    };
    let (scheme, rest) = text.split_once("://").ok_or_else(expected)?;
    let (user, host) = split_authority(rest);
    let good = user.is_none()
        && is_plain(text)
        && !text.contains([' ', '?', '#'])
        && match scheme {
            "https" => !host.is_empty(),
            "http" => is_loopback(host),
            _ => false,
        };
    if good { Ok(()) } else { Err(expected()) }
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost"
        || name
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn proxy_url(text: &str) -> Result<(), Refusal> {
    let good = is_plain(text)
        && !text.contains(' ')
        && text.split_once("://").is_some_and(|(scheme, rest)| {
            let (user, host) = split_authority(rest);
            matches!(scheme, "http" | "https") && user.is_none() && !host.is_empty()
        });
    if good {
        Ok(())
    } else {
        Err(Refusal::Because(
            "expected the URL of a proxy like http://proxy:3128, without user or password"
                .to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Surroundings for Nothing {
        fn secret(&self, secret: &Secret) -> Result<(), SecretError> {
            Err(SecretError::Empty(secret.to_string()))
        }

        fn file(&self, _: &Path) -> Result<(), std::io::Error> {
            Err(std::io::ErrorKind::NotFound.into())
        }

        fn value(&self, _: &Secret) -> Option<SecretString> {
            None
        }

        fn exists(&self, _: &Path) -> bool {
            false
        }

        fn contexts(&self, _: Option<&Path>) -> Result<Contexts, String> {
            Err("there is none".to_owned())
        }
    }

    #[test]
    fn rules_take_what_is_meant_and_refuse_the_rest() {
        let table: [(&str, &[&str], &[&str]); 9] = [
            (
                "git-url",
                &[
                    "https://github.com/a/b.git",
                    "http://127.0.0.1:3000/a/b",
                    "ssh://git@host:22/a/b",
                    "git@github.com:a/b.git",
                    "file:///srv/git/a",
                    "/srv/git/a",
                    "../a",
                ],
                &[
                    "",
                    "ftp://host/a",
                    "https:///a",
                    "https://host",
                    "https://host/",
                    "https://user:word@host/a",
                    "https://token@host/a",
                    "ssh://git:word@host/a",
                    "--upload-pack=x",
                    "a b",
                ],
            ),
            (
                "cluster-url",
                &[
                    "https://10.0.0.1:6443",
                    "https://k8s.example.org/x",
                    "http://127.0.0.1:80",
                    "http://[::1]:1",
                ],
                &[
                    "",
                    "10.0.0.1",
                    "http://10.0.0.1",
                    "https://",
                    "https://u:p@host",
                    "http://localhost.example.org",
                ],
            ),
            (
                "proxy-url",
                &["http://proxy:3128"],
                &["proxy:3128", "http://u:p@proxy", "socks5://proxy"],
            ),
            ("address", &["127.0.0.1:8080", "[::]:80"], &["localhost:80", ":80", "127.0.0.1"]),
            ("namespace", &["shop", "a-1"], &["", "Shop", "a.b", "-a"]),
            ("label-key", &["team", "example.org/team_a"], &["", "/a", "a/", "a/b/c", "A.b/c"]),
            ("label-value", &["", "prod", "A_b.c"], &["-a", "a b"]),
            ("user", &["ada", "build bot"], &["", "a:b", "a\nb"]),
            ("header", &["X-Token"], &["", "X Token", "X:"]),
        ];
        for (rule, good, bad) in table {
            for text in good {
                assert_eq!(check(rule, text, &Nothing), Ok(()), "{rule}: {text}");
            }
            for text in bad {
                assert!(check(rule, text, &Nothing).is_err(), "{rule}: {text}");
            }
        }
    }

    #[test]
    fn refusals_do_not_repeat_what_may_be_a_secret() {
        for (rule, text) in [
            ("git-url", "https://user:hunter2@host/a"),
            ("git-url", "https://hunter2@host/a"),
            ("git-url", "https://host/a?token=hunter2"),
            ("proxy-url", "http://user:hunter2@proxy"),
            ("cluster-url", "https://user:hunter2@host"),
            ("store-url", "postgres://user:hunter2@host/db"),
            ("store-url", "mysql://user:hunter2@host/db"),
            ("variable", "hunter2!"),
            ("user", "user:hunter2"),
            ("header", "X-Token: hunter2"),
            ("header", "ghp_hunter2C7e42F292c6912E7710c838347Ae178B4a"),
        ] {
            let refusal = check(rule, text, &Nothing).unwrap_err();
            assert!(matches!(refusal, Refusal::Because(_)), "{rule} shows {text}");
            assert!(!refusal.to_string().contains("hunter2"), "{refusal}");
        }
    }
}
