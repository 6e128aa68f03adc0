//! Kubeconfigs, which hold secrets: what is wrong with one is told in our words, because the errors of
//! those who parse it, or what a credential plugin answers, quote what they were given.

use std::error::Error;
use std::io;
use std::path::Path;

use kube::client::AuthError;
use kube::config::{Kubeconfig, KubeconfigError, LoadDataError};

use crate::domain::quoted::Quoted;

type BoxError = Box<dyn Error + Send + Sync>;

/// What is wrong with a kubeconfig, or with the credentials that it leads to. Names where, never what.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

/// Reads the kubeconfig at a path, or (none) where kubectl looks for one.
pub fn read(path: Option<&Path>) -> Result<Kubeconfig, Unusable> {
    let read = path.map_or_else(Kubeconfig::read, Kubeconfig::read_from);
    read.map_err(|error| Unusable(of_file(&error)))
}

/// The error of a client that a kubeconfig leads to, without what was read: however deep in it the error
/// is that quotes that.
pub fn in_our_words(error: BoxError) -> BoxError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error.as_ref());
    while let Some(told) = cause {
        if let Some(words) = of_cause(told) {
            return Unusable(words).into();
        }
        // An error of the system does not tell the one that it was made of as its source.
        let made_of = told.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = made_of.map_or_else(|| told.source(), |error| Some(error));
    }
    error
}

/// What is told of an error that quotes what it was given; none, where it is none of these.
fn of_cause(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<KubeconfigError>() {
        return Some(of_file(error));
    }
    if let Some(error) = error.downcast_ref::<AuthError>() {
        return Some(of_credentials(error));
    }
    match error.downcast_ref::<kube::Error>()? {
        kube::Error::InferKubeconfig(error) => Some(of_file(error)),
        kube::Error::Auth(error) => Some(of_credentials(error)),
        kube::Error::RustlsTls(_) => Some(
            "a certificate or key in it, or in a file that it names, cannot be used: each is to be \
             in PEM format, and the key is to fit its certificate"
                .to_owned(),
        ),
        _ => None,
    }
}

fn of_file(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(error) => {
            let line = error.location().map(|location| location.line());
            format!("it is not a kubeconfig{}", at(line))
        }
        KubeconfigError::LoadCertificateAuthority(error) => {
            format!("its certificate authority {}", of_data(error))
        }
        KubeconfigError::LoadClientCertificate(error) => {
            format!("its client certificate {}", of_data(error))
        }
        KubeconfigError::LoadClientKey(error) => format!("its client key {}", of_data(error)),
        KubeconfigError::ReadConfig(error, path) => {
            let path = path.to_string_lossy();
            format!("there is no kubeconfig at {} that can be read: {error}", Quoted(&path))
        }
        KubeconfigError::LoadContext(name) => format!("it has no context {}", Quoted(name)),
        KubeconfigError::LoadClusterOfContext(name) => {
            format!("its context names a cluster that it has not: {}", Quoted(name))
        }
        KubeconfigError::ParseCertificates(_) => {
            "its certificate authority is not in PEM format".to_owned()
        }
        error => error.to_string(),
    }
}

fn of_data(error: &LoadDataError) -> String {
    match error {
        LoadDataError::DecodeBase64(_) => "is not base64".to_owned(),
        LoadDataError::ReadFile(error, _) => {
            format!("is in a file that cannot be read: {error}")
        }
        LoadDataError::NoBase64DataOrFile => "is missing".to_owned(),
    }
}

fn of_credentials(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecStart(error) => {
            format!("its credential plugin cannot be started: {error}")
        }
        AuthError::AuthExecRun { out, .. } => format!(
            "its credential plugin failed ({}): run it yourself to see why, since what it says may \
             be a secret",
            out.status
        ),
        AuthError::AuthExecParse(error) => {
            let line = error.location().map(|location| location.line());
            format!("what its credential plugin answers is no ExecCredential{}", at(line))
        }
        AuthError::ParseTokenKey(_) => "what its command for tokens answers is not JSON".to_owned(),
        AuthError::MalformedTokenExpirationDate(_) => {
            "its token comes with an expiry that is no time".to_owned()
        }
        AuthError::ReadTokenFile(error, _) => {
            format!("its token is in a file that cannot be read: {error}")
        }
        error => error.to_string(),
    }
}

/// Where a parser stopped, if it knows.
fn at(line: Option<u64>) -> String {
    line.filter(|line| *line > 0).map_or_else(String::new, |line| format!(": see line {line}"))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use kube::Config;
    use kube::client::ConfigExt;

    use super::*;

    /// What is told of an access to a cluster that cannot be set up.
    fn told(kubeconfig: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        std::fs::write(&path, kubeconfig).unwrap();
        let opened = || -> Result<(), BoxError> {
            let config = Config::try_from(read(Some(&path))?)?;
            config.rustls_client_config()?;
            config.auth_layer()?;
            Ok(())
        };
        // As deep as a client hides it.
        let error = std::io::Error::other(opened().unwrap_err());
        let error = in_our_words(kube::Error::Service(error.into()).into());
        let mut told = format!("{error} {error:?}");
        let mut source = error.source();
        while let Some(error) = source {
            write!(told, " {error} {error:?}").unwrap();
            source = error.source();
        }
        told
    }

    #[test]
    fn nothing_of_what_a_kubeconfig_or_its_plugin_holds_is_told() {
        let with = |user: &str| {
            format!(
                "current-context: here
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
clusters: [{{name: here, cluster: {{server: 'https://127.0.0.1:1'}}}}]
users:
- name: me
  user:
{user}
"
            )
        };
        let exec = |script: &str| {
            let exec = "apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never";
            with(&format!(
                "    exec: {{{exec}, command: sh, args: ['-c', '{script}'], \
                 env: [{{name: A, value: hunter2}}]}}"
            ))
        };
        // A key whose first line holds all of it.
        let pem = "LS0tLS1CRUdJTiBQUklWQVRFIEtFWSBodW50ZXIyCg==";
        for (kubeconfig, expected) in [
            (with("    username: {bad: 1}\n    token: hunter2"), "not a kubeconfig: see line 7"),
            (with("    token: hunter2\n  - x"), "not a kubeconfig: see line "),
            ("hunter2".to_owned(), "not a kubeconfig"),
            (with("    token: [hunter2]"), "not a kubeconfig: see line 7"),
            (
                with("    client-certificate-data: hunter2!\n    client-key-data: eA=="),
                "its client certificate is not base64",
            ),
            (
                with("    client-certificate-data: eA==\n    client-key: hunter2"),
                "its client key is in a",
            ),
            (
                with(&format!("    client-certificate-data: eA==\n    client-key-data: {pem}")),
                "a certificate or key in it",
            ),
            (exec("echo hunter2; exit 3"), "plugin failed (exit status: 3)"),
            (exec("echo hunter2"), "no ExecCredential"),
            (exec("echo \"status: [hunter2\""), "no ExecCredential: see line "),
        ] {
            let told = told(&kubeconfig);
            assert!(told.contains(expected), "{kubeconfig}: {told}");
            let bytes = format!("{:?}", b"hunter2");
            let shown = told.contains("hunter2") || told.contains(bytes.trim_matches(['[', ']']));
            assert!(!shown, "{kubeconfig}: {told}");
        }
    }
}
