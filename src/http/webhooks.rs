//! The door for webhooks: verified over the raw bytes, journalled, answered; the rest is done by
//! others.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::secret::{Secret, SecretError};
use crate::config::{Config, Receiver, ReceiverAuth};
use crate::domain::delivery::{CoveringSync, Delivery, Event, Outcome};
use crate::domain::error::chain;
use crate::domain::name::{DeliveryId, ReceiverName};
use crate::domain::repository_url;
use crate::http::App;
use crate::http::extract::{Accepted, Segment};
use crate::http::openapi::signature::{Output, Sketch};
use crate::http::problem::Problem;
use crate::receiver::{self, Credentials, Malformed, Reading, Rejection};
use crate::store::NewDelivery;
use crate::trigger::webhook;

/// A body from this size on, in bytes, takes milliseconds to be hashed and parsed, in which other
/// requests are to go on.
const LARGE_BODY: usize = 256 << 10;
/// Most of a header that is journalled, in characters.
const JOURNALLED_CHARS: usize = 200;

/// The answer to a delivery that was taken.
pub(super) enum Taken {
    /// Something follows from it.
    Accepted(DeliveryAccepted),
    /// Nothing follows from it.
    Ignored(DeliveryIgnored),
}

/// A delivery that is on the disk together with the syncs that it queued or joined.
#[derive(Serialize, JsonSchema)]
pub(super) struct DeliveryAccepted {
    /// The id under which it is journalled.
    delivery: DeliveryId,
    /// The syncs that cover it.
    syncs: Vec<CoveringSync>,
}

/// A delivery that is verified and journalled, and from which nothing follows.
#[derive(Serialize, JsonSchema)]
pub(super) struct DeliveryIgnored {
    /// The id under which it is journalled.
    delivery: DeliveryId,
    /// Why nothing follows from it.
    reason: String,
}

impl From<Delivery> for Taken {
    fn from(delivery: Delivery) -> Self {
        let Delivery { id, syncs, reason, .. } = delivery;
        if syncs.is_empty() {
            let reason = reason.unwrap_or_else(|| "nothing follows from it".to_owned());
            return Self::Ignored(DeliveryIgnored { delivery: id, reason });
        }
        Self::Accepted(DeliveryAccepted { delivery: id, syncs })
    }
}

impl IntoResponse for Taken {
    fn into_response(self) -> Response {
        match self {
            Self::Accepted(answer) => Accepted(answer).into_response(),
            Self::Ignored(answer) => Json(answer).into_response(),
        }
    }
}

impl Output for Taken {
    fn tell(sketch: &mut Sketch) {
        sketch.shows::<DeliveryIgnored>(200, "Verified, and nothing follows from it");
        sketch.shows::<DeliveryAccepted>(202, "Accepted, and on the disk");
    }
}

/// `POST /webhooks/{receiver}`.
pub(super) async fn receive(
    State(app): State<App>,
    name: Result<Segment<ReceiverName>, Problem>,
    headers: HeaderMap,
    body: Body,
) -> Result<Taken, Problem> {
    let config = app.context.config.load();
    let receiver = name.ok().and_then(|Segment(name)| config.receivers.get(&name).cloned());
    let Some(receiver) = receiver else {
        app.context.metrics.delivery("", "unknownReceiver");
        return Err(Problem::not_found("receiver of this name"));
    };
    let answered = take(&app, &config, &receiver, &headers, body).await;
    let counted = match &answered {
        Ok(delivery) => outcome_name(delivery.outcome),
        Err(problem) => match problem.status() {
            StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS => "rejected",
            StatusCode::BAD_REQUEST => "malformed",
            StatusCode::PAYLOAD_TOO_LARGE => "tooLarge",
            _ => "failed",
        },
    };
    app.context.metrics.delivery(receiver.name.as_str(), counted);
    answered.map(Taken::from)
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Ignored => "ignored",
        Outcome::Rejected => "rejected",
        Outcome::Malformed => "malformed",
    }
}

