//! The body of an answer on its way, which tells the connection's seat when the last of it is with the
//! connection: from then on it has only to be written.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};

use crate::http::seats::Seat;

/// A body that is written to a connection. The connection drops it when it has all of it.
pub(super) struct Leaving<B> {
    body: B,
    seat: Arc<Seat>,
}

impl<B> Leaving<B> {
    /// The head is there; of the body nothing has gone yet.
    pub(super) fn new(body: B, seat: Arc<Seat>) -> Self {
        Self { body, seat }
    }
}

impl<B> Drop for Leaving<B> {
    fn drop(&mut self) {
        self.seat.has_said_all();
    }
}

impl<B: Body + Unpin> Body for Leaving<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
