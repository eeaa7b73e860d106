//! Jobs from the broker into the ledger: durable take-over, then ack.
//!
//! A delivery is held only until the ledger has committed it, so neither the broker's consumer timeout nor its delivery
//! limit can bite however long a job waits for quota. Messages are taken in the batches in which they happen to lie
//! there: while the ledger commits one, the next piles up, and no timer adds delay. An ack that gets lost brings the
//! message again, and the ledger knows it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Consumer};
use tokio::sync::watch;

use super::deliveries::{End, Gathered, Notes, gather, log_read, log_taken_over, log_unreadable, read_body};
use super::fault::Error;
use super::link::Link;
use super::options::Options;
use super::ports::Backlog;
use super::properties::origin_of;
use super::session::Session;
use super::topology::{self, short};
use super::wire::meter::Meter;
use super::{ANSWER_TIMEOUT, answered, retry_delay, until_stopped};
use paceline_domain::decode::Defaults;
use paceline_domain::job::{Job, Rejection};
use paceline_domain::messages::{
    BrokerCause, BrokerCure, BrokerFault, BrokerStep, BrokerWords, IntakeLoad, IntakeState,
};
use paceline_domain::rights::Sender;
use paceline_engine::schedule::Load;
use paceline_ports::clock::Clock;
use paceline_ports::crash_points;
use paceline_ports::{AmqpOrigin, Arrival, Delivered, LedgerError, Origin, TakenOver};

/// Jobs taken over for each one that may be able to run: the others wait for their time, a person or the platform.
const UNFINISHED: usize = 10;

/// Tells a job from what is none: bytes, and the properties that stand in for absent fields.
pub type Decode = Arc<dyn Fn(&[u8], &Defaults) -> Result<Job, Rejection> + Send + Sync>;

/// Takes jobs over from the jobs queue.
pub struct Intake<B> {
    /// The consuming connection.
    pub link: Link,
    /// Names and limits.
    pub options: Options,
    /// [`paceline_domain::decode::Decoder::decode`].
    pub decode: Decode,
    /// Where jobs are recorded before they are acked.
    pub ledger: Arc<dyn paceline_ports::Intake>,
    /// Where they go then.
    pub backlog: Arc<B>,
    /// Time.
    pub clock: Clock,
    /// What it does at the moment, for `status`.
    pub state: watch::Sender<IntakeState>,
}

/// A consumer, and what it is delivered.
struct Subscription {
    channel: Channel,
    consumer: Consumer,
    meter: Arc<Meter>,
}

/// Nine tenths of a maximum: far enough below not to flap, near enough never to run dry.
fn resume_below(max: usize) -> usize {
    (max - max / 10).max(1)
}

/// Why consuming ended without a fault.
enum Pause {
    /// Too many jobs are unfinished.
    Full,
    /// Something ended under us: a fresh start is needed.
    Gone(BrokerCause),
    /// The process stops.
    Stopped,
}

