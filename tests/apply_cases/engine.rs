//! The engine alone, without a server around it.

use headstay::domain::fields::take_over;
use headstay::sandbox::merge::{Refusal, Types, Writer, apply, update};
use serde_json::{Value, json};

use crate::Server;
use crate::case::{Answer, Ask, Case, Verb, merge_patch};

/// One object at a time.
pub struct Engine {
    types: Types,
    live: Option<Value>,
    writes: u32,
}

impl Default for Engine {
    fn default() -> Self {
        Self { types: Types::builtin(), live: None, writes: 0 }
    }
}

impl Server for Engine {
    fn define(&mut self, definition: &Value) {
        self.types = self.types.with_definition(definition).unwrap();
    }

    fn ask(&mut self, case: &Case, ask: &Ask) -> Answer {
        let time = "2026-01-01T00:00:00Z";
        let is_scale = matches!(ask.verb, Verb::Scale(_));
        let writer = Writer {
            manager: &ask.by,
            api_version: case.object["apiVersion"].as_str().unwrap(),
            subresource: if is_scale { Some("scale") } else { ask.of.as_deref() },
            time,
        };
        let before = self.live.as_ref();
        let updated = |after: Value| Ok(update(&self.types, before, after, &writer));
        let created = before.is_none();
        let result = match &ask.verb {
            Verb::Apply(fields) => {
                apply(&self.types, before, &case.with(fields), &writer, ask.force)
            }
            Verb::Create(fields) => updated(case.with(fields)),
            Verb::Edit(patch) | Verb::Merge(patch) | Verb::Scale(patch) => {
                let mut after = before.unwrap().clone();
                merge_patch(&mut after, patch);
                updated(after)
            }
            Verb::Json(patch) => updated(json_patch(before.unwrap(), patch)),
            Verb::TakeOver => {
                let patch = take_over(before.unwrap(), |_| true).unwrap();
                updated(json_patch(before.unwrap(), &patch))
            }
        };
        match result {
            Ok(mut object) => {
                let wrote = !ask.dry_run && before != Some(&object);
                if wrote {
                    self.writes += 1;
                    object["metadata"]["resourceVersion"] = json!(self.writes.to_string());
                    self.live = Some(object.clone());
                }
                Answer { status: if created { 201 } else { 200 }, body: object, wrote }
            }
            Err(refusal) => refused(&refusal),
        }
    }

    fn forget(&mut self, _: &Case) {
        self.live = None;
    }
}

fn refused(refusal: &Refusal) -> Answer {
    let (status, reason, causes) = match refusal {
        Refusal::Conflict(conflicts) => {
            let causes = conflicts.iter().map(|conflict| {
                json!({"reason": "FieldManagerConflict", "message": conflict.message, "field": conflict.field})
            });
            (409, json!("Conflict"), causes.collect())
        }
        Refusal::BadRequest(_) => (400, json!("BadRequest"), vec![]),
        Refusal::Internal(_) => (500, Value::Null, vec![]),
    };
    let body = json!({
        "kind": "Status",
        "reason": reason,
        "message": refusal.message(),
        "details": {"causes": causes},
    });
    Answer { status, body, wrote: false }
}

/// RFC 6902, as far as the cases go.
fn json_patch(object: &Value, patch: &Value) -> Value {
    let mut object = object.clone();
    for operation in patch.as_array().unwrap() {
        let (parent, last) = operation["path"].as_str().unwrap().rsplit_once('/').unwrap();
        let last = last.replace("~1", "/").replace("~0", "~");
        let value = operation["value"].clone();
        match (operation["op"].as_str().unwrap(), object.pointer_mut(parent).unwrap()) {
            ("remove", Value::Object(parent)) => drop(parent.remove(&last)),
            ("add", Value::Array(parent)) if last == "-" => parent.push(value),
            ("add" | "replace", parent) if parent.is_object() => parent[last] = value,
            ("replace", Value::Array(parent)) => parent[last.parse::<usize>().unwrap()] = value,
            (other, _) => panic!("the cases do not {other} that"),
        }
    }
    object
}
