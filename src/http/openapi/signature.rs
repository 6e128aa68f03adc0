//! What the signature of a handler says of its operation: what it reads and what it answers. So the
//! document cannot say otherwise than the code does.

use std::collections::BTreeMap;

use axum::Extension;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::http::App;
use crate::http::auth::Caller;
use crate::http::extract::{Accepted, Part, Payload, Query, Segment};
use crate::http::openapi::schemas::Schemas;
use crate::http::problem::{PROBLEM_JSON, Problem, ProblemBody};

/// The part of an operation that its handler tells of, while it is told.
pub(in crate::http) struct Sketch<'a> {
    path: &'static str,
    schemas: &'a mut Schemas,
    parameters: Vec<Value>,
    request: Option<Value>,
    answers: BTreeMap<u16, Value>,
}

/// A function that handles requests, with these arguments.
pub(in crate::http) trait Signature<Arguments> {
    /// Tells of its arguments and of its answers.
    fn tell(sketch: &mut Sketch);
}

/// An argument of a handler.
pub(in crate::http) trait Input {
    /// Tells what is read of the request; nothing, for what comes from elsewhere.
    fn tell(_sketch: &mut Sketch) {}
}

/// What a handler returns.
pub(in crate::http) trait Output {
    /// Tells of the answers that it stands for.
    fn tell(sketch: &mut Sketch);
}

/// A body of one content type.
pub(in crate::http) fn media(content_type: &str, schema: Value) -> Value {
    Value::from_iter([(content_type, Value::from_iter([("schema", schema)]))])
}

impl<'a> Sketch<'a> {
    /// Nothing is told yet of what is at this path.
    pub(super) fn new(path: &'static str, schemas: &'a mut Schemas) -> Self {
        Self { path, schemas, parameters: Vec::new(), request: None, answers: BTreeMap::new() }
    }

    /// There is this answer.
    pub(in crate::http) fn answer(&mut self, status: u16, when: &str, content: Value) {
        let answer = [("description", Value::from(when)), ("content", content)];
        self.answers.insert(status, Value::from_iter(answer));
    }

    /// There is this answer, in JSON of a type.
    pub(in crate::http) fn shows<T: JsonSchema>(&mut self, status: u16, when: &str) {
        let schema = self.schemas.shown::<T>();
        self.answer(status, when, media("application/json", schema));
    }

    /// There is this error. Of several reasons for one status all are told.
    pub(super) fn problem(&mut self, status: u16, when: &str) {
        if let Some(Value::String(told)) =
            self.answers.get_mut(&status).map(|one| &mut one["description"])
        {
            *told = format!("{told}; or {when}");
            return;
        }
        let schema = self.schemas.shown::<ProblemBody>();
        let mut answer = json!({"description": when, "content": media(PROBLEM_JSON, schema)});
        if matches!(status, 429 | 503) {
            let when = "Seconds after which it may be tried again";
            answer["headers"] =
                json!({"Retry-After": {"description": when, "schema": {"type": "integer"}}});
        }
        self.answers.insert(status, answer);
    }

    /// The names of the parameters of the query that were told.
    pub(super) fn query_parameters(&self) -> impl Iterator<Item = &str> {
        let query = self.parameters.iter().filter(|parameter| parameter["in"] == "query");
        query.filter_map(|parameter| parameter["name"].as_str())
    }

    /// Writes down what was told.
    pub(super) fn finish(self, described: &mut Value) {
        if !self.parameters.is_empty() {
            described["parameters"] = Value::from(self.parameters);
        }
        if let Some(request) = self.request {
            described["requestBody"] = request;
        }
        let answers = self.answers.into_iter();
        described["responses"] =
            answers.map(|(status, answer)| (status.to_string(), answer)).collect();
    }

    /// The name in braces of the path.
    fn segment(&self) -> &'static str {
        let segment = self.path.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        segment.map_or("", |(name, _)| name)
    }
}

macro_rules! signature {
    ($($input:ident),*) => {
        impl<F, Future, Answer, $($input),*> Signature<($($input,)*)> for F
        where
            F: Fn($($input),*) -> Future,
            Future: std::future::Future<Output = Answer>,
            Answer: Output,
            $($input: Input),*
        {
            fn tell(sketch: &mut Sketch) {
                $($input::tell(sketch);)*
                Answer::tell(sketch);
            }
        }
    };
}

signature!();
signature!(A);
signature!(A, B);
signature!(A, B, C);
signature!(A, B, C, D);

impl Input for State<App> {}
impl Input for Extension<Caller> {}
impl Input for HeaderMap {}

impl Input for Body {
    fn tell(sketch: &mut Sketch) {
        sketch.request = Some(json!({
            "description": "As the Git host sends it",
            "required": true,
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "application/x-www-form-urlencoded": {"schema": {"type": "object"}},
            },
        }));
    }
}

impl<T: Input> Input for Result<T, Problem> {
    fn tell(sketch: &mut Sketch) {
        T::tell(sketch);
    }
}

impl<T: Part> Input for Segment<T> {
    fn tell(sketch: &mut Sketch) {
        let name = sketch.segment();
        let schema = sketch.schemas.asked::<T>();
        let parameter = json!({"name": name, "in": "path", "required": true, "schema": schema});
        sketch.parameters.push(parameter);
        sketch.problem(T::REFUSED.as_u16(), T::REFUSED_WHEN);
    }
}

impl<T: JsonSchema> Input for Query<T> {
    fn tell(sketch: &mut Sketch) {
        let parameters = sketch.schemas.parameters::<T>();
        sketch.parameters.extend(parameters);
        if !sketch.answers.contains_key(&400) {
            sketch.problem(400, "a parameter cannot be read");
        }
    }
}

impl<T: JsonSchema> Input for Payload<T> {
    fn tell(sketch: &mut Sketch) {
        let content = media("application/json", sketch.schemas.asked::<T>());
        sketch.request = Some(json!({"required": false, "content": content}));
        sketch.problem(400, "the body cannot be read");
        sketch.problem(413, "the body is too large");
    }
}

impl<T: Output> Output for Result<T, Problem> {
    fn tell(sketch: &mut Sketch) {
        T::tell(sketch);
    }
}

impl<T: JsonSchema> Output for Json<T> {
    fn tell(sketch: &mut Sketch) {
        sketch.shows::<T>(200, "OK");
    }
}

impl<T: JsonSchema> Output for Accepted<T> {
    fn tell(sketch: &mut Sketch) {
        sketch.shows::<T>(202, "It is taken, and done from now on");
    }
}

impl Output for &'static str {
    fn tell(sketch: &mut Sketch) {
        sketch.answer(200, "OK", media("text/plain", json!({"type": "string"})));
    }
}
