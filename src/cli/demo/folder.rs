//! The one folder in which the demo keeps everything.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;

use crate::cli::demo::shop::{APPLICATIONS, Shop};

/// Bytes of a generated secret: as many as the digest that it signs.
const SECRET_BYTES: usize = 32;
/// Time between two checks by the timer, in seconds: short, because people wait for it.
pub(super) const INTERVAL_SECONDS: u32 = 3;
/// The name of the cluster in the configuration.
pub(super) const CLUSTER: &str = "here";
/// By what a Git host would call the repository, and does in its deliveries.
pub(super) const CLONE_URL: &str = "https://git.example.org/acme/shop.git";

/// The folder could not be made, or a file in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum FolderError {
    /// There is something in it.
    #[error("the folder {0} is not empty: name another, or remove what is in it")]
    NotEmpty(PathBuf),
    /// Its path cannot be part of the URL of a repository.
    #[error("the folder {0} has blanks, `?` or `#` in its path: name another with --folder")]
    Unfit(PathBuf),
    /// It cannot be written.
    #[error("write {path}")]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// Why it could not.
        #[source]
        source: io::Error,
    },
    /// The system has no random numbers.
    #[error("the system gives no random numbers for the secret of the webhook")]
    Random,
}

/// The folder, by its full path. Only its owner can look into it.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Takes an empty folder or makes it; without one, a new one beside other temporary files.
    pub(super) fn make(wanted: Option<&Path>) -> Result<Self, FolderError> {
        let Some(wanted) = wanted else {
            let folder = tempfile::Builder::new().prefix("headstay-demo-").tempdir();
            let made = folder.map(tempfile::TempDir::keep);
            return fit(made.map_err(failed(&std::env::temp_dir()))?);
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(wanted);
        made.map_err(failed(wanted))?;
        let full = fs::canonicalize(wanted).map_err(failed(wanted))?;
        if fs::read_dir(&full).map_err(failed(&full))?.next().is_some() {
            return Err(FolderError::NotEmpty(full));
        }
        fit(full)
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The log of Headstay.
    pub(super) fn log(&self) -> PathBuf {
        self.0.join("headstay.log")
    }

    /// The configuration of Headstay.
    pub(super) fn configuration(&self) -> PathBuf {
        self.0.join("headstay.yaml")
    }

    /// The store of Headstay.
    pub(super) fn store(&self) -> PathBuf {
        self.0.join("headstay.db")
    }

    /// The repository.
    pub(super) fn repository(&self) -> PathBuf {
        self.0.join("shop.git")
    }

    /// The secret of the webhook.
    pub(super) fn secret(&self) -> PathBuf {
        self.0.join("webhook-secret")
    }

    /// The kubeconfig of the sandbox.
    #[cfg(feature = "sandbox")]
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubeconfig")
    }

    /// Makes the log.
    pub(super) fn make_log(&self) -> Result<File, FolderError> {
        private(&self.log()).map_err(failed(&self.log()))
    }

    /// Generates the secret of the webhook and keeps it.
    pub(super) fn make_secret(&self) -> Result<String, FolderError> {
        let mut secret = [0; SECRET_BYTES];
        SystemRandom::new().fill(&mut secret).map_err(|_| FolderError::Random)?;
        let secret = hex::encode(secret);
        write(&self.secret(), &secret)?;
        Ok(secret)
    }

    /// The configuration for the shop on a cluster, which is told by keys of YAML's flow style.
    pub(super) fn configuration_for(&self, shop: &Shop, instance: &str, cluster: &str) -> String {
        let quoted = |path: &Path| json!(path.display().to_string());
        let url = |scheme: &str, path: &Path| json!(format!("{scheme}://{}", path.display()));
        let applications = APPLICATIONS.map(|application| {
            let namespace = shop.namespace(application);
            format!(
                "  - name: {application}
    repository: shop
    revision: main
    path: apps/{application}
    cluster: {CLUSTER}
    namespace: {namespace}
    sync: {{interval: {INTERVAL_SECONDS}s}}
"
            )
        });
        format!(
            "\
# The demo's configuration of Headstay. It may be changed: it is read again within seconds.
server: {{listen: \"127.0.0.1:0\", instance: {instance}}}
store: {{url: {store}}}
receivers:
  - {{name: github, provider: github, secrets: [{{file: {secret}}}]}}
clusters:
  - {{name: {CLUSTER}, {cluster}}}
repositories:
  - name: shop
    url: {repository}
    aliases: [{CLONE_URL}]
applications:
{applications}",
            store = url("sqlite", &self.store()),
            secret = quoted(&self.secret()),
            repository = url("file", &self.repository()),
            applications = applications.concat(),
        )
    }
}

/// Writes a new file that only its owner can read.
pub(super) fn write(path: &Path, text: &str) -> Result<(), FolderError> {
    let written = private(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(failed(path))
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// A folder in which a repository can be.
fn fit(path: PathBuf) -> Result<Folder, FolderError> {
    let unfit = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#');
    let fits = path.to_str().is_some_and(|path| !path.contains(unfit));
    if fits { Ok(Folder(path)) } else { Err(FolderError::Unfit(path)) }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Write { path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::read::load;

    #[test]
    fn a_folder_with_something_in_it_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let wanted = place.path().join("a/demo");
        let folder = Folder::make(Some(&wanted)).unwrap();
        folder.make_secret().unwrap();
        assert!(matches!(Folder::make(Some(&wanted)), Err(FolderError::NotEmpty(_))));
    }

    #[test]
    fn only_the_owner_can_read_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::make(Some(&place.path().join("demo"))).unwrap();
        let secret = folder.make_secret().unwrap();
        assert_eq!(fs::read_to_string(folder.secret()).unwrap(), secret);
        for path in [folder.path().to_owned(), folder.secret()] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o077, 0);
        }
    }

    #[test]
    fn a_path_that_no_url_can_have_is_refused() {
        let place = tempfile::tempdir().unwrap();
        for name in ["my demo", "demo#1", "demo?"] {
            let made = Folder::make(Some(&place.path().join(name)));
            assert!(matches!(made, Err(FolderError::Unfit(_))), "{name}");
        }
    }

    #[test]
    fn the_configuration_is_good_whatever_the_folder_is_called() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::make(Some(&place.path().join("it's:{a}\"demo\"&1"))).unwrap();
        folder.make_secret().unwrap();
        let kubeconfig = place.path().join("kubeconfig");
        let context = "{name: 'kind: dev', context: {cluster: a, user: b}}";
        write(&kubeconfig, &format!("contexts: [{context}]\n")).unwrap();
        let cluster = format!("kubeconfig: {}, context: 'kind: dev'", kubeconfig.display());
        let text = folder.configuration_for(&Shop::new("-x"), "demo", &cluster);
        write(&folder.configuration(), &text).unwrap();
        let config = load(&folder.configuration()).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(config.store.sqlite, folder.store());
        assert_eq!(config.applications.len(), APPLICATIONS.len());
    }
}