impl<B: Backlog> Intake<B> {
    /// Takes over until told to stop; everything that it acked is in the ledger.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut failures = 0;
        // One message may have ended the last connection, or the last process. Taken one by one, only that one is
        // counted up to the broker's delivery limit.
        let mut careful = true;
        while !*stop.borrow() {
            let Some(session) = self.until_ready(&mut stop).await else { break };
            let ended = self.consume(&session, &mut careful, &mut stop).await;
            let why = match ended {
                Ok(Pause::Full) => {
                    failures = 0;
                    continue;
                }
                Ok(Pause::Stopped) => break,
                Ok(Pause::Gone(why)) => {
                    failures = 0;
                    BrokerFault::new(why, None)
                }
                Err(error) => {
                    if matches!(error, Error::Silent { .. }) {
                        session.abandon(&error);
                    }
                    error.fault()
                }
            };
            if *stop.borrow() {
                break;
            }
            careful = true;
            if session.is_lost() {
                // The link tells about it.
                continue;
            }
            self.stall(why);
            tokio::select! {
                () = tokio::time::sleep(retry_delay(failures)) => failures += 1,
                () = until_stopped(&mut stop) => break,
            }
        }
        self.state.send_replace(IntakeState::IntakeStopped);
    }

    /// Waits until there is room for jobs and a connection to get them from; `None` to stop.
    async fn until_ready(&self, stop: &mut watch::Receiver<bool>) -> Option<Arc<Session>> {
        if let Some(paused) = self.pause_for_room() {
            tracing::warn!(
                "intake {paused} until there are fewer (intake.pending_max is {})",
                self.options.pending_max
            );
            self.state.send_replace(paused);
            let load = Load { able: resume_below(self.able_max()), unfinished: resume_below(self.unfinished_max()) };
            tokio::select! {
                () = self.backlog.until_below(load) => tracing::info!("intake goes on"),
                () = until_stopped(stop) => return None,
            }
        }
        self.state.send_if_modified(|state| {
            let wait = matches!(state, IntakeState::IntakeConsuming | IntakeState::IntakePaused { .. });
            if wait {
                *state = IntakeState::IntakeWaiting;
            }
            wait
        });
        tokio::select! {
            session = self.link.session() => session,
            () = until_stopped(stop) => None,
        }
    }

    /// The state while there is too much to do already, if there is.
    fn pause_for_room(&self) -> Option<IntakeState> {
        let load = self.backlog.load();
        let are_all = load.unfinished >= self.unfinished_max();
        let jobs = if are_all { load.unfinished } else { load.able };
        let is_full = are_all || load.able >= self.able_max();
        is_full
            .then(|| IntakeState::IntakePaused { load: IntakeLoad::new(jobs, are_all, self.backlog.fullest(!are_all)) })
    }

    const fn able_max(&self) -> usize {
        self.options.pending_max
    }

    /// Jobs that cannot run now shut nobody out, until they are so many that memory is at stake.
    const fn unfinished_max(&self) -> usize {
        self.options.pending_max.saturating_mul(UNFINISHED)
    }

    /// What may be held unacked. A small maximum of pending jobs is not overshot by a large prefetch: the last batch may
    /// bring one above it, and what is delivered between its ack and the cancel another, a quarter in all.
    fn prefetch(&self) -> u16 {
        u16::try_from(self.options.pending_max / 8).unwrap_or(u16::MAX).clamp(1, self.options.prefetch.max(1))
    }

    /// Says it once per cause.
    fn stall(&self, fault: BrokerFault) {
        let said = format!("intake: {fault}; trying again until it works");
        let stalled = IntakeState::IntakeStalled { fault };
        if *self.state.borrow() != stalled {
            tracing::warn!("{said}");
        }
        self.state.send_replace(stalled);
    }

    /// Consumes on a channel of its own until something ends it.
    async fn consume(
        &self,
        session: &Session,
        careful: &mut bool,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Pause, Error> {
        if *careful {
            if let Some(pause) = self.take_one_by_one(session, stop).await? {
                return Ok(pause);
            }
            *careful = false;
        }
        let mut subscription = tokio::select! {
            subscribed = self.subscribe(session) => subscribed?,
            () = until_stopped(stop) => return Ok(Pause::Stopped),
        };
        self.state.send_replace(IntakeState::IntakeConsuming);
        let ended = self.take_all(&mut subscription, stop).await;
        match &ended {
            Ok(Pause::Full | Pause::Stopped) => self.leave(subscription).await,
            // Its channel may live on: a broker that cancels a consumer closes no more than that.
            Ok(Pause::Gone(_)) => topology::close(&subscription.channel).await,
            Err(_) => {}
        }
        ended
    }

    /// Fetches message after message, until the first that had not been delivered before; `None`: they are past. A
    /// consumer would be delivered the next before this one is acked, and hand it back out of order.
    async fn take_one_by_one(
        &self,
        session: &Session,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Option<Pause>, Error> {
        let name = &self.options.jobs_queue;
        topology::declare_queue(session, name).await?;
        let channel = session.channel().await?;
        loop {
            let get = channel.basic_get(short(name)?, BasicGetOptions { no_ack: false });
            let got = tokio::select! {
                got = answered(BrokerStep::FetchingMessage, get) => got.map_err(|error| topology::explain(topology::queue(name), error))?,
                () = until_stopped(stop) => return Ok(Some(Pause::Stopped)),
            };
            let Some(message) = got else { break };
            let is_past = !message.delivery.redelivered;
            self.state.send_replace(IntakeState::IntakeConsuming);
            if !self.take(vec![message.delivery], &channel, &session.meter(), stop).await {
                return Ok(Some(Pause::Gone(channel_closed())));
            }
            if self.pause_for_room().is_some() {
                topology::close(&channel).await;
                return Ok(Some(Pause::Full));
            }
            if is_past {
                break;
            }
        }
        topology::close(&channel).await;
        Ok(None)
    }

    async fn subscribe(&self, session: &Session) -> Result<Subscription, Error> {
        let name = &self.options.jobs_queue;
        topology::declare_queue(session, name).await?;
        let channel = session.channel().await?;
        // Per consumer: RabbitMQ 3.x and 4.0 close the connection over a global one on a quorum queue.
        let qos = BasicQosOptions { global: false };
        answered(BrokerStep::SettingPrefetch, channel.basic_qos(self.prefetch(), qos)).await?;
        let consume = BasicConsumeOptions {
            no_local: false,
            // Acked only when the ledger has it.
            no_ack: false,
            // Replicas share the queue.
            exclusive: false,
            nowait: false,
        };
        // The broker chooses the tag.
        let answer = channel.basic_consume(short(name)?, "".into(), consume, FieldTable::default());
        let consumer = answered(BrokerStep::Consuming, answer)
            .await
            .map_err(|error| topology::explain(topology::queue(name), error))?;
        Ok(Subscription { channel, consumer, meter: session.meter() })
    }

    /// Takes batch after batch over.
    async fn take_all(
        &self,
        subscription: &mut Subscription,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Pause, Error> {
        let Subscription { channel, consumer, meter } = subscription;
        loop {
            let first = tokio::select! {
                next = consumer.next() => next,
                () = until_stopped(stop) => return Ok(Pause::Stopped),
            };
            let Gathered { deliveries, ended } = gather(first, consumer);
            if !self.take(deliveries, channel, meter, stop).await {
                // Nothing may be acked on this channel any more: an ack of later messages would cover these.
                return Ok(Pause::Gone(channel_closed()));
            }
            match ended {
                Some(End::Failed(error)) => return Err(Error::amqp(BrokerStep::Consuming, error)),
                Some(End::Cancelled) => {
                    let queue = self.options.jobs_queue.clone();
                    return Ok(Pause::Gone(BrokerCause::ConsumingEnded { queue }));
                }
                None => {}
            }
            if self.pause_for_room().is_some() {
                return Ok(Pause::Full);
            }
        }
    }

    /// Cancels the consumer and takes over what is held already; the rest stays in the queue.
    async fn leave(&self, subscription: Subscription) {
        let Subscription { channel, mut consumer, meter } = subscription;
        let cancel = channel.basic_cancel(consumer.tag(), BasicCancelOptions { nowait: false });
        let (_tell, mut stop) = watch::channel(false);
        let drain = async {
            loop {
                let first = consumer.next().await;
                let Gathered { deliveries, ended } = gather(first, &mut consumer);
                if !self.take(deliveries, &channel, &meter, &mut stop).await || ended.is_some() {
                    break;
                }
            }
        };
        // Together: what is delivered already may have to make room before the broker's answer is read. Whatever is not
        // taken over by then is handed out again.
        let _ = tokio::time::timeout(ANSWER_TIMEOUT, async {
            tokio::join!(answered(BrokerStep::Cancelling, cancel), drain)
        })
        .await;
        topology::close(&channel).await;
    }

    /// Takes a batch over and acks it; `false` if its channel is gone or the process stops.
    async fn take(
        &self,
        batch: Vec<Delivery>,
        channel: &Channel,
        meter: &Meter,
        stop: &mut watch::Receiver<bool>,
    ) -> bool {
        let bytes = batch.iter().map(|delivery| delivery.data.len()).sum();
        let is_acked = self.take_over(batch, stop).await;
        meter.release(channel.id(), bytes);
        is_acked
    }

    async fn take_over(&self, batch: Vec<Delivery>, stop: &mut watch::Receiver<bool>) -> bool {
        let Some(acker) = batch.last().map(|delivery| delivery.acker.clone()) else { return true };
        let unacked: Vec<Unacked> = batch.into_iter().map(Unacked::from).collect();
        log_unreadable(unacked.iter().map(|delivery| &delivery.notes));
        let mut failures = 0;
        loop {
            // Deliveries of a dead channel linger in the stream; the broker hands them out again.
            if !acker.usable() {
                return false;
            }
            // Read again for each try: retries are rare, and a copy of every job for their sake is not free.
            let arrivals: Vec<_> = unacked.iter().map(|delivery| self.read(delivery)).collect();
            arrivals.iter().for_each(log_read);
            match self.ledger.take_over(arrivals, self.clock.now()).await {
                Ok(taken) => {
                    crash_points::reach("after-take-over");
                    log_taken_over(&taken);
                    self.enqueue(taken);
                    if failures > 0 {
                        self.state.send_replace(IntakeState::IntakeConsuming);
                    }
                    break;
                }
                Err(error) => self.stall(stall_of(&error)),
            }
            tokio::select! {
                () = tokio::time::sleep(retry_delay(failures)) => failures += 1,
                () = until_stopped(stop) => return false,
            }
        }
        // All deliveries of this channel up to this one: its consumer is the only one, and takes them in order.
        // `false` or an error is a lost ack: the messages come again, and the ledger knows them.
        let ack = acker.ack(BasicAckOptions { multiple: true });
        matches!(answered(BrokerStep::Acknowledging, ack).await, Ok(true))
    }

    fn enqueue(&self, taken: Vec<TakenOver>) {
        let queued: Vec<_> = taken
            .into_iter()
            .filter_map(|taken| match taken {
                TakenOver::Queued(waiting) => Some(waiting),
                TakenOver::Blocked | TakenOver::Known | TakenOver::Succeeded | TakenOver::Rejected => None,
            })
            .collect();
        if !queued.is_empty() {
            self.backlog.enqueue(queued);
        }
    }

    fn read(&self, delivery: &Unacked) -> Arrival {
        let Unacked { raw, amqp, redelivered, notes, exchange, routing_key } = delivery;
        let input = read_body(&self.decode, self.options.body_bytes_max, raw, amqp, notes);
        let mut amqp = amqp.clone();
        let sender = Sender { user_id: amqp.user_id.clone() };
        amqp.publisher = self.options.rights.current().namespace(&sender).map(str::to_owned);
        if input.is_err() {
            let (exchange, routing_key) = (exchange.to_string(), routing_key.to_string());
            amqp.delivered = Some(Delivered { queue: self.options.jobs_queue.clone(), exchange, routing_key });
        }
        let origin = Origin { raw: raw.clone(), amqp: Some(amqp), redelivered: *redelivered, ..Origin::default() };
        Arrival { input, origin }
    }
}

/// What is kept of a delivery until the ledger has it.
struct Unacked {
    raw: Bytes,
    amqp: AmqpOrigin,
    redelivered: bool,
    notes: Notes,
    exchange: ShortString,
    routing_key: ShortString,
}

impl From<Delivery> for Unacked {
    fn from(delivery: Delivery) -> Self {
        let (amqp, redelivered) = (origin_of(&delivery.properties), delivery.redelivered);
        let notes = Notes::of(&delivery.properties);
        let Delivery { data, exchange, routing_key, .. } = delivery;
        Self { raw: Bytes::from(data), amqp, redelivered, notes, exchange, routing_key }
    }
}

fn channel_closed() -> BrokerCause {
    BrokerCause::StepFailed { step: BrokerStep::Consuming, why: BrokerWords::ChannelClosed }
}

fn stall_of(error: &LedgerError) -> BrokerFault {
    let cure = matches!(error, LedgerError::Full(_)).then_some(BrokerCure::MakeRoomForLedger);
    BrokerFault::new(BrokerCause::LedgerSays { words: error.to_string() }, cure)
}
