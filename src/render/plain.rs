//! Plain manifests: every `.yaml`, `.yml` and `.json` file, in the order of their paths.

use std::sync::Arc;

use serde_json::Value;

use crate::domain::file::File;
use crate::domain::manifest::{Manifest, Origin};
use crate::domain::object::split_api_version;
use crate::render::{Limits, RenderError};
use crate::yaml::{Content, Entry, Node, parse};

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

/// Reads the manifests among the files, lists flattened, or says all that is wrong with them.
/// Files of other kinds are passed over.
pub fn render(files: &[File], limits: &Limits) -> Result<Vec<Manifest>, Vec<RenderError>> {
    let marked: Vec<(&File, &'static str)> =
        files.iter().filter_map(|file| Some((file, marker(file)?))).collect();
    let mut plain: Vec<&File> = files
        .iter()
        .filter(|file| is_manifest(file) && !marked.iter().any(|(mark, _)| is_beside(file, mark)))
        .collect();
    plain.sort_by(|a, b| a.path.cmp(&b.path));
    let bytes = plain.iter().map(|file| file.bytes.len()).fold(0, usize::saturating_add);
    if bytes > limits.bytes {
        return Err(vec![RenderError::TooManyBytes { limit: limits.bytes }]);
    }
    let mut output = Output { file: "".into(), manifests: Vec::new(), errors: Vec::new() };
    for (file, tool) in marked {
        let origin = Origin { file: file.path.clone(), line: 1 };
        output.errors.push(RenderError::OtherTool { origin, tool });
    }
    for file in plain {
        output.read(file, limits);
        if output.manifests.len() > limits.objects {
            output.errors.push(RenderError::TooManyObjects { limit: limits.objects });
            break;
        }
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
fn is_beside(file: &File, marker: &File) -> bool {
    let folder = &marker.path[..marker.path.len() - name(marker).len()];
    file.path.starts_with(folder)
}

/// What has been read so far.
struct Output {
    /// The file at hand.
    file: Arc<str>,
    manifests: Vec<Manifest>,
    errors: Vec<RenderError>,
}

impl Output {
    fn read(&mut self, file: &File, limits: &Limits) {
        self.file = file.path.clone();
        match parse(&file.bytes, &limits.file) {
            Ok(documents) => {
                for document in &documents {
                    if let Some(tool) = other_tool(file, &document.root) {
                        let origin = self.origin(&document.root);
                        self.errors.push(RenderError::OtherTool { origin, tool });
                        return;
                    }
                    self.object(&document.root, None);
                }
            }
            Err(errors) => self.errors.extend(errors.into_iter().map(|error| {
                let origin = Origin { file: file.path.clone(), line: error.line };
                RenderError::Syntax { origin, message: error.message }
            })),
        }
    }

    /// Takes an object, or the items of a list. An item of a typed list (`ConfigMapList`) has its
    /// `apiVersion` and kind from there, if it has none.
    fn object(&mut self, node: &Node, inherited: Option<(&str, &str)>) {
        if !matches!(node.content, Content::Mapping(_)) {
            let origin = self.origin(node);
            return self.errors.push(RenderError::NotAnObject { origin });
        }
        let own = (text(node, "apiVersion"), text(node, "kind"));
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
            let mut value = node.to_json();
            value["apiVersion"] = api_version.into();
            value["kind"] = kind.into();
            self.manifests.push(Manifest { origin: self.origin(node), value });
        }
    }

    fn items(&mut self, items: &Node, api_version: &str, kind: &str) {
        let of = kind.strip_suffix("List").filter(|of| !of.is_empty());
        match &items.content {
            Content::Sequence(items) => {
                for item in items {
                    self.object(item, of.map(|of| (api_version, of)));
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
                let origin = self.origin(node);
                self.errors.push(RenderError::GenerateName { origin });
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
                for Entry { key, value, .. } in entries {
                    if !matches!(value.content, Content::Scalar(Value::String(_))) {
                        self.refuse(value, &format!("metadata.{name}.{key}"), "a text; quote it");
                    }
                }
            }
            _ => self.refuse(map, &format!("metadata.{name}"), "a mapping of texts"),
        }
    }

    fn refuse(&mut self, at: &Node, field: &str, expected: &'static str) {
        let origin = self.origin(at);
        self.errors.push(RenderError::Field { origin, field: field.to_owned(), expected });
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

    fn rendered(files: &[(&str, &str)]) -> Result<Vec<String>, Vec<String>> {
        let files: Vec<File> = files
            .iter()
            .map(|(path, text)| File { path: (*path).into(), bytes: text.as_bytes().to_vec() })
            .collect();
        let limits = Limits { objects: 4, bytes: 4096, ..Limits::default() };
        match render(&files, &limits) {
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
        let generate = "a.yaml:6: `metadata.generateName` cannot be applied, because each apply \
                        would make another object; set `metadata.name`";
        assert_eq!(
            errors[..6],
            [
                "a.yaml:1: expected an object: a mapping with apiVersion, kind and metadata.name",
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
    fn objects_and_bytes_are_bounded() {
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n---\n".repeat(5);
        assert_eq!(
            rendered(&[("a.yaml", &pod)]).unwrap_err(),
            ["more than 4 objects; split the application"]
        );
        let long = "#".repeat(5000);
        assert_eq!(
            rendered(&[("a.yaml", &long)]).unwrap_err(),
            ["more than 4096 bytes of manifests; split the application"]
        );
    }
}
