//! Plain manifests: every `.yaml`, `.yml` and `.json` file, in the order of their paths.

use std::sync::Arc;

use serde_json::Value;

use crate::domain::account::{Account, Bound, Refusal};
use crate::domain::file::File;
use crate::domain::manifest::{Manifest, Origin};
use crate::domain::object::split_api_version;
use crate::render::RenderError;
use crate::yaml::{self, Content, Entry, Node};

const EXTENSIONS: [&str; 3] = [".yaml", ".yml", ".json"];
/// Files that say that the rest of their folder is not plain, and whose they are.
const MARKERS: [(&str, &str); 5] = [
    ("Chart.yaml", HELM),
    ("Chart.yml", HELM),
    ("kustomization.yaml", KUSTOMIZE),
    ("kustomization.yml", KUSTOMIZE),
    ("Kustomization", KUSTOMIZE),
];
const HELM: &str = "Helm";
const KUSTOMIZE: &str = "Kustomize";
const KUSTOMIZE_GROUP: &str = "kustomize.config.k8s.io";

/// What a text in `metadata` must be.
const TEXT: &str = "a text that is not empty";
/// The same where nothing stands; kubectl and the API server refuse that, too.
const EMPTY_TEXT: &str = "a text: write `\"\"` for an empty one, or remove the key";
/// What an object takes beside its value, in bytes: its names, its place, its hash, its row of the
/// inventory.
const OBJECT_BYTES: usize = 1024;
/// Most errors that are told.
const ERRORS_MAX: usize = 100;

/// Reads the manifests among the files, lists flattened, or says what is wrong with them. Files of
/// other kinds are passed over. What it takes is charged to the account of the render, and what the
/// files took is given back to it.
pub(super) fn render(
    mut files: Vec<File>,
    account: &Account,
) -> Result<Vec<Manifest>, Vec<RenderError>> {
    let mut output = Output { file: "".into(), account, manifests: Vec::new(), errors: Vec::new() };
    let markers: Vec<(Arc<str>, &str)> =
        files.iter().filter_map(|file| Some((file.path.clone(), marker(file)?))).collect();
    let given_back = |file: &File| account.give_back(Bound::Memory, file.bytes.len());
    files.retain(|file| {
        let retained = is_manifest(file) && !markers.iter().any(|(m, _)| is_beside(file, m));
        if !retained {
            given_back(file);
        }
        retained
    });
    files.sort_by(|a, b| a.path.cmp(&b.path));
    for (file, tool) in markers {
        output.fail(RenderError::OtherTool { origin: Origin { file, line: 1 }, tool });
    }
    // Each file goes as soon as it is read.
    for file in files {
        if output.is_full() {
            break;
        }
        output.read(&file);
        given_back(&file);
    }
    if output.errors.is_empty() && account.is_closed() {
        // What is there is not all: nobody may take the rest for gone.
        let origin = Origin { file: output.file.clone(), line: 1 };
        output.fail(RenderError::TooMuch { origin, refusal: Refusal::Abandoned });
    }
    if output.errors.is_empty() { Ok(output.manifests) } else { Err(output.errors) }
}

fn name(file: &File) -> &str {
    file.path.rsplit('/').next().unwrap_or_default()
}

fn marker(file: &File) -> Option<&'static str> {
    MARKERS.iter().find(|(marker, _)| *marker == name(file)).map(|(_, tool)| *tool)
}

fn is_manifest(file: &File) -> bool {
    EXTENSIONS.iter().any(|extension| file.path.ends_with(extension))
}

/// Whether a file is in or below the folder of a marker.
fn is_beside(file: &File, marker: &str) -> bool {
    let folder = marker.rfind('/').map_or("", |slash| &marker[..=slash]);
    file.path.starts_with(folder)
}

/// What has been read so far.
struct Output<'a> {
    /// The file at hand.
    file: Arc<str>,
    account: &'a Account,
    manifests: Vec<Manifest>,
    errors: Vec<RenderError>,
}

