//! `/api/v1`: one file per noun.

pub(super) mod applications;
pub(super) mod deliveries;
pub(super) mod diff;
pub(super) mod overview;
mod shorten;
pub(super) mod status;
pub(super) mod syncs;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::http::problem::Problem;
use crate::store::Page;

/// Which part of a list to show.
#[derive(Deserialize, JsonSchema)]
pub(super) struct PageQuery {
    /// How many items at most.
    #[serde(default = "limit_default")]
    #[schemars(range(min = 1, max = Page::LIMIT_MAX))]
    limit: u32,
    /// The `next` of the part before; without it the list begins with the newest.
    cursor: Option<String>,
}

/// Items of a page where the caller names no number.
const fn limit_default() -> u32 {
    50
}

impl TryFrom<PageQuery> for Page {
    type Error = Problem;

    fn try_from(query: PageQuery) -> Result<Self, Problem> {
        let PageQuery { limit, cursor } = query;
        if !(1..=Self::LIMIT_MAX).contains(&limit) {
            let most = Self::LIMIT_MAX;
            return Err(Problem::bad_request(format!("limit: {limit} is not within 1 and {most}")));
        }
        Ok(Self { cursor, limit })
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::FromRequestParts;
    use axum::http::Request;

    use super::*;
    use crate::http::extract::Query;

    #[tokio::test]
    async fn a_page_is_of_as_many_items_as_was_asked_for() {
        for (asked, read) in [
            ("", Ok(50)),
            ("?limit=0", Err("limit: 0 is not within 1 and 500")),
            ("?limit=1&state=x", Ok(1)),
            ("?limit=500", Ok(500)),
            ("?limit=501", Err("limit: 501 is not within 1 and 500")),
            ("?limit=many", Err("limit: invalid digit found in string")),
        ] {
            let (mut parts, ()) = Request::get(format!("/{asked}")).body(()).unwrap().into_parts();
            let page = Query::<PageQuery>::from_request_parts(&mut parts, &()).await;
            let page = page.and_then(|Query(query)| Page::try_from(query));
            let told = page.map(|page| page.limit).map_err(|problem| problem.detail().to_owned());
            assert_eq!(told, read.map_err(str::to_owned), "{asked}");
        }
    }
}
