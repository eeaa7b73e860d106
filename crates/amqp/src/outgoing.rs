//! What one row of the outbox means on AMQP: where its messages go, and what they are.
//!
//! Decision: docs/decisions/0014-two-publications-for-a-result.md

use lapin::types::ShortString;

use super::options::Options;
use super::properties::{of_dead_letter, of_document};
use super::publish::Publication;
use paceline_domain::reason::Reason;
use paceline_ports::{BATCH_COMPLETED, Ending, Reached};

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Destination {
    /// The queue of results, straight: a queue that somebody else binds to the exchange cannot refuse it for all.
    Results,
    /// The results exchange, for the queues that others have bound to it; nobody need have.
    Subscribers,
    /// The queue of dead letters.
    Dead,
    /// A caller's own queue.
    Reply(String),
}

impl Destination {
    /// Its part in how far a row has come.
    pub(super) const fn part(&self) -> Reached {
        match self {
            Self::Results | Self::Dead => Reached::QUEUE,
            Self::Subscribers => Reached::SUBSCRIBERS,
            Self::Reply(_) => Reached::REPLY,
        }
    }
}

/// The messages that a row stands for. A result, or a dead letter; and a copy for who waits on `reply_to`.
pub(super) fn destinations(ending: &Ending, options: &Options) -> Vec<Destination> {
    if ending.routing_key == BATCH_COMPLETED {
        return vec![Destination::Subscribers];
    }
    let mut to = Vec::with_capacity(3);
    if ending.reason.is_some() {
        to.push(Destination::Dead);
    } else {
        if !options.results_queue.is_empty() {
            to.push(Destination::Results);
        }
        to.push(Destination::Subscribers);
    }
    to.extend(ending.reply_to.clone().filter(|queue| may_go_to(queue, ending, options)).map(Destination::Reply));
    to
}

/// Whether the caller's queue is one that it may have the worker publish to: its message may be older than the rights of
/// now, or have become no job because it has none.
fn may_go_to(queue: &str, ending: &Ending, options: &Options) -> bool {
    let own = [&options.jobs_queue, &options.results_queue, &options.dead_queue];
    if queue.is_empty() || own.into_iter().any(|own| own == queue) {
        return false;
    }
    let is_refused = ending.reason.is_some_and(Reason::is_of_inputs);
    options.rights.current().may_answer(ending.amqp.user_id.as_deref(), queue, is_refused)
}

/// One of them as a message; `None` if AMQP has no way to name its destination.
pub(super) fn publication(ending: &Ending, to: &Destination, options: &Options) -> Option<Publication> {
    let document = |exchange: &str, routing_key: &str| {
        Some(Publication {
            exchange: ShortString::try_new(exchange).ok()?,
            routing_key: ShortString::try_new(routing_key).ok()?,
            // Nobody need be bound to the exchange, unless results have no queue of ours.
            mandatory: *to != Destination::Subscribers || is_all(ending, options),
            body: ending.document.clone(),
            properties: of_document(ending),
        })
    };
    match to {
        Destination::Results => document("", &options.results_queue),
        Destination::Subscribers => document(&options.results_exchange, &ending.routing_key),
        Destination::Reply(queue) => document("", queue),
        Destination::Dead => Some(Publication {
            exchange: ShortString::default(),
            routing_key: ShortString::try_new(&*options.dead_queue).ok()?,
            mandatory: true,
            // Byte for byte, so that moving it back to the jobs queue redrives it.
            body: ending.raw.clone(),
            properties: of_dead_letter(ending),
        }),
    }
}

/// Whether a result goes nowhere else than to the exchange.
fn is_all(ending: &Ending, options: &Options) -> bool {
    options.results_queue.is_empty() && ending.routing_key != BATCH_COMPLETED
}

#[cfg(test)]
mod tests {
    use super::*;
    use paceline_domain::outcome::Failure;
    use paceline_domain::time::Timestamp;
    use paceline_ports::{AmqpOrigin, Label};

    use super::publication as message;
    use bytes::Bytes;

    fn ending(reason: Option<Reason>, reply_to: Option<&str>) -> Ending {
        Ending {
            document: Bytes::from_static(b"{}"),
            label: Label {
                id: Some("a".to_owned()),
                method: Some("m".to_owned()),
                app: Some("acme".to_owned()),
                ended_at: Timestamp::parse("2026-11-21T08:00:00.123Z").ok(),
            },
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
    fn a_result_goes_to_its_queue_its_exchange_and_to_who_asked() {
        let mut options = Options::at("amqp://h");
        let ending = ending(None, Some("answers"));
        let reply = Destination::Reply("answers".to_owned());
        assert_eq!(destinations(&ending, &options), [Destination::Results, Destination::Subscribers, reply.clone()]);
        let queued = message(&ending, &Destination::Results, &options).unwrap();
        assert_eq!((queued.exchange.as_str(), queued.routing_key.as_str()), ("", "paceline.results"));
        let result = message(&ending, &Destination::Subscribers, &options).unwrap();
        assert_eq!((result.exchange.as_str(), result.routing_key.as_str()), ("paceline.results", "acme.m"));
        assert_eq!((queued.mandatory, result.mandatory), (true, false));
        assert_eq!((&queued.body, &queued.properties), (&result.body, &result.properties));
        assert_eq!(result.properties.message_id().as_ref().unwrap().as_str(), "a");
        assert_eq!(result.properties.timestamp(), &Some(1_795_248_000));
        let reply = message(&ending, &reply, &options).unwrap();
        assert_eq!((reply.exchange.as_str(), reply.routing_key.as_str()), ("", "answers"));
        assert_eq!(reply.properties.correlation_id().as_ref().unwrap().as_str(), "c");
        assert_eq!(reply.body, result.body);
        options.results_queue = String::new();
        assert_eq!(destinations(&ending, &options)[0], Destination::Subscribers);
        assert!(message(&ending, &Destination::Subscribers, &options).unwrap().mandatory, "nobody else gets it");
    }

    #[test]
    fn a_dead_letter_is_the_message_as_it_came() {
        let ending = ending(Some(Reason::Malformed), Some(""));
        let options = Options::at("amqp://h");
        assert_eq!(destinations(&ending, &options), [Destination::Dead]);
        let dead = message(&ending, &Destination::Dead, &options).unwrap();
        assert_eq!((dead.exchange.as_str(), dead.routing_key.as_str()), ("", "paceline.dead"));
        assert_eq!(&dead.body[..], b"\xff{");
    }

    #[test]
    fn a_batchs_end_goes_to_whoever_wants_it() {
        let result = ending(None, None);
        let label = Label { id: Some("b".to_owned()), ended_at: result.label.ended_at, ..Label::default() };
        let event = Ending { label, routing_key: BATCH_COMPLETED.to_owned(), ..result };
        let options = Options { results_queue: String::new(), ..Options::at("amqp://h") };
        assert_eq!(destinations(&event, &options), [Destination::Subscribers]);
        let message = message(&event, &Destination::Subscribers, &options).unwrap();
        assert!(!message.mandatory, "nobody need want it");
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
            assert_eq!(message(&ending(None, None), &to, &options).is_some(), possible, "{bytes}");
        }
    }
}
