//! The programs that make objects of a package, as `scripts/package-parts` finds or builds them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use headstay::yaml::parse;
use serde_json::Value;

/// The root of the repository.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/helm/headstay");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/package-parts");

/// A program or a folder among the parts.
pub fn part(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let mut script = Command::new(SCRIPT);
        let output = script.stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "scripts/package-parts: its own words are above");
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    });
    folder.join(name)
}

/// A release of the chart: its values, by files and by settings.
#[derive(Default)]
pub struct Release<'a> {
    /// The name of the release.
    pub name: &'a str,
    /// The namespace that it is in.
    pub namespace: &'a str,
    /// A file of values, if any; a relative path is one below `tests/packages/values`.
    pub file: Option<&'a str>,
    /// What is given with `--set`.
    pub settings: &'a [&'a str],
}

impl Release<'_> {
    /// The objects; or helm's words, when it refuses the values.
    pub fn objects(&self) -> Result<Vec<Value>, String> {
        let output = self.helm(&["template", self.name, CHART, "--namespace", self.namespace]);
        if output.status.success() {
            Ok(read_yaml(&output.stdout))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// What `helm lint --strict` finds fault with.
    pub fn lint(&self) -> Result<(), String> {
        let output = self.helm(&["lint", "--strict", CHART, "--namespace", self.namespace]);
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    fn helm(&self, arguments: &[&str]) -> Output {
        let mut helm = Command::new(part("helm"));
        helm.args(arguments);
        if let Some(file) = self.file {
            helm.arg("--values").arg(Path::new(ROOT).join("tests/packages/values").join(file));
        }
        for setting in self.settings {
            helm.args(["--set", setting]);
        }
        helm.output().unwrap()
    }
}

/// The objects of a folder below `deploy/kustomize`.
#[track_caller]
pub fn kustomize(folder: &str) -> Vec<Value> {
    let folder = Path::new(ROOT).join("deploy/kustomize").join(folder);
    let output = Command::new(part("kustomize")).arg("build").arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    read_yaml(&output.stdout)
}

/// The documents of a text in YAML.
#[track_caller]
pub fn read_yaml(text: &[u8]) -> Vec<Value> {
    let documents = parse(text).unwrap();
    documents.iter().map(|document| document.root.to_json()).collect()
}

/// The one object of a kind.
#[track_caller]
pub fn one<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let one = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "more than one {kind}");
    one
}

/// The kinds of the objects, in alphabetical order.
pub fn kinds(objects: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<_> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    kinds
}

/// Has `headstay check` judge the configuration of a ConfigMap, in a world in which the secrets
/// and files that it names are there.
#[track_caller]
pub fn assert_good_configuration(config_map: &Value) {
    let folder = crate::world::leash::folder("configuration");
    let text = config_map["data"]["headstay.yaml"].as_str().unwrap();
    let local = text
        .replace("/run/secrets/headstay", folder.to_str().unwrap())
        .replace("/etc/clusters", folder.to_str().unwrap());
    let kubeconfig = "contexts: [{name: a, context: {cluster: a, user: a}}]\ncurrent-context: a\n";
    std::fs::write(folder.join("there"), kubeconfig).unwrap();
    for name in ["HEADSTAY_TOKEN", "GITHUB_WEBHOOK_SECRET", "GIT_TOKEN", "app.pem"] {
        std::fs::write(folder.join(name), format!("a value of its own for {name}")).unwrap();
    }
    let path = folder.join("headstay.yaml");
    std::fs::write(&path, local).unwrap();
    let headstay = env!("CARGO_BIN_EXE_headstay");
    let check = Command::new(headstay).args(["check", "--config"]).arg(path).output().unwrap();
    assert!(check.status.success(), "{}\n{text}", String::from_utf8_lossy(&check.stderr));
}
