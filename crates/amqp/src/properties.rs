//! AMQP properties in and out.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::headers;
use super::wire::notes;
use paceline_domain::decode::Defaults;
use paceline_domain::rights::Sender;
use paceline_ports::{AmqpOrigin, BATCH_COMPLETED, Ending, Label};

/// Survives a broker's restart.
const PERSISTENT: u8 = 2;
/// Headers share one frame of 128 KiB with the other properties; a list of hundreds of faults is cut here, in bytes.
const DETAIL_BYTES_MAX: usize = 4_000;
/// An AMQP short string.
const SHORT_STRING_BYTES_MAX: usize = 255;

/// The properties that stay with a job.
pub(super) fn origin_of(properties: &BasicProperties) -> AmqpOrigin {
    let text = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string);
    AmqpOrigin {
        message_id: text(properties.message_id()),
        kind: text(properties.kind()),
        app_id: text(properties.app_id()),
        correlation_id: text(properties.correlation_id()),
        reply_to: text(properties.reply_to()),
        priority: *properties.priority(),
        content_type: text(properties.content_type()),
        content_encoding: text(properties.content_encoding()),
        timestamp: *properties.timestamp(),
        headers: properties.headers().as_ref().map(headers::kept).unwrap_or_default(),
        user_id: text(properties.user_id()).filter(|user| !user.is_empty() && !notes::is_note(user)),
        publisher: None,
        delivered: None,
    }
}

/// What they stand in for. An empty property is an absent one, and so is one that could not be read. So is a priority of 0:
/// many clients always send it (kombu and Celery, Spring AMQP), without anybody having asked for the last place.
pub(super) fn defaults_of(origin: &AmqpOrigin) -> Defaults {
    let text = |value: &Option<String>| value.clone().filter(|value| !value.is_empty() && !notes::is_note(value));
    Defaults {
        id: text(&origin.message_id),
        method: text(&origin.kind),
        app: text(&origin.app_id),
        batch: None,
        priority: origin.priority.filter(|priority| *priority > 0),
        reply_to: text(&origin.reply_to),
        sender: Some(Sender { user_id: origin.user_id.clone() }),
        is_filed: false,
    }
}

/// The properties of a job on its way to the jobs queue, or of a dead letter that may go back there.
pub(super) fn of_origin(origin: &AmqpOrigin) -> BasicProperties {
    let mut properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    // What came over AMQP fits; what came from a file and does not fit stands in the body anyway.
    let short = |value: &Option<String>| value.as_deref().and_then(|value| ShortString::try_new(value).ok());
    if let Some(value) = short(&origin.message_id) {
        properties = properties.with_message_id(value);
    }
    if let Some(value) = short(&origin.kind) {
        properties = properties.with_type(value);
    }
    if let Some(value) = short(&origin.app_id) {
        properties = properties.with_app_id(value);
    }
    if let Some(value) = short(&origin.correlation_id) {
        properties = properties.with_correlation_id(value);
    }
    if let Some(value) = short(&origin.reply_to) {
        properties = properties.with_reply_to(value);
    }
    if let Some(value) = short(&origin.content_type) {
        properties = properties.with_content_type(value);
    }
    if let Some(value) = short(&origin.content_encoding) {
        properties = properties.with_content_encoding(value);
    }
    if let Some(seconds) = origin.timestamp {
        properties = properties.with_timestamp(seconds);
    }
    if !origin.headers.is_empty() {
        let mut table = FieldTable::default();
        headers::restore(&origin.headers, &mut table);
        properties = properties.with_headers(table);
    }
    match origin.priority {
        Some(priority) => properties.with_priority(priority),
        None => properties,
    }
}

/// The properties of a dead letter: the original ones, and headers that say why.
pub(super) fn of_dead_letter(ending: &Ending) -> BasicProperties {
    let properties = of_origin(&ending.amqp);
    let mut headers = properties.headers().clone().unwrap_or_default();
    let mut text = |name: &str, value: &str| {
        headers.insert(name.into(), AMQPValue::LongString(cut(value, DETAIL_BYTES_MAX).into()));
    };
    if let Some(reason) = ending.reason {
        text("x-paceline-reason", reason.as_str());
    }
    text("x-paceline-detail", &ending.failure.detail.to_string());
    if let Some(log_id) = &ending.failure.log_id {
        text("x-paceline-log-id", log_id);
    }
    if let Some(id) = &ending.label.id {
        text("x-paceline-id", id);
    }
    if let Some(code) = ending.failure.code {
        headers.insert("x-paceline-code".into(), AMQPValue::LongLongInt(code));
    }
    headers.insert("x-paceline-attempts".into(), AMQPValue::LongLongInt(i64::from(ending.attempts)));
    properties.with_headers(headers)
}

