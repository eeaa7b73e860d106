//! A message's own headers, kept with its job so that its dead letter has them, too.
//!
//! Simple values only, and of bounded size: what the broker adds on the way (a history of deaths, delivery counts) says
//! nothing about the job, and lists such as `CC` would send copies elsewhere.

use std::collections::BTreeMap;

use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use super::wire::notes;
use paceline_domain::trace::{self, TRACEPARENT, TRACESTATE, Trace};

/// Headers kept of one message.
const HEADERS_MAX: usize = 32;
/// Bytes of their names and texts together: they share a frame with the other properties, and a row with the job.
const BYTES_MAX: usize = 4_096;

/// Headers that a broker or Paceline writes; each ends where the message does.
const NOT_UPSTREAMS: [&str; 6] =
    ["x-paceline-", "x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count"];

/// What stays of a message's headers.
pub(super) fn kept(headers: &FieldTable) -> BTreeMap<String, Value> {
    let (mut kept, mut bytes) = (BTreeMap::new(), 0);
    // The trace goes first: whatever else is there must not crowd it out.
    let (first, rest): (Vec<_>, Vec<_>) = headers.inner().iter().partition(|(name, _)| is_of_trace(name.as_str()));
    for (name, value) in first.into_iter().chain(rest) {
        let name = name.as_str();
        let Some(value) = simple(value)
            .filter(|_| !NOT_UPSTREAMS.iter().any(|start| name.starts_with(start)) && !notes::is_note(name))
        else {
            continue;
        };
        let length = name.len() + value.as_str().map_or(8, str::len);
        if kept.len() < HEADERS_MAX && bytes + length <= BYTES_MAX {
            bytes += length;
            kept.insert(name.to_owned(), value);
        }
    }
    kept
}

/// Upstream's trace, for who gets a result; nothing of it if it is malformed.
pub(super) fn trace_of(kept: &BTreeMap<String, Value>) -> Option<FieldTable> {
    Trace::of(kept)?;
    let mut table = FieldTable::default();
    let mut pass_on = |name: &str| {
        if let Some(value) = kept.get(name).and_then(of_simple) {
            table.insert(name.into(), value);
        }
    };
    pass_on(TRACEPARENT);
    if kept.get(TRACESTATE).and_then(Value::as_str).is_some_and(trace::is_tracestate) {
        pass_on(TRACESTATE);
    }
    Some(table)
}

fn is_of_trace(name: &str) -> bool {
    name == TRACEPARENT || name == TRACESTATE
}

/// Puts them back. Whole numbers come back as 64 bits, fractions as doubles.
pub(super) fn restore(kept: &BTreeMap<String, Value>, headers: &mut FieldTable) {
    for (name, value) in kept {
        if let Some(value) = of_simple(value) {
            headers.insert(name.as_str().into(), value);
        }
    }
}

fn simple(value: &AMQPValue) -> Option<Value> {
    Some(match value {
        AMQPValue::Boolean(flag) => json!(flag),
        AMQPValue::ShortShortInt(number) => json!(number),
        AMQPValue::ShortShortUInt(number) => json!(number),
        AMQPValue::ShortInt(number) => json!(number),
        AMQPValue::ShortUInt(number) => json!(number),
        AMQPValue::LongInt(number) => json!(number),
        AMQPValue::LongUInt(number) => json!(number),
        AMQPValue::LongLongInt(number) => json!(number),
        AMQPValue::Float(number) => Value::Number(serde_json::Number::from_f64(f64::from(*number))?),
        AMQPValue::Double(number) => Value::Number(serde_json::Number::from_f64(*number)?),
        AMQPValue::ShortString(text) => json!(text.as_str()),
        AMQPValue::LongString(text) => json!(std::str::from_utf8(text.as_bytes()).ok()?),
        AMQPValue::Timestamp(seconds) => json!({ "timestamp": seconds }),
        AMQPValue::Void => Value::Null,
        AMQPValue::DecimalValue(_) | AMQPValue::FieldArray(_) | AMQPValue::FieldTable(_) | AMQPValue::ByteArray(_) => {
            return None;
        }
    })
}