async fn take(
    app: &App,
    config: &Arc<Config>,
    receiver: &Arc<Receiver>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Delivery, Problem> {
    // No Git host compresses its requests, and a signature over what is compressed proves little.
    let encoding = headers.get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "compressed bodies are not taken",
        ));
    }
    let held = app.budget.read(headers, body, config.server.limits.body_bytes).await?;
    let mut delivery = NewDelivery {
        receiver: receiver.name.clone(),
        host_id: receiver::host_id(receiver.provider, headers).map(cut),
        event: receiver::event_name(receiver.provider, headers).map(cut).unwrap_or_default(),
        received_at: app.context.store.now(),
        repository: None,
        refs: Vec::new(),
        pusher: None,
        body_bytes: held.bytes.len() as u64,
        outcome: Outcome::Rejected,
        reason: None,
    };
    let judge = || judge(receiver, headers, &held.bytes, delivery.received_at);
    let blocks = held.bytes.len() > LARGE_BODY || has_secret_in_file(&receiver.auth);
    let judged = if blocks { tokio::task::block_in_place(judge) } else { judge() };
    drop(held);
    let reading = match judged {
        Ok(reading) => reading,
        Err(refusal) => return Err(refuse(app, config, receiver, delivery, refusal).await),
    };
    delivery.host_id = reading.host_id.map(cut);
    delivery.event = cut(reading.event_name);
    if let Event::Push(push) = &reading.event {
        let named = push.urls.first().or(push.full_name.as_ref());
        delivery.repository = named.map(|name| repository_url::without_secrets(name));
        delivery.refs.clone_from(&push.refs);
        delivery.pusher.clone_from(&push.pusher);
    }
    let consequence = webhook::decide(config, &reading.event);
    delivery.outcome = consequence.outcome;
    delivery.reason = consequence.reason;
    let delivery = app.context.store.accept(delivery, consequence.requests).await?;
    let syncs: Vec<_> = delivery.syncs.iter().map(|sync| sync.id.to_string()).collect();
    tracing::info!(
        delivery = %delivery.id, receiver = %delivery.receiver, event = delivery.event,
        host_id = delivery.host_id, repeated = delivery.repeated, syncs = syncs.join(" "),
        reason = delivery.reason, "delivery taken"
    );
    Ok(delivery)
}

/// Why a delivery is not taken.
enum Refusal {
    NoSecret(SecretError),
    Rejected(Rejection),
    Malformed(Malformed),
}

/// Verifies a delivery and reads what is verified. This blocks: for the files of secrets, and for
/// as long as a large body takes.
fn judge(
    receiver: &Receiver,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Reading, Refusal> {
    let credentials = Credentials::read(&receiver.auth).map_err(Refusal::NoSecret)?;
    receiver::verify(receiver.provider, &credentials, headers, body, now)
        .map_err(Refusal::Rejected)?;
    receiver::read(receiver.provider, headers, body).map_err(Refusal::Malformed)
}

fn has_secret_in_file(auth: &ReceiverAuth) -> bool {
    let is_file = |secret: &Secret| matches!(secret, Secret::File(_));
    match auth {
        ReceiverAuth::Secrets(secrets) => secrets.iter().any(is_file),
        ReceiverAuth::Basic { password: secret, .. }
        | ReceiverAuth::Header { value: secret, .. } => is_file(secret),
    }
}

/// The beginning of a text: hosts stay far below, and anybody can send headers.
fn cut(text: String) -> String {
    match text.char_indices().nth(JOURNALLED_CHARS) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

/// Answers what is not taken, and journals what is to be seen of it.
async fn refuse(
    app: &App,
    config: &Config,
    receiver: &Receiver,
    mut delivery: NewDelivery,
    refusal: Refusal,
) -> Problem {
    match refusal {
        Refusal::NoSecret(error) => {
            let name = ("receiver", receiver.name.to_string());
            if app.unusable.count(&name, u32::MAX, Instant::now()).sampled {
                tracing::error!(receiver = %receiver.name, error = %chain(&error), "a receiver has no usable secret");
            }
            let detail = "the receiver cannot verify deliveries now";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
        Refusal::Rejected(rejection) => reject(app, config, receiver, delivery, &rejection).await,
        Refusal::Malformed(malformed) => {
            let reason = malformed.to_string();
            delivery.outcome = Outcome::Malformed;
            delivery.reason = Some(reason.clone());
            match app.context.store.accept(delivery, Vec::new()).await {
                Ok(_) => Problem::bad_request(reason),
                Err(error) => error.into(),
            }
        }
    }
}

/// Answers what failed verification; one of a minute is journalled, the rest is only counted.
async fn reject(
    app: &App,
    config: &Config,
    receiver: &Receiver,
    mut delivery: NewDelivery,
    rejection: &Rejection,
) -> Problem {
    let limit = config.server.limits.failed_verifications_per_minute;
    let treatment = app.forgeries.count(&receiver.name, limit, Instant::now());
    let reason = rejection.to_string();
    if treatment.sampled {
        tracing::warn!(receiver = %receiver.name, event = delivery.event, reason, "delivery rejected");
        delivery.reason = Some(reason.clone());
        if let Err(error) = app.context.store.accept(delivery, Vec::new()).await {
            return error.into();
        }
    }
    if treatment.limited {
        return Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many deliveries failed verification within a minute",
        );
    }
    Problem::new(StatusCode::UNAUTHORIZED, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_cut_at_a_whole_character() {
        assert_eq!(cut("push".into()), "push");
        assert_eq!(cut("é".repeat(300)), "é".repeat(JOURNALLED_CHARS));
    }
}
