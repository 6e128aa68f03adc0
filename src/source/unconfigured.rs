//! Mirrors of repositories that have left the configuration. They are on the disk for nothing, but
//! not gone at once: see [`GRACE`].

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use git2::Config;
use jiff::{SignedDuration, Timestamp};
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use crate::domain::name::RepositoryName;
use crate::source::Source;
use crate::source::error::FetchError;
use crate::source::mirror::{Mirror, URL_KEY, local, remove};
use crate::source::rounds::Rounds;
use crate::source::transport::ready;

/// How long a mirror outlives its repository in the configuration. With it go the pins of the
/// history: commits that a force-push took from the host, and that no clone brings back. A mistake
/// in the configuration that is put right within a day shall not cost them.
const GRACE: SignedDuration = SignedDuration::from_hours(24);
/// Where a mirror's own configuration says since when its repository is not in ours.
const SINCE_KEY: &str = "headstay.unconfiguredSince";

impl Source {
    /// Removes mirrors whose repositories were not configured for `GRACE`, and notes of the others
    /// which are not. Only folders that the mirrors' own configuration shows to be mirrors of ours
    /// are touched, and none while a job has it open: its turn comes the next time.
    pub async fn remove_unconfigured(&self, configured: &BTreeSet<RepositoryName>, now: Timestamp) {
        let folder = self.inner.folder.clone();
        let Ok(names) = spawn_blocking(move || mirrors(&folder)).await else { return };
        for name in names {
            let (place, is_configured) = (self.place(&name), configured.contains(&name));
            let Ok(mut rounds) = place.rounds.clone().try_lock_owned() else { continue };
            let job = spawn_blocking(move || {
                let weighed = place.mirror.alone(|mirror| weigh(mirror, is_configured, now));
                if let Ok(true) = weighed {
                    // Nothing that is known of it holds any longer.
                    *rounds = Rounds::default();
                    *place.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
                }
                weighed
            });
            match job.await {
                Ok(Ok(true)) => {
                    info!(repository = %name, "its mirror was removed: it left the configuration");
                }
                Ok(Err(error)) => warn!(repository = %name, %error, "its mirror cannot be removed"),
                Ok(Ok(false)) | Err(_) => {}
            }
        }
        // A job that goes on holds its place, and so keeps a second one from coming to be.
        let mut places = self.inner.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|name, place| configured.contains(name) || Arc::strong_count(place) > 1);
    }
}

/// The repositories of which there are mirrors, whole or begun.
fn mirrors(folder: &Path) -> BTreeSet<RepositoryName> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let name = [".git", ".git.old", ".git.new"].iter().find_map(|end| name.strip_suffix(end));
        name.and_then(|name| name.parse().ok()).filter(|_| own(&entry.path()).is_some())
    });
    names.collect()
}

/// The configuration of a folder that is one of our mirrors, and no link to elsewhere.
fn own(folder: &Path) -> Option<Config> {
    ready().ok()?;
    fs::symlink_metadata(folder).ok().filter(fs::Metadata::is_dir)?;
    let config = Config::open(&folder.join("config")).ok()?;
    config.get_string(URL_KEY).is_ok().then_some(config)
}

