//! What server-side apply answers: cases as data in `tests/fixtures/apply/*.yaml`, with the answers
//! of a real kube-apiserver beside them, one a line, in `*.recorded.jsonl`. The sandbox must answer
//! the same, and the real server still what was recorded.
//!
//! `HEADSTAY_RECORD=1 cargo test --test apply_cases` writes the answers down anew.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]
#![expect(unreachable_pub, dead_code, reason = "the parts of the world are made for the stories")]

mod case;
mod engine;
mod real;
#[path = "../e2e/world/kube_apiserver.rs"]
mod server;
mod world;

use serde_json::Value;

use crate::case::{Answer, Ask, Case};

/// Something that answers requests.
pub trait Server {
    /// Serves the kind of a `CustomResourceDefinition`.
    fn define(&mut self, definition: &Value);
    /// The answer to a request.
    fn ask(&mut self, case: &Case, ask: &Ask) -> Answer;
    /// Forgets the object of a case.
    fn forget(&mut self, case: &Case);
}

/// Plays all cases; returns what is not as it was recorded.
fn play(server: &mut impl Server, what: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for sheet in case::sheets() {
        if let Some(definition) = &sheet.definition {
            server.define(definition);
        }
        let mut recorded = sheet.recorded().into_iter();
        let mut answers = Vec::new();
        for case in &sheet.cases {
            server.forget(case);
            for (number, ask) in case.steps.iter().enumerate() {
                let answer = server.ask(case, ask).comparable();
                let place = format!("{}: {}, step {}", sheet.name, case.name, number + 1);
                match recorded.next() {
                    Some((at, expected)) if at == place && expected == answer => {}
                    other => wrong.push(format!(
                        "{place}\n   {what}: {answer}\n  recorded: {}",
                        other.map_or_else(
                            || "nothing".to_owned(),
                            |(at, answer)| if at == place {
                                answer.to_string()
                            } else {
                                format!("another step, {at}")
                            }
                        )
                    )),
                }
                answers.push((place, answer));
            }
            server.forget(case);
        }
        if what == real::NAME && std::env::var_os("HEADSTAY_RECORD").is_some() {
            sheet.record(&answers);
            wrong.clear();
        }
    }
    wrong
}

#[test]
fn the_real_server_answers_as_recorded() {
    let wrong = play(&mut real::Real::start(), real::NAME);
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_engine_answers_as_the_real_server() {
    let count: usize = case::sheets().iter().map(|sheet| sheet.cases.len()).sum();
    assert!(count >= 60, "{count}");
    let wrong = play(&mut engine::Engine::default(), "the engine");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_sandbox_answers_as_the_real_server() {
    let wrong = play(&mut real::Real::sandbox(), "the sandbox");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
