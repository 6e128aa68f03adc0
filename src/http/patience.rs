//! A stream that fails when its peer takes too little of what is written to it, so that a client that
//! asks and does not read holds its connection for a bounded time, and one that is slow does not.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// A stream whose writes make progress within some time and with some speed, or fail. Reads wait as
/// they did: who may be silent for how long depends on what is read.
pub(super) struct Patience<S, F> {
    stream: S,
    bounds: Bounds,
    /// The time to wait that is left; each byte that is taken gives some back.
    left: Duration,
    /// Runs while a write waits; boxed, so that the stream can be moved.
    running_out: Option<Pin<Box<Sleep>>>,
    /// Called when all that was written is with the system.
    flushed: F,
}

/// How slow a peer may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Longest time in which it takes nothing.
    pub(super) stalled: Duration,
    /// What it takes in a second at least, all in all.
    pub(super) bytes_per_second: u32,
}

impl<S, F: Fn()> Patience<S, F> {
    /// Writes within the bounds.
    pub(super) fn new(stream: S, bounds: Bounds, flushed: F) -> Self {
        Self { stream, bounds, left: bounds.stalled, running_out: None, flushed }
    }

    /// Bounds the wait for a write that takes that many bytes when it is done.
    fn bound<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
        taken: impl Fn(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        let Poll::Ready(done) = polled else {
            let left = self.left;
            let running_out = self
                .running_out
                .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + left)));
            let over = running_out.as_mut().poll(context);
            return over.map(|()| Err(io::ErrorKind::TimedOut.into()));
        };
        if let Some(running_out) = self.running_out.take() {
            self.left = running_out.deadline().saturating_duration_since(Instant::now());
        }
        let bytes = done.as_ref().map_or(0, taken);
        let back = Duration::from_secs(bytes as u64) / self.bounds.bytes_per_second;
        self.left = (self.left + back).min(self.bounds.stalled);
        Poll::Ready(done)
    }
}

impl<S: AsyncRead + Unpin, F: Unpin> AsyncRead for Patience<S, F> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin, F: Fn() + Unpin> AsyncWrite for Patience<S, F> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bound(context, polled, |taken| *taken)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.bound(context, polled, |taken| *taken)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        let polled = self.bound(context, polled, |()| 0);
        if let Poll::Ready(Ok(())) = polled {
            (self.flushed)();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.bound(context, polled, |()| 0)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::sleep;

    use super::*;

    const BOUNDS: Bounds = Bounds { stalled: Duration::from_secs(10), bytes_per_second: 4 };

    /// A stream whose other end has room for eight bytes.
    fn open() -> (Patience<DuplexStream, impl Fn()>, DuplexStream) {
        let (ours, theirs) = duplex(8);
        (Patience::new(ours, BOUNDS, || ()), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (mut ours, mut theirs) = open();
        let written = ours.write_all(&[0; 9]).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);

        let (mut ours, _theirs) = open();
        ours.write_all(&[0; 8]).await.unwrap();
        sleep(Duration::from_hours(1)).await;
        theirs.read_exact(&mut [0; 8]).await.unwrap();
        assert!(ours.flush().await.is_ok(), "while nothing waits, no time runs out");
    }

    /// Reads all, some bytes each so many seconds. Whether it could.
    async fn takes(bytes: usize, seconds: u64) -> bool {
        let (mut ours, mut theirs) = open();
        let writing = tokio::spawn(async move { ours.write_all(&[0; 1000]).await });
        let mut taken = vec![0; bytes];
        while theirs.read_exact(&mut taken).await.is_ok() {
            sleep(Duration::from_secs(seconds)).await;
        }
        writing.await.unwrap().is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_peer_is_waited_for_and_one_that_pretends_is_not() {
        assert!(takes(8, 2).await);
        assert!(takes(4, 1).await);
        assert!(!takes(1, 9).await, "it takes something each time, and will never be done");
        assert!(!takes(1, 1).await);
    }
}
