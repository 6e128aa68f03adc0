//! `clusters`.

use std::collections::BTreeMap;

use crate::config::problem::{Place, Problems};
use crate::config::raw::cluster as raw;
use crate::config::{Cluster, ClusterAccess};

/// Name of the cluster where none is configured.
pub(super) const DEFAULT_CLUSTER: &str = "default";

/// The cluster where none is configured.
pub(super) fn default_cluster() -> Option<Cluster> {
    let name = DEFAULT_CLUSTER.parse().ok()?;
    Some(Cluster { name, access: ClusterAccess::Inferred, labels: BTreeMap::new() })
}

/// A cluster that is reached in one way.
pub(super) fn cluster(
    raw: raw::Cluster,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Option<Cluster> {
    let raw::Cluster { name, kubeconfig, context, server, token, ca, labels } = raw;
    let access = match (server, token) {
        (Some(url), Some(token)) => {
            for (key, given) in
                [("kubeconfig", kubeconfig.is_some()), ("context", context.is_some())]
            {
                if given {
                    let message = "expected either a kubeconfig or `server`, not both";
                    problems.report(place.key(key).problem(message));
                }
            }
            ClusterAccess::Server { url, token: token.into(), ca }
        }
        (Some(_), None) => {
            let message = "`server` needs a `token`: expected {env: NAME} or {file: PATH}";
            problems.report_whole(&place.key("token"), message);
            return None;
        }
        (None, token) => {
            for (key, given) in [("token", token.is_some()), ("ca", ca.is_some())] {
                if given && !problems.has_inside(&place.key("server")) {
                    let message = "goes with `server` only; a kubeconfig brings its own";
                    problems.report(place.key(key).problem(message));
                }
            }
            if kubeconfig.is_none() && context.is_none() {
                ClusterAccess::Inferred
            } else {
                ClusterAccess::Kubeconfig { path: kubeconfig, context }
            }
        }
    };
    Some(Cluster { name, access, labels: labels.into() })
}
