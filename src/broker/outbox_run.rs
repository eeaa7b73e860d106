//! The outbox over one connection: read, publish many at once, forget what was confirmed.
//!
//! It knows nothing of reconnecting; [`super::relay`] starts the next run.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use lapin::Channel;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::fault::{Error, Fault};
use super::options::Options;
use super::outgoing::{Destination, destinations, publication};
use super::ports::Endings;
use super::publish::{Verdict, confirming, publish};
use super::relay::{Relay, State};
use super::session::Session;
use super::stalls::Stalls;
use super::{CONFIRM_TIMEOUT, retry_delay, topology, until_stopped};
use crate::crash_points;
use crate::domain::reason::Reason;
use crate::domain::time::Mono;
use crate::engine::ports::{BATCH_COMPLETED, LedgerError, Outgoing};

/// Confirmed rows that are forgotten in one transaction.
const DONE_BATCH: usize = 256;
/// A missed wake-up or an overdue confirm is noticed within this.
const TICK: Duration = Duration::from_millis(500);
/// What is still in the outbox when the process stops is published for this long; the rest after the next start.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// Callers' queues that are remembered as gone, and rows remembered as half published. Beyond it some is said or sent twice.
const REMEMBERED_MAX: usize = 10_000;

/// What outlives a connection.
#[derive(Default)]
pub(super) struct Memory {
    /// Confirmed rows that the ledger has not forgotten yet.
    confirmed: HashSet<i64>,
    /// Destinations that rows with another, failed one have reached already.
    reached: HashMap<i64, Vec<Destination>>,
    /// Callers' queues of which it was said that they are gone.
    said: HashSet<String>,
}

/// What a destination's failure asks for before the next try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Renew {
    #[default]
    Nothing,
    /// It refused: RabbitMQ 3.10 goes on refusing on that very channel when the queue's limit was raised or lifted. The
    /// queue itself is left alone, it may have been declared otherwise meanwhile.
    Channel,
    /// It was missing: everything is declared again.
    Everything,
}

/// A row under way.
struct Row {
    open: usize,
    failed: bool,
    sent_at: Mono,
    reached: Vec<Destination>,
}

type InFlight = FuturesUnordered<BoxFuture<'static, (i64, Destination, lapin::Result<Verdict>)>>;

/// Publishing over one connection.
pub(super) struct Run<'a, E> {
    relay: &'a Relay<E>,
    session: &'a Session,
    memory: &'a mut Memory,
    stalls: Stalls,
    in_flight: InFlight,
    rows: HashMap<i64, Row>,
    /// Whether the outbox may hold rows not yet read.
    more: bool,
    /// What precedes the next try of what failed.
    renew: Renew,
    /// Waiting for confirms is counted from here at the earliest: an alarm has just ended.
    patient_from: Mono,
    /// Something was confirmed.
    pub published: bool,
}

impl<'a, E: Endings> Run<'a, E> {
    pub(super) fn new(relay: &'a Relay<E>, session: &'a Session, memory: &'a mut Memory) -> Self {
        Self {
            relay,
            session,
            memory,
            stalls: Stalls::default(),
            in_flight: FuturesUnordered::new(),
            rows: HashMap::new(),
            more: true,
            renew: Renew::Nothing,
            patient_from: relay.clock.mono(),
            published: false,
        }
    }

