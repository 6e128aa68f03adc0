//! The body of a request on its way, which tells the connection's seat when it is there: until then
//! the client is waited for, and from then on we are.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::http::seats::Seat;

/// A body that is read from a connection.
pub(super) struct Arriving<B> {
    body: B,
    seat: Arc<Seat>,
}

impl<B: Body> Arriving<B> {
    /// The headers are there; the body may be, too.
    pub(super) fn new(body: B, seat: Arc<Seat>) -> Self {
        if body.is_end_stream() {
            seat.works();
        } else {
            seat.sends();
        }
        Self { body, seat }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Arriving<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.seat.works();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