/// Removes a mirror, or notes how it stands; whether it was removed.
fn weigh(mirror: &Mirror, is_configured: bool, now: Timestamp) -> Result<bool, FetchError> {
    let folders: Vec<(PathBuf, Config)> = mirror
        .folders()
        .into_iter()
        .filter_map(|folder| own(&folder).map(|config| (folder, config)))
        .collect();
    let mut removed = false;
    for (folder, mut config) in folders {
        let since = config.get_string(SINCE_KEY).ok();
        match since.and_then(|since| since.parse::<Timestamp>().ok()) {
            Some(_) if is_configured => config.remove(SINCE_KEY).map_err(local)?,
            Some(since) if now.duration_since(since) >= GRACE => {
                drop(config);
                remove(&folder)?;
                removed = true;
            }
            None if !is_configured => {
                config.set_str(SINCE_KEY, &now.to_string()).map_err(local)?;
            }
            Some(_) | None => {}
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::Arc;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;
    use crate::config::{Repository, RepositoryAuth};
    use crate::domain::commit::Revision;
    use crate::source::testing::{Remote, repository};

    /// After this long something hangs.
    const DEADLINE: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn a_mirror_goes_a_day_after_its_repository_left_the_configuration() {
        let (remote, data) = (Remote::new(), TempDir::new().unwrap());
        remote.commit("main", &[("a.yaml", "a: 1")]);
        let fleet = repository(remote.path().to_str().unwrap(), RepositoryAuth::None);
        let (source, main) = (Source::new(data.path()), [Revision::parse("main")]);
        let begin = Timestamp::now();
        source.fetch(&fleet, &main, begin).await.unwrap();
        let mirror = data.path().join("repositories/fleet.git");
        let after = async |hours: i64, configured: &[&RepositoryName]| {
            let configured = configured.iter().map(|name| (*name).clone()).collect();
            let now = begin + SignedDuration::from_hours(hours);
            source.remove_unconfigured(&configured, now).await;
            mirror.exists()
        };
        assert!(after(0, &[]).await, "noted");
        assert!(after(23, &[]).await, "within the grace");
        assert!(after(25, &[&fleet.name]).await, "it is back");
        assert!(after(26, &[]).await, "and the grace begins anew");
        assert!(after(49, &[]).await);
        assert!(!after(50, &[]).await);
        let fetched = source.fetch(&fleet, &main, begin).await.unwrap();
        assert!(fetched.performed && mirror.exists(), "what came of earlier fetches is forgotten");
    }

    #[tokio::test]
    async fn a_mirror_that_is_fetched_into_holds_up_no_other() {
        let (remote, data) = (Remote::new(), TempDir::new().unwrap());
        remote.commit("main", &[("a.yaml", "a: 1")]);
        let fleet = repository(remote.path().to_str().unwrap(), RepositoryAuth::None);
        let other = Arc::new(Repository { name: "other".parse().unwrap(), ..(*fleet).clone() });
        let (source, main) = (Source::new(data.path()), [Revision::parse("main")]);
        for repository in [&fleet, &other] {
            source.fetch(repository, &main, Timestamp::now()).await.unwrap();
        }
        let _turn = source.place(&fleet.name).rounds.clone().lock_owned().await;
        for hours in [0, 25] {
            let now = Timestamp::now() + SignedDuration::from_hours(hours);
            let (none, kept) = (BTreeSet::new(), BTreeSet::new());
            let rounds = async {
                source.remove_unconfigured(&none, now).await;
                source.retain(&fleet, &kept).await.unwrap();
            };
            tokio::time::timeout(DEADLINE, rounds).await.expect("nobody waits for the fetch");
        }
        let mirror = |name: &str| data.path().join("repositories").join(name).exists();
        assert_eq!((mirror("fleet.git"), mirror("other.git")), (true, false));
    }

    #[tokio::test]
    async fn what_is_no_mirror_of_ours_is_never_touched() {
        let data = TempDir::new().unwrap();
        let folder = data.path().join("repositories");
        let elsewhere = data.path().join("elsewhere.git");
        for path in [&elsewhere, &folder.join("foreign.git"), &folder.join("Our.git")] {
            git2::Repository::init_bare(path).unwrap();
        }
        for path in [&elsewhere, &folder.join("Our.git")] {
            let mut config = Config::open(&path.join("config")).unwrap();
            config.set_str(URL_KEY, "https://example.org/x").unwrap();
            config.set_str(SINCE_KEY, "2001-01-01T00:00:00Z").unwrap();
        }
        symlink(&elsewhere, folder.join("linked.git")).unwrap();
        fs::create_dir(folder.join("empty.git")).unwrap();
        fs::write(folder.join("file.git"), "").unwrap();
        let source = Source::new(data.path());
        for _ in 0..2 {
            let later = Timestamp::now() + SignedDuration::from_hours(48);
            source.remove_unconfigured(&BTreeSet::new(), later).await;
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 5);
        assert!(elsewhere.join("HEAD").exists());
    }
}
