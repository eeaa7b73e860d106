//! The queues and the exchange: declared as documented, never changed, never deleted.
//!
//! The declared arguments are frozen: a queue's arguments cannot be changed later, and whoever declares it otherwise is
//! refused. Limits, time-to-live and dead-lettering of these queues belong into the operator's policies.

use lapin::ExchangeKind;
use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::protocol::AMQPSoftError;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::answered;
use super::fault::Error;
use super::options::Options;
use super::session::Session;
use paceline_domain::messages::{BrokerCause, BrokerCure, BrokerFault, BrokerPart, BrokerStep};

/// RabbitMQ's own name for the exchange without one.
pub(super) const DEFAULT_EXCHANGE: &str = "amq.default";

/// What earlier editions bound the queue of results to the exchange with.
const FORMER_BINDINGS: [&str; 2] = ["*.*.*.#", "#"];

/// Declares what endings are published to. Declaring what is there already changes nothing.
pub(super) async fn declare_outgoing(session: &Session, options: &Options) -> Result<(), Error> {
    declare_queue(session, &options.dead_queue).await?;
    declare_exchange(session, &options.results_exchange).await?;
    if !options.results_queue.is_empty() {
        declare_queue(session, &options.results_queue).await?;
        unbind(session, &options.results_queue, &options.results_exchange).await?;
    }
    Ok(())
}

/// Declares one of the queues.
pub(super) async fn declare_queue(session: &Session, name: &str) -> Result<(), Error> {
    let declare = QueueDeclareOptions {
        // Makes it if it is not there.
        passive: false,
        // Survives a restart; a quorum queue must be.
        durable: true,
        // Upstream and other replicas use it too; a quorum queue cannot be.
        exclusive: false,
        // Waits for its worker, who may be away for days.
        auto_delete: false,
        // The answer is the point.
        nowait: false,
    };
    match ask_queue(session, name, declare, queue_arguments()).await {
        // Where workers may not configure, an operator has declared it; then it is enough that it is there.
        Err(error) if is_refused(&error) && look_at_queue(session, name).await.is_ok() => Ok(()),
        answer => answer.map(drop).map_err(|error| explain(queue(name), error)),
    }
}

/// Looks whether a queue is there, and how full.
pub(super) async fn look_at_queue(session: &Session, name: &str) -> Result<lapin::Queue, Error> {
    // With `passive`, nothing else is compared.
    let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    ask_queue(session, name, look, FieldTable::default()).await
}

async fn ask_queue(
    session: &Session,
    name: &str,
    options: QueueDeclareOptions,
    arguments: FieldTable,
) -> Result<lapin::Queue, Error> {
    let channel = session.channel().await?;
    let queue = answered(BrokerStep::DeclaringQueue, channel.queue_declare(short(name)?, options, arguments)).await?;
    close(&channel).await;
    Ok(queue)
}

fn is_refused(error: &Error) -> bool {
    error.soft() == Some(AMQPSoftError::ACCESSREFUSED)
}

/// Replicated on a cluster and safe against power loss on one node; its publisher confirms mean "on disk".
pub(super) fn queue_arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments
}

/// Declares the results exchange.
pub(super) async fn declare_exchange(session: &Session, name: &str) -> Result<(), Error> {
    let declare = ExchangeDeclareOptions {
        passive: false,
        durable: true,
        // Consumers of results come and go.
        auto_delete: false,
        // Clients (this one) publish to it.
        internal: false,
        nowait: false,
    };
    match ask_exchange(session, name, declare).await {
        Err(error) if is_refused(&error) && look_at_exchange(session, name).await.is_ok() => Ok(()),
        answer => answer.map_err(|error| explain(exchange(name), error)),
    }
}

/// Looks whether an exchange is there.
pub(super) async fn look_at_exchange(session: &Session, name: &str) -> Result<(), Error> {
    ask_exchange(session, name, ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() }).await
}

async fn ask_exchange(session: &Session, name: &str, options: ExchangeDeclareOptions) -> Result<(), Error> {
    let channel = session.channel().await?;
    let answer = channel.exchange_declare(short(name)?, ExchangeKind::Topic, options, FieldTable::default());
    answered(BrokerStep::DeclaringExchange, answer).await?;
    close(&channel).await;
    Ok(())
}

/// The queue gets every result straight; what an earlier edition has bound it to would bring each a second time.
async fn unbind(session: &Session, queue: &str, exchange: &str) -> Result<(), Error> {
    for binding in FORMER_BINDINGS {
        let channel = session.channel().await?;
        let answer = channel.queue_unbind(short(queue)?, short(exchange)?, binding.into(), FieldTable::default());
        match answered(BrokerStep::UnbindingQueue, answer).await {
            // Bindings are not visible from here: there need not be one.
            Err(error) if is_refused(&error) => {
                tracing::info!(
                    "may not unbind queue {queue:?} from exchange {exchange:?}: if it is still bound, each result comes twice"
                );
                return Ok(());
            }
            answer => answer.map_err(|error| explain(self::queue(queue), error))?,
        }
        close(&channel).await;
    }
    Ok(())
}

/// Closes a channel and waits for it, so that the connection can be closed after it.
pub(super) async fn close(channel: &lapin::Channel) {
    let _ = tokio::time::timeout(super::CLOSE_TIMEOUT, channel.close(200, "OK".into())).await;
}

/// An AMQP name from the settings.
pub(super) fn short(name: &str) -> Result<ShortString, Error> {
    ShortString::try_new(name).map_err(|_| {
        let cause = BrokerCause::NameTooLong { name: name.to_owned() };
        Error::Fault(BrokerFault::new(cause, Some(BrokerCure::ChooseShorterName)))
    })
}

/// A queue, as people are told of it.
pub(super) fn queue(name: &str) -> BrokerPart {
    BrokerPart::Queue { name: name.to_owned() }
}

/// An exchange, as people are told of it.
pub(super) fn exchange(name: &str) -> BrokerPart {
    BrokerPart::Exchange { name: name.to_owned() }
}

/// A refusal in the broker's words, with what to do.
pub(super) fn explain(part: BrokerPart, error: Error) -> Error {
    match cure(&part, &error) {
        Some(cure) => Error::Fault(with_cure(&error, cure).of(part)),
        None => error,
    }
}

/// A refusal with what to do about it, if that can be said.
pub(super) fn fault(part: &BrokerPart, error: &Error) -> BrokerFault {
    match cure(part, error) {
        Some(cure) => with_cure(error, cure),
        None => error.fault(),
    }
}

fn with_cure(error: &Error, cure: BrokerCure) -> BrokerFault {
    match error.fault() {
        BrokerFault::Waited { cause } => BrokerFault::new(cause, Some(cure)),
        fault @ (BrokerFault::Curable { .. } | BrokerFault::OfEach { .. }) => fault,
    }
}

fn cure(part: &BrokerPart, error: &Error) -> Option<BrokerCure> {
    let (BrokerPart::Queue { name } | BrokerPart::Exchange { name }) = part else { return None };
    let name = name.clone();
    Some(match error.soft()? {
        AMQPSoftError::PRECONDITIONFAILED => BrokerCure::DeclareAnew { part: part.clone() },
        AMQPSoftError::ACCESSREFUSED => BrokerCure::GiveRights { name },
        AMQPSoftError::RESOURCELOCKED => BrokerCure::NameAnother { name },
        AMQPSoftError::CONTENTTOOLARGE
        | AMQPSoftError::NOROUTE
        | AMQPSoftError::NOCONSUMERS
        | AMQPSoftError::NOTFOUND => return None,
    })
}
