//! Time: it stands still, and passes only where a history lets it. What waits for an answer of this
//! process waits really; what sleeps or times out does so by this clock.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::Notify;

use std::sync::Arc;

/// How often somebody who waits looks whether time has to pass.
const LOOK: Duration = Duration::from_micros(400);
/// How many looks in a row must find that nobody gets on, before time passes.
const IDLE_LOOKS: u32 = 8;
/// How much time passes then, at each further look.
const STEP: Duration = Duration::from_millis(60);

/// The clock of one history. The runtime must be paused.
pub struct Clock {
    looks: Arc<Notify>,
    /// Dropped, they end what they hold.
    _ends: [mpsc::Sender<()>; 2],
}

impl Clock {
    pub fn start() -> Self {
        let looks = Arc::new(Notify::new());
        let (held, holds) = mpsc::channel::<()>();
        // As long as it blocks, the runtime does not move the clock by itself.
        tokio::task::spawn_blocking(move || holds.recv());
        let (ticked, ticks) = mpsc::channel::<()>();
        let bell = Arc::clone(&looks);
        std::thread::spawn(move || {
            while ticks.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                bell.notify_one();
            }
        });
        Self { looks, _ends: [held, ticked] }
    }

    /// Waits a moment in which everybody else can go on, without that time passes.
    pub async fn pause(&self) {
        self.looks.notified().await;
    }

    /// Lets some time pass.
    pub async fn pass(&self) {
        tokio::time::advance(STEP).await;
    }

    /// Lets half a second pass.
    pub async fn pass_long(&self) {
        tokio::time::advance(Duration::from_millis(500)).await;
    }

    /// Waits for something; time passes when nothing else helps.
    pub async fn passing<T>(&self, wait: impl Future<Output = T>) -> T {
        let mut wait = std::pin::pin!(wait);
        let mut idle = Idle::default();
        loop {
            tokio::select! {
                biased;
                done = &mut wait => return done,
                () = self.pause() => {}
            }
            if idle.is_long(0) {
                self.pass().await;
            }
        }
    }
}

/// How long nobody has got on.
#[derive(Default)]
pub struct Idle {
    progress: u64,
    looks: u32,
}

impl Idle {
    /// Takes a look: `progress` is a number that grows while somebody gets on.
    pub fn is_long(&mut self, progress: u64) -> bool {
        self.looks = if progress == self.progress { self.looks + 1 } else { 0 };
        self.progress = progress;
        self.looks > IDLE_LOOKS
    }
}
