//! Connections: accepted by a loop of our own, because `axum::serve` has no limit on their number, nor
//! on the time that a client may take for its headers.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::http::arriving::Arriving;
use crate::http::leaving::Leaving;
use crate::http::patience::{self, Patience};
use crate::http::seats::{Arrival, Bounds, Place, Seat, Seats};

/// Longest time for the headers of a request, and for an idle connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How slow a client may take its answer: as over a bad mobile connection.
const SLOWNESS: patience::Bounds =
    patience::Bounds { stalled: Duration::from_secs(30), bytes_per_second: 2 << 10 };
/// What may be with the system and not sent yet, in bytes. More, and it would show too seldom that a
/// slow client takes something.
const UNSENT_BYTES: u32 = 32 << 10;
/// Largest headers of a request, in bytes.
const HEADER_BYTES: usize = 64 << 10;
/// How many connections there may be. Together half of the 1024 files that a process may usually have
/// open: the other half is for the store, the mirrors and the clusters. The share of a peer is generous,
/// because a proxy is one peer for all that is behind it, and no more than a part, so that a few peers
/// cannot take all.
const BOUNDS: Bounds =
    Bounds { all: 432, per_peer: 108, reserve: 16, waiting: 64, waiting_per_peer: 16 };
/// Longest time in the waiting room, for who may have left meanwhile.
const WAIT: Duration = Duration::from_secs(10);
/// Pause after an accept that failed (too many open files), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `shutdown`, then lets the requests in flight end.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let (seats, connections) = (Seats::new(BOUNDS), TaskTracker::new());
    tokio::select! {
        () = accept(&listener, &router, &seats, &connections, &shutdown) => {}
        () = shutdown.cancelled() => {}
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn accept(
    listener: &TcpListener,
    router: &Router,
    seats: &Seats,
    connections: &TaskTracker,
    shutdown: &CancellationToken,
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let newcomer = Newcomer { stream, peer };
                let (router, shutdown) = (router.clone(), shutdown.clone());
                match seats.arrive(peer.ip()) {
                    Arrival::Seated(seat) => {
                        connections.spawn(converse(newcomer, router, shutdown, seat));
                    }
                    Arrival::Waits(place) => {
                        connections.spawn(wait(newcomer, router, shutdown, place));
                    }
                    Arrival::Refused => tracing::debug!(%peer, "there are too many connections"),
                }
            }
            Err(error) if is_of_the_peer(&error) => {
                tracing::debug!(%error, "a peer left before its connection was accepted");
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// A connection that was accepted.
struct Newcomer {
    stream: TcpStream,
    peer: SocketAddr,
}

/// Serves a connection that has to wait for its seat, if it gets one.
async fn wait(newcomer: Newcomer, router: Router, shutdown: CancellationToken, place: Place) {
    let seat = tokio::select! {
        seat = timeout(WAIT, place.seat()) => seat.ok().flatten(),
        () = shutdown.cancelled() => None,
    };
    drop(place);
    if let Some(seat) = seat {
        converse(newcomer, router, shutdown, seat).await;
    } else {
        tracing::debug!(peer = %newcomer.peer, "a connection waited for a seat in vain");
    }
}

/// Serves one connection until it ends, gives way to another one, or `shutdown`.
async fn converse(newcomer: Newcomer, router: Router, shutdown: CancellationToken, seat: Seat) {
    let Newcomer { stream, peer } = newcomer;
    if let Err(error) = prepare(&stream) {
        tracing::debug!(%peer, %error, "a connection ended before it began");
        return;
    }
    let seat = Arc::new(seat);
    let service = {
        let seat = Arc::clone(&seat);
        service_fn(move |mut request| {
            request.extensions_mut().insert(ConnectInfo(peer));
            answer(router.clone(), request, Arc::clone(&seat))
        })
    };
    let flushed = {
        let seat = Arc::clone(&seat);
        move || seat.is_flushed()
    };
    let stream = Patience::new(stream, SLOWNESS, flushed);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = seat.given_up() => return,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

/// Sets how the system treats what is written.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES)?;
    Ok(())
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    seat: Arc<Seat>,
) -> Result<Response, Infallible> {
    let request = request.map(|body| Body::new(Arriving::new(body, Arc::clone(&seat))));
    let mut response = router.oneshot(request).await?;
    if seat.answers() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| Body::new(Leaving::new(body, seat))))
}

#[cfg(test)]
mod tests;
