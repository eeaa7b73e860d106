//! Publishing with confirms: a message counts as published when the broker has it on disk in a queue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use lapin::message::BasicReturnMessage;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation};

use super::fault::{Error, words};
use super::link::Link;
use super::options::Options;
use super::properties::of_origin;
use super::session::Session;
use super::topology::{self, short};
use super::{CONFIRM_TIMEOUT, answered};
use paceline_domain::messages::{BrokerCause, BrokerCure, BrokerFault, BrokerStep};
use paceline_ports::AmqpOrigin;
use paceline_ports::crash_points;

/// Where in a publication a test lets the process die: the message has left, and its confirm takes longer.
const MID_PUBLISH: Duration = Duration::from_millis(1);

/// One message.
pub(super) struct Publication {
    pub exchange: ShortString,
    pub routing_key: ShortString,
    /// Returned if no queue is bound, instead of dropped with an ack.
    pub mandatory: bool,
    pub body: Bytes,
    pub properties: BasicProperties,
}

/// What the broker did with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is in a queue, on disk.
    Confirmed,
    /// No queue is bound to where it was sent.
    Unroutable(String),
    /// A queue refused it: full, or its leader is away.
    Refused,
}

/// A channel on which the broker confirms.
pub(super) async fn confirming(session: &Session) -> Result<Channel, Error> {
    let channel = session.channel().await?;
    answered(BrokerStep::AskingForConfirms, channel.confirm_select(ConfirmSelectOptions { nowait: false })).await?;
    Ok(channel)
}

/// Publishes and waits for the verdict, for ever: the caller bounds it.
pub(super) async fn publish(channel: Arc<Channel>, message: Publication) -> Result<Verdict, lapin::Error> {
    let Publication { exchange, routing_key, mandatory, body, properties } = message;
    // RabbitMQ does not know `immediate`.
    let options = BasicPublishOptions { mandatory, immediate: false };
    let confirm = channel.basic_publish(exchange, routing_key, options, &body, properties).await?;
    Ok(match crash_points::during("after-publish", MID_PUBLISH, confirm).await? {
        Confirmation::Ack(None) => Verdict::Confirmed,
        Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
            Verdict::Unroutable(return_reason(&returned))
        }
        Confirmation::Nack(None) | Confirmation::NotRequested => Verdict::Refused,
    })
}

fn return_reason(returned: &BasicReturnMessage) -> String {
    format!("{} ({})", returned.reply_text, returned.reply_code)
}

/// A job on its way to the jobs queue.
#[derive(Clone, Debug, Default)]
pub struct Submission {
    /// The job document.
    pub body: Bytes,
    /// Its AMQP properties.
    pub properties: AmqpOrigin,
}

/// What became of a run of submissions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many are in the jobs queue, on disk.
    pub confirmed: usize,
    /// Those of which that is not known, by their position from 0, and why. Submitting them again does nothing twice.
    pub unconfirmed: BTreeMap<usize, Arc<BrokerFault>>,
}

/// Publishes jobs to the jobs queue, up to `in_flight_max` at once, and calls `progress` with the number confirmed.
///
/// Waits for a connection as long as the link tries; the caller may drop the future. A lost connection ends the run.
pub async fn submit(
    link: &Link,
    options: &Options,
    jobs: impl IntoIterator<Item = Submission>,
    mut progress: impl FnMut(usize),
) -> Result<Report, Error> {
    let session = link.session().await.ok_or(Error::Stopped)?;
    topology::declare_queue(&session, &options.jobs_queue).await?;
    let channel = Arc::new(confirming(&session).await?);
    let queue = short(&options.jobs_queue)?;
    let mut report = Report::default();
    let mut open = BTreeSet::new();
    let mut in_flight = FuturesUnordered::new();
    let mut jobs = jobs.into_iter().enumerate();
    let broken = loop {
        while in_flight.len() < options.in_flight_max {
            let Some((position, job)) = jobs.next() else { break };
            open.insert(position);
            let message = to_queue(&queue, job);
            in_flight.push(publish(Arc::clone(&channel), message).map(move |verdict| (position, verdict)));
        }
        let next = tokio::select! {
            next = tokio::time::timeout(CONFIRM_TIMEOUT, in_flight.next()) => next,
            fault = session.until_lost() => break Some(fault),
        };
        match next {
            Ok(Some((position, verdict))) => {
                open.remove(&position);
                match fault_of(verdict, options) {
                    None => report.confirmed += 1,
                    Some(why) => drop(report.unconfirmed.insert(position, why.into())),
                }
            }
            Ok(None) => break None,
            Err(_) => break Some(silence(&session)),
        }
        progress(report.confirmed);
    };
    drop(in_flight);
    if let Some(why) = broken {
        let why = Arc::new(why);
        let rest = open.into_iter().chain(jobs.map(|(position, _)| position));
        report.unconfirmed.extend(rest.map(|position| (position, Arc::clone(&why))));
    }
    topology::close(&channel).await;
    Ok(report)
}

fn to_queue(queue: &ShortString, job: Submission) -> Publication {
    Publication {
        exchange: ShortString::default(),
        routing_key: queue.clone(),
        mandatory: true,
        body: job.body,
        properties: of_origin(&job.properties),
    }
}

/// Why the broker has not got it, if so.
fn fault_of(verdict: Result<Verdict, lapin::Error>, options: &Options) -> Option<BrokerFault> {
    let queue = options.jobs_queue.clone();
    let (cause, cure) = match verdict {
        Ok(Verdict::Confirmed) => return None,
        Ok(Verdict::Refused) => (BrokerCause::JobsQueueFull { queue }, Some(BrokerCure::DrainByWorkers)),
        Ok(Verdict::Unroutable(words)) => (BrokerCause::JobsQueueGone { queue, words }, None),
        Err(error) => (BrokerCause::StepFailed { step: BrokerStep::Publishing, why: words(&error) }, None),
    };
    Some(BrokerFault::new(cause, cure))
}

fn silence(session: &Session) -> BrokerFault {
    let cause = match session.blocked().borrow().clone() {
        Some(reason) => BrokerCause::TakesNoMessages { reason },
        None => BrokerCause::Unconfirmed { seconds: CONFIRM_TIMEOUT.as_secs() },
    };
    BrokerFault::new(cause, None)
}
