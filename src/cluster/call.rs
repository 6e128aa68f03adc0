//! One call to an API server: bounded in number, time and size, counted, and repeated when it may
//! succeed within seconds.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kube::Client;
use kube::client::Body;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use crate::cluster::answer::{Answer, Raw, parse, refusal, warnings};
use crate::cluster::error::ClusterError;
use crate::cluster::status::classify;
use crate::config::secret::SecretError;
use crate::domain::object::ObjectKey;
use crate::domain::stop::Stop;

/// Longest time for one attempt, from sending to the last byte of the answer. The API server is told
/// to give a write up after it, too.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for a turn among the calls to a cluster. Twice what an attempt can take, so that
/// one round of calls that hang does not fail those behind it.
const TURN_TIMEOUT: Duration = CALL_TIMEOUT.saturating_mul(2);
/// Waits before the second, third and fourth attempt.
const RETRY_DELAYS: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1600)];
/// Longest wait that the API server may ask for; more is the business of the sync's own backoff.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5);
/// No further attempt once a call has taken this long.
const RETRY_WINDOW: Duration = Duration::from_secs(20);
/// Largest answer, in bytes.
pub(super) const MAX_ANSWER: usize = 64 << 20;

/// How many calls were made to a cluster since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// Calls that only read, discovery included; watches are not counted.
    pub reads: u64,
    /// Dry runs.
    pub dry_runs: u64,
    /// Calls that wrote, or tried to.
    pub writes: u64,
    /// Attempts after the first, of all of these.
    pub retries: u64,
}

/// Says whether a write may be sent now. It is asked right before each attempt.
pub type Gate<'a> = dyn Fn() -> Result<(), Stop> + Sync + 'a;

/// What a call does, for the count and for what may be sent.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    Read,
    DryRun,
    /// No write is without its gate.
    Write(&'a Gate<'a>),
}

/// One call, ready to be sent.
pub(super) struct Call<'a> {
    /// What it is about.
    pub(super) object: ObjectKey,
    pub(super) purpose: Purpose<'a>,
    pub(super) method: Method,
    /// Path and query.
    pub(super) uri: String,
    pub(super) accept: &'static str,
    /// Content type and bytes.
    pub(super) body: Option<(&'static str, Vec<u8>)>,
    /// Whether a 409 is worth another attempt: not when the call carries a precondition.
    pub(super) repeat_conflict: bool,
}

/// Sends calls.
pub(super) struct Caller {
    client: Client,
    permits: Semaphore,
    /// When an answer came last, be it a refusal; none after a call without one, or with a failure of
    /// the API server.
    answered: Mutex<Option<Instant>>,
    reads: AtomicU64,
    dry_runs: AtomicU64,
    writes: AtomicU64,
    retries: AtomicU64,
}

impl Caller {
    pub(super) fn new(client: Client, calls: usize) -> Self {
        Self {
            client,
            permits: Semaphore::new(calls.clamp(1, Semaphore::MAX_PERMITS)),
            answered: Mutex::default(),
            reads: AtomicU64::default(),
            dry_runs: AtomicU64::default(),
            writes: AtomicU64::default(),
            retries: AtomicU64::default(),
        }
    }

