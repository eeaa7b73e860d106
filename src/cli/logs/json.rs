//! Lines for programs: one JSON object each, flat, its names in a fixed order.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::domain::printable;

/// Writes `timestamp`, `level`, `target`, `message`, the line's own fields, `span` and the span's fields. A name that
/// stands there already, from further inside, is not written again.
pub(super) struct Json<W> {
    writer: W,
}

impl<W> Json<W> {
    pub(super) const fn new(writer: W) -> Self {
        Self { writer }
    }
}

/// Fields as they were given.
#[derive(Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        let name = field.name();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, json!(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, json!(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.set(field, json!(format!("{value:?}")));
    }
}

/// One object under way.
struct Line {
    text: String,
    names: Vec<&'static str>,
}

impl Line {
    fn put(&mut self, name: &'static str, value: &Value) {
        if self.names.contains(&name) {
            return;
        }
        let before = if self.names.is_empty() { '{' } else { ',' };
        self.names.push(name);
        // Both are JSON already, and a text takes whatever is written to it.
        let _ = write!(self.text, "{before}{}:{value}", json!(name));
    }
}

impl<S, W> Layer<S> for Json<W>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = Line { text: String::with_capacity(256), names: Vec::with_capacity(16) };
        let mut timestamp = String::new();
        let _ = SystemTime.format_time(&mut Writer::new(&mut timestamp));
        line.put("timestamp", &json!(timestamp));
        line.put("level", &json!(event.metadata().level().as_str()));
        line.put("target", &json!(event.metadata().target()));
        let message = fields.0.iter().position(|(name, _)| *name == "message").map(|at| fields.0.remove(at).1);
        line.put("message", &message.unwrap_or_else(|| json!("")));
        for (name, value) in &fields.0 {
            line.put(name, value);
        }
        for span in context.event_scope(event).into_iter().flatten() {
            line.put("span", &json!(span.name()));
            if let Some(fields) = span.extensions().get::<Fields>() {
                for (name, value) in &fields.0 {
                    line.put(name, value);
                }
            }
        }
        line.text += "}\n";
        // What cannot be logged is not: see `start`.
        let _ = self.writer.make_writer_for(event.metadata()).write_all(printable::json(&line.text).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing::{error_span, info, warn};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// What is logged meanwhile.
    fn logged(work: impl FnOnce()) -> String {
        let written = Arc::new(Mutex::new(Vec::new()));
        let subscriber = tracing_subscriber::registry().with(Json::new(Arc::new(Shared(Arc::clone(&written)))));
        tracing::subscriber::with_default(subscriber, work);
        let written = written.lock().unwrap().clone();
        String::from_utf8(written).unwrap()
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for &Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn names_stand_in_order_and_once() {
        let text = logged(|| {
            let outer = error_span!("outer", app = "acme", job = "outer's");
            let inner = error_span!(parent: &outer, "inner", job = "a", batch = None::<&str>, attempt = 2);
            inner.in_scope(|| warn!(code = -7, level = "mine", job = "line's", ok = true, "said {}", 1));
        });
        let (timestamp, rest) = text.split_once(",\"level\"").unwrap();
        assert!(timestamp.starts_with("{\"timestamp\":\"20") && timestamp.ends_with("Z\""), "{timestamp}");
        assert_eq!(
            rest,
            ":\"WARN\",\"target\":\"paceline::cli::logs::json::tests\",\"message\":\"said 1\",\"code\":-7,\
             \"job\":\"line's\",\"ok\":true,\"span\":\"inner\",\"attempt\":2,\"app\":\"acme\"}\n"
        );
    }

    #[test]
    fn a_line_is_one_line_whatever_it_says() {
        let text = logged(|| {
            let span =
                error_span!("attempt", job = "a\n{\"level\":\"x\"}\u{1b}[31m\"", trace_id = tracing::field::Empty);
            span.record("trace_id", "t");
            span.in_scope(|| info!(half = 0.5, huge = u64::MAX, nan = f64::NAN, list = ?["会"]));
            info!("");
        });
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(lines[0]["job"], "a\n{\"level\":\"x\"}\u{1b}[31m\"");
        assert_eq!((&lines[0]["trace_id"], &lines[0]["message"]), (&json!("t"), &json!("")));
        assert_eq!(
            (&lines[0]["half"], &lines[0]["huge"], &lines[0]["nan"]),
            (&json!(0.5), &json!(u64::MAX), &json!(null))
        );
        assert_eq!(lines[0]["list"], "[\"会\"]");
        assert_eq!(lines[1].get("span"), None);
    }
}
