//! The simulator over HTTP/1.1 on a loopback socket.
//!
//! Replies that are to be cut are cut on the socket: before the first byte, or in the middle of the body.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::control;
use super::handle::Simulator;
use super::request::{SimMessage, SimReply, SimRequest};

/// The most connections at once; more wait in the socket's queue.
const CONNECTIONS_MAX: usize = 4_096;
/// The largest request body that is read, in bytes.
const BODY_BYTES_MAX: usize = 4 << 20;
/// The pause after a failed accept, so that a lack of file handles does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the simulator cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It would be open to other machines.
    #[error("the simulator listens on loopback only (127.0.0.1 or ::1), not on {0}")]
    NotLoopback(SocketAddr),
    /// The socket failed.
    #[error("the simulator's socket failed")]
    Socket(#[from] std::io::Error),
}

/// Serves until `shutdown` is ready, then closes every connection.
///
/// # Errors
/// A socket that is not on loopback.
pub async fn serve(
    listener: TcpListener,
    simulator: Simulator,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    let mut shutdown = pin!(shutdown);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        // The place is taken before the connection is accepted and travels with it.
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, stream) = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = accepted => accepted,
        };
        let Ok((stream, _)) = stream else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Small replies must not wait for each other; a socket that refuses the option still works.
        let _ = stream.set_nodelay(true);
        let simulator = simulator.clone();
        connections.spawn(async move {
            let service = service_fn(|request| respond(&simulator, request));
            // Cut replies end the connection with an error, by intent.
            // Headers have Feishu's spelling, `X-Tt-Logid`: its SDK for Python looks its log id up by exact case.
            let mut connection = http1::Builder::new();
            connection.pipeline_flush(true).title_case_headers(true);
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
    connections.shutdown().await;
    Ok(())
}

/// Ends the connection without a reply.
#[derive(Debug, thiserror::Error)]
#[error("cut as the scenario says")]
struct Cut;

async fn respond(simulator: &Simulator, request: Request<Incoming>) -> Result<Response<Reply>, Cut> {
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else { return Err(Cut) };
    let body = body.to_bytes();
    if let Some(path) = target.strip_prefix(control::PREFIX) {
        return response(&control::answer(simulator, head.method.as_str(), path, &body), false);
    }
    let header = |name: HeaderName| head.headers.get(name)?.to_str().ok().map(str::to_owned);
    let request = SimRequest::new(head.method.as_str(), target, header(AUTHORIZATION), body)
        .with_content_type(header(CONTENT_TYPE));
    match simulator.carry(request).await {
        SimReply::Whole(message) => response(&message, false),
        SimReply::Partial(message) => response(&message, true),
        SimReply::Cut | SimReply::Unreachable => Err(Cut),
    }
}

fn response(message: &SimMessage, is_partial: bool) -> Result<Response<Reply>, Cut> {
    let status = StatusCode::from_u16(message.status).map_err(|_| Cut)?;
    let mut response = Response::builder().status(status).header(CONTENT_LENGTH, message.body.len());
    for (name, value) in &message.headers {
        response = response.header(name, value);
    }
    let kept = if is_partial { message.body.len() / 2 } else { message.body.len() };
    let rest = if is_partial { Rest::Flush } else { Rest::End };
    response.body(Reply { chunk: Some(message.body.slice(..kept)), rest }).map_err(|_| Cut)
}

/// A body of one chunk, which may break off.
struct Reply {
    chunk: Option<Bytes>,
    rest: Rest,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Nothing follows.
    End,
    /// The chunk is let out first, …
    Flush,
    /// … then the connection is cut.
    Cut,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(chunk) = self.chunk.take() {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match self.rest {
            Rest::End => Poll::Ready(None),
            Rest::Flush => {
                self.rest = Rest::Cut;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Rest::Cut => Poll::Ready(Some(Err(Cut))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.chunk.is_none() && self.rest == Rest::End
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.chunk, self.rest) {
            (Some(chunk), Rest::End) => SizeHint::with_exact(chunk.len() as u64),
            _ => SizeHint::default(),
        }
    }
}