    /// The client, for watches, which take no permit.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(super) fn counts(&self) -> Calls {
        Calls {
            reads: self.reads.load(Ordering::Relaxed),
            dry_runs: self.dry_runs.load(Ordering::Relaxed),
            writes: self.writes.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
        }
    }

    /// Sends a call, again after a short wait when it may then succeed. What is written is safe to
    /// repeat: an apply is idempotent, a create or delete that had been done says so.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Answer, ClusterError> {
        self.send_for(call).await
    }

    /// As [`send`](Self::send), for an answer of which only a part is kept.
    pub(super) async fn send_for<T: DeserializeOwned + Send + 'static>(
        &self,
        call: &Call<'_>,
    ) -> Result<Answer<T>, ClusterError> {
        let Raw { status, headers, body, _turn } = self.repeat(call).await?;
        let value = parse(body).await;
        let value =
            value.ok_or_else(|| unexpected(call, "it is not the JSON that was asked for"))?;
        Ok(Answer { status, value, warnings: warnings(&headers) })
    }

    /// As [`send`](Self::send), for an answer of which nothing is kept.
    pub(super) async fn ask(&self, call: &Call<'_>) -> Result<(), ClusterError> {
        self.repeat(call).await.map(drop)
    }

    async fn repeat(&self, call: &Call<'_>) -> Result<Raw<'_>, ClusterError> {
        let began = Instant::now();
        for delay in RETRY_DELAYS {
            let error = match self.attempt(call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let wait = error.retry_after().unwrap_or(delay).min(MAX_RETRY_AFTER).max(delay);
            if !repeatable(call, &error) || began.elapsed() + wait > RETRY_WINDOW {
                return Err(error);
            }
            tracing::debug!(object = %call.object, %error, ?wait, "a call is repeated");
            self.retries.fetch_add(1, Ordering::Relaxed);
            sleep(wait).await;
        }
        self.attempt(call).await
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Raw<'_>, ClusterError> {
        let turn = timeout(TURN_TIMEOUT, self.permits.acquire()).await;
        let turn = turn.map_err(|_| ClusterError::NoTurn {
            object: Box::new(call.object.clone()),
            after: TURN_TIMEOUT,
        });
        // The semaphore is never closed.
        let turn = turn?.map_err(|_| unexpected(call, "shutting down"))?;
        let counter = match call.purpose {
            Purpose::Read => &self.reads,
            Purpose::DryRun => &self.dry_runs,
            Purpose::Write(gate) => {
                gate().map_err(ClusterError::Stopped)?;
                &self.writes
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let (status, headers, body) = self.exchange(call, CALL_TIMEOUT).await?;
        if !status.is_success() {
            return Err(classify(&refusal(status, &headers, &body), &call.object));
        }
        Ok(Raw { status, headers, body, _turn: turn })
    }

    /// Sends a call that waits for no turn, is not counted, and not repeated: it asks whether anything
    /// is answered at all.
    pub(super) async fn probe(
        &self,
        call: &Call<'_>,
        within: Duration,
    ) -> Result<(), ClusterError> {
        let (status, headers, body) = self.exchange(call, within).await?;
        if status.is_success() {
            return Ok(());
        }
        Err(classify(&refusal(status, &headers, &body), &call.object))
    }

    /// Whether an answer, be it a refusal, came within this time, and every call since had one.
    pub(super) fn answered_within(&self, time: Duration) -> bool {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.is_some_and(|at| at.elapsed() < time)
    }

    /// Sends a call and takes the answer, within a time.
    async fn exchange(
        &self,
        call: &Call<'_>,
        within: Duration,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), ClusterError> {
        let late =
            |_| ClusterError::Timeout { object: Box::new(call.object.clone()), after: within };
        let answer = timeout(within, self.deliver(call)).await.map_err(late).flatten();
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let served = match &answer {
            Ok((status, ..)) => !status.is_server_error(),
            Err(error) => matches!(error, ClusterError::AnswerTooLarge { .. }),
        };
        *answered = served.then(Instant::now);
        drop(answered);
        answer
    }

    async fn deliver(
        &self,
        call: &Call<'_>,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), ClusterError> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(&call.uri)
            .header(ACCEPT, HeaderValue::from_static(call.accept));
        let body = match &call.body {
            Some((content_type, bytes)) => {
                request = request.header(CONTENT_TYPE, HeaderValue::from_static(content_type));
                bytes.clone()
            }
            None => Vec::new(),
        };
        let request = request.body(Body::from(body)).map_err(|error| broken(call, error.into()))?;
        let answer = self.client.send(request).await.map_err(|error| unsent(call, error))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(|error| match error.downcast::<LengthLimitError>() {
            Ok(_) => ClusterError::AnswerTooLarge {
                object: Box::new(call.object.clone()),
                bytes: MAX_ANSWER,
            },
            Err(error) => broken(call, error),
        })?;
        Ok((parts.status, parts.headers, body.to_bytes().into()))
    }
}

/// [`CALL_TIMEOUT`] as the parameter `timeout` of a write: what nobody waits for any more is not to be
/// carried out later.
pub(super) fn time_limit() -> String {
    format!("{}s", CALL_TIMEOUT.as_secs())
}

fn repeatable(call: &Call<'_>, error: &ClusterError) -> bool {
    match error {
        ClusterError::Conflict { .. } => call.repeat_conflict,
        // Whoever reads the list begins again.
        ClusterError::Expired { .. } => false,
        error => error.is_transient(),
    }
}

fn unexpected(call: &Call<'_>, message: &str) -> ClusterError {
    let (object, message) = (Box::new(call.object.clone()), message.to_owned());
    ClusterError::Unexpected { object, message }
}

fn broken(call: &Call<'_>, source: Box<dyn Error + Send + Sync>) -> ClusterError {
    ClusterError::Unreachable { object: Box::new(call.object.clone()), source }
}

fn unsent(call: &Call<'_>, error: kube::Error) -> ClusterError {
    match error {
        kube::Error::Service(source) => match source.downcast::<SecretError>() {
            Ok(secret) => ClusterError::Credentials(*secret),
            Err(source) => broken(call, source),
        },
        error => broken(call, error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::cluster::testing::server;

    fn call<'a>(uri: &str, purpose: Purpose<'a>) -> Call<'a> {
        let object = ObjectKey {
            group: String::new(),
            kind: "ConfigMap".into(),
            namespace: None,
            name: "a".into(),
        };
        let (method, accept) = (Method::GET, "application/json");
        let uri = uri.to_owned();
        Call { object, purpose, method, uri, accept, body: None, repeat_conflict: true }
    }

    #[tokio::test(start_paused = true)]
    async fn every_attempt_of_a_write_asks_whether_it_may_be_sent() {
        let (caller, sent) = server(1, Some(StatusCode::SERVICE_UNAVAILABLE));
        let asked = AtomicU64::new(0);
        let twice = || match asked.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Ok(()),
            _ => Err(Stop::LeaseLost),
        };
        let stopped = caller.send(&call("/w", Purpose::Write(&twice))).await.err();
        assert!(matches!(stopped, Some(ClusterError::Stopped(Stop::LeaseLost))), "{stopped:?}");
        assert_eq!(*sent.lock().unwrap(), ["/w", "/w"]);
        assert_eq!(caller.counts().writes, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_waited_for_its_turn_asks_after_the_wait() {
        let (caller, sent) = server(1, None);
        let stopped = AtomicBool::new(false);
        let gate = || if stopped.load(Ordering::Relaxed) { Err(Stop::Released) } else { Ok(()) };
        let (read, write) = (call("/r", Purpose::Read), call("/w", Purpose::Write(&gate)));
        let (_, second, ()) = tokio::join!(caller.send(&read), caller.send(&write), async {
            sleep(CALL_TIMEOUT / 2).await;
            stopped.store(true, Ordering::Relaxed);
        });
        assert!(matches!(second.err(), Some(ClusterError::Stopped(Stop::Released))));
        assert_eq!(*sent.lock().unwrap(), ["/r"]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_turn_without_end() {
        let (caller, sent) = server(1, None);
        let reads: Vec<_> = ["/1", "/2", "/3", "/4"].map(|uri| call(uri, Purpose::Read)).into();
        let ended = futures::future::join_all(reads.iter().map(|read| caller.send(read))).await;
        let no_turn = |ended: &Result<Answer, _>| matches!(ended, Err(ClusterError::NoTurn { .. }));
        assert!(no_turn(&ended[3]) && !no_turn(&ended[1]));
        assert!(!sent.lock().unwrap().contains(&"/4".to_owned()));
    }
}