/// The properties of a result, or of a dead letter's document for who waits on `reply_to`.
pub(super) fn of_document(ending: &Ending) -> BasicProperties {
    let mut properties =
        BasicProperties::default().with_delivery_mode(PERSISTENT).with_content_type("application/json".into());
    let Label { id, method, app, ended_at } = &ending.label;
    let short = |value: &Option<String>| {
        let value = value.as_deref().filter(|value| !value.is_empty())?;
        ShortString::try_new(value).ok()
    };
    if ending.routing_key == BATCH_COMPLETED {
        // The same for the same end, so that one that comes twice is known.
        let at = ended_at.map_or_else(String::new, |at| at.to_string());
        let id = format!("{BATCH_COMPLETED}:{at}:{}", id.as_deref().unwrap_or_default());
        properties = properties.with_type(BATCH_COMPLETED.into());
        if let Ok(id) = ShortString::try_new(cut(&id, SHORT_STRING_BYTES_MAX)) {
            properties = properties.with_message_id(id);
        }
    } else if let Some(id) = short(id) {
        properties = properties.with_message_id(id);
    }
    if let Some(method) = short(method) {
        properties = properties.with_type(method);
    }
    if let Some(app) = short(app) {
        properties = properties.with_app_id(app);
    }
    if let Some(value) = ending.amqp.correlation_id.as_deref().and_then(|value| ShortString::try_new(value).ok()) {
        properties = properties.with_correlation_id(value);
    }
    if let Some(trace) = headers::trace_of(&ending.amqp.headers) {
        properties = properties.with_headers(trace);
    }
    match ended_at {
        Some(at) => properties.with_timestamp(u64::try_from(at.unix_seconds()).unwrap_or(0)),
        None => properties,
    }
}

/// At most `bytes_max` bytes, cut between two characters.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod proptests;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use paceline_domain::outcome::Failure;
    use paceline_domain::reason::Reason;

    fn full() -> AmqpOrigin {
        AmqpOrigin {
            message_id: Some("会议室".repeat(28)),
            kind: Some("feishu.vc.room.create".to_owned()),
            app_id: Some("acme".to_owned()),
            correlation_id: Some("c-1".to_owned()),
            reply_to: Some("answers".to_owned()),
            priority: Some(9),
            content_type: Some("application/json".to_owned()),
            content_encoding: Some("identity".to_owned()),
            timestamp: Some(1_795_248_000),
            headers: [("trace".to_owned(), json!("t-1")), ("n".to_owned(), json!(7))].into(),
            user_id: None,
            publisher: None,
            delivered: None,
        }
    }

    #[test]
    fn properties_survive_the_way_out_and_back() {
        assert_eq!(origin_of(&of_origin(&full())), full());
        assert_eq!(origin_of(&of_origin(&AmqpOrigin::default())), AmqpOrigin::default());
    }

    #[test]
    fn the_user_whom_the_broker_vouches_for_is_known_and_does_not_go_back_out() {
        let origin = origin_of(&BasicProperties::default().with_user_id("anna".into()));
        assert_eq!(origin.user_id.as_deref(), Some("anna"));
        // The worker is another user, and RabbitMQ would close its channel.
        assert_eq!(of_origin(&origin).user_id(), &None);
        for unusable in ["", "\u{1a}ff"] {
            assert_eq!(origin_of(&BasicProperties::default().with_user_id(unusable.into())).user_id, None);
        }
    }

    #[test]
    fn an_empty_property_stands_in_for_nothing() {
        let origin = AmqpOrigin { message_id: Some(String::new()), ..AmqpOrigin::default() };
        assert_eq!(defaults_of(&origin).id, None);
        assert_eq!(defaults_of(&full()).id, full().message_id);
    }

    #[test]
    fn a_priority_of_0_is_what_clients_send_that_have_none() {
        for (sent, stands_in) in [(None, None), (Some(0), None), (Some(1), Some(1)), (Some(9), Some(9))] {
            let origin = AmqpOrigin { priority: sent, ..AmqpOrigin::default() };
            assert_eq!(defaults_of(&origin).priority, stands_in, "{sent:?}");
            assert_eq!(of_origin(&origin).priority(), &sent, "it goes back out as it came");
        }
    }

    #[test]
    fn a_value_of_256_bytes_is_left_out_and_one_of_255_is_not() {
        for (bytes, kept) in [(255, true), (256, false)] {
            let origin = AmqpOrigin { correlation_id: Some("x".repeat(bytes)), ..AmqpOrigin::default() };
            assert_eq!(of_origin(&origin).correlation_id().is_some(), kept, "{bytes}");
        }
    }

    #[test]
    fn a_dead_letter_says_why_in_headers_of_bounded_size() {
        let failure = Failure {
            code: Some(125_001),
            detail: "错".repeat(3_000).into(),
            log_id: Some("log-1".to_owned()),
            ..Failure::default()
        };
        let ending = Ending {
            document: Bytes::new(),
            label: Label { id: Some("a".to_owned()), ..Label::default() },
            reason: Some(Reason::Rejected),
            failure,
            attempts: 2,
            raw: Bytes::new(),
            amqp: full(),
            reply_to: None,
            routing_key: "acme.feishu.vc.room.create".to_owned(),
        };
        let properties = of_dead_letter(&ending);
        let headers = properties.headers().as_ref().unwrap().inner();
        assert_eq!(headers["x-paceline-reason"], AMQPValue::LongString("rejected".into()));
        assert_eq!(headers["x-paceline-code"], AMQPValue::LongLongInt(125_001));
        assert_eq!(headers["x-paceline-attempts"], AMQPValue::LongLongInt(2));
        assert_eq!(headers["trace"], AMQPValue::LongString("t-1".into()), "upstream's own");
        assert_eq!(headers["x-paceline-log-id"], AMQPValue::LongString("log-1".into()));
        let AMQPValue::LongString(detail) = &headers["x-paceline-detail"] else { panic!("{headers:?}") };
        // 4,000 bytes end inside a character of three.
        assert_eq!(detail.to_string(), "错".repeat(1_333));
        assert_eq!(origin_of(&properties), full());
    }
}
