//! The OpenAPI document of Headstay: every answer of its API that a story gets is held to it.
//!
//! The document asks clients to pass over keys that they do not know. Here a key that is not in it is an
//! error, so that none is forgotten in it.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::world::call::{Answer, agent, call};

/// Where the document is.
pub const DOCUMENT: &str = "/api/openapi.json";

/// What the program that is told of in these stories says of itself; it is the same for all of them.
static CONTRACT: OnceLock<Contract> = OnceLock::new();

/// The operations of a document.
pub struct Contract {
    operations: Vec<Operation>,
}

struct Operation {
    method: String,
    path: Vec<String>,
    /// By status and content type.
    answers: HashMap<(u16, String), Arc<Validator>>,
}

/// Reads the document from a program that listens there, unless it is known.
#[track_caller]
pub fn learn(address: &str) {
    CONTRACT.get_or_init(|| {
        let url = format!("http://{address}{DOCUMENT}");
        Contract::of(&call(&agent(), "GET", &url, &[], None).unwrap().body)
    });
}

/// Fails unless the document has this answer.
#[track_caller]
pub fn hold(method: &str, path: &str, answer: &Answer) {
    if let Err(why) = CONTRACT.get().unwrap().check(method, path, answer) {
        panic!("{DOCUMENT} does not have this answer to {method} {path}: {why}\n{answer:?}");
    }
}

impl Contract {
    /// What a document says, with every object closed.
    pub fn of(document: &Value) -> Self {
        let mut components = document["components"].clone();
        close(&mut components);
        let mut known = HashMap::new();
        let mut validator = |schema: &Value| {
            let build = || {
                let mut schema = schema.clone();
                schema["components"] = components.clone();
                let options = jsonschema::options().should_validate_formats(true);
                Arc::new(options.build(&schema).unwrap())
            };
            known.entry(schema.to_string()).or_insert_with(build).clone()
        };
        let mut operations = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let mut answers = HashMap::new();
                for (status, answer) in operation["responses"].as_object().unwrap() {
                    for (kind, media) in answer["content"].as_object().unwrap() {
                        let answer = (status.parse().unwrap(), kind.clone());
                        answers.insert(answer, validator(&media["schema"]));
                    }
                }
                let path = segments(path).map(str::to_owned).collect();
                operations.push(Operation { method: method.to_uppercase(), path, answers });
            }
        }
        Self { operations }
    }

    /// Whether the document has this answer.
    pub fn check(&self, method: &str, path: &str, answer: &Answer) -> Result<(), String> {
        let path = path.split('?').next().unwrap_or_default();
        let operation = self.operations.iter().find(|one| one.serves(method, path));
        let operation = operation.ok_or("no such operation")?;
        let Answer { status, content_type, .. } = answer;
        let validator = operation
            .answers
            .get(&(*status, content_type.clone()))
            .ok_or_else(|| format!("no answer of status {status} in {content_type}"))?;
        let text = Value::from(answer.text.as_str());
        let body = if content_type.ends_with("json") { &answer.body } else { &text };
        let errors = validator.iter_errors(body);
        let errors: Vec<_> = errors.map(|one| format!("{}: {one}", one.instance_path())).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
    }
}

impl Operation {
    fn serves(&self, method: &str, path: &str) -> bool {
        let fits = |(part, given): (&String, &str)| part.starts_with('{') || part == given;
        self.method == method
            && segments(path).count() == self.path.len()
            && self.path.iter().zip(segments(path)).all(fits)
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').skip(1)
}

/// Forbids the keys that an object does not have, at any depth.
fn close(schema: &mut Value) {
    if schema.get("properties").is_some() {
        schema["additionalProperties"] = json!(false);
    }
    match schema {
        Value::Object(map) => map.values_mut().for_each(close),
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[test]
fn an_answer_that_the_document_does_not_have_is_noticed() {
    let schema =
        json!({"properties": {"next": {"type": ["string", "null"]}}, "required": ["next"]});
    let page = json!({"$ref": "#/components/schemas/Page"});
    let ok = json!({"content": {"application/json": {"schema": page}}});
    let contract = Contract::of(&json!({
        "paths": {"/pages/{id}": {"get": {"responses": {"200": ok}}}},
        "components": {"schemas": {"Page": schema}}}));
    let answer = |status: u16, body: Value| Answer {
        status,
        content_type: "application/json".to_owned(),
        text: body.to_string(),
        body,
        retry_after: None,
    };
    let good = answer(200, json!({"next": null}));
    for (method, path, answer, fits) in [
        ("GET", "/pages/1?limit=2", good.clone(), true),
        ("POST", "/pages/1", good.clone(), false),
        ("GET", "/pages", good.clone(), false),
        ("GET", "/pages/1", Answer { content_type: "text/plain".to_owned(), ..good }, false),
        ("GET", "/pages/1", answer(404, json!({"next": null})), false),
        ("GET", "/pages/1", answer(200, json!({})), false),
        ("GET", "/pages/1", answer(200, json!({"next": 1})), false),
        ("GET", "/pages/1", answer(200, json!({"next": null, "more": 1})), false),
    ] {
        let checked = contract.check(method, path, &answer);
        assert_eq!(checked.is_ok(), fits, "{method} {path} {answer:?}: {checked:?}");
    }
}
