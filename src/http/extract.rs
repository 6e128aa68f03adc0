//! What handlers read of a request and how they answer. Each refusal is a [`Problem`], as all errors
//! of the interface are.

use std::error::Error;
use std::fmt::Display;
use std::str::FromStr;

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::domain::name::{ApplicationName, DeliveryId, ReceiverName, SyncId};
use crate::http::problem::Problem;

/// The query of the URL; keys that `T` does not know are passed over, so that several may read it. A key
/// that none of them knows is refused before.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::try_from_uri(&parts.uri).map_err(|refused| {
            // The source names the key and what is wrong with it.
            Problem::bad_request(
                refused.source().map_or(refused.body_text(), <dyn Error>::to_string),
            )
        })?;
        Ok(Self(query.0))
    }
}

/// The segment of the path that names something.
pub(super) struct Segment<T>(pub(super) T);

/// What a segment of the path can name.
pub(super) trait Part: FromStr<Err: Display> + JsonSchema {
    /// The answer to what cannot name it: what cannot be an id is the id of nothing.
    const REFUSED: StatusCode = StatusCode::NOT_FOUND;
    /// The same in words.
    const REFUSED_WHEN: &'static str;

    /// The answer to a text that cannot name it.
    fn refuse(text: &str, error: &Self::Err) -> Problem;
}

impl Part for ApplicationName {
    const REFUSED: StatusCode = StatusCode::BAD_REQUEST;
    const REFUSED_WHEN: &'static str = "this cannot be the name of an application";

    fn refuse(_: &str, error: &Self::Err) -> Problem {
        Problem::bad_request(format!("application: {error}"))
    }
}

impl Part for SyncId {
    const REFUSED_WHEN: &'static str = "there is no such sync";

    fn refuse(text: &str, _: &Self::Err) -> Problem {
        Problem::not_found(format!("sync {text}"))
    }
}

impl Part for DeliveryId {
    const REFUSED_WHEN: &'static str = "there is no such delivery";

    fn refuse(text: &str, _: &Self::Err) -> Problem {
        Problem::not_found(format!("delivery {text}"))
    }
}

impl Part for ReceiverName {
    const REFUSED_WHEN: &'static str = "there is no such receiver";

    fn refuse(_: &str, _: &Self::Err) -> Problem {
        Problem::not_found("receiver of this name")
    }
}

impl<T: Part, S: Send + Sync> FromRequestParts<S> for Segment<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|refused| Problem::new(refused.status(), refused.body_text()))?;
        text.parse().map(Self).map_err(|error| T::refuse(&text, &error))
    }
}

/// A body in JSON; none is the default.
pub(super) struct Payload<T>(pub(super) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for Payload<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let text = String::from_request(request, state)
            .await
            .map_err(|refused| Problem::new(refused.status(), refused.body_text()))?;
        if text.trim().is_empty() {
            return Ok(Self(T::default()));
        }
        // A list would be read as the fields in their order.
        let object: Result<Map<String, Value>, _> = serde_json::from_str(&text);
        let payload = object.and_then(|object| serde_json::from_value(Value::Object(object)));
        payload.map(Self).map_err(|error| Problem::bad_request(error.to_string()))
    }
}

/// 202 with what was taken.
pub(super) struct Accepted<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(self.0)).into_response()
    }
}
