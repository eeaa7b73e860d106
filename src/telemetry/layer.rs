//! From the spans and lines of `engine::spans` to OpenTelemetry's spans.
//!
//! Not by `tracing-opentelemetry`: it makes events of lines, where a trace is searched by attributes, and it cannot set
//! a remote parent once it stands behind a layer that is switched on later.

use std::fmt::Debug;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TraceFlags, TraceState, Tracer,
};
use opentelemetry::{Context, KeyValue, SpanId, TraceId, Value};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{self, Filter};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::Clock;
use crate::domain::trace::Trace;
use crate::engine::{CALL, PARENT};

/// Set when traces are wanted; until then no span is looked at.
static SINK: OnceLock<Sink> = OnceLock::new();

/// Where spans go, and when they begin and end.
struct Sink {
    tracer: SdkTracer,
    clock: Clock,
}

/// Switches the layer on; a second time in one process (tests) keeps the first.
pub(super) fn begin(tracer: SdkTracer, clock: Clock) {
    let _ = SINK.set(Sink { tracer, clock });
    tracing::callsite::rebuild_interest_cache();
}

/// The layer that sends what is said of calls, whatever the log's level.
pub fn layer<S: Subscriber + for<'span> LookupSpan<'span>>() -> impl Layer<S> {
    Spans.with_filter(Calls)
}

/// What is said of calls, as soon as somebody wants it.
struct Calls;

impl Calls {
    fn wants(metadata: &Metadata<'_>) -> bool {
        SINK.get().is_some()
            && matches!(metadata.target(), CALL | PARENT)
            // An access token is fetched for no job.
            && (metadata.is_event() || metadata.name() != "token")
    }
}

impl<S> Filter<S> for Calls {
    fn enabled(&self, metadata: &Metadata<'_>, _: &layer::Context<'_, S>) -> bool {
        Self::wants(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if Self::wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(if SINK.get().is_some() { LevelFilter::TRACE } else { LevelFilter::OFF })
    }
}

struct Spans;

/// A span under way: what is known of it so far.
struct Open {
    begun: SystemTime,
    known: Known,
}

#[derive(Default)]
struct Known {
    attributes: Vec<KeyValue>,
    method: Option<String>,
    outcome: Option<String>,
    parent: Option<Trace>,
}

impl Known {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        let name = match field.name() {
            // What the lines say is said by the attributes; the trace's id and the duration are the span's own.
            "message" | "trace_id" | "ms" => return,
            "status" => "http.response.status_code".to_owned(),
            name => format!("paceline.{name}"),
        };
        self.attributes.push(KeyValue::new(name, value));
    }
}

impl Visit for Known {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "traceparent" => {
                self.parent = Trace::parse(value);
                return;
            }
            "method" => self.method = Some(value.to_owned()),
            "outcome" => self.outcome = Some(value.to_owned()),
            _ => {}
        }
        self.set(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set(field, format!("{value:?}"));
    }
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: layer::Context<'_, S>) {
        let mut known = Known::default();
        attributes.record(&mut known);
        if let (Some(span), Some(sink)) = (context.span(id), SINK.get()) {
            span.extensions_mut().insert(Open { begun: sink.now(), known });
        }
    }

    fn on_event(&self, event: &Event<'_>, context: layer::Context<'_, S>) {
        if let Some(span) = context.event_span(event)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            event.record(&mut open.known);
        }
    }

    fn on_close(&self, id: Id, context: layer::Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        if let (Some(open), Some(sink)) = (span.extensions_mut().remove::<Open>(), SINK.get()) {
            sink.send(span.name(), open);
        }
    }
}

impl Sink {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(self.clock.now().0).unwrap_or(0))
    }

    fn send(&self, name: &'static str, Open { begun, known }: Open) {
        let name = known.method.map_or_else(|| name.to_owned(), |method| format!("{name} {method}"));
        let builder = SpanBuilder::from_name(name)
            .with_kind(SpanKind::Client)
            .with_start_time(begun)
            .with_attributes(known.attributes);
        let parent = known.parent.map_or_else(Context::new, remote);
        let mut span = self.tracer.build_with_context(builder, &parent);
        if let Some(outcome) = known.outcome.filter(|outcome| !matches!(outcome.as_str(), "succeeded" | "gone")) {
            span.set_status(Status::error(outcome));
        }
        span.end_with_timestamp(self.now());
    }
}

/// Upstream's span as the parent of ours. Without one a span begins a trace of its own.
fn remote(trace: Trace) -> Context {
    let flags = if trace.is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let (trace_id, parent_id) = (TraceId::from(trace.trace_id), SpanId::from(trace.parent_id));
    Context::new().with_remote_span_context(SpanContext::new(trace_id, parent_id, flags, true, TraceState::NONE))
}
