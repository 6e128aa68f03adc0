//! How well the generic rule of health judges kinds that it has no code for: objects in the forms that
//! well-known projects document, each with the verdict that its project means. Three numbers say it,
//! and may only get better.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use std::collections::BTreeMap;

use headstay::domain::health::HealthStatus::{self, Degraded, Healthy, Progressing, Suspended};
use headstay::domain::health::{assess, expectation};
use headstay::yaml::parse;
use serde_json::{Value, json};

/// Cases, those that agree, those that are said to be healthy and are not, and those that are said
/// not to be well and are.
const MEASURED: [usize; 4] = [292, 285, 4, 0];

const READY: &str = ".status.conditions[?(@.type==\"Ready\")].status";

/// An object and the verdict that its project documents.
///
/// `columns` are what its definition prints (`ready`: that condition), `conditions` its type, status
/// and reason; `nested` has one entry of a list that has such conditions. A `note` says why a case is
/// known not to agree.
struct Case {
    name: String,
    verdict: HealthStatus,
    object: Value,
    definition: Value,
    is_known: bool,
}

#[test]
fn the_generic_rule_judges_no_worse_than_it_did() {
    let cases = cases();
    let mut disagree = BTreeMap::new();
    let (mut false_healthy, mut false_alarms) = (0, 0);
    for case in &cases {
        let expected = expectation::of_definition(&case.definition, "v1");
        let health = assess(&case.object, Some(1), expected);
        if health.status == case.verdict {
            assert!(!case.is_known, "{} agrees: its note is no longer true", case.name);
            continue;
        }
        let is_well = |status: HealthStatus| matches!(status, Healthy | Suspended);
        false_healthy += usize::from(health.status == Healthy);
        false_alarms += usize::from(is_well(case.verdict) && !is_well(health.status));
        disagree.insert(&case.name, (case.verdict, health, case.is_known));
    }
    let measured = [cases.len(), cases.len() - disagree.len(), false_healthy, false_alarms];
    assert_eq!(measured, MEASURED, "{disagree:#?}");
}

fn cases() -> Vec<Case> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/health");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let read = |path: std::path::PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        let documents = parse(&bytes);
        let documents = documents.unwrap_or_else(|errors| panic!("{}: {errors:?}", path.display()));
        documents.into_iter().flat_map(|one| one.root.to_json().as_array().unwrap().clone())
    };
    files.into_iter().flat_map(read).map(|case| Case::read(&case)).collect()
}

impl Case {
    fn read(case: &Value) -> Self {
        let text = |key: &str| case[key].as_str().unwrap_or_else(|| panic!("no {key}: {case}"));
        let mut status = case["status"].clone();
        if !case["conditions"].is_null() {
            status["conditions"] = conditions(&case["conditions"]);
        }
        for (list, entry) in case["nested"].as_object().into_iter().flatten() {
            status[list] = json!([{"conditions": conditions(entry)}]);
        }
        let verdict = match text("verdict") {
            "Healthy" => Healthy,
            "Suspended" => Suspended,
            "Progressing" => Progressing,
            "Degraded" => Degraded,
            other => panic!("{other} is no verdict"),
        };
        let columns = case["columns"].as_array().into_iter().flatten();
        let columns: Vec<_> = columns
            .map(|path| if path == "ready" { json!(READY) } else { path.clone() })
            .map(|path| json!({"name": "column", "jsonPath": path}))
            .collect();
        Self {
            name: format!("{}: {}", text("kind"), text("when")),
            verdict,
            object: json!({
                "apiVersion": "example.org/v1", "kind": "Example",
                "metadata": {"generation": 1, "annotations": case["annotations"]},
                "spec": case["spec"], "status": status,
            }),
            definition: json!({"spec": {"versions": [
                {"name": "v1", "additionalPrinterColumns": columns}]}}),
            is_known: case["note"].is_string(),
        }
    }
}

fn conditions(triples: &Value) -> Value {
    let triples = triples.as_array().unwrap().iter();
    let conditions = triples.map(|triple| {
        json!({"type": triple[0], "status": triple[1], "reason": triple[2], "message": "",
               "lastTransitionTime": "2026-01-01T00:00:00Z"})
    });
    conditions.collect()
}
