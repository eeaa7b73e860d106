//! What `paceline check` says about the broker: is it there, may we in, is everything as expected.

use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use lapin::protocol::AMQPSoftError;

use super::address::Address;
use super::answered;
use super::fault::Error;
use super::options::Options;
use super::session::Session;
use super::topology::{self, DEFAULT_EXCHANGE, exchange, explain, queue, short};
use paceline_domain::messages::{BrokerCause, BrokerCure, BrokerFault, BrokerFound, BrokerPart, BrokerStep};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What: `connection`, or a queue's or exchange's name.
    pub subject: String,
    /// `Ok`: how it stands. `Err`: what is wrong and what to do.
    pub verdict: Result<BrokerFound, BrokerFault>,
}

/// Looks at everything, changes nothing: no queue is made, no message published or taken.
pub async fn check(options: &Options) -> Vec<Finding> {
    let addresses = match Address::parse_all(&options.urls) {
        Ok(addresses) => addresses,
        Err(fault) => return vec![Finding { subject: "connection".to_owned(), verdict: Err(fault) }],
    };
    let (mut findings, session) = check_connections(&addresses, options).await;
    if let Some(session) = session {
        findings.extend(check_topology(&session, options).await);
        session.close().await;
    }
    findings
}

/// Tries each address, and keeps the first connection that came about.
async fn check_connections(addresses: &[Address], options: &Options) -> (Vec<Finding>, Option<Session>) {
    let (mut findings, mut first) = (Vec::new(), None);
    for address in addresses {
        let subject = if addresses.len() == 1 { "connection".to_owned() } else { format!("connection to {address}") };
        let verdict = match Session::open(address, options, "paceline check").await {
            Ok(session) => {
                match first {
                    None => first = Some(session),
                    Some(_) => session.close().await,
                }
                let (vhost, user) = (address.vhost().to_owned(), address.user().to_owned());
                Ok(BrokerFound::BrokerAnswers { address: address.to_string(), vhost, user })
            }
            Err(fault) => Err(fault),
        };
        findings.push(Finding { subject, verdict });
    }
    (findings, first)
}

/// Looks at the queues and the exchange.
async fn check_topology(session: &Session, options: &Options) -> Vec<Finding> {
    let mut findings = Vec::new();
    let queues = [&options.jobs_queue, &options.results_queue, &options.dead_queue];
    for name in queues.into_iter().filter(|name| !name.is_empty()) {
        let verdict = check_queue(session, name).await.map_err(|error| fault_of(&error, queue(name)));
        findings.push(Finding { subject: format!("queue {name}"), verdict });
    }
    // Dead letters go there by the default exchange, which every user may be refused.
    let verdict = check_right_to_publish(session, "", &options.dead_queue).await;
    if let Err(error) = verdict {
        let fault = fault_of(&error, exchange(DEFAULT_EXCHANGE));
        findings.push(Finding { subject: "default exchange".to_owned(), verdict: Err(fault) });
    }
    let name = &options.results_exchange;
    let verdict = check_exchange(session, name).await.map_err(|error| fault_of(&error, exchange(name)));
    findings.push(Finding { subject: format!("exchange {name}"), verdict });
    findings
}

async fn check_queue(session: &Session, name: &str) -> Result<BrokerFound, Error> {
    let found = match topology::look_at_queue(session, name).await {
        Ok(found) => found,
        Err(error) => return not_there(queue(name), error),
    };
    // It exists, so declaring it as we would makes nothing; the broker compares its properties with ours.
    topology::declare_queue(session, name).await?;
    Ok(BrokerFound::QueueAsExpected { ready: found.message_count(), consumers: found.consumer_count() })
}

async fn check_exchange(session: &Session, name: &str) -> Result<BrokerFound, Error> {
    if let Err(error) = topology::look_at_exchange(session, name).await {
        return not_there(exchange(name), error);
    }
    topology::declare_exchange(session, name).await?;
    check_right_to_publish(session, name, "paceline.check").await?;
    Ok(BrokerFound::ExchangeAsExpected)
}

fn not_there(part: BrokerPart, error: Error) -> Result<BrokerFound, Error> {
    if error.soft() == Some(AMQPSoftError::NOTFOUND) {
        Ok(BrokerFound::NotDeclaredYet)
    } else {
        Err(explain(part, error))
    }
}

/// Publishes inside a transaction that is rolled back: the broker checks the right, and no message leaves.
async fn check_right_to_publish(session: &Session, name: &str, routing_key: &str) -> Result<(), Error> {
    let channel = session.channel().await?;
    answered(BrokerStep::OpeningTransaction, channel.tx_select()).await?;
    let publish = channel.basic_publish(
        short(name)?,
        short(routing_key)?,
        BasicPublishOptions::default(),
        b"",
        BasicProperties::default(),
    );
    answered(BrokerStep::PublishingInTransaction, publish).await?;
    // Rights to the default exchange are given by this name.
    let name = if name.is_empty() { DEFAULT_EXCHANGE } else { name };
    match answered(BrokerStep::RollingBack, channel.tx_rollback()).await {
        // A refusal closes the channel; only who waits for an answer by then hears why.
        Err(error) if error.is_of_channel() && error.soft().is_none() => {
            let cause = BrokerCause::RefusesMessages { why: Box::new(error.fault()) };
            let cure = BrokerCure::GiveWriteRight { name: name.to_owned() };
            return Err(Error::Fault(BrokerFault::new(cause, Some(cure)).of(exchange(name))));
        }
        rolled_back => rolled_back.map_err(|error| explain(exchange(name), error))?,
    }
    topology::close(&channel).await;
    Ok(())
}

fn fault_of(error: &Error, part: BrokerPart) -> BrokerFault {
    match error {
        Error::Fault(fault) => fault.clone(),
        Error::Amqp { .. } | Error::Silent { .. } | Error::Stopped => error.fault().of(part),
    }
}
