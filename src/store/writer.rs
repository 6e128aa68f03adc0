//! The task that writes what arrives: deliveries and requests that come together share one
//! transaction, so that many webhooks cost few waits for the disk.

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::store::coalesce::{Arrival, Arrived};
use crate::store::deliveries;
use crate::store::error::StoreError;
use crate::store::events::Writer;

/// Arrivals in one transaction.
const BATCH_MAX: usize = 256;
/// Arrivals that wait for a transaction; who comes then waits to be let in.
const PENDING_MAX: usize = 1024;

type Answer = oneshot::Sender<Result<Arrived, StoreError>>;

/// The door to the task.
pub(super) struct Arrivals {
    pending: mpsc::Sender<(Arrival, Answer)>,
    closing: CancellationToken,
}

impl Arrivals {
    /// Starts the task. It ends when the door is closed or dropped, and all that came in is written.
    pub(super) fn spawn(writer: Writer) -> (Self, JoinHandle<()>) {
        let (pending, queue) = mpsc::channel(PENDING_MAX);
        let closing = CancellationToken::new();
        let task = tokio::spawn(write(writer, queue, closing.clone()));
        (Self { pending, closing }, task)
    }

    /// Hands something in and waits until it is on the disk. Who stops waiting does not know
    /// whether it got there.
    pub(super) async fn write(&self, arrival: Arrival) -> Result<Arrived, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.pending.send((arrival, answer)).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Lets nothing more in.
    pub(super) fn close(&self) {
        self.closing.cancel();
    }
}

async fn write(
    writer: Writer,
    mut queue: mpsc::Receiver<(Arrival, Answer)>,
    closing: CancellationToken,
) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    loop {
        tokio::select! {
            biased;
            () = closing.cancelled(), if !queue.is_closed() => queue.close(),
            count = queue.recv_many(&mut batch, BATCH_MAX) => {
                if count == 0 {
                    return;
                }
                let (arrivals, answers): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
                for (answer, result) in answers.into_iter().zip(write_all(&writer, arrivals).await) {
                    // Nobody waits any more: it is written all the same.
                    let _ = answer.send(result);
                }
            }
        }
    }
}

/// Writes them together, or one by one if what one of them holds fails the others.
async fn write_all(writer: &Writer, arrivals: Vec<Arrival>) -> Vec<Result<Arrived, StoreError>> {
    match deliveries::write(writer, &arrivals).await {
        Ok(arrived) => arrived.into_iter().map(Ok).collect(),
        Err(error) if arrivals.len() > 1 && error.is_of_one_item() => {
            let mut results = Vec::with_capacity(arrivals.len());
            for arrival in arrivals {
                let one = deliveries::write(writer, &[arrival]).await;
                results.push(
                    one.and_then(|arrived| arrived.into_iter().next().ok_or(StoreError::Closed)),
                );
            }
            results
        }
        Err(error) => arrivals.iter().map(|_| Err(error.clone())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::Outcome;
    use crate::domain::sync::{SyncOptions, SyncRequest, Trigger};
    use crate::store::{NewDelivery, Store};

    fn arrival(event: String) -> Arrival {
        let delivery = NewDelivery {
            receiver: "github".parse().unwrap(),
            host_id: None,
            event,
            received_at: jiff::Timestamp::UNIX_EPOCH,
            repository: None,
            refs: Vec::new(),
            pusher: None,
            body_bytes: 0,
            outcome: Outcome::Accepted,
            reason: None,
        };
        let request = SyncRequest {
            application: "shop".parse().unwrap(),
            trigger: Trigger::Webhook,
            actor: None,
            options: SyncOptions::default(),
        };
        Arrival { delivery: Some(delivery), requests: vec![request] }
    }

    async fn limit_pages(store: &Store, pragma: &'static str) {
        sqlx::query(pragma).execute(store.writer()).await.unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_is_an_error_until_there_is_space_again() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Store::open(&folder.path().join("headstay.db")).await.unwrap();
        store.0.arrivals.write(arrival("push".into())).await.unwrap();
        limit_pages(&store, "PRAGMA max_page_count = 1").await;
        let refused = store.0.arrivals.write(arrival("x".repeat(1 << 20))).await;
        assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");

        limit_pages(&store, "PRAGMA max_page_count = 1000000").await;
        store.0.arrivals.write(arrival("push".into())).await.unwrap();
        assert!(store.claim(std::time::Duration::ZERO).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn one_bad_arrival_fails_alone() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Store::open(&folder.path().join("headstay.db")).await.unwrap();
        // A rule that only the bad one breaks, and that makes SQLite roll back by itself, as it may
        // on a full disk.
        let rule = "CREATE TRIGGER bad BEFORE INSERT ON deliveries WHEN NEW.event = 'bad'
                    BEGIN SELECT RAISE(ROLLBACK, 'bad'); END";
        sqlx::query(rule).execute(store.writer()).await.unwrap();
        let events = ["push", "bad", "tag"];
        let batch = events.into_iter().map(|event| arrival(event.into())).collect();
        let written = write_all(&store.0.writer, batch).await;
        let written: Vec<_> = written.iter().map(Result::is_ok).collect();
        assert_eq!(written, [true, false, true]);
    }

    #[tokio::test]
    async fn a_closed_store_takes_nothing_more() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Store::open(&folder.path().join("headstay.db")).await.unwrap();
        store.close().await;
        let refused = store.0.arrivals.write(arrival("push".into())).await;
        assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
        assert!(matches!(store.next_due().await, Err(StoreError::Closed)));
        store.close().await;
    }
}
