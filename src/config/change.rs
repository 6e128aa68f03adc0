//! What a new configuration changes for the applications.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::domain::name::ApplicationName;

/// The applications of `new` that are new, or whose settings, repository or cluster are not what
/// they were. A new name of the installation changes all, because it is stamped on every object.
/// Applications that are gone are not among them.
pub fn changed_applications(old: &Config, new: &Config) -> BTreeSet<ApplicationName> {
    let unchanged = |name: &ApplicationName| {
        let (Some(before), Some(after)) = (old.applications.get(name), new.applications.get(name))
        else {
            return false;
        };
        before == after
            && old.repositories.get(&before.repository) == new.repositories.get(&after.repository)
            && old.clusters.get(&before.cluster) == new.clusters.get(&after.cluster)
            && old.server.instance == new.server.instance
    };
    new.applications.keys().filter(|name| !unchanged(name)).cloned().collect()
}