fn of_simple(value: &Value) -> Option<AMQPValue> {
    Some(match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(flag) => AMQPValue::Boolean(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(number) => AMQPValue::LongLongInt(number),
            None => AMQPValue::Double(number.as_f64()?),
        },
        Value::String(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Object(_) => AMQPValue::Timestamp(value.get("timestamp")?.as_u64()?),
        Value::Array(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldArray;

    use super::*;

    fn table(headers: Vec<(&str, AMQPValue)>) -> FieldTable {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert(name.into(), value);
        }
        table
    }

    #[test]
    fn simple_values_go_there_and_back() {
        let simple = table(vec![
            ("trace", AMQPValue::LongString("会-1".into())),
            ("n", AMQPValue::LongLongInt(-7)),
            ("half", AMQPValue::Double(0.5)),
            ("flag", AMQPValue::Boolean(true)),
            ("at", AMQPValue::Timestamp(1_795_248_000)),
            ("nothing", AMQPValue::Void),
        ]);
        let mut back = FieldTable::default();
        restore(&kept(&simple), &mut back);
        assert_eq!(back, simple);
        // Through the ledger's text, too.
        let text = serde_json::to_string(&kept(&simple)).unwrap();
        assert_eq!(serde_json::from_str::<BTreeMap<String, Value>>(&text).unwrap(), kept(&simple));
    }

    #[test]
    fn what_is_not_upstreams_or_not_simple_is_left_behind() {
        let list = || AMQPValue::FieldArray(FieldArray::default());
        let others = table(vec![
            ("x-death", list()),
            ("x-first-death-queue", AMQPValue::LongString("q".into())),
            ("x-last-death-reason", AMQPValue::LongString("rejected".into())),
            ("x-delivery-count", AMQPValue::LongLongInt(3)),
            ("x-acquired-count", AMQPValue::LongLongInt(3)),
            ("x-paceline-reason", AMQPValue::LongString("expired".into())),
            ("CC", list()),
            ("bytes", AMQPValue::LongString(vec![0xff, 0xfe].into())),
            ("nan", AMQPValue::Double(f64::NAN)),
        ]);
        assert_eq!(kept(&others), BTreeMap::new());
    }

    #[test]
    fn the_trace_is_kept_whatever_else_is_there() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let names: Vec<_> = (0..40).map(|n| format!("h{n:02}")).collect();
        let mut headers = vec![
            (TRACESTATE, AMQPValue::LongString("rojo=1".into())),
            (TRACEPARENT, AMQPValue::LongString(parent.into())),
            ("a", AMQPValue::LongString("x".repeat(BYTES_MAX - 50).into())),
        ];
        headers.extend(names.iter().map(|name| (name.as_str(), AMQPValue::Boolean(true))));
        let kept = kept(&table(headers));
        assert_eq!((&kept[TRACEPARENT], &kept[TRACESTATE]), (&json!(parent), &json!("rojo=1")));
        assert!(kept.len() <= HEADERS_MAX && !kept.contains_key("a"), "{kept:?}");
    }

    #[test]
    fn a_malformed_trace_is_not_passed_on() {
        let parent = || json!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let passed = |parent: Value, state: Value| {
            let kept = [(TRACEPARENT.to_owned(), parent), (TRACESTATE.to_owned(), state), ("n".to_owned(), json!(1))];
            trace_of(&kept.into()).map(|table| table.inner().len())
        };
        assert_eq!(passed(parent(), json!("rojo=1")), Some(2));
        for state in [json!("rojo"), json!(7), json!(null), json!("")] {
            assert_eq!(passed(parent(), state.clone()), Some(1), "{state}");
        }
        for parent in [json!("00-0-0-01"), json!(7), json!(null)] {
            assert_eq!(passed(parent.clone(), json!("rojo=1")), None, "{parent}");
        }
        assert_eq!(trace_of(&BTreeMap::new()), None);
    }

    #[test]
    fn number_and_size_are_bounded() {
        let names: Vec<_> = (0..40).map(|n| format!("h{n:02}")).collect();
        let many = table(names.iter().map(|name| (name.as_str(), AMQPValue::Boolean(true))).collect());
        assert_eq!(kept(&many).len(), HEADERS_MAX);
        for (length, there) in [(BYTES_MAX - 1, true), (BYTES_MAX, false)] {
            let long = table(vec![("a", AMQPValue::LongString("x".repeat(length).into()))]);
            assert_eq!(kept(&long).len(), usize::from(there), "{length}");
        }
    }
}
