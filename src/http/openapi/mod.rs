//! The OpenAPI document of everything that is served, made from the table that the router is made
//! from and from the signatures of the handlers in it.

pub(super) mod operation;
pub(super) mod schemas;
pub(super) mod signature;

use std::sync::LazyLock;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::http::App;
use crate::http::openapi::operation::{Access, Section};
use crate::http::openapi::schemas::Schemas;
use crate::http::openapi::signature::{Output, Sketch, media};

/// The version of OpenAPI that the document is written in.
const OPENAPI: &str = "3.1.1";
/// Where the pages are that say more than the document.
const PAGES: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/http.md");
const ABOUT: &str = "\
    Webhooks come in, state goes out. Times are RFC 3339 in UTC; durations are milliseconds, in keys \
    that end in `Ms`. Lists are newest first. Errors are `application/problem+json` with the reason \
    in `detail`.\n\n\
    A later version may add keys to objects, words to enumerations, and operations: a client passes \
    over what it does not know.";
const ABOUT_TOKEN: &str = "\
    A token of `server.tokens`. Which role is needed is said with each operation: `viewer` reads, \
    `operator` also changes. While the configuration has no token, no header is needed, and only \
    requests from the same machine are answered (else 403).";
const ABOUT_SIGNATURE: &str = "\
    The proof of the Git host over the raw bytes of the body, in the header of that host: \
    `X-Hub-Signature-256` (GitHub), `webhook-signature` or `X-Gitlab-Token` (GitLab), \
    `X-Gitea-Signature`, `X-Forgejo-Signature`, `X-Gogs-Signature`, `X-Hub-Signature` (Bitbucket), \
    basic authentication or a header of your choice (Azure DevOps), `X-Signature` (generic).";

/// The document as it is sent, made when it is first asked for.
pub(super) type Rendered = LazyLock<String>;

/// The OpenAPI document, as an answer.
pub(super) struct Document(&'static Rendered);

/// `GET /api/openapi.json`
pub(super) async fn serve(State(app): State<App>) -> Document {
    Document(app.document)
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        let json = [(header::CONTENT_TYPE, "application/json")];
        (json, self.0.as_str()).into_response()
    }
}

impl Output for Document {
    fn tell(sketch: &mut Sketch) {
        sketch.answer(200, "This document", media("application/json", json!({"type": "object"})));
    }
}

/// The document of these operations.
pub(super) fn document(sections: &[Section]) -> Value {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    for section in sections {
        for operation in &section.operations {
            let described = operation.describe(section.tag, &mut schemas);
            paths.entry(operation.route.path).or_insert_with(|| json!({}))
                [operation.route.method] = described;
        }
    }
    let tags: Vec<_> = sections
        .iter()
        .map(|section| json!({"name": section.tag, "description": section.about}))
        .collect();
    json!({
        "openapi": OPENAPI,
        "info": {
            "title": "Headstay",
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "description": ABOUT,
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache License 2.0", "identifier": env!("CARGO_PKG_LICENSE")},
        },
        "externalDocs": {"description": "The HTTP interface, with examples", "url": PAGES},
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": {
                Access::TOKEN: {"type": "http", "scheme": "bearer", "description": ABOUT_TOKEN},
                Access::SIGNATURE: {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Hub-Signature-256",
                    "description": ABOUT_SIGNATURE,
                },
            },
            "schemas": schemas.into_components(),
        },
    })
}

#[cfg(test)]
mod tests;
