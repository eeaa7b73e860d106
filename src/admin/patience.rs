//! A connection that is given up when nobody reads what it sends, and whose bytes are looked at as they come.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::wire::Wire;

/// How long nothing may leave of a reply.
const STALL_MAX: Duration = Duration::from_secs(10);

/// A stream whose writes fail when they make no progress for too long.
pub(super) struct Patient<S> {
    inner: S,
    wire: Wire,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// Nothing waits yet.
    pub(super) const fn new(inner: S, wire: Wire) -> Self {
        Self { inner, wire, stalled: None }
    }
}

impl<S: AsyncWrite + Unpin> Patient<S> {
    fn write<T>(
        &mut self,
        context: &mut Context<'_>,
        act: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = act(Pin::new(&mut self.inner), context) {
            self.stalled = None;
            return Poll::Ready(done);
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL_MAX)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        self.wire.read(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(context, |inner, context| inner.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(context, |inner, context| inner.poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(context, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(context, AsyncWrite::poll_shutdown)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_reads_nothing_is_given_up_and_a_slow_one_is_not() {
        let (mut theirs, ours) = duplex(10);
        let mut ours = Patient::new(ours, Wire::default());
        let reading = async {
            let mut read = [0; 10];
            for _ in 0..5 {
                sleep(STALL_MAX / 2).await;
                theirs.read_exact(&mut read).await.unwrap();
            }
            // From now on it reads nothing more.
            std::future::pending::<()>().await;
        };
        let writing = async {
            ours.write_all(&[0; 50]).await.unwrap();
            let error = ours.write_all(&[0; 50]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        };
        tokio::select! {
            () = reading => {}
            () = writing => {}
        }
    }
}
