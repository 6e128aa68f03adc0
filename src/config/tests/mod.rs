//! Whole configurations, read in a world in which every variable and file is there.

mod broken;
mod documents;
mod pasted;
mod reference;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;

use crate::config::build::build;
use crate::config::change::Delta;
use crate::config::problem::ConfigErrors;
use crate::config::read::SourceFile;
use crate::config::rule::{self, Contexts, Surroundings};
use crate::config::schema::json_schema;
use crate::config::secret::{Secret, SecretError};
use crate::config::{ClusterAccess, Config, Provider, ReceiverAuth, RepositoryAuth};
use crate::domain::commit::Revision;

const EXAMPLE: &str = include_str!("../../../config/headstay.yaml");

const MINIMAL: &str = "\
receivers:
  - name: github
    provider: github
    secrets: [{env: WEBHOOK_SECRET}]
repositories:
  - name: fleet
    url: https://github.com/acme/fleet.git
applications:
  - name: shop
    repository: fleet
";

/// Surroundings in which all is there, but for what has MISSING or EMPTY in its name.
struct World;

impl Surroundings for World {
    fn secret(&self, secret: &Secret) -> Result<(), SecretError> {
        let name = named(secret);
        match secret {
            Secret::Env(variable) if name.contains("MISSING") => {
                Err(SecretError::Env(variable.clone()))
            }
            Secret::File(path) if name.contains("MISSING") => Err(SecretError::File {
                path: path.clone(),
                source: std::io::Error::other("not there"),
            }),
            _ if name.contains("EMPTY") => Err(SecretError::Empty(secret.to_string())),
            _ => Ok(()),
        }
    }

    fn file(&self, path: &Path) -> Result<(), std::io::Error> {
        if path.to_string_lossy().contains("MISSING") {
            return Err(std::io::Error::other("not there"));
        }
        Ok(())
    }

    /// Secrets are good ones of their own, but for what has SHORT or SAME in its name.
    fn value(&self, secret: &Secret) -> Option<SecretString> {
        let name = named(secret);
        Some(match name {
            _ if name.contains("SHORT") => "0123456789abcde".into(),
            _ if name.contains("SAME") => "0123456789abcdef".into(),
            _ => format!("0123456789abcdef {name}").into(),
        })
    }

    fn exists(&self, path: &Path) -> bool {
        path.starts_with("here.d")
    }

    fn contexts(&self, kubeconfig: Option<&Path>) -> Result<Contexts, String> {
        if kubeconfig.is_some_and(|path| path.ends_with("NONE")) {
            return Ok(Contexts::default());
        }
        let names = ["kind", "prod", "x"].map(str::to_owned).to_vec();
        Ok(Contexts { current: Some("prod".to_owned()), names })
    }
}

/// The name of its variable, or the path of its file.
fn named(secret: &Secret) -> String {
    match secret {
        Secret::Env(name) => name.clone(),
        Secret::File(path) => path.display().to_string(),
    }
}

fn read(texts: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let file = |(name, content): &(&str, &str)| SourceFile {
        name: (*name).to_owned(),
        content: content.as_bytes().to_vec(),
    };
    build(&texts.iter().map(file).collect::<Vec<_>>(), &World)
}

fn good(text: &str) -> Config {
    read(&[("c.yaml", text)]).unwrap_or_else(|errors| panic!("{errors}"))
}

fn errors(text: &str) -> String {
    read(&[("c.yaml", text)]).unwrap_err().to_string()
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let text = "\
server: {listen: nowhere, tokens: [{name: ci, role: admin, secret: hunter2}]}
receivers:
  - {name: GitHub, provider: github, secrets: []}
clusters: [{name: a}, {name: b}]
applications:
  - name: shop
    repository: fleet
    sync: {interval: ten, prune: 'yes', bogus: 1}
  - name: shop
    repository: fleet
    cluster: a
    path: /x
--- 
store: {url: x}
";
    let expected = "\
c.yaml:1: server.listen: expected an IP address and a port like 127.0.0.1:8080 or [::]:8080, found \"nowhere\"
c.yaml:1: server.tokens[0].role: expected one of viewer, operator, found \"admin\"
c.yaml:1: server.tokens[0].secret: a secret is never written into the configuration: name where it is read, as {env: NAME} or {file: PATH}
c.yaml:3: receivers[0].name: expected 1 to 63 of the characters a-z, 0-9, `-` and `.`, beginning and ending with a letter or digit, found \"GitHub\"
c.yaml:6: applications[0].cluster: is missing: expected one of \"a\", \"b\"
c.yaml:7: applications[0].repository: there is no repository named \"fleet\"
c.yaml:8: applications[0].sync.interval: expected a duration like 30s, 10m or 1h, found \"ten\"
c.yaml:8: applications[0].sync.prune: expected true or false, found \"yes\"
c.yaml:8: applications[0].sync.bogus: unknown key; this version knows here: automated, prune, drift, interval, timeout, onError, allowEmpty, createNamespace, pruneLimit, retry
c.yaml:9: applications[1].name: the name \"shop\" is already taken at c.yaml:6
c.yaml:10: applications[1].repository: there is no repository named \"fleet\"
c.yaml:12: applications[1].path: expected a path from the repository's root, without `/` before it, found \"/x\"
c.yaml:14: store.url: expected sqlite://PATH, where PATH names a file and has no `?`";
    assert_eq!(errors(text), expected);
}

