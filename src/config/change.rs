//! What a new configuration changes for the applications.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::domain::name::ApplicationName;

/// How the applications of one configuration differ from those of another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// They are new, or their settings, repository or cluster are not what they were. A new name of the
    /// installation changes all, because it is stamped on every object.
    pub changed: BTreeSet<ApplicationName>,
    /// They are no longer declared.
    pub left: BTreeSet<ApplicationName>,
}

impl Delta {
    /// What `new` changes.
    pub fn between(old: &Config, new: &Config) -> Self {
        let unchanged = |name: &ApplicationName| {
            let (Some(before), Some(after)) =
                (old.applications.get(name), new.applications.get(name))
            else {
                return false;
            };
            before == after
                && old.repositories.get(&before.repository)
                    == new.repositories.get(&after.repository)
                && old.clusters.get(&before.cluster) == new.clusters.get(&after.cluster)
                && old.server.instance == new.server.instance
        };
        let is_left = |name: &&ApplicationName| !new.applications.contains_key(*name);
        Self {
            changed: new.applications.keys().filter(|name| !unchanged(name)).cloned().collect(),
            left: old.applications.keys().filter(is_left).cloned().collect(),
        }
    }
}
