//! The outbox over one connection: read, publish many at once, forget what was confirmed.
//!
//! It knows nothing of reconnecting; [`super::relay`] starts the next run.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::channels::{Channels, Renew};
use super::claims::Claims;
use super::fault::Error;
use super::memory::Memory;
use super::outgoing::{Destination, destinations, publication};
use super::ports::Endings;
use super::publish::{Verdict, publish};
use super::relay::Relay;
use super::session::Session;
use super::stalls::Stalls;
use super::troubles::Concern;
use super::{CONFIRM_TIMEOUT, retry_delay, topology, until_stopped};
use paceline_domain::messages::{BrokerCause, BrokerCure, BrokerFault, BrokerPart, BrokerStep};
use paceline_domain::reason::Reason;
use paceline_domain::time::Mono;
use paceline_ports::crash_points;
use paceline_ports::{LedgerError, Outgoing, Reached};

/// Confirmed rows that are forgotten in one transaction.
const DONE_BATCH: usize = 256;
/// A missed wake-up or an overdue confirm is noticed within this.
const TICK: Duration = Duration::from_millis(500);
/// What is still in the outbox when the process stops is published for this long; the rest after the next start.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// Callers' queues that are remembered as gone. Beyond it some is said twice.
const REMEMBERED_MAX: usize = 10_000;

/// A row under way.
struct Row {
    open: usize,
    failed: bool,
    sent_at: Mono,
    /// How far it was before, and is now.
    before: Reached,
    reached: Reached,
}