#[test]
fn a_configuration_needs_few_lines() {
    let config = good(MINIMAL);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.instance.as_str(), "headstay");
    assert_eq!(config.server.limits.bodies_bytes, 256 << 20);
    assert_eq!(config.server.retention.age, Duration::from_hours(90 * 24));
    assert_eq!(config.store.sqlite, Path::new("var/headstay.db"));
    assert_eq!(config.server.data, Path::new("var"));
    let cluster = config.clusters.values().next().unwrap();
    assert_eq!((cluster.name.as_str(), &cluster.access), ("default", &ClusterAccess::Inferred));
    let shop = &config.applications[&"shop".parse().unwrap()];
    assert_eq!((shop.cluster.as_str(), shop.path.as_str()), ("default", ""));
    assert_eq!(shop.revision, Revision::Named("main".to_owned()));
    assert_eq!(shop.sync.interval, Duration::from_mins(10));
    assert_eq!(shop.sync.timeout, Duration::from_mins(5));
    assert!(shop.sync.automated && shop.sync.prune && shop.sync.create_namespace.is_none());
    assert_eq!(shop.sync.prune_limit.kinds.len(), 4);
}

#[test]
fn keys_without_a_value_count_as_left_out() {
    assert_eq!(good(&format!("server:\nclusters:\n{MINIMAL}    sync:\n")), good(MINIMAL));
}

