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

/// Reads `limit` and `cursor`, or answers 400.
fn page(limit: Option<u32>, cursor: Option<String>) -> Result<Page, Problem> {
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=Page::LIMIT_MAX).contains(&limit) {
        let most = Page::LIMIT_MAX;
        return Err(Problem::bad_request(format!("limit: {limit} is not within 1 and {most}")));
    }
    Ok(Page { cursor, limit })
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

/// Reads the id of a path: what cannot be one is the id of nothing, 404.
fn parse_id<T: std::str::FromStr>(noun: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found(format!("{noun} {text}")))
}

/// Reads the name of a state or trigger as JSON has it.
fn parse_word<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T, Problem> {
    serde_json::from_value(Value::from(text))
        .map_err(|_| Problem::bad_request(format!("{what}: there is no `{text}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_of_as_many_items_as_was_asked_for() {
        for (asked, limit) in [
            (None, Some(LIMIT_DEFAULT)),
            (Some(0), None),
            (Some(1), Some(1)),
            (Some(Page::LIMIT_MAX), Some(Page::LIMIT_MAX)),
            (Some(Page::LIMIT_MAX + 1), None),
        ] {
            assert_eq!(page(asked, None).ok().map(|page| page.limit), limit, "{asked:?}");
        }
    }
}
