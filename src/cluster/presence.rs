//! Whether an API server can serve: asked by who wants to know before it holds anything that others
//! need.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use http::Method;

use crate::cluster::Cluster;
use crate::cluster::call::{Call, Purpose};
use crate::cluster::error::ClusterError;
use crate::domain::object::ObjectKey;

/// How long an answer tells that the API server is there. A sync that begins later asks again, while
/// it fetches.
const ANSWER_HOLDS: Duration = Duration::from_secs(10);

/// What was last found out.
#[derive(Default)]
pub(super) struct Presence {
    /// Held while asking.
    silence: Mutex<Option<Silence>>,
    /// Questions that have ended, whatever came of them.
    ended: AtomicU64,
}

/// A question that got no answer.
struct Silence {
    /// The number of the question, from 1.
    number: u64,
    error: Arc<ClusterError>,
}

impl Cluster {
    /// Returns at once when the API server has just answered a call, be it with a refusal; else asks
    /// it whether it is ready, which it is not while it waits for its own store. Who comes meanwhile
    /// shares the question, also when there is no answer.
    pub async fn answers(&self) -> Result<(), ClusterError> {
        let (caller, presence) = (&self.shared.caller, &self.shared.presence);
        let ended_before = presence.ended.load(Ordering::SeqCst);
        if caller.answered_within(ANSWER_HOLDS) {
            return Ok(());
        }
        let mut silence = presence.silence.lock().await;
        if caller.answered_within(ANSWER_HOLDS) {
            return Ok(());
        }
        if let Some(shared) = silence.as_ref().filter(|silence| silence.number > ended_before) {
            return Err(ClusterError::Silent(Arc::clone(&shared.error)));
        }
        let asked = caller.ask(&readiness()).await;
        let number = presence.ended.fetch_add(1, Ordering::SeqCst) + 1;
        match asked {
            Err(error) if error.is_silence() || error.is_failure() => {
                let error = Arc::new(error);
                *silence = Some(Silence { number, error: Arc::clone(&error) });
                Err(ClusterError::Silent(error))
            }
            // Who may not ask for it was answered, too.
            _ => Ok(()),
        }
    }

    /// Whether the API server serves us, as a small call says that has this much time and goes beside
    /// all others. Who may not ask for readiness was answered, too; not so who is not known to it.
    pub async fn heartbeat(&self, within: Duration) -> Result<(), ClusterError> {
        match self.shared.caller.probe(&readiness(), within).await {
            Err(error)
                if error.is_silence()
                    || error.is_failure()
                    || matches!(
                        error,
                        ClusterError::Unauthorized { .. } | ClusterError::Credentials(_)
                    ) =>
            {
                Err(error)
            }
            _ => Ok(()),
        }
    }
}

fn readiness() -> Call<'static> {
    let object = ObjectKey {
        group: String::new(),
        kind: "APIServer".into(),
        namespace: None,
        name: "/readyz".into(),
    };
    Call {
        object,
        purpose: Purpose::Read,
        method: Method::GET,
        uri: "/readyz".into(),
        accept: "*/*",
        body: None,
        repeat_conflict: true,
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use http::StatusCode;

    use super::*;
    use crate::cluster::testing::server;

    #[tokio::test(start_paused = true)]
    async fn who_comes_while_an_api_server_is_asked_shares_its_silence() {
        let (caller, sent) = server(4, None);
        let cluster = Cluster::of(caller);
        let asked = join_all((0..3).map(|_| cluster.answers())).await;
        assert!(asked.iter().all(|asked| matches!(asked, Err(ClusterError::Silent(_)))));
        assert_eq!(sent.lock().unwrap().len(), 1);
        cluster.answers().await.unwrap_err();
        assert_eq!(sent.lock().unwrap().len(), 2, "who comes later wants another try");
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_fails_is_no_better_than_a_silent_one() {
        let (caller, sent) = server(4, Some(StatusCode::INTERNAL_SERVER_ERROR));
        let cluster = Cluster::of(caller);
        for _ in 0..2 {
            assert!(matches!(cluster.answers().await, Err(ClusterError::Silent(_))));
        }
        assert!(sent.lock().unwrap().iter().all(|path| path == "/readyz"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_heartbeat_tells_who_serves_us() {
        let within = Duration::from_secs(3);
        for (answer, serves) in [
            (Some(StatusCode::OK), true),
            (Some(StatusCode::FORBIDDEN), true),
            (Some(StatusCode::TOO_MANY_REQUESTS), true),
            (Some(StatusCode::UNAUTHORIZED), false),
            (Some(StatusCode::INTERNAL_SERVER_ERROR), false),
            (None, false),
        ] {
            let (caller, sent) = server(1, answer);
            let cluster = Cluster::of(caller);
            assert_eq!(cluster.heartbeat(within).await.is_ok(), serves, "{answer:?}");
            assert_eq!(sent.lock().unwrap().len(), 1, "it is not repeated");
            assert_eq!(cluster.calls().reads, 0, "and not counted");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_an_answer_and_holds_for_a_while() {
        let (caller, sent) = server(4, Some(StatusCode::FORBIDDEN));
        let cluster = Cluster::of(caller);
        for _ in 0..3 {
            cluster.answers().await.unwrap();
        }
        assert_eq!(sent.lock().unwrap().len(), 1);
        tokio::time::advance(ANSWER_HOLDS).await;
        cluster.answers().await.unwrap();
        assert_eq!(sent.lock().unwrap().len(), 2);
    }
}
