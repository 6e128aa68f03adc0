//! `/api/v1`: one file per noun.

pub(super) mod applications;
pub(super) mod deliveries;
pub(super) mod diff;
mod overview;
pub(super) mod status;
pub(super) mod syncs;

use axum::Json;
use serde::Serialize;
use serde_json::{Value, json};

use crate::http::problem::Problem;
use crate::store::{Page, Paged};

/// Items of a page where the caller names no number.
const LIMIT_DEFAULT: u32 = 50;
/// Reads `limit` and `cursor`; the store holds the limit within its bounds.
fn page(limit: Option<u32>, cursor: Option<String>) -> Page {
    Page { cursor, limit: limit.unwrap_or(LIMIT_DEFAULT) }
}

/// A page as it is shown.
fn list<T: Serialize>(paged: &Paged<T>) -> Json<Value> {
    Json(json!({"items": paged.items, "next": paged.next}))
}

/// Reads a part of the path or query, or answers 400.
fn parse<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| Problem::bad_request(format!("{what}: {error}")))
}

/// Reads the name of a state or trigger as JSON has it.
fn parse_word<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T, Problem> {
    serde_json::from_value(Value::from(text))
        .map_err(|_| Problem::bad_request(format!("{what}: there is no `{text}`")))
}
