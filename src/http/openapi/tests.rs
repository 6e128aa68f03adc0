use std::collections::HashSet;

use jsonschema::draft202012::meta;

use super::*;
use crate::config::Role;
use crate::http::table;

/// What the authors of OpenAPI say of the form of a document; `tests/fixtures/openapi/README.md`.
const OPENAPI_SCHEMA: &str = include_str!("../../../tests/fixtures/openapi/schema.json");

fn whole() -> Value {
    document(&table::sections())
}

#[test]
fn the_document_is_an_openapi_document() {
    let schema: Value = serde_json::from_str(OPENAPI_SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let document = whole();
    let errors: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn its_schemas_are_json_schemas_and_its_references_lead_somewhere() {
    let document = whole();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert!(schemas.len() > 20, "{:?}", schemas.keys());
    for (name, schema) in schemas {
        let valid = meta::validate(schema);
        assert!(valid.is_ok(), "{name}: {:?}", valid.err());
        assert!(!name.ends_with(|end: char| end.is_ascii_digit()), "two types are called {name}");
    }
    let mut references = Vec::new();
    collect(&document, "$ref", &mut references);
    for reference in references {
        let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn everything_that_is_shown_is_explained() {
    let document = whole();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        for (path, schema) in fields.map(|(field, schema)| (format!("{name}.{field}"), schema)) {
            let explained = schema.get("description").is_some() || schema.get("$ref").is_some();
            assert!(explained, "{path} has no description");
            let told = schema["description"].as_str().unwrap_or_default();
            assert!(!told.contains("::") && !told.contains("[`"), "{path} speaks of code: {told}");
        }
    }
}

#[test]
fn operations_have_names_of_their_own_and_declare_their_parameters() {
    let document = whole();
    let mut ids = HashSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for operation in methods.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "two operations are called {id}");
            assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()));
            let parameters = operation.get("parameters").and_then(Value::as_array);
            let declared = parameters.into_iter().flatten().filter(|one| one["in"] == "path");
            let declared: Vec<_> =
                declared.map(|one| format!("{{{}}}", one["name"].as_str().unwrap())).collect();
            let named: Vec<_> = path.split('/').filter(|part| part.starts_with('{')).collect();
            assert_eq!(declared, named, "{path}");
        }
    }
}

#[test]
fn what_is_asked_for_is_said_as_clients_need_it() {
    let document = whole();
    let list = &document["paths"]["/api/v1/syncs"]["get"];
    let limit = json!({"name": "limit", "in": "query", "description": "How many items at most.",
        "schema": {"type": "integer", "format": "uint32", "minimum": 1, "maximum": 500,
                   "default": 50}});
    let parameters = list["parameters"].as_array().unwrap();
    assert!(parameters.contains(&limit), "{parameters:#?}");
    let state = parameters.iter().find(|one| one["name"] == "state").unwrap();
    assert_eq!(state["schema"], json!({"$ref": "#/components/schemas/SyncState"}));
    let answers: Vec<_> = list["responses"].as_object().unwrap().keys().collect();
    assert_eq!(answers, ["200", "400", "401", "403", "503"]);
    let request = &document["components"]["schemas"]["SyncRequest"];
    assert_eq!(request.get("required"), None, "every key may be left out");
    assert_eq!(request["additionalProperties"], false);
}

#[test]
fn nothing_is_changed_without_an_operator_or_a_signature() {
    for operation in table::sections().iter().flat_map(|section| &section.operations) {
        let (method, access) = (operation.route.method, operation.access);
        let guarded = matches!(access, Access::Token(Role::Operator) | Access::Signature);
        assert!(method == "get" || guarded, "{}: {method} for {access:?}", operation.id);
    }
}

/// All values of a key, at any depth.
fn collect<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    let all: Vec<&Value> = match value {
        Value::Object(map) => map.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => return,
    };
    found.extend(value.get(key));
    for one in all {
        collect(one, key, found);
    }
}
