//! What one row of the outbox means on AMQP: where its messages go, and what they are.

use bytes::Bytes;
use lapin::types::ShortString;

use super::options::Options;
use super::properties::{of_dead_letter, of_document};
use super::publish::Publication;
use crate::engine::ports::{BATCH_COMPLETED, Ending};

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Destination {
    /// The results exchange.
    Results,
    /// The queue of dead letters.
    Dead,
    /// A caller's own queue.
    Reply(String),
    /// The results exchange, for whoever has bound a queue for events; nobody need have.
    Events,
}

/// The messages that a row stands for. A result, or a dead letter; and a copy for who waits on `reply_to`.
pub(super) fn destinations(ending: &Ending) -> Vec<Destination> {
    if ending.routing_key == BATCH_COMPLETED {
        return vec![Destination::Events];
    }
    let main = if ending.reason.is_some() { Destination::Dead } else { Destination::Results };
    let reply = ending.reply_to.clone().filter(|queue| !queue.is_empty()).map(Destination::Reply);
    std::iter::once(main).chain(reply).collect()
}

/// One of them as a message; `None` if AMQP has no way to name its destination.
pub(super) fn publication(ending: &Ending, to: &Destination, options: &Options) -> Option<Publication> {
    let document = || Bytes::from(ending.document.to_string());
    let default_exchange = ShortString::default();
    Some(match to {
        Destination::Results | Destination::Events => Publication {
            exchange: ShortString::try_new(&*options.results_exchange).ok()?,
            routing_key: ShortString::try_new(&*ending.routing_key).ok()?,
            body: document(),
            properties: of_document(ending),
        },
        Destination::Dead => Publication {
            exchange: default_exchange,
            routing_key: ShortString::try_new(&*options.dead_queue).ok()?,
            // Byte for byte, so that moving it back to the jobs queue redrives it.
            body: ending.raw.clone(),
            properties: of_dead_letter(ending),
        },
        Destination::Reply(queue) => Publication {
            exchange: default_exchange,
            routing_key: ShortString::try_new(&**queue).ok()?,
            body: document(),
            properties: of_document(ending),
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::outcome::Failure;
    use crate::domain::reason::Reason;
    use crate::engine::ports::AmqpOrigin;

    fn ending(reason: Option<Reason>, reply_to: Option<&str>) -> Ending {
        Ending {
            document: json!({"id": "a", "method": "m", "app": "acme", "finished_at": "2026-11-21T08:00:00.123Z"}),
            reason,
            failure: Failure::default(),
            attempts: 1,
            raw: Bytes::from_static(b"\xff{"),
            amqp: AmqpOrigin { correlation_id: Some("c".to_owned()), ..AmqpOrigin::default() },
            reply_to: reply_to.map(str::to_owned),
            routing_key: "acme.m".to_owned(),
        }
    }

    #[test]
    fn a_result_goes_to_its_exchange_and_to_who_asked() {
        let options = Options::at("amqp://h");
        let ending = ending(None, Some("answers"));
        assert_eq!(destinations(&ending), [Destination::Results, Destination::Reply("answers".to_owned())]);
        let result = publication(&ending, &Destination::Results, &options).unwrap();
        assert_eq!((result.exchange.as_str(), result.routing_key.as_str()), ("paceline.results", "acme.m"));
        assert_eq!(result.properties.message_id().as_ref().unwrap().as_str(), "a");
        assert_eq!(result.properties.timestamp(), &Some(1_795_248_000));
        let reply = publication(&ending, &Destination::Reply("answers".to_owned()), &options).unwrap();
        assert_eq!((reply.exchange.as_str(), reply.routing_key.as_str()), ("", "answers"));
        assert_eq!(reply.properties.correlation_id().as_ref().unwrap().as_str(), "c");
        assert_eq!(reply.body, result.body);
    }

    #[test]
    fn a_dead_letter_is_the_message_as_it_came() {
        let ending = ending(Some(Reason::Malformed), Some(""));
        assert_eq!(destinations(&ending), [Destination::Dead]);
        let dead = publication(&ending, &Destination::Dead, &Options::at("amqp://h")).unwrap();
        assert_eq!((dead.exchange.as_str(), dead.routing_key.as_str()), ("", "paceline.dead"));
        assert_eq!(&dead.body[..], b"\xff{");
    }

    #[test]
    fn a_batchs_end_goes_to_whoever_wants_it() {
        let document = json!({"event": "batch.completed", "batch": "b", "finished_at": "2026-11-21T08:00:00.123Z"});
        let event = Ending { document, routing_key: BATCH_COMPLETED.to_owned(), ..ending(None, None) };
        assert_eq!(destinations(&event), [Destination::Events]);
        let message = publication(&event, &Destination::Events, &Options::at("amqp://h")).unwrap();
        assert_eq!((message.exchange.as_str(), message.routing_key.as_str()), ("paceline.results", "batch.completed"));
        let text = |value: &Option<ShortString>| value.as_ref().unwrap().to_string();
        assert_eq!(text(message.properties.kind()), "batch.completed");
        assert_eq!(text(message.properties.message_id()), "batch.completed:2026-11-21T08:00:00.123Z:b");
    }

    #[test]
    fn a_reply_queue_of_256_bytes_cannot_be_named() {
        let options = Options::at("amqp://h");
        for (bytes, possible) in [(255, true), (256, false)] {
            let to = Destination::Reply("q".repeat(bytes));
            assert_eq!(publication(&ending(None, None), &to, &options).is_some(), possible, "{bytes}");
        }
    }
}