/// What became of one message of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Landed {
    Arrived,
    /// A subscriber's queue refused it.
    Refused,
    Failed,
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
    claims: Claims,
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
        memory.aside.start_over();
        Self {
            relay,
            session,
            memory,
            stalls: Stalls::default(),
            in_flight: FuturesUnordered::new(),
            rows: HashMap::new(),
            claims: Claims::from(relay.clock.mono()),
            more: true,
            renew: Renew::Nothing,
            patient_from: relay.clock.mono(),
            published: false,
        }
    }

    /// Publishes until told to stop and drained; an error means that this connection is of no more use for now.
    pub(super) async fn publish_all(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), Error> {
        let opened = tokio::select! {
            opened = Channels::declared(self.session, &self.relay.options) => opened,
            // A broker that does not answer must not hold the process up.
            () = async { until_stopped(&mut stop.clone()).await; tokio::time::sleep(DRAIN_MAX).await } => return Ok(()),
        };
        let mut channels = opened?;
        self.memory.troubles.end(&BrokerPart::RabbitMq);
        self.publish_state();
        let mut blocked = self.session.blocked();
        let mut drained_by = None;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_blocked = blocked.borrow_and_update().is_some();
            self.refill(&mut channels, is_blocked).await?;
            if self.memory.confirmed.len() >= DONE_BATCH || self.in_flight.is_empty() {
                self.record().await;
            }
            if let Some(by) = drained_by
                && (self.is_idle() || self.relay.clock.mono() >= by)
            {
                channels.close().await;
                return Ok(());
            }
            tokio::select! {
                Some((seq, to, verdict)) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    self.settle(seq, &to, verdict)?;
                    while let Some(Some((seq, to, verdict))) = self.in_flight.next().now_or_never() {
                        self.settle(seq, &to, verdict)?;
                    }
                    self.publish_state();
                }
                () = self.relay.endings.until_changed() => self.more = true,
                _ = tick.tick() => {
                    self.look(is_blocked)?;
                    self.keep_claims().await;
                }
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
        let is_recorded = self.memory.confirmed.is_empty() && self.memory.reached.is_empty();
        self.in_flight.is_empty() && !self.more && is_recorded
    }

    /// Reads and sends as much as may be under way.
    async fn refill(&mut self, channels: &mut Channels, blocked: bool) -> Result<(), Error> {
        if self.stalls.end_due(self.relay.clock.mono()) {
            self.renew(channels).await?;
            // What was confirmed must be gone before reading back, or it would be read again.
            self.record().await;
            self.more = true;
        }
        if blocked {
            return Ok(());
        }
        self.refill_aside(channels).await?;
        let window = self.relay.options.in_flight_max;
        // Half empty first: many small reads cost more than they win.
        while self.more && self.rows.len() <= window / 2 {
            let limit = window - self.rows.len();
            let after = self.stalls.read_after();
            let read = self.relay.outbox.claim(after, limit).await;
            let Some(rows) = self.rows_of(read) else { break };
            self.more = rows.len() >= limit;
            for row in rows {
                self.stalls.read_to(row.seq);
                self.send(channels, row, false);
            }
        }
        Ok(())
    }

    /// Tries again what a subscriber has refused, if it is time.
    async fn refill_aside(&mut self, channels: &mut Channels) -> Result<(), Error> {
        let room = self.memory.aside.room(self.relay.clock.mono());
        if room == 0 || self.stalls.is_stalled(&Destination::Subscribers) {
            return Ok(());
        }
        // What the ledger does not know yet would be read as it was.
        self.record().await;
        let read = self.relay.outbox.claim_aside(self.memory.aside.in_flight() + room).await;
        let Some(mut rows) = self.rows_of(read) else { return Ok(()) };
        rows.retain(|row| !self.rows.contains_key(&row.seq));
        if rows.is_empty() {
            if self.memory.aside.in_flight() == 0 {
                self.memory.aside.found_none();
                self.heal(&self.subscribers());
            }
            return Ok(());
        }
        self.renew(channels).await?;
        for row in rows.into_iter().take(room) {
            self.send(channels, row, true);
        }
        Ok(())
    }

    /// An old channel closes by itself when the last message on it has its verdict.
    async fn renew(&mut self, channels: &mut Channels) -> Result<(), Error> {
        match std::mem::take(&mut self.renew) {
            Renew::Nothing => {}
            Renew::Channels => *channels = Channels::open(self.session).await?,
            Renew::Everything => *channels = Channels::declared(self.session, &self.relay.options).await?,
        }
        Ok(())
    }

    /// What was read; `None` if the ledger cannot be read now. It is asked again.
    fn rows_of(&mut self, read: Result<Vec<Outgoing>, LedgerError>) -> Option<Vec<Outgoing>> {
        match read {
            Ok(rows) => {
                self.heal(&BrokerPart::ReadingLedger);
                Some(rows)
            }
            Err(error) => {
                self.trouble(&BrokerPart::ReadingLedger, Concern::All, of_ledger(&error));
                None
            }
        }
    }

    /// Puts a row's messages on their way.
    fn send(&mut self, channels: &Channels, row: Outgoing, aside: bool) {
        let Outgoing { seq, ending, reached } = row;
        let before = self.memory.reached.get(&seq).copied().unwrap_or(reached);
        if self.rows.contains_key(&seq) || self.memory.confirmed.contains(&seq) || before.is_aside() != aside {
            return;
        }
        let job = ending.label.id.as_deref();
        tracing::trace!(row = seq, job, reason = ending.reason.map(Reason::as_str), "publishing");
        let mut under_way = Row { open: 0, failed: false, sent_at: self.relay.clock.mono(), before, reached: before };
        if aside {
            self.memory.aside.send();
        }
        for to in destinations(&ending, &self.relay.options) {
            let is_refused = to == Destination::Subscribers && before.has(Reached::REFUSED);
            if before.has(to.part()) || is_refused && !aside {
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
                    let sent = publish(Arc::clone(channels.to(&to)), message);
                    self.in_flight.push(sent.map(move |verdict| (seq, to, verdict)).boxed());
                }
                None => self.give_up(&to, "AMQP cannot carry a name of more than 255 bytes"),
            }
        }
        self.close_row(seq, under_way);
    }

    /// Books what the broker did with one message of a row.
    fn settle(&mut self, seq: i64, to: &Destination, verdict: lapin::Result<Verdict>) -> Result<(), Error> {
        let landed = match verdict {
            Err(error) => {
                self.lose_channel(seq, to, Error::amqp(BrokerStep::Publishing, error))?;
                Landed::Failed
            }
            Ok(verdict) => self.judge(seq, to, verdict),
        };
        let Some(mut row) = self.rows.remove(&seq) else { return Ok(()) };
        row.open -= 1;
        match landed {
            Landed::Arrived => {
                row.reached = row.reached.and(to.part());
                if row.before.is_aside() {
                    self.memory.aside.succeed(self.relay.options.in_flight_max);
                }
            }
            Landed::Refused => row.reached = row.reached.and(Reached::REFUSED),
            Landed::Failed => row.failed = true,
        }
        self.close_row(seq, row);
        Ok(())
    }

    fn judge(&mut self, seq: i64, to: &Destination, verdict: Verdict) -> Landed {
        match verdict {
            Verdict::Confirmed => {
                self.published = true;
                if self.stalls.succeed(to) {
                    let name = self.name_of(to);
                    self.memory.troubles.end(&name);
                }
                Landed::Arrived
            }
            Verdict::Unroutable(words) if matches!(to, Destination::Reply(_) | Destination::Subscribers) => {
                self.give_up(to, &words);
                Landed::Arrived
            }
            Verdict::Unroutable(words) => {
                self.renew = Renew::Everything;
                self.fail(seq, to, BrokerFault::new(BrokerCause::QueueMissing { words }, None));
                Landed::Failed
            }
            Verdict::Refused if *to == Destination::Subscribers => {
                self.renew = self.renew.max(Renew::Channels);
                self.memory.aside.refuse(self.relay.clock.mono());
                // The broker tells neither which queue it was, nor that the others have the message.
                let refused = BrokerFault::new(BrokerCause::BoundQueueFull, Some(BrokerCure::DrainBoundQueue));
                self.memory.troubles.note(&self.subscribers(), Concern::Others, refused);
                Landed::Refused
            }
            Verdict::Refused => {
                self.renew = self.renew.max(Renew::Channels);
                self.fail(seq, to, BrokerFault::new(BrokerCause::QueueFull, Some(BrokerCure::DrainQueue)));
                Landed::Failed
            }
        }
    }

    /// The broker has closed a channel over what was published on it; an error if it was the whole connection.
    fn lose_channel(&mut self, seq: i64, to: &Destination, error: Error) -> Result<(), Error> {
        if self.session.is_lost() || !error.is_of_channel() {
            return Err(error);
        }
        self.renew = Renew::Everything;
        let exchange = match to {
            Destination::Subscribers => self.relay.options.results_exchange.as_str(),
            Destination::Results | Destination::Dead | Destination::Reply(_) => topology::DEFAULT_EXCHANGE,
        };
        self.fail(seq, to, topology::fault(&topology::exchange(exchange), &error));
        Ok(())
    }

    /// Keeps a row that has messages under way; else it is done, or stays in the outbox.
    fn close_row(&mut self, seq: i64, row: Row) {
        if row.open > 0 {
            self.rows.insert(seq, row);
            return;
        }
        let was_aside = row.before.is_aside();
        if was_aside {
            self.memory.aside.land();
        }
        let is_refused = row.reached.has(Reached::REFUSED) && !row.reached.has(Reached::SUBSCRIBERS);
        if !row.failed && !is_refused {
            self.memory.reached.remove(&seq);
            self.memory.confirmed.insert(seq);
            return;
        }
        if row.failed && !was_aside {
            self.stalls.keep(seq);
            self.more = true;
        }
        let reached = match row.failed {
            true => row.reached,
            false if was_aside => row.reached.again(),
            false => row.reached.and(Reached::ASIDE),
        };
        if reached != row.before {
            self.memory.reached.insert(seq, reached);
        }
    }

    /// Says once that something has no taker.
    fn give_up(&mut self, to: &Destination, words: &str) {
        let name = self.name_of(to);
        if self.memory.said.len() < REMEMBERED_MAX && self.memory.said.insert(name.to_string()) {
            match to {
                Destination::Reply(_) => tracing::warn!("{name} gets no copies of results: {words}"),
                Destination::Results | Destination::Subscribers | Destination::Dead => tracing::warn!(
                    "{name}: nobody is bound to it, and broker.results_queue is \"\": results are dropped ({words})"
                ),
            }
        }
    }

    /// Lets a destination wait; says so when the trouble begins.
    fn fail(&mut self, seq: i64, to: &Destination, fault: BrokerFault) {
        if self.stalls.fail(to, seq, self.relay.clock.mono(), retry_delay) {
            let is_others = match to {
                Destination::Reply(_) => true,
                Destination::Subscribers => !self.relay.options.results_queue.is_empty(),
                Destination::Results | Destination::Dead => false,
            };
            let concern = if is_others { Concern::Others } else { Concern::All };
            self.trouble(&self.name_of(to), concern, fault);
        }
    }

    fn trouble(&mut self, with: &BrokerPart, concern: Concern, fault: BrokerFault) {
        self.memory.troubles.note(with, concern, fault);
        self.publish_state();
    }

    fn heal(&mut self, with: &BrokerPart) {
        self.memory.troubles.end(with);
        self.publish_state();
    }

    /// Lets `status` and the logs know how it stands.
    fn publish_state(&self) {
        let now = self.memory.troubles.state();
        self.relay.state.send_if_modified(|state| {
            let changes = *state != now;
            if changes {
                *state = now;
            }
            changes
        });
    }

    fn name_of(&self, to: &Destination) -> BrokerPart {
        match to {
            Destination::Results => topology::queue(&self.relay.options.results_queue),
            Destination::Subscribers => topology::exchange(&self.relay.options.results_exchange),
            Destination::Dead => topology::queue(&self.relay.options.dead_queue),
            Destination::Reply(queue) => BrokerPart::ReplyQueue { name: queue.clone() },
        }
    }

    fn subscribers(&self) -> BrokerPart {
        BrokerPart::BoundQueue { exchange: self.relay.options.results_exchange.clone() }
    }

    /// Forgets what was confirmed and records how far the rest has come. A ledger that cannot is asked again; until then
    /// it is known here.
    async fn record(&mut self) {
        if self.memory.confirmed.is_empty() && self.memory.reached.is_empty() {
            return;
        }
        crash_points::reach("after-confirm");
        match self.write().await {
            Ok(()) => self.heal(&BrokerPart::WritingLedger),
            Err(error) => self.trouble(&BrokerPart::WritingLedger, Concern::All, of_ledger(&error)),
        }
    }

    async fn write(&mut self) -> Result<(), LedgerError> {
        let outbox = &self.relay.outbox;
        if !self.memory.confirmed.is_empty() {
            let seqs: Vec<i64> = self.memory.confirmed.iter().copied().collect();
            let rows = seqs.len();
            outbox.done(seqs).await?;
            tracing::debug!(rows, "published, confirmed and forgotten");
            self.memory.confirmed.clear();
        }
        if !self.memory.reached.is_empty() {
            outbox.reached(self.memory.reached.iter().map(|(seq, reached)| (*seq, *reached)).collect()).await?;
            self.memory.reached.clear();
        }
        Ok(())
    }

    async fn keep_claims(&mut self) {
        let Memory { confirmed, reached, .. } = &*self.memory;
        let under_way = self.rows.keys().chain(confirmed).chain(reached.keys()).copied();
        let kept = self.claims.extend(&*self.relay.outbox, under_way, self.relay.clock.mono()).await;
        if let Err(error) = kept {
            self.trouble(&BrokerPart::WritingLedger, Concern::All, of_ledger(&error));
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
            return Err(Error::Silent { step: BrokerStep::ConfirmingMessage, seconds: CONFIRM_TIMEOUT.as_secs() });
        }
        if self.rows.is_empty() && self.memory.confirmed.is_empty() && !self.stalls.is_waiting() {
            self.stalls.start_over();
            // Whatever failed has been dropped: what is left is not about a destination.
            let stays = [BrokerPart::ReadingLedger, BrokerPart::WritingLedger, self.subscribers()];
            self.memory.troubles.retain(|with| stays.contains(with));
            self.publish_state();
        }
        Ok(())
    }
}

fn of_ledger(error: &LedgerError) -> BrokerFault {
    BrokerFault::new(BrokerCause::LedgerSays { words: error.to_string() }, None)
}
