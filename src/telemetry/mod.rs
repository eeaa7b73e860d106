//! Traces for an OpenTelemetry collector: what `engine::spans` says of calls, as OTLP over HTTP.
//!
//! Spans wait in a bounded queue, and a thread of its own sends them; a collector that is away costs spans and nothing
//! else. Logging starts before the settings are read, so [`layer()`] is there from the start and idle until [`start`].

mod client;
mod layer;

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use tracing::debug;

use crate::clock::Clock;

use client::Client;
pub use layer::layer;

/// What spans there may be that wait; further ones are dropped.
const QUEUE_MAX: usize = 8_192;
/// Spans of one request.
const BATCH_MAX: usize = 512;
/// How long a span waits for others.
const DELAY: Duration = Duration::from_secs(2);
/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a process that ends waits for the last spans to be delivered.
const LAST: Duration = Duration::from_secs(1);

/// Where traces go.
pub struct Options {
    /// The collector's address, without a trailing slash.
    pub endpoint: String,
    /// Headers of each request; they may be secret.
    pub headers: Vec<(String, String)>,
    /// What carries the requests.
    pub http: reqwest::Client,
    /// When spans begin and end.
    pub clock: Clock,
}

/// Traces on their way; [`stop`](Traces::stop) sees the last of them off.
pub struct Traces(SdkTracerProvider);

/// Begins to send traces. Called on the runtime that carries the requests.
///
/// # Errors
/// A sentence about what does not fit.
pub fn start(options: Options) -> Result<Traces, String> {
    let client = Client::new(options.http);
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", options.endpoint))
        .with_headers(options.headers.into_iter().collect::<HashMap<_, _>>())
        .with_timeout(TIMEOUT)
        // The next batch is the next try: what could not be delivered must not keep what comes after it.
        .with_retry_policy(RetryPolicy::disabled())
        .with_http_client(client)
        .build()
        .map_err(|error| format!("telemetry.otlp_endpoint: traces cannot be sent: {error}"))?;
    let queue = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE_MAX)
        .with_max_export_batch_size(BATCH_MAX)
        .with_scheduled_delay(DELAY)
        .build();
    let resource = Resource::builder_empty()
        .with_service_name("paceline")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(queue).build())
        .build();
    layer::begin(provider.tracer("paceline"), options.clock);
    Ok(Traces(provider))
}

impl Traces {
    /// Sends what waits, for a second at most.
    pub async fn stop(self) {
        let stopping = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(LAST));
        if !matches!(stopping.await, Ok(Ok(()))) {
            debug!("the last traces were not delivered");
        }
    }
}