impl Output<'_> {
    fn read(&mut self, file: &File) {
        self.file = file.path.clone();
        let mut foreign = false;
        yaml::for_each(&file.bytes, self.account, |document| match document {
            Ok(_) if foreign || self.is_full() => {}
            Ok(document) => match other_tool(file, &document.root) {
                Some(tool) => {
                    foreign = true;
                    self.fail(RenderError::OtherTool { origin: self.origin(&document.root), tool });
                }
                None => self.object(&document.root, None),
            },
            Err(_) if foreign => {}
            Err(error) => {
                let origin = Origin { file: file.path.clone(), line: error.line };
                self.fail(RenderError::Syntax { origin, message: error.message });
            }
        });
    }

    /// Whether reading on is of no use.
    fn is_full(&self) -> bool {
        self.account.is_closed() || self.errors.len() > ERRORS_MAX
    }

    fn fail(&mut self, error: RenderError) {
        match self.errors.len() {
            ..ERRORS_MAX => self.errors.push(error),
            ERRORS_MAX => self.errors.push(RenderError::More { told: ERRORS_MAX }),
            _ => {}
        }
    }

    /// Takes an object, or the items of a list. An item of a typed list (`ConfigMapList`) has its
    /// `apiVersion` and kind from there, if it has none.
    fn object(&mut self, node: &Node, inherited: Option<(&str, &str)>) {
        let own = (text(node, "apiVersion"), text(node, "kind"));
        let is_foreign = inherited.is_none()
            && ["apiVersion", "kind"].iter().all(|field| node.get(field).is_none());
        if is_foreign || !matches!(node.content, Content::Mapping(_)) {
            return self.fail(RenderError::NotAnObject { origin: self.origin(node) });
        }
        let (Some(api_version), Some(kind)) =
            (own.0.or(inherited.map(|i| i.0)), own.1.or(inherited.map(|i| i.1)))
        else {
            for field in ["apiVersion", "kind"] {
                if text(node, field).is_none() {
                    self.refuse(node.get(field).unwrap_or(node), field, TEXT);
                }
            }
            return;
        };
        if let Some(items) = list(node, api_version, kind) {
            return self.items(items, api_version, kind);
        }
        if self.metadata(node) {
            self.take(node, api_version, kind);
        }
    }

    fn take(&mut self, node: &Node, api_version: &str, kind: &str) {
        let charged = self
            .account
            .charge(Bound::Objects, 1)
            .and_then(|()| self.account.charge(Bound::Memory, OBJECT_BYTES + node.json_bytes()));
        let origin = self.origin(node);
        if let Err(refusal) = charged {
            return self.fail(RenderError::TooMuch { origin, refusal });
        }
        let mut value = node.to_json();
        value["apiVersion"] = api_version.into();
        value["kind"] = kind.into();
        self.manifests.push(Manifest { origin, value });
    }

    fn items(&mut self, items: &Node, api_version: &str, kind: &str) {
        let of = kind.strip_suffix("List").filter(|of| !of.is_empty());
        match &items.content {
            Content::Sequence(items) => {
                for item in items.iter() {
                    if !self.is_full() {
                        self.object(item, of.map(|of| (api_version, of)));
                    }
                }
            }
            Content::Scalar(Value::Null) => {}
            _ => self.refuse(items, "items", "a list of objects"),
        }
    }

    /// Whether the metadata is fit to be sent; what is not is added to the errors.
    fn metadata(&mut self, node: &Node) -> bool {
        let before = self.errors.len();
        let Some(metadata) = node.get("metadata") else {
            self.refuse(node, "metadata.name", TEXT);
            return false;
        };
        match (text(metadata, "name"), metadata.get("name")) {
            (Some(name), Some(at)) => {
                if matches!(name, "." | "..") || name.contains(['/', '%']) {
                    self.refuse(at, "metadata.name", "a name without `/` and `%`");
                }
            }
            (None, None) if metadata.get("generateName").is_some() => {
                self.fail(RenderError::GenerateName { origin: self.origin(node) });
            }
            (_, at) => self.refuse(at.unwrap_or(node), "metadata.name", TEXT),
        }
        if let Some(namespace) = metadata.get("namespace")
            && !matches!(namespace.content, Content::Scalar(Value::String(_) | Value::Null))
        {
            self.refuse(namespace, "metadata.namespace", "a text; quote it");
        }
        for map in ["labels", "annotations"] {
            self.texts(metadata.get(map), map);
        }
        self.errors.len() == before
    }

    /// Holds a mapping to texts as values.
    fn texts(&mut self, map: Option<&Node>, name: &str) {
        let Some(map) = map else { return };
        match &map.content {
            Content::Scalar(Value::Null) => {}
            Content::Mapping(entries) => {
                for Entry { key, value, .. } in entries.iter() {
                    let expected = match &value.content {
                        Content::Scalar(Value::String(_)) => continue,
                        Content::Scalar(Value::Null) => EMPTY_TEXT,
                        _ => "a text; quote it",
                    };
                    self.refuse(value, &format!("metadata.{name}.{}", yaml::shown(key)), expected);
                }
            }
            _ => self.refuse(map, &format!("metadata.{name}"), "a mapping of texts"),
        }
    }

    fn refuse(&mut self, at: &Node, field: &str, expected: &'static str) {
        let origin = self.origin(at);
        self.fail(RenderError::Field { origin, field: field.to_owned(), expected });
    }

    fn origin(&self, node: &Node) -> Origin {
        Origin { file: self.file.clone(), line: node.line }
    }
}

