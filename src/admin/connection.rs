//! One connection, from its first byte to its last: every phase has its time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::patience::Patient;
use super::slots::{Peer, Slot};
use super::wire::{Sloppy, Wire};

/// How long a request's head may take to arrive, and the next one to begin.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// Whose it is.
    pub peer: Peer,
    /// Whether only users of this machine can come this way.
    pub is_local: bool,
    /// `http` or `https`.
    pub scheme: &'static str,
}

/// What is known of a connection; every request carries it.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// Where it comes from.
    pub origin: Origin,
    /// Whether all other slots are taken, so that health alone is answered here.
    pub is_for_health: bool,
    /// What is wrong with its bytes.
    pub sloppy: Sloppy,
}

/// Serves one that speaks TLS: the handshake has the time of a head, and a slot no longer than any other.
pub(super) async fn secure<S>(
    stream: S,
    tls: Arc<ServerConfig>,
    origin: Origin,
    slot: Slot,
    router: axum::Router,
    stopped: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = tokio::time::timeout(HEAD_TIMEOUT, TlsAcceptor::from(tls).accept(stream));
    let secured = tokio::select! {
        secured = handshake => secured,
        () = slot.evicted() => return,
    };
    match secured {
        Ok(Ok(stream)) => serve(stream, Origin { scheme: "https", ..origin }, slot, router, stopped).await,
        Ok(Err(error)) => debug!(peer = %origin.peer, %error, "no connection with TLS"),
        Err(_) => {}
    }
}

/// Serves it until somebody ends it, it takes too long, or its slot goes to another.
pub(super) async fn serve<S>(
    stream: S,
    origin: Origin,
    slot: Slot,
    router: axum::Router,
    mut stopped: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let slot = Arc::new(slot);
    let of_request = Connection { origin, is_for_health: slot.is_for_health(), sloppy: Sloppy::default() };
    let stream = Patient::new(stream, Wire::new(of_request.sloppy.clone()));
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(of_request.clone());
        let (working, answer) = (slot.working(), router.call(request.map(Body::new)));
        async move {
            let answer = answer.await;
            drop(working);
            Ok::<_, Infallible>(answer.unwrap_or_else(|never| match never {}))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ending = async { drop(stopped.wait_for(|stopped| *stopped).await) };
    // A client that goes away is no fault of ours.
    tokio::select! {
        _ = &mut connection => {}
        () = slot.evicted() => {}
        () = ending => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::{sleep, timeout};

    use super::super::slots::Slots;
    use super::*;

    /// A connection over a pipe of 1 kB, with a page of 100 kB.
    async fn client() -> DuplexStream {
        let (theirs, ours) = duplex(1_000);
        let router = axum::Router::new().route("/", get(async || "x".repeat(100_000)));
        let peer = Peer::of([127, 0, 0, 1].into());
        let slot = Slots::default().enter(peer).await;
        let origin = Origin { peer, is_local: true, scheme: "http" };
        tokio::spawn(async move {
            let (_stop, stopped) = watch::channel(false);
            serve(ours, origin, slot, router, stopped).await;
        });
        theirs
    }

    /// The connection is closed within a time-out and a second; what came until then.
    async fn rest(client: &mut DuplexStream) -> usize {
        let mut read = Vec::new();
        let limit = HEAD_TIMEOUT + Duration::from_secs(1);
        let _ = timeout(limit, client.read_to_end(&mut read)).await.expect("it is closed");
        read.len()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_or_never_ends_its_head_is_left() {
        for head in ["", "GET / HTTP/1.1\r\nHost: a\r\n"] {
            let mut client = client().await;
            client.write_all(head.as_bytes()).await.unwrap();
            assert_eq!(rest(&mut client).await, 0, "{head}");
        }
        // A byte a second is not enough either.
        let mut client = client().await;
        for byte in b"GET / HTTP/1.1\r\nHost: a-name-that-is-long\r\n" {
            if client.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
        assert!(client.write_all(b"\r\n").await.is_err(), "it is closed meanwhile");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_left_however_much_it_asks() {
        let mut client = client().await;
        for _ in 0..10 {
            client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        }
        sleep(HEAD_TIMEOUT + Duration::from_secs(1)).await;
        // What the pipe holds is all that ever comes.
        assert!(rest(&mut client).await <= 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_gets_everything_and_may_ask_again() {
        let mut client = client().await;
        for _ in 0..2 {
            client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            let (mut got, mut piece) = (0, [0; 5_000]);
            while got < 100_000 {
                sleep(Duration::from_secs(1)).await;
                got += client.read(&mut piece).await.unwrap();
            }
        }
        assert!(rest(&mut client).await < 1_000, "the heads' length; then it is idle, and left");
    }
}
