//! A request's body that is given away only before its deadline.
//!
//! A call waits for its connection's task, and nothing is written before that asks for the body. A process that was stopped
//! in between would write it when it goes on, before any timer has fired, long after its quota's windows have ceased to
//! count it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use paceline_domain::time::Mono;
use paceline_ports::clock::Clock;

/// All of it at once, or nothing.
pub(crate) struct Timely {
    bytes: Option<Bytes>,
    clock: Clock,
    deadline: Mono,
}

/// Nothing of the request was written.
#[derive(Debug, thiserror::Error)]
#[error("the request could not be written in time")]
pub(crate) struct TooLate;

impl Timely {
    pub(crate) const fn new(bytes: Bytes, clock: Clock, deadline: Mono) -> Self {
        Self { bytes: Some(bytes), clock, deadline }
    }
}

impl Body for Timely {
    type Data = Bytes;
    type Error = TooLate;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, TooLate>>> {
        let is_late = self.clock.mono() > self.deadline;
        let bytes = self.bytes.take();
        Poll::Ready(bytes.map(|bytes| if is_late { Err(TooLate) } else { Ok(Frame::data(bytes)) }))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;
    use crate::{HttpOptions, client};

    /// What arrives of a request whose body had this much time.
    async fn arrived(left: Option<Duration>) -> (String, bool) {
        let options = HttpOptions {
            connect_timeout: Duration::from_secs(240),
            reply_bytes_max: 1_024,
            pool_idle: Duration::from_secs(1),
            ca_pem: None,
            tells_certificate: false,
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let reading = tokio::task::spawn_blocking(move || {
            let mut head = vec![0; 65_536];
            let read = listener.accept().unwrap().0.read(&mut head).unwrap();
            String::from_utf8_lossy(&head[..read]).into_owned()
        });
        let clock = Clock::system();
        let now = clock.mono();
        let deadline = left.map_or(now - Duration::from_secs(1), |left| now + left);
        let body = Timely::new(Bytes::from_static(b"{}"), clock, deadline);
        let sent = client(&options).unwrap().post(&url).body(reqwest::Body::wrap(body)).send().await;
        (reading.await.unwrap(), crate::http::is_too_late(&sent.unwrap_err()))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_of_a_request_is_written_after_its_deadline() {
        let (text, is_too_late) = arrived(Some(Duration::from_secs(240))).await;
        assert!(text.starts_with("POST / HTTP/1.1\r\n") && text.contains("content-length: 2\r\n"), "{text}");
        assert!(!is_too_late, "the connection was closed");
        assert_eq!(arrived(None).await, (String::new(), true));
    }
}
