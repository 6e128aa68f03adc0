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
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::http::arriving::Arriving;
use crate::http::patience::Patience;
use crate::http::seats::{Bounds, Seat, Seats};

/// Longest time for the headers of a request, and for an idle connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time in which a client takes nothing of its answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest headers of a request, in bytes.
const HEADER_BYTES: usize = 64 << 10;
/// Most connections at once. Half of the 1024 files that a process may usually have open: the other
/// half is for the store, the mirrors and the clusters.
const CONNECTIONS: usize = 512;
/// Most connections of one peer at once. Generous, because a proxy is one peer for all that is behind
/// it, and no more than a part, so that a few cannot take all.
const CONNECTIONS_PER_PEER: usize = CONNECTIONS / 4;
/// Pause after an accept that failed (too many open files), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `shutdown`, then lets the requests in flight end.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let bounds = Bounds { all: CONNECTIONS, per_peer: CONNECTIONS_PER_PEER };
    let (seats, connections) = (Seats::new(bounds), TaskTracker::new());
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
                let Some(seat) = seats.take(peer.ip()).await else {
                    tracing::debug!(%peer, "a peer has too many connections");
                    continue;
                };
                let connection = converse(stream, peer, router.clone(), shutdown.clone(), seat);
                connections.spawn(connection);
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

/// Serves one connection until it ends, gives way to another one, or `shutdown`.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
    seat: Seat,
) {
    if let Err(error) = stream.set_nodelay(true) {
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
    let stream = Patience::new(stream, WRITE_TIMEOUT);
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

async fn answer(
    router: Router,
    request: Request<Incoming>,
    seat: Arc<Seat>,
) -> Result<Response, Infallible> {
    let request = request.map(|body| Body::new(Arriving::new(body, Arc::clone(&seat))));
    let mut response = router.oneshot(request).await?;
    if seat.is_answered() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

#[cfg(test)]
mod tests;
