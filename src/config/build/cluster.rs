//! `clusters`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::problem::{Place, Problems};
use crate::config::raw::cluster as raw;
use crate::config::rule::Surroundings;
use crate::config::{Cluster, ClusterAccess};
use crate::domain::quoted::Quoted;

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
    around: &dyn Surroundings,
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
                let chosen = chosen_context(kubeconfig.as_deref(), context.as_deref(), around);
                if let Err(message) = chosen {
                    let key = if context.is_some() { "context" } else { "kubeconfig" };
                    problems.report_whole(&place.key(key), message);
                }
                ClusterAccess::Kubeconfig { path: kubeconfig, context }
            }
        }
    };
    Some(Cluster { name, access, labels: labels.into() })
}

/// Whether the kubeconfig has the context that is asked for, or one that is its current one.
fn chosen_context(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
    around: &dyn Surroundings,
) -> Result<(), String> {
    let of = kubeconfig.map_or("the default kubeconfig".to_owned(), |path| {
        let name = path.to_string_lossy();
        // What is there is no secret, whatever it is called.
        let name =
            if around.exists(path) { format!("{name:?}") } else { Quoted(&name).to_string() };
        format!("the kubeconfig {name}")
    });
    let known = around.contexts(kubeconfig).map_err(|error| {
        format!("{of} cannot be read (KUBECONFIG, or `kubeconfig` here, names another): {error}")
    })?;
    let Some(wanted) = context.or(known.current.as_deref()).filter(|name| !name.is_empty()) else {
        return Err(format!("{of} has no current context: name one with `context`"));
    };
    if known.names.iter().any(|name| name == wanted) {
        return Ok(());
    }
    let names: Vec<_> = known.names.iter().map(|name| Quoted(name).to_string()).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Err(format!("{of} has no context {}; it has: {names}", Quoted(wanted)))
}
