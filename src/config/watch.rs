//! Tells when the configuration's files change. They are read and compared, not watched: a
//! mounted `ConfigMap` swaps a symlink, editors swap files, and some file systems tell nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::sleep;

use crate::config::problem::ConfigErrors;
use crate::config::read::{SourceFile, read_files};

/// Time between two looks.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// How long files must stay the same to be taken: half a file can be a whole configuration.
const SETTLE_TIME: Duration = Duration::from_millis(200);

/// Watches the bytes behind a path.
#[derive(Debug)]
pub struct Watcher {
    path: PathBuf,
    seen: Fingerprint,
}

/// Stands for the bytes of all files, or for why they cannot be read.
type Fingerprint = [u8; 32];

impl Watcher {
    /// Begins with what is there now. Make it before the configuration is loaded, so that no
    /// change between the two is missed.
    pub async fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: look(path).await }
    }

    /// Returns when the files are not what they were when it last returned, and have settled.
    /// Files that cannot be read, or can again, are a change too. Cancel-safe.
    pub async fn changed(&mut self) {
        loop {
            sleep(POLL_INTERVAL).await;
            let mut latest = look(&self.path).await;
            if latest == self.seen {
                continue;
            }
            loop {
                sleep(SETTLE_TIME).await;
                let settled = look(&self.path).await;
                if settled == latest {
                    break;
                }
                latest = settled;
            }
            self.seen = latest;
            return;
        }
    }

    /// Looks now, for a reload that somebody asked for; whether the files are not what they were.
    pub async fn look_now(&mut self) -> bool {
        let latest = look(&self.path).await;
        std::mem::replace(&mut self.seen, latest) != latest
    }
}

/// Reads off the runtime's threads. A reader that died counts as nothing seen.
async fn look(path: &Path) -> Fingerprint {
    let path = path.to_owned();
    let looked = tokio::task::spawn_blocking(move || fingerprint(&read_files(&path))).await;
    looked.unwrap_or_default()
}

fn fingerprint(files: &Result<Vec<SourceFile>, ConfigErrors>) -> Fingerprint {
    let mut digest = Sha256::new();
    let mut add = |bytes: &[u8]| {
        digest.update(bytes.len().to_le_bytes());
        digest.update(bytes);
    };
    match files {
        Ok(files) => {
            for SourceFile { name, content } in files {
                add(name.as_bytes());
                add(content);
            }
        }
        Err(errors) => add(errors.to_string().as_bytes()),
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn file(name: &str, content: &str) -> SourceFile {
        SourceFile { name: name.to_owned(), content: content.into() }
    }

    #[test]
    fn fingerprints_differ_by_name_content_and_border() {
        let base = fingerprint(&Ok(vec![file("a", "xy"), file("b", "z")]));
        for other in [
            vec![file("a", "x"), file("b", "yz")],
            vec![file("a", "xy"), file("c", "z")],
            vec![file("a", "xy")],
            vec![],
        ] {
            assert_ne!(fingerprint(&Ok(other)), base);
        }
        assert_eq!(fingerprint(&Ok(vec![file("a", "xy"), file("b", "z")])), base);
    }

    #[tokio::test]
    async fn a_swapped_symlink_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for version in ["1", "2"] {
            std::fs::create_dir(at(version)).unwrap();
            std::fs::write(at(version).join("headstay.yaml"), version).unwrap();
        }
        symlink("1", at("..data")).unwrap();
        symlink("..data/headstay.yaml", at("headstay.yaml")).unwrap();
        let mut watcher = Watcher::new(folder.path()).await;
        assert!(!watcher.look_now().await);
        symlink("2", at("..new")).unwrap();
        std::fs::rename(at("..new"), at("..data")).unwrap();
        assert!(watcher.look_now().await);
        assert!(!watcher.look_now().await);
    }
}