/// The text behind a key, if there is one that is not empty.
fn text<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    match &node.get(key)?.content {
        Content::Scalar(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// The items of a `v1 List` and of whatever else is a list by its kind.
fn list<'a>(node: &'a Node, api_version: &str, kind: &str) -> Option<&'a Node> {
    let items = node.get("items");
    if api_version == "v1" && kind == "List" {
        return Some(items.unwrap_or(node));
    }
    items.filter(|_| kind.ends_with("List"))
}

/// Whose document it is, if it is plainly no object of a cluster.
fn other_tool(file: &File, root: &Node) -> Option<&'static str> {
    match text(root, "apiVersion") {
        Some(api_version) if split_api_version(api_version).0 == KUSTOMIZE_GROUP => Some(KUSTOMIZE),
        None if name(file).starts_with("values") && root.get("kind").is_none() => Some(HELM),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::Limits;

    fn rendered(files: &[(&str, &str)]) -> Result<Vec<String>, Vec<String>> {
        let files: Vec<File> = files
            .iter()
            .map(|(path, text)| File { path: (*path).into(), bytes: text.as_bytes().to_vec() })
            .collect();
        match render(files, &Account::new(Limits { objects: 4, ..Limits::default() })) {
            Ok(manifests) => Ok(manifests
                .iter()
                .map(|m| format!("{} {} {}", m.origin, m.group_version_kind().kind, m.name()))
                .collect()),
            Err(errors) => Err(errors.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn manifests_come_in_the_order_of_paths_and_lists_are_flattened() {
        let a = "# first\nkind: Service\napiVersion: v1\nmetadata: {name: a}\n---\n\
                 apiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: b}\n";
        let list = r#"{"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}]}"#;
        let files = [("z.json", list), ("a/a.yml", a), ("README.md", "{{"), ("b.yaml", "# none")];
        assert_eq!(
            rendered(&files),
            Ok(vec![
                "a/a.yml:2 Service a".to_owned(),
                "a/a.yml:9 ConfigMap b".to_owned(),
                "z.json:2 ConfigMap c".to_owned(),
            ])
        );
    }

    #[test]
    fn every_error_is_given_at_once_with_file_line_and_cure() {
        let a = "- 1\n---\nkind: Pod\nmetadata: {name: x}\n---\napiVersion: v1\nkind: Pod\n\
                 metadata:\n  generateName: x-\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  \
                 name: a/b\n  labels:\n    on: yes\n    version: 1.10\n";
        let errors = rendered(&[("a.yaml", a), ("b.yaml", "a: {\n")]).unwrap_err();
        let not_an_object = "a.yaml:1: expected an object: a mapping with apiVersion, kind and \
                             metadata.name; a file of another kind belongs outside of the \
                             application's path, or into a folder whose name begins with a dot, \
                             which is passed over";
        let generate = "a.yaml:6: `metadata.generateName` cannot be applied, because each apply \
                        would make another object; set `metadata.name`";
        assert_eq!(
            errors[..6],
            [
                not_an_object,
                "a.yaml:3: `apiVersion` must be a text that is not empty",
                generate,
                "a.yaml:14: `metadata.name` must be a name without `/` and `%`",
                "a.yaml:16: `metadata.labels.true` must be a text; quote it",
                "a.yaml:17: `metadata.labels.version` must be a text; quote it",
            ]
        );
        assert!(errors[6].starts_with("b.yaml:2: "), "{}", errors[6]);
    }

    #[test]
    fn the_folders_of_other_tools_are_named_once() {
        let errors = rendered(&[
            ("chart/Chart.yaml", "name: x"),
            ("chart/templates/x.yaml", "{{ x }}"),
            ("k/kustomization.yaml", "resources: []"),
            ("k/patch.yaml", "- op: add"),
            ("c.yaml", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"),
            ("values.yaml", "replicas: 1"),
        ])
        .unwrap_err();
        let places: Vec<&str> = errors.iter().map(|e| e.split_once(", which").unwrap().0).collect();
        assert_eq!(
            places,
            [
                "chart/Chart.yaml:1: this belongs to Helm",
                "k/kustomization.yaml:1: this belongs to Kustomize",
                "c.yaml:1: this belongs to Kustomize",
                "values.yaml:1: this belongs to Helm",
            ]
        );
    }

    #[test]
    fn what_is_plainly_no_manifest_is_told_once_and_null_with_its_cure() {
        let null = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n  labels:\n    a: \n";
        let files = [("renovate.json", "{\"extends\": []}"), ("x.yaml", null)];
        let errors = rendered(&files).unwrap_err();
        assert_eq!(errors.len(), 2);
        assert!(errors[0].starts_with("renovate.json:1: expected an object"), "{}", errors[0]);
        assert_eq!(
            errors[1],
            "x.yaml:6: `metadata.labels.a` must be a text: write `\"\"` for an empty one, or remove \
             the key"
        );
    }

    #[test]
    fn all_files_and_documents_share_one_account() {
        let pod = |n: usize| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: x{n}}}\n");
        let many: String = (0..5).map(|n| pod(n) + "---\n").collect();
        let too_many = ["b.yaml:17: more than 4 objects; split the application"];
        assert_eq!(rendered(&[("b.yaml", &many), ("c.yaml", "{")]).unwrap_err(), too_many);
        let limits = Limits { values: 20, ..Limits::default() };
        let files = ["a", "b", "c", "d", "e"]
            .map(|name| File { path: format!("{name}.yaml").into(), bytes: pod(1).into_bytes() });
        let errors = render(files.to_vec(), &Account::new(limits)).unwrap_err();
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            ["c.yaml:1: more than 20 values, aliases expanded; split the application"]
        );
    }

    #[test]
    fn errors_are_told_up_to_a_number() {
        let errors = rendered(&[("a.yaml", &"- 1\n---\n".repeat(1000))]).unwrap_err();
        assert_eq!(errors.len(), ERRORS_MAX + 1);
        assert_eq!(errors[ERRORS_MAX], "more is wrong: these are the first 100 places");
    }
}