#[test]
fn every_way_in_is_taken() {
    let config = good("\
receivers:
  - {name: a, provider: azureDevops, secrets: {username: ada, password: {env: A}}}
  - {name: b, provider: azureDevops, secrets: [{header: X-Token, value: {file: /b}}]}
  - {name: c, provider: bitbucketDataCenter, secrets: {env: C}}
clusters:
  - {name: a, context: x}
  - {name: b, server: 'https://b', token: {file: /t}, ca: /ca.pem}
repositories:
  - {name: a, url: /srv/a}
  - {name: b, url: 'git@host:b', auth: {sshKey: {file: /k}, knownHosts: {file: /h}}}
  - {name: c, url: 'https://host/c', auth: {githubApp: {id: 1, installation: 2, privateKey: {env: K}}}}
applications:
  - name: a
    repository: a
    cluster: b
    namespace: a
    path: ./x//y/
    sync: {createNamespace: {labels: {team: a}}, pruneLimit: {kinds: [Deployment.apps]}}
");
    let receiver = |name: &str| config.receivers[&name.parse().unwrap()].clone();
    assert!(
        matches!(&receiver("a").auth, ReceiverAuth::Basic { username, .. } if username == "ada")
    );
    assert!(matches!(&receiver("b").auth, ReceiverAuth::Header { name, .. } if name == "x-token"));
    assert_eq!(receiver("c").provider, Provider::BitbucketDataCenter);
    let cluster = |name: &str| config.clusters[&name.parse().unwrap()].access.clone();
    assert!(matches!(cluster("a"), ClusterAccess::Kubeconfig { path: None, context: Some(_) }));
    assert!(matches!(cluster("b"), ClusterAccess::Server { ca: Some(_), .. }));
    let repository = |name: &str| config.repositories[&name.parse().unwrap()].auth.clone();
    assert_eq!(repository("a"), RepositoryAuth::None);
    assert!(matches!(repository("b"), RepositoryAuth::Ssh { .. }));
    assert!(matches!(repository("c"), RepositoryAuth::GitHubApp { id: 1, installation: 2, .. }));
    let application = &config.applications[&"a".parse().unwrap()];
    assert_eq!(application.path, "x/y");
    assert_eq!(application.sync.create_namespace.as_ref().unwrap()["team"], "a");
    assert_eq!(application.sync.prune_limit.kinds[0].group.as_deref(), Some("apps"));
}

#[test]
fn files_are_read_as_one() {
    let more = "applications: [{name: blog, repository: fleet}]\nserver: {suspend: true}\n";
    let config = read(&[("a.yaml", MINIMAL), ("b.yaml", more)]).unwrap();
    assert_eq!(config.applications.len(), 2);
    assert!(config.server.suspend);
    let again = "server: {}\napplications: [{name: shop, repository: fleet}]\n";
    assert_eq!(
        read(&[("a.yaml", MINIMAL), ("b.yaml", more), ("c.yaml", again)]).unwrap_err().to_string(),
        "c.yaml:1: server: may be given once over all files; it is already at b.yaml:2\n\
         c.yaml:2: applications[0].name: the name \"shop\" is already taken at a.yaml:9",
    );
}

#[test]
fn what_is_no_yaml_or_empty_is_told_with_its_file() {
    let broken = "server: {listen: [}\n";
    let errors = read(&[("a.yaml", "# nothing\n"), ("b.yaml", broken)]).unwrap_err();
    assert_eq!(errors.problems.len(), 2);
    assert!(errors.to_string().starts_with("a.yaml: holds no configuration"), "{errors}");
    assert!(errors.problems[1].line == Some(1), "{errors}");
    // What the broken file would have named is not said to be missing.
    let elsewhere = "applications: [{name: shop, repository: fleet}]\n";
    assert_eq!(read(&[("b.yaml", broken), ("c.yaml", elsewhere)]).unwrap_err().problems.len(), 1);
}

#[test]
fn no_problem_repeats_a_secret_at_a_wrong_place() {
    for line in ["server: hunter2", "receivers: hunter2", "receivers: [hunter2]", "store: hunter2"]
    {
        assert!(!errors(line).contains("hunter2"), "{}", errors(line));
    }
    for auth in ["hunter2", "[hunter2]", "{token: hunter2}", "{token: {value: hunter2}}"] {
        let text = MINIMAL.replace(".git\n", &format!(".git\n    auth: {auth}\n"));
        assert!(!errors(&text).contains("hunter2"), "{}", errors(&text));
    }
}

#[test]
fn the_example_is_valid_and_shows_every_key() {
    let config = good(EXAMPLE);
    assert_eq!(config.applications.len(), 1);
    let mut keys = BTreeSet::new();
    property_names(&json_schema(), &mut keys);
    for key in keys {
        let shown = EXAMPLE.lines().any(|line| {
            let line = line.trim_start_matches([' ', '#', '-', '{']);
            line.starts_with(&format!("{key}:"))
        });
        let inside = EXAMPLE.contains(&format!("{{{key}: "));
        assert!(shown || inside, "config/headstay.yaml does not show `{key}`");
    }
}

fn property_names(schema: &serde_json::Value, names: &mut BTreeSet<String>) {
    match schema {
        serde_json::Value::Object(map) => {
            if let Some(properties) = map.get("properties").and_then(|p| p.as_object()) {
                names.extend(properties.keys().cloned());
            }
            for value in map.values() {
                property_names(value, names);
            }
        }
        serde_json::Value::Array(items) => {
            for item in items {
                property_names(item, names);
            }
        }
        _ => {}
    }
}

#[test]
fn the_kept_schema_is_the_generated_one() {
    let kept = include_str!("../../../config/schema.json");
    let kept: serde_json::Value = serde_json::from_str(kept).unwrap();
    assert!(
        kept == json_schema(),
        "config/schema.json is old: run `headstay check --schema > config/schema.json`"
    );
}

#[test]
fn every_rule_that_the_schema_names_has_a_meaning() {
    let schema = json_schema().to_string();
    let rules: BTreeSet<&str> =
        schema.split("\"x-rule\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(rules.len() > 15, "{rules:?}");
    for rule in rules {
        let message = rule::check(rule, "\0", &World).err().map(|refusal| refusal.to_string());
        assert!(!message.unwrap_or_default().contains("unknown rule"), "{rule}");
    }
}

#[test]
fn a_change_concerns_the_applications_that_it_touches() {
    let two = format!("{MINIMAL}  - {{name: blog, repository: docs}}\n")
        .replace("applications:", "  - {name: docs, url: 'https://host/docs'}\napplications:");
    let old = good(&two);
    let changed = |text: &str| -> Vec<String> {
        let names = Delta::between(&old, &good(text)).changed;
        names.into_iter().map(|name| name.to_string()).collect()
    };
    assert!(changed(&two).is_empty());
    assert_eq!(changed(&two.replace("host/docs", "host/new")), ["blog"]);
    assert_eq!(changed(&two.replace("repository: fleet", "repository: docs")), ["shop"]);
    assert_eq!(changed(&format!("{two}  - {{name: wiki, repository: docs}}\n")), ["wiki"]);
    assert_eq!(
        changed(&format!("clusters: [{{name: default, context: x}}]\n{two}")),
        ["blog", "shop"]
    );
    assert_eq!(changed(&format!("server: {{instance: other}}\n{two}")), ["blog", "shop"]);
    assert!(changed(&format!("server: {{suspend: true}}\n{two}")).is_empty());

    let delta = Delta::between(&old, &good(MINIMAL));
    assert_eq!((delta.changed, delta.left), (BTreeSet::new(), ["blog".parse().unwrap()].into()));
}
