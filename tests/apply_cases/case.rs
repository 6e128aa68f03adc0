//! The sheets of cases, their answers, and what of an answer is compared.

use std::fs;
use std::path::PathBuf;

use headstay::yaml;
use serde_json::{Map, Value, json};

/// A file of cases.
pub struct Sheet {
    /// The name of the file.
    pub name: String,
    /// The `CustomResourceDefinition` of the kind.
    pub definition: Option<Value>,
    /// The cases, in the order of the file.
    pub cases: Vec<Case>,
}

/// What happens to one object.
pub struct Case {
    /// What is true of it.
    pub name: String,
    /// The collection of the object.
    pub path: String,
    /// `apiVersion`, `kind` and name, which every body gets.
    pub object: Value,
    /// The requests, one after the other.
    pub steps: Vec<Ask>,
}

/// A request.
pub struct Ask {
    /// The field manager.
    pub by: String,
    /// What to do.
    pub verb: Verb,
    /// The subresource.
    pub of: Option<String>,
    /// Take fields from others.
    pub force: bool,
    /// Store nothing.
    pub dry_run: bool,
}

/// What a request does.
pub enum Verb {
    /// Server-side apply of an object.
    Apply(Value),
    /// POST of an object.
    Create(Value),
    /// GET, merge, PUT.
    Edit(Value),
    /// A merge patch, RFC 7396.
    Merge(Value),
    /// A JSON patch, RFC 6902.
    Json(Value),
    /// A merge patch of the replicas of `scale`.
    Scale(Value),
    /// The patch of `domain::fields::take_over`.
    TakeOver,
}

/// What came back.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The object, or the Status.
    pub body: Value,
    /// Whether something was written.
    pub wrote: bool,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/apply")
}

/// All sheets, by name.
pub fn sheets() -> Vec<Sheet> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension() == Some("yaml".as_ref())).collect();
    files.sort();
    files.iter().map(Sheet::read).collect()
}

impl Sheet {
    fn read(path: &PathBuf) -> Self {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let documents = yaml::parse(&fs::read(path).unwrap());
        let sheet = match documents {
            Ok(documents) => documents[0].root.to_json(),
            Err(errors) => panic!("{}: {errors:?}", path.display()),
        };
        let cases = sheet["cases"].as_array().unwrap();
        let cases = cases.iter().map(|case| {
            // What the case does not say the file does.
            let text = |of: &Value| of.as_str().map(str::to_owned);
            let object = case.get("object").or(sheet.get("object")).unwrap();
            Case {
                name: text(&case["name"]).unwrap(),
                path: text(&case["path"]).or(text(&sheet["path"])).unwrap(),
                object: object.clone(),
                steps: case["steps"].as_array().unwrap().iter().map(Ask::read).collect(),
            }
        });
        Self { definition: sheet.get("definition").cloned(), cases: cases.collect(), name }
    }

    /// The answers of the real server, each with the step that it is of.
    pub fn recorded(&self) -> Vec<(String, Value)> {
        let text = fs::read_to_string(self.recording()).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Writes the answers down.
    pub fn record(&self, answers: &[(String, Value)]) {
        let lines = answers.iter().map(|answer| format!("{}\n", json!(answer)));
        fs::write(self.recording(), lines.collect::<String>()).unwrap();
    }

    fn recording(&self) -> PathBuf {
        folder().join(format!("{}.recorded.jsonl", self.name))
    }
}

impl Case {
    /// The object with these fields.
    pub fn with(&self, fields: &Value) -> Value {
        let mut object = self.object.clone();
        overlay(&mut object, fields);
        object
    }

    /// Where the object is.
    pub fn place(&self) -> String {
        format!("{}/{}", self.path, self.object["metadata"]["name"].as_str().unwrap())
    }
}

impl Ask {
    fn read(step: &Value) -> Self {
        let known = ["by", "of", "force", "dryRun"];
        let verb =
            step.as_object().unwrap().iter().find(|(name, _)| !known.contains(&name.as_str()));
        let (name, body) = verb.unwrap();
        let body = body.clone();
        let verb = match name.as_str() {
            "apply" => Verb::Apply(body),
            "create" => Verb::Create(body),
            "edit" => Verb::Edit(body),
            "merge" => Verb::Merge(body),
            "json" => Verb::Json(body),
            "scale" => Verb::Scale(json!({"spec": {"replicas": body}})),
            "takeOver" => Verb::TakeOver,
            other => panic!("no such verb: {other}"),
        };
        Self {
            by: step["by"].as_str().unwrap().to_owned(),
            of: step["of"].as_str().map(str::to_owned),
            force: step["force"] == true,
            dry_run: step["dryRun"] == true,
            verb,
        }
    }

    /// The query of the request.
    pub fn query(&self) -> String {
        let dry_run = if self.dry_run { "&dryRun=All" } else { "" };
        let force = if self.force { "&force=true" } else { "" };
        format!("?fieldManager={}{dry_run}{force}", self.by)
    }
}

impl Answer {
    /// Without what is another at each run, and without what is decided elsewhere.
    pub fn comparable(self) -> Value {
        let mut body = self.body;
        if body["kind"] == "Status" {
            let mut causes = body["details"]["causes"].as_array().cloned().unwrap_or_default();
            causes.sort_by_key(Value::to_string);
            body = json!({"reason": body["reason"], "message": body["message"], "causes": causes});
        } else {
            scrub(&mut body);
        }
        body.sort_all_objects();
        json!({"status": self.status, "wrote": self.wrote, "body": body})
    }
}

/// What controllers, admission and allocators decide, by kind.
const DECIDED_ELSEWHERE: [(&str, &str, &[&str]); 10] = [
    ("Service", "/spec", &["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]),
    ("Service", "/spec", &["healthCheckNodePort"]),
    ("Pod", "/spec", &["preemptionPolicy", "priority", "tolerations"]),
    ("Pod", "", &["status"]),
    ("DaemonSet", "/metadata", &["annotations"]),
    ("Job", "/spec", &["selector"]),
    ("Job", "/spec/template/metadata", &["labels"]),
    ("Job", "/metadata", &["labels"]),
    ("PersistentVolumeClaim", "/metadata", &["finalizers"]),
    ("CustomResourceDefinition", "", &["status"]),
];

fn scrub(object: &mut Value) {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let mut remove = |parent: &str, names: &[&str]| {
        if let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
            for name in names {
                parent.remove(*name);
            }
        }
    };
    // Given by the server at the write.
    remove("/metadata", &["uid", "resourceVersion", "creationTimestamp", "generation"]);
    for (_, parent, names) in DECIDED_ELSEWHERE.iter().filter(|(of, ..)| *of == kind) {
        remove(parent, names);
    }
    let ports = object.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
        port.remove("nodePort");
    }
    let entries = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
    let Some(entries) = entries else { return };
    for entry in entries.iter_mut() {
        // Within one second the order is another than across two.
        if let Some(time) = entry.get_mut("time") {
            *time = json!("set");
        }
    }
    entries.sort_by_key(|entry| {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        (text("operation"), text("manager"), text("apiVersion"), text("subresource"))
    });
}

fn overlay(object: &mut Value, fields: &Value) {
    match (object, fields) {
        (Value::Object(object), Value::Object(fields)) => {
            for (name, value) in fields {
                overlay(object.entry(name).or_insert(Value::Null), value);
            }
        }
        (object, fields) => *object = fields.clone(),
    }
}

/// RFC 7396.
pub fn merge_patch(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let target = target.as_object_mut().unwrap();
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge_patch(target.entry(name).or_insert(Value::Null), value);
        }
    }
}
