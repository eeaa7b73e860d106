//! Properties of every shape, as strangers may send them: no panic, bounded size, and nothing that changes on its way
//! through the ledger.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use lapin::BasicProperties;
use lapin::types::{AMQPValue, DecimalValue, FieldArray, FieldTable, ShortString};
use proptest::prelude::*;
use serde_json::json;

use super::{defaults_of, of_dead_letter, of_document, of_origin, origin_of};
use paceline_domain::catalog::{Catalog, built_in};
use paceline_domain::decode::{Apps, Decoder};
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;
use paceline_ports::{AmqpOrigin, Ending, Label};

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(built_in().unwrap()));

fn short() -> impl Strategy<Value = ShortString> {
    const KNOWN: [&str; 7] =
        ["", "id", "feishu.calendar.create", "acme", "traceparent", "x-paceline-reason", "x-death"];
    prop_oneof![prop::sample::select(&KNOWN).prop_map(str::to_owned), "\\PC{0,60}"]
        .prop_map(|text| ShortString::try_new(text).unwrap_or_default())
}

fn value() -> impl Strategy<Value = AMQPValue> {
    let simple = prop_oneof![
        any::<bool>().prop_map(AMQPValue::Boolean),
        any::<i8>().prop_map(AMQPValue::ShortShortInt),
        any::<u32>().prop_map(AMQPValue::LongUInt),
        any::<i64>().prop_map(AMQPValue::LongLongInt),
        any::<f32>().prop_map(AMQPValue::Float),
        any::<f64>().prop_map(AMQPValue::Double),
        any::<u64>().prop_map(AMQPValue::Timestamp),
        (any::<u8>(), any::<u32>()).prop_map(|(scale, value)| AMQPValue::DecimalValue(DecimalValue { scale, value })),
        short().prop_map(AMQPValue::ShortString),
        prop::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| AMQPValue::LongString(bytes.into())),
        "\\PC{0,3000}".prop_map(|text| AMQPValue::LongString(text.into())),
        Just(AMQPValue::Void),
    ];
    simple.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| AMQPValue::FieldArray(FieldArray::from(items))),
            prop::collection::vec((short(), inner), 0..4).prop_map(|fields| AMQPValue::FieldTable(table(fields))),
        ]
    })
}

fn table(fields: Vec<(ShortString, AMQPValue)>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in fields {
        table.insert(name, value);
    }
    table
}

fn properties() -> impl Strategy<Value = BasicProperties> {
    let texts = prop::collection::vec(prop::option::of(short()), 7);
    let headers = prop::option::of(prop::collection::vec((short(), value()), 0..50).prop_map(table));
    (texts, headers, prop::option::of(any::<u8>()), prop::option::of(any::<u64>())).prop_map(
        |(texts, headers, priority, timestamp)| {
            type Set = fn(BasicProperties, ShortString) -> BasicProperties;
            let setters: [Set; 7] = [
                BasicProperties::with_message_id,
                BasicProperties::with_type,
                BasicProperties::with_app_id,
                BasicProperties::with_correlation_id,
                BasicProperties::with_reply_to,
                BasicProperties::with_content_type,
                BasicProperties::with_content_encoding,
            ];
            let mut properties = BasicProperties::default();
            for (set, text) in setters.into_iter().zip(texts) {
                properties = match text {
                    Some(text) => set(properties, text),
                    None => properties,
                };
            }
            if let Some(headers) = headers {
                properties = properties.with_headers(headers);
            }
            if let Some(priority) = priority {
                properties = properties.with_priority(priority);
            }
            match timestamp {
                Some(timestamp) => properties.with_timestamp(timestamp),
                None => properties,
            }
        },
    )
}

/// Bytes of a table as text, far above what they take in a frame.
fn size(headers: &BTreeMap<String, serde_json::Value>) -> usize {
    headers.iter().map(|(name, value)| name.len() + value.to_string().len()).sum()
}

proptest! {
    #[test]
    fn properties_of_every_shape_are_kept_in_bounds_and_given_back(properties in properties(), body in "\\PC{0,80}") {
        let origin = origin_of(&properties);
        prop_assert!(origin.headers.len() <= 32 && size(&origin.headers) <= 20_000, "{} bytes", size(&origin.headers));

        // Through the ledger's text and out again, nothing more changes.
        let text = serde_json::to_string(&origin).unwrap();
        let read: AmqpOrigin = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read, &origin);
        prop_assert_eq!(&origin_of(&of_origin(&origin)), &origin);

        // A body without fields is made up of them, or every fault is named.
        let decoder = Decoder { catalog: Arc::clone(&CATALOG), apps: Apps::Any, rights: Arc::default() };
        for raw in [json!({"body": {"summary": body}}).to_string(), body] {
            match decoder.decode(raw.as_bytes(), &defaults_of(&origin)) {
                Ok(job) => prop_assert!(!job.id.is_empty() && job.priority <= 9),
                Err(rejection) => prop_assert!(
                    !rejection.faults.is_empty() && rejection.faults.iter().all(|fault| !fault.message().is_empty())
                ),
            }
        }

        let ending = Ending {
            document: bytes::Bytes::new(),
            label: Label { id: properties.message_id().as_ref().map(ToString::to_string), ..Label::default() },
            reason: Some(Reason::Malformed),
            failure: Failure::default(),
            attempts: 0,
            raw: bytes::Bytes::new(),
            amqp: origin.clone(),
            reply_to: None,
            routing_key: String::new(),
        };
        prop_assert_eq!(origin_of(&of_dead_letter(&ending)), origin);
        prop_assert!(of_document(&ending).headers().is_none());
    }
}
