//! What was changed of a message before the client saw it, as the message's own properties tell it.
//!
//! The mark is the ASCII character for exactly that, SUBSTITUTE, which no property of use begins with. Who sends it
//! nevertheless gets a dead letter.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, ShortString};

/// Begins a property that was no UTF-8, and the names of the headers below.
pub(super) const MARK: char = '\u{1a}';
/// A header that says how long a body was of which only the beginning is left.
pub(super) const BODY_BYTES: &str = "\u{1a}body-bytes";
/// A header in place of headers that the client cannot parse.
pub(super) const HEADERS: &str = "\u{1a}headers";
/// A header in place of properties that the client cannot parse.
pub(super) const PROPERTIES: &str = "\u{1a}properties";

/// Whether a header is no header but a note.
pub(crate) fn is_note(header: &str) -> bool {
    header.starts_with(MARK)
}

/// How long the body was, if only its beginning is left.
pub(crate) fn body_bytes(properties: &BasicProperties) -> Option<u64> {
    let AMQPValue::LongLongInt(bytes) = properties.headers().as_ref()?.inner().get(BODY_BYTES)? else { return None };
    u64::try_from(*bytes).ok()
}

/// Every property that could not be read, by its name, and what it was.
pub(crate) fn unreadable(properties: &BasicProperties) -> Vec<(&'static str, String)> {
    let texts: [(&'static str, &Option<ShortString>); 10] = [
        ("content_type", properties.content_type()),
        ("content_encoding", properties.content_encoding()),
        ("correlation_id", properties.correlation_id()),
        ("reply_to", properties.reply_to()),
        ("expiration", properties.expiration()),
        ("message_id", properties.message_id()),
        ("type", properties.kind()),
        ("user_id", properties.user_id()),
        ("app_id", properties.app_id()),
        ("cluster_id", properties.cluster_id()),
    ];
    let texts = texts.into_iter().filter_map(|(name, text)| {
        let bytes = text.as_ref()?.as_str().strip_prefix(MARK)?;
        Some((name, format!("expected UTF-8, got \"{bytes}\"")))
    });
    let headers = properties.headers().iter().flat_map(|table| table.inner().keys());
    let tables = headers.filter_map(|name| match name.as_str() {
        HEADERS => Some(("headers", "expected names in UTF-8, known types, at most 16 levels and 128 KiB")),
        PROPERTIES => Some(("properties", "expected properties as AMQP 0-9-1 has them")),
        BODY_BYTES => None,
        name => is_note(name).then_some(("headers", "expected names without the control character SUBSTITUTE")),
    });
    texts.chain(tables.map(|(name, message)| (name, message.to_owned()))).collect()
}
