//! The files that a connection was made from: when their bytes change, it is made anew.

use std::env;
use std::path::{Path, PathBuf};

use kube::config::Kubeconfig;
use sha2::{Digest, Sha256};

/// Files, each with the digest of what was in it; none when it could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Files(Vec<(PathBuf, Option<[u8; 32]>)>);

impl Files {
    /// Takes down what is in a file now. To be done before it is used: a change in between is then
    /// seen later, and not lost.
    pub(super) fn note(&mut self, path: &Path) {
        self.0.push((path.to_owned(), digest(path)));
    }

    /// Takes down the kubeconfig at a path, or (none) where kubectl looks for one.
    pub(super) fn note_kubeconfig(&mut self, path: Option<&Path>) {
        match path {
            Some(path) => self.note(path),
            None => default_kubeconfigs().iter().for_each(|path| self.note(path)),
        }
    }

    /// Takes down the files that the current context of a kubeconfig names. That of a token is not
    /// among them: it is read anew every minute.
    pub(super) fn note_named(&mut self, kubeconfig: &Kubeconfig) {
        let current = kubeconfig.current_context.as_deref();
        let context = kubeconfig.contexts.iter().find(|context| Some(&*context.name) == current);
        let Some(context) = context.and_then(|context| context.context.as_ref()) else { return };
        let mut clusters = kubeconfig.clusters.iter();
        let cluster = clusters.find(|cluster| cluster.name == context.cluster);
        let cluster = cluster.and_then(|cluster| cluster.cluster.as_ref());
        let mut users = kubeconfig.auth_infos.iter();
        let user = users.find(|user| Some(&user.name) == context.user.as_ref());
        let user = user.and_then(|user| user.auth_info.as_ref());
        let named = [
            cluster.and_then(|cluster| cluster.certificate_authority.as_ref()),
            user.and_then(|user| user.client_certificate.as_ref()),
            user.and_then(|user| user.client_key.as_ref()),
        ];
        named.into_iter().flatten().for_each(|path| self.note(Path::new(path)));
    }

    /// Whether any of them is not as it was.
    pub(super) fn have_changed(&self) -> bool {
        self.0.iter().any(|(path, before)| digest(path) != *before)
    }
}

fn digest(path: &Path) -> Option<[u8; 32]> {
    std::fs::read(path).ok().map(|bytes| Sha256::digest(bytes).into())
}

/// `$KUBECONFIG`, which may name several, or `~/.kube/config`.
fn default_kubeconfigs() -> Vec<PathBuf> {
    let named = env::var_os("KUBECONFIG").unwrap_or_default();
    let named: Vec<_> =
        env::split_paths(&named).filter(|path| !path.as_os_str().is_empty()).collect();
    if named.is_empty() {
        return env::home_dir().map(|home| home.join(".kube/config")).into_iter().collect();
    }
    named
}
