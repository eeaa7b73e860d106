//! The exporter's requests over our HTTP client, and the one warning of an outage.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;
use tracing::{info, warn};

use super::TIMEOUT;
use crate::platform::innermost;

/// Carries requests on the runtime where it was made: the exporter asks from a thread without one.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    runtime: Handle,
    is_out: AtomicBool,
}

impl Client {
    pub(super) fn new(http: reqwest::Client) -> Self {
        Self { http, runtime: Handle::current(), is_out: AtomicBool::new(false) }
    }

    /// Says once that an outage begins, and once that it is over. The collector's answer is not read: it may repeat
    /// what it was sent.
    fn note(&self, fault: Option<&str>) {
        let was_out = self.is_out.swap(fault.is_some(), Ordering::Relaxed);
        match fault {
            Some(cause) if !was_out => {
                warn!(cause, "the collector does not take traces: they are dropped until it does; see [telemetry]");
            }
            None if was_out => info!("the collector takes traces again"),
            Some(_) | None => {}
        }
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let request = self.http.post(parts.uri.to_string()).headers(parts.headers).timeout(TIMEOUT).body(body);
        // The time-out is made where the request runs: it needs the runtime, too.
        let sending = async move { request.send().await };
        let status = match self.runtime.spawn(sending).await {
            Ok(Ok(response)) => response.status(),
            Ok(Err(error)) => {
                let cause =
                    if error.is_timeout() { "no answer before the time-out".to_owned() } else { innermost(&error) };
                self.note(Some(&cause));
                return Err(cause.into());
            }
            // The process ends.
            Err(_) => return Err("the worker has ended".into()),
        };
        let fault = (!status.is_success()).then(|| format!("it answered {}", status.as_u16()));
        self.note(fault.as_deref());
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::platform::{HttpOptions, client};

    #[tokio::test]
    async fn an_outage_is_one_warning_and_its_end_one_line() {
        let options = HttpOptions {
            connect_timeout: Duration::from_secs(10),
            reply_bytes_max: 0,
            pool_idle: Duration::ZERO,
            ca_pem: None,
            tells_certificate: false,
        };
        let client = Client::new(client(&options).unwrap());
        let written = tempfile::NamedTempFile::new().unwrap();
        let writer = Arc::new(written.reopen().unwrap());
        let lines = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).finish();
        tracing::subscriber::with_default(lines, || {
            for fault in [None, Some("a"), Some("b"), Some("a"), None, None, Some("c"), Some("c")] {
                client.note(fault);
            }
        });
        let text = std::fs::read_to_string(written.path()).unwrap();
        let levels: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
        assert_eq!(levels, ["WARN", "INFO", "WARN"], "{text}");
        assert!(text.contains("cause=\"a\"") && !text.contains("cause=\"b\""), "{text}");
    }
}
