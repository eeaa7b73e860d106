//! What RabbitMQ sends, made readable before the client sees it, and no more of it at once than fits in memory.
//!
//! The client gives up a connection over one message that it cannot parse, and the broker hands that message out again
//! after each connect. So the bytes pass [`frames`] first, which notes in a message's headers what it changed
//! ([`notes`]); [`meter`] counts what is delivered and not yet taken over, and stops reading above a bound.

pub(super) mod frames;
#[cfg(fuzzing)]
pub mod hostile;
#[cfg(all(test, not(fuzzing)))]
mod hostile;
pub(super) mod meter;
pub(super) mod notes;
mod table;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_rs::traits::{Executor, Reactor, RuntimeKit};
use async_rs::util::Task;
use async_rs::{Runtime, Tokio};
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::Stream;
use lapin::tcp::{AMQPUriTcpExt, AsyncTcpStream, OwnedTLSConfig};
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};

use frames::{Frames, Next};
use meter::Meter;

/// Read from the network at once.
const READ_BYTES: usize = 64 * 1024;

type Network = AsyncTcpStream<<Tokio as Reactor>::TcpStream>;

/// Opens a connection whose messages are readable and metered.
pub(super) async fn connect(
    uri: AMQPUri,
    properties: ConnectionProperties,
    tls: OwnedTLSConfig,
    body_bytes_max: usize,
    meter: &Arc<Meter>,
) -> lapin::Result<Connection> {
    let network = Runtime::tokio_current();
    let kit = Runtime::new(Kit(Tokio::current()));
    let meter = Arc::clone(meter);
    let open = async move |uri: AMQPUri, _: Runtime<Kit>| {
        let inner = uri.connect_with_config_async(tls.as_ref(), &network).await?;
        let frames = Frames::new(uri.query.frame_max.unwrap_or_default(), body_bytes_max);
        let stream = Readable { inner, frames, meter: Arc::clone(&meter), chunk: vec![0; READ_BYTES], is_over: false };
        Ok(AsyncTcpStream::Plain(stream))
    };
    Connection::connector(uri, kit, open, properties).await
}

/// The broker's bytes on their way to the client.
pub(super) struct Readable {
    inner: Network,
    frames: Frames,
    meter: Arc<Meter>,
    chunk: Vec<u8>,
    is_over: bool,
}

impl AsyncRead for Readable {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        loop {
            let count = this.frames.read(out);
            if count > 0 || out.is_empty() {
                return Poll::Ready(Ok(count));
            }
            match this.frames.next(|channel, bytes| this.meter.hold(channel, bytes, cx.waker())) {
                Next::Ready => continue,
                Next::Closed(channel) => {
                    this.meter.forget(channel);
                    continue;
                }
                Next::Wait => return Poll::Pending,
                Next::More if this.is_over => return Poll::Ready(Ok(0)),
                Next::More => {}
            }
            let count = ready!(Pin::new(&mut this.inner).poll_read(cx, &mut this.chunk))?;
            this.is_over = count == 0;
            if this.is_over {
                this.frames.end();
            } else {
                this.frames.write(&this.chunk[..count]);
            }
        }
    }
}

impl AsyncWrite for Readable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, parts)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

/// Tokio, with streams of our own: the client takes its stream's type from its runtime.
#[derive(Clone, Debug)]
pub(super) struct Kit(Tokio);

impl RuntimeKit for Kit {}

impl Executor for Kit {
    type Task<T: Send + 'static> = <Tokio as Executor>::Task<T>;

    fn block_on<T, F: Future<Output = T>>(&self, future: F) -> T {
        self.0.block_on(future)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(&self, future: F) -> Task<Self::Task<T>> {
        self.0.spawn(future)
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(&self, run: F) -> Task<Self::Task<T>> {
        self.0.spawn_blocking(run)
    }
}

impl Reactor for Kit {
    type TcpStream = Readable;
    type Sleep = <Tokio as Reactor>::Sleep;

    // [`connect`] opens every stream itself.
    fn register<H: Send + 'static>(&self, _: H) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Readable, _>(io::Error::from(io::ErrorKind::Unsupported))
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(&self, _: SocketAddr) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        std::future::ready(Err(io::Error::from(io::ErrorKind::Unsupported)))
    }
}