    /// Publishes until told to stop and drained; an error means that this channel is of no more use.
    pub(super) async fn publish_all(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), Error> {
        let opened = tokio::select! {
            opened = open(self.session, &self.relay.options) => opened,
            // A broker that does not answer must not hold the process up.
            () = async { until_stopped(&mut stop.clone()).await; tokio::time::sleep(DRAIN_MAX).await } => return Ok(()),
        };
        let mut channel = opened?;
        self.relay.state.send_replace(State::Publishing);
        let mut blocked = self.session.blocked();
        let mut drained_by = None;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_blocked = blocked.borrow_and_update().is_some();
            self.refill(&mut channel, is_blocked).await?;
            if self.memory.confirmed.len() >= DONE_BATCH || self.in_flight.is_empty() {
                self.forget_confirmed().await;
            }
            if let Some(by) = drained_by
                && (self.is_idle() || self.relay.clock.mono() >= by)
            {
                topology::close(&channel).await;
                return Ok(());
            }
            tokio::select! {
                Some((seq, to, verdict)) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    self.settle(seq, &to, verdict)?;
                    while let Some(Some((seq, to, verdict))) = self.in_flight.next().now_or_never() {
                        self.settle(seq, &to, verdict)?;
                    }
                }
                () = self.relay.endings.until_changed() => self.more = true,
                _ = tick.tick() => self.look(is_blocked)?,
                fault = self.session.until_lost() => return Err(Error::Fault(fault)),
                _ = blocked.changed() => self.patient_from = self.relay.clock.mono(),
                () = until_stopped(stop), if drained_by.is_none() => {
                    self.more = true;
                    drained_by = Some(self.relay.clock.mono() + DRAIN_MAX);
                }
            }
        }
    }

    /// Whether all was said that can be said now.
    fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && !self.more && self.memory.confirmed.is_empty()
    }

    /// Reads and sends as much as may be under way.
    async fn refill(&mut self, channel: &mut Channel, blocked: bool) -> Result<(), Error> {
        if self.stalls.end_due(self.relay.clock.mono()) {
            // An old channel closes by itself when the last message on it has its verdict.
            match std::mem::take(&mut self.renew) {
                Renew::Nothing => {}
                Renew::Channel => *channel = confirming(self.session).await?,
                Renew::Everything => *channel = open(self.session, &self.relay.options).await?,
            }
            // What was confirmed must be gone before reading back, or it would be read again.
            self.forget_confirmed().await;
            self.more = true;
        }
        let window = self.relay.options.in_flight_max;
        // Half empty first: many small reads cost more than they win.
        while self.more && !blocked && self.rows.len() <= window / 2 {
            let limit = window - self.rows.len();
            let after = self.stalls.read_after();
            let rows = match self.relay.ledger.outbox(after, limit).await {
                Ok(rows) => rows,
                Err(error) => return Err(fault_of(&error)),
            };
            self.more = rows.len() >= limit;
            for row in rows {
                self.stalls.read_to(row.seq);
                self.send(channel, row);
            }
        }
        Ok(())
    }

    /// Puts a row's messages on their way.
    fn send(&mut self, channel: &Channel, row: Outgoing) {
        let Outgoing { seq, ending } = row;
        if self.rows.contains_key(&seq) || self.memory.confirmed.contains(&seq) {
            return;
        }
        let job = ending.document.get("id").and_then(serde_json::Value::as_str);
        tracing::trace!(row = seq, job, reason = ending.reason.map(Reason::as_str), "publishing");
        let reached = self.memory.reached.remove(&seq).unwrap_or_default();
        let mut under_way = Row { open: 0, failed: false, sent_at: self.relay.clock.mono(), reached };
        for to in destinations(&ending) {
            if under_way.reached.contains(&to) {
                continue;
            }
            if self.stalls.is_stalled(&to) {
                self.stalls.pass_over(&to, seq);
                under_way.failed = true;
                continue;
            }
            match publication(&ending, &to, &self.relay.options) {
                Some(message) => {
                    crash_points::reach("before-publish");
                    under_way.open += 1;
                    let sent = publish(channel.clone(), message);
                    self.in_flight.push(sent.map(move |verdict| (seq, to, verdict)).boxed());
                }
                None => self.give_up(&to, "AMQP cannot carry a name of more than 255 bytes"),
            }
        }
        self.close_row(seq, under_way);
    }

    /// Books what the broker did with one message of a row.
    fn settle(&mut self, seq: i64, to: &Destination, verdict: lapin::Result<Verdict>) -> Result<(), Error> {
        let arrived = match verdict.map_err(|error| Error::amqp("publishing", error))? {
            Verdict::Confirmed => {
                self.stalls.succeed(to);
                self.published = true;
                true
            }
            Verdict::Unroutable(words) if self.is_nobodys(to) => {
                self.give_up(to, &words);
                true
            }
            Verdict::Unroutable(words) => {
                self.renew = Renew::Everything;
                self.fail(seq, to, &format!("RabbitMQ has no queue for it: {words}; it will be declared again"));
                false
            }
            Verdict::Refused => {
                self.renew = self.renew.max(Renew::Channel);
                self.fail(seq, to, "RabbitMQ refuses it: the queue is full (drain it, or raise its max-length)");
                false
            }
        };
        if let Some(mut row) = self.rows.remove(&seq) {
            row.open -= 1;
            if arrived {
                row.reached.push(to.clone());
            } else {
                row.failed = true;
            }
            self.close_row(seq, row);
        }
        Ok(())
    }

    /// Keeps a row that has messages under way; else it is done, or stays in the outbox.
    fn close_row(&mut self, seq: i64, row: Row) {
        if row.open > 0 {
            self.rows.insert(seq, row);
        } else if !row.failed {
            self.memory.confirmed.insert(seq);
        } else {
            self.stalls.keep(seq);
            self.more = true;
            if !row.reached.is_empty() && self.memory.reached.len() < REMEMBERED_MAX {
                self.memory.reached.insert(seq, row.reached);
            }
        }
    }

    /// Whether nobody wants what cannot be routed there: then it is done. Our own queues are declared again instead.
    fn is_nobodys(&self, to: &Destination) -> bool {
        match to {
            Destination::Reply(_) | Destination::Events => true,
            Destination::Results => self.relay.options.results_queue.is_empty(),
            Destination::Dead => false,
        }
    }

    /// Says once that something has no taker.
    fn give_up(&mut self, to: &Destination, words: &str) {
        let name = self.name_of(to);
        if self.memory.said.len() < REMEMBERED_MAX && self.memory.said.insert(name.clone()) {
            match to {
                Destination::Reply(_) => tracing::warn!("{name} gets no copies of results: {words}"),
                Destination::Events => tracing::debug!("no queue is bound for {BATCH_COMPLETED}: {words}"),
                Destination::Results | Destination::Dead => tracing::warn!(
                    "{name}: nobody is bound to it, and broker.results_queue is \"\": results are dropped ({words})"
                ),
            }
        }
    }

    /// Lets a destination wait; says so when the trouble begins.
    fn fail(&mut self, seq: i64, to: &Destination, why: &str) {
        if self.stalls.fail(to, seq, self.relay.clock.mono(), retry_delay) {
            self.relay.stall(&format!("{}: {why}", self.name_of(to)));
        }
    }

    fn name_of(&self, to: &Destination) -> String {
        match to {
            Destination::Results => format!("exchange {:?}", self.relay.options.results_exchange),
            Destination::Events => "events of batches".to_owned(),
            Destination::Dead => format!("queue {:?}", self.relay.options.dead_queue),
            Destination::Reply(queue) => format!("reply_to {queue:?}"),
        }
    }

    /// Forgets what was confirmed. A ledger that cannot is asked again; until then the rows are known here.
    async fn forget_confirmed(&mut self) {
        if self.memory.confirmed.is_empty() {
            return;
        }
        let seqs: Vec<i64> = self.memory.confirmed.iter().copied().collect();
        crash_points::reach("after-confirm");
        let rows = seqs.len();
        match self.relay.ledger.outbox_done(seqs).await {
            Ok(()) => {
                tracing::debug!(rows, "published, confirmed and forgotten");
                self.memory.confirmed.clear();
                if !self.stalls.any() {
                    self.relay.state.send_if_modified(|state| {
                        let was = matches!(state, State::Stalled { .. });
                        if was {
                            *state = State::Publishing;
                        }
                        was
                    });
                }
            }
            Err(error) => self.relay.stall(&error.to_string()),
        }
    }

    /// Looks at what no event tells: overdue confirms, and rows that became visible out of order.
    fn look(&mut self, blocked: bool) -> Result<(), Error> {
        self.more = true;
        let now = self.relay.clock.mono();
        let oldest = self.rows.values().map(|row| row.sent_at.max(self.patient_from)).min();
        // While an alarm lasts, confirms are late by intent.
        if let Some(since) = oldest
            && !blocked
            && now.since(since) > CONFIRM_TIMEOUT
        {
            return Err(Error::Silent { what: "confirming a message", seconds: CONFIRM_TIMEOUT.as_secs() });
        }
        if self.rows.is_empty() && self.memory.confirmed.is_empty() && !self.stalls.is_waiting() {
            self.stalls.start_over();
        }
        Ok(())
    }
}

/// A channel with everything declared that is published to.
async fn open(session: &Session, options: &Options) -> Result<Channel, Error> {
    topology::declare_outgoing(session, options).await?;
    confirming(session).await
}

fn fault_of(error: &LedgerError) -> Error {
    Error::Fault(Fault { text: error.to_string(), cure: String::new() })
}
