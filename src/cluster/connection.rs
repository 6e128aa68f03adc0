//! The way to an API server: from the configuration to a client.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::Client;
use kube::client::{Body, ConfigExt};
use kube::config::{Config, Kubeconfig};
use secrecy::ExposeSecret;
use tower::ServiceBuilder;
use tower::filter::FilterLayer;

use crate::cluster::error::ClusterError;
use crate::cluster::files::Files;
use crate::config::kubeconfig::{self, in_our_words};
use crate::config::secret::Secret;
use crate::config::{Cluster, ClusterAccess};

/// Longest time to open a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time until an answer begins; a watch answers at once, and then goes on.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);
/// A peer that is silent for this long is asked whether it still lives, so that a watch over a
/// dead connection ends.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Time between two such questions; the third without an answer ends the connection.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// Makes the client of a cluster, and says from which files; nothing is sent yet. At most `idle`
/// unused connections are kept.
pub(super) async fn open(config: &Cluster, idle: usize) -> Result<(Client, Files), ClusterError> {
    let access = config.access.clone();
    // Files are read and credential plugins are run here.
    let opened = tokio::task::spawn_blocking(move || client(&access, idle)).await;
    let opened = opened.map_err(BoxError::from).and_then(|client| client);
    opened.map_err(|source| unusable(config, in_our_words(source)))
}

/// The error of an access that cannot be set up.
pub(super) fn unusable(config: &Cluster, source: BoxError) -> ClusterError {
    let what = match &config.access {
        ClusterAccess::Inferred => {
            "neither the service account of this Pod nor a kubeconfig".into()
        }
        ClusterAccess::Kubeconfig { path: None, .. } => "the default kubeconfig".into(),
        ClusterAccess::Kubeconfig { path: Some(path), .. } => format!("`{}`", path.display()),
        ClusterAccess::Server { url, .. } => format!("`server: {url}`"),
    };
    ClusterError::Access { cluster: config.name.clone(), what, source }
}

fn client(access: &ClusterAccess, idle: usize) -> Result<(Client, Files), BoxError> {
    let mut files = Files::default();
    let (config, token) = match access {
        ClusterAccess::Inferred => match Config::incluster() {
            Ok(config) => (config, None),
            Err(_) => (kubeconfig(None, None, &mut files)?, None),
        },
        ClusterAccess::Kubeconfig { path, context } => {
            (kubeconfig(path.as_deref(), context.as_deref(), &mut files)?, None)
        }
        ClusterAccess::Server { url, token, ca } => {
            let mut config = Config::new(url.parse()?);
            config.root_cert_file.clone_from(ca);
            (config, Some(token.clone()))
        }
    };
    if let Some(ca) = &config.root_cert_file {
        files.note(ca);
    }
    Ok((stack(&config, token, idle)?, files))
}

fn kubeconfig(
    path: Option<&Path>,
    context: Option<&str>,
    files: &mut Files,
) -> Result<Config, BoxError> {
    files.note_kubeconfig(path);
    let mut kubeconfig = kubeconfig::read(path)?;
    if let Some(context) = context {
        kubeconfig.current_context = Some(context.to_owned());
    }
    files.note_named(&kubeconfig);
    if names_a_proxy(&kubeconfig) {
        return Err("`proxy-url` of a kubeconfig is not supported: remove it".into());
    }
    let mut config = Config::try_from(kubeconfig)?;
    // That of `HTTPS_PROXY`, without a look at `NO_PROXY`: it is meant for the world outside.
    config.proxy_url = None;
    Ok(config)
}

/// Whether the current context's cluster is to be reached by a proxy.
fn names_a_proxy(kubeconfig: &Kubeconfig) -> bool {
    let named = |name: &String| Some(name) == kubeconfig.current_context.as_ref();
    let context = kubeconfig.contexts.iter().find(|context| named(&context.name));
    let cluster = context.and_then(|context| context.context.as_ref()).map(|c| &c.cluster);
    let cluster = kubeconfig.clusters.iter().find(|known| Some(&known.name) == cluster);
    cluster.and_then(|known| known.cluster.as_ref()).is_some_and(|c| c.proxy_url.is_some())
}

/// Puts the layers of a call together. Retries are none of them: they are the business of
/// [`call`](super::call), which knows what may be repeated.
fn stack(config: &Config, token: Option<Secret>, idle: usize) -> Result<Client, BoxError> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_keepalive(Some(KEEPALIVE));
    connector.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
    connector.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let transport = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(idle)
        .build(connector);
    let bearer = token.map(|token| FilterLayer::new(move |request| authorized(&token, request)));
    let service = ServiceBuilder::new()
        .map_err(in_our_words)
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .option_layer(bearer)
        .timeout(ANSWER_TIMEOUT)
        .map_err(BoxError::from)
        .service(transport);
    Ok(Client::new(service, config.default_namespace.clone()))
}

/// Adds the token, which is read at each call, because files are rotated.
fn authorized(token: &Secret, mut request: Request<Body>) -> Result<Request<Body>, BoxError> {
    let token = token.read()?;
    let mut header = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
        .map_err(|_| "the token holds characters that no header may have")?;
    header.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, header);
    Ok(request)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn only_a_proxy_of_the_current_cluster_counts() {
        let text = |current: &str| {
            format!(
                "current-context: {current}
contexts: [{{name: near, context: {{cluster: a}}}}, {{name: far, context: {{cluster: b}}}}]
clusters:
  - {{name: a, cluster: {{server: 'https://a.example'}}}}
  - {{name: b, cluster: {{server: 'https://b.example', proxy-url: 'http://proxy.example:3128'}}}}
"
            )
        };
        for (current, proxied) in [("near", false), ("far", true), ("nowhere", false)] {
            let kubeconfig = Kubeconfig::from_yaml(&text(current)).unwrap();
            assert_eq!(names_a_proxy(&kubeconfig), proxied, "{current}");
        }
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_kubeconfig_is_told_without_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        let access = ClusterAccess::Kubeconfig { path: Some(path.clone()), context: None };
        let cluster =
            Cluster { name: "main".parse().unwrap(), access, labels: BTreeMap::default() };
        let broken = "users: [{name: me, user: {\n  token: hunter2, username: {bad: 1}}}]";
        let plugin = "\
current-context: here
contexts: [{name: here, context: {cluster: here, user: me}}]
clusters: [{name: here, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: me, user: {exec: {apiVersion: client.authentication.k8s.io/v1,
  interactiveMode: Never, command: sh, args: ['-c', 'echo hunter2; exit 3']}}}]
";
        for (kubeconfig, expected) in [(broken, "see line 2"), (plugin, "exit status: 3")] {
            std::fs::write(&path, kubeconfig).unwrap();
            let error = open(&cluster, 1).await.err().unwrap();
            let told = format!("{error}: {}: {error:?}", error.source().unwrap());
            assert!(told.contains(expected) && !told.contains("hunter2"), "{told}");
        }
    }
}
