//! Taking inputs over: new jobs, known ids, and inputs that are no jobs.

mod rejections;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use self::rejections::{RejectionText, forget_rejections, reject};
use super::activity;
use super::books::{Books, Trouble};
use super::chains::{self, Start};
use super::job_row::{self, JobText, OriginText};
use super::repeat::{Asker, count_conflict, unanswered};
use super::tallies::{PILE_COLUMNS, PILE_COLUMNS_LEN, Pile, Place, read_pile};
use super::waiting;
use crate::driver::{Error, values};
use crate::state::State;
use paceline_domain::activity::Deed;
use paceline_domain::job::Rejection;
use paceline_domain::time::Timestamp;
use paceline_ports::{AmqpOrigin, Arrival, JobSeq, TakenOver, Waiting};

/// An arrival whose texts are made before the writer's turn.
pub(crate) struct Incoming {
    input: Result<JobText, Box<Rejection>>,
    raw: bytes::Bytes,
    amqp: Option<String>,
    amqp_reply_to: Option<String>,
    user_id: Option<String>,
    place: String,
    cells: Option<String>,
    redelivered: bool,
    is_answered: bool,
    by: Option<Arc<Deed>>,
}

impl Incoming {
    pub(crate) fn of(arrival: Arrival) -> Self {
        let amqp = arrival.origin.amqp;
        Self {
            input: arrival.input.map(JobText::of),
            raw: arrival.origin.raw,
            amqp: amqp.as_ref().and_then(|amqp| serde_json::to_string(amqp).ok()),
            user_id: amqp.as_ref().and_then(|amqp| amqp.user_id.clone()),
            amqp_reply_to: amqp.and_then(|amqp| amqp.reply_to),
            place: arrival.origin.place,
            cells: arrival.origin.cells,
            redelivered: arrival.origin.redelivered,
            is_answered: arrival.origin.is_answered,
            by: arrival.origin.by,
        }
    }

    /// Who asks to be answered.
    fn asker<'a>(&'a self, text: &'a JobText) -> Asker<'a> {
        let reply_to = text.job.reply_to.as_deref().or(self.amqp_reply_to.as_deref());
        Asker { reply_to, user_id: self.user_id.as_deref() }
    }

    /// Whether it is somebody else's than the job, which came with these properties and an address of its own.
    fn is_by_stranger(&self, text: &JobText, amqp: Option<&str>, reply_to: Option<String>) -> bool {
        let first: AmqpOrigin = amqp.and_then(|amqp| serde_json::from_str(amqp).ok()).unwrap_or_default();
        let reply_to = reply_to.or(first.reply_to);
        let first = Asker { reply_to: reply_to.as_deref(), user_id: first.user_id.as_deref() };
        self.asker(text).is_stranger_to(&first)
    }

    fn origin(&self) -> OriginText<'_> {
        OriginText {
            amqp: self.amqp.as_deref(),
            raw: self.amqp.is_some().then_some(&*self.raw),
            place: Some(self.place.as_str()).filter(|place| !place.is_empty()),
            cells: self.cells.as_deref(),
        }
    }
}

/// Takes all of them over, in their order.
pub(crate) fn take_over(books: &mut Books, incoming: &[Incoming], now: Timestamp) -> Result<Vec<TakenOver>, Trouble> {
    // Mostly nothing was ever rejected: then no job needs to look for an earlier rejection of itself.
    let rejected_before = books.conn().query_value("SELECT EXISTS (SELECT 1 FROM rejected)", &[])?;
    let jobs: Vec<_> =
        incoming.iter().filter_map(|arrival| Some((arrival.input.as_ref().ok()?, arrival.origin()))).collect();
    let mut inserted = job_row::insert_all(books, &jobs, now)?.into_iter();
    books.announce_ahead(jobs.iter().map(|(text, _)| &text.job.lane))?;
    let mut fresh = Fresh::of(books, &jobs)?;
    let mut rejected = rejected_before;
    let mut taken = Vec::with_capacity(incoming.len());
    for arrival in incoming {
        let became = match &arrival.input {
            Ok(text) => {
                let became = match inserted.next().flatten() {
                    Some((seq, place)) => take_new(books, text, (seq, place), &mut fresh, now)?,
                    None => take_known(books, text, arrival, now)?,
                };
                if rejected && became != TakenOver::Rejected {
                    forget_rejections(books, text, arrival, now)?;
                }
                became
            }
            Err(rejection) => {
                reject(books, arrival, &RejectionText::of(rejection), arrival.amqp_reply_to.as_deref(), now)?;
                TakenOver::Rejected
            }
        };
        rejected |= became == TakenOver::Rejected;
        taken.push(became);
    }
    tell(books, incoming, &taken, now)?;
    Ok(taken)
}

/// Tells of what people have put into the ledger by this.
fn tell(books: &Books, incoming: &[Incoming], taken: &[TakenOver], now: Timestamp) -> Result<(), Trouble> {
    let mut deeds: Vec<(&Arc<Deed>, usize)> = Vec::new();
    for (arrival, became) in incoming.iter().zip(taken) {
        let Some(by) = &arrival.by else { continue };
        let is_change = match became {
            TakenOver::Queued(_) | TakenOver::Blocked => true,
            TakenOver::Rejected => !arrival.is_answered,
            TakenOver::Known | TakenOver::Succeeded => false,
        };
        match deeds.iter_mut().find(|(deed, _)| Arc::ptr_eq(deed, by)) {
            Some((_, count)) => *count += usize::from(is_change),
            None => deeds.push((by, is_change.into())),
        }
    }
    deeds.into_iter().try_for_each(|(deed, count)| activity::record(books, deed, count, now))
}

/// New jobs of one take-over of which it is known that they have not ended: who waits for such alone need not be looked at.
struct Fresh<'a> {
    ids: HashSet<&'a str>,
    /// Whether nobody can have waited for a job before it was there, as one who closes a circle is.
    is_known: bool,
}

impl<'a> Fresh<'a> {
    fn of(books: &Books, jobs: &[(&JobText, OriginText<'_>)]) -> Result<Self, Error> {
        let is_chain = jobs.iter().any(|(text, _)| text.needs.state() == State::Blocked);
        let is_known = is_chain && !chains::is_any_absent(books.conn())?;
        Ok(Self { ids: HashSet::new(), is_known })
    }

    fn add(&mut self, text: &'a JobText) {
        if self.is_known {
            self.ids.insert(&text.job.id);
        }
    }
}

/// A job that was inserted.
fn take_new<'a>(
    books: &mut Books,
    text: &'a JobText,
    (seq, place): (JobSeq, Place),
    fresh: &mut Fresh<'a>,
    now: Timestamp,
) -> Result<TakenOver, Trouble> {
    if text.needs.state() == State::Blocked {
        books.tallies.add(place.pile(State::Blocked, None, None), now);
        if !text.needs.are_all(|id| fresh.ids.contains(id)) {
            return begin(books, seq, Start::New, now);
        }
        fresh.add(text);
        return Ok(TakenOver::Blocked);
    }
    fresh.add(text);
    books.tallies.add(place.queued(), now);
    books.announce(seq, place.lane)?;
    Ok(TakenOver::Queued(waiting_of(seq, text)))
}

/// A job that waits for others, unless they are all done.
fn begin(books: &mut Books, seq: JobSeq, how: Start, now: Timestamp) -> Result<TakenOver, Trouble> {
    Ok(chains::start(books, seq, how, now)?.map_or(TakenOver::Blocked, TakenOver::Queued))
}

fn waiting_of(seq: JobSeq, text: &JobText) -> Waiting {
    let job = &text.job;
    Waiting {
        seq,
        lane: job.lane.clone(),
        batch: job.batch.as_deref().unwrap_or_default().into(),
        priority: job.priority,
        not_before: job.not_before,
        not_after: job.not_after,
        attempts: 0,
        uncertain: false,
    }
}

/// What comes, compared with what is known under its id.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    /// The same.
    Same,
    /// What upstream published before a person edited it: the same job, and the edited content stands.
    BeforeEdit,
    /// Something else; `edited` if a person has edited the job.
    Other { edited: bool },
}

struct Known {
    seq: JobSeq,
    content: Content,
    pile: Pile,
    priority: i64,
    outbox: Option<i64>,
    from_amqp: bool,
    /// Whether it is not for who asks now to be answered.
    by_stranger: bool,
}

static KNOWN: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {PILE_COLUMNS}, j.seq, j.hash, j.edited_hash, j.outbox, j.amqp, j.reply_to FROM jobs j WHERE j.id = $1"
    )
});

fn take_known(books: &mut Books, text: &JobText, arrival: &Incoming, now: Timestamp) -> Result<TakenOver, Trouble> {
    let seal = books.conn().seal();
    let known = books.conn().query_one(&KNOWN, values![text.job.id], |row| {
        const AT: usize = PILE_COLUMNS_LEN;
        let (hash, edited_hash): (Vec<u8>, Option<Vec<u8>>) = (row.get(AT + 1)?, row.get(AT + 2)?);
        let is_first = seal.is_content(&hash, &text.hash)?;
        let is_edited = edited_hash.as_deref().map(|hash| seal.is_content(hash, &text.hash)).transpose()?;
        let content = match (is_first, is_edited) {
            (true, Some(_)) => Content::BeforeEdit,
            (true, None) | (false, Some(true)) => Content::Same,
            (false, edited) => Content::Other { edited: edited.is_some() },
        };
        let (amqp, reply_to): (Option<String>, Option<String>) = (row.get(AT + 4)?, row.get(AT + 5)?);
        Ok(Known {
            by_stranger: arrival.amqp.is_some() && arrival.is_by_stranger(text, amqp.as_deref(), reply_to),
            seq: row.get(AT)?,
            content,
            pile: read_pile(row)?,
            priority: row.get(2)?,
            outbox: row.get(AT + 3)?,
            from_amqp: amqp.is_some(),
        })
    })?;
    if let Content::Other { edited } = known.content {
        if let Some(taken) = take_corrected(books, &known, text, arrival, now)? {
            return Ok(taken);
        }
        conflict(books, &known, text, edited, arrival, now)?;
        return Ok(TakenOver::Rejected);
    }
    match known.pile.state() {
        Some(State::Dead | State::Cancelled) => requeue(books, &known, text, arrival, now),
        Some(State::Succeeded) => {
            publish_again(books, &known, text, arrival)?;
            Ok(TakenOver::Succeeded)
        }
        Some(State::Queued | State::Uncertain | State::Held | State::Blocked) | None => {
            adopt(books, &known, text, arrival)?;
            Ok(TakenOver::Known)
        }
    }
}

/// Other content under a known id. Whoever is no party to the job hears nothing of it, as of the same content.
fn conflict(
    books: &mut Books,
    known: &Known,
    text: &JobText,
    edited: bool,
    arrival: &Incoming,
    now: Timestamp,
) -> Result<(), Trouble> {
    if arrival.amqp.is_some() && count_conflict(books, &text.job.id, now)? {
        return Ok(());
    }
    let reply_to = if known.by_stranger { Some("") } else { arrival.asker(text).reply_to };
    reject(books, arrival, &RejectionText::of_conflict(text, edited), reply_to, now)
}

/// A row of a file that a person has corrected after its job died or was cancelled: the same job with the new content, as
/// after `dead edit`. Only what came from files alone, and in its own lane: upstream's messages stay what they are.
fn take_corrected(
    books: &mut Books,
    known: &Known,
    text: &JobText,
    arrival: &Incoming,
    now: Timestamp,
) -> Result<Option<TakenOver>, Trouble> {
    if !matches!(known.pile.state(), Some(State::Dead | State::Cancelled)) {
        return Ok(None);
    }
    if known.from_amqp || arrival.amqp.is_some() || arrival.place.is_empty() {
        return Ok(None);
    }
    if books.lane(&text.job.lane)? != known.pile.lane {
        return Ok(None);
    }
    job_row::rewrite(books, known.seq, text, now)?;
    requeue(books, known, text, arrival, now).map(Some)
}

fn requeue(
    books: &mut Books,
    known: &Known,
    text: &JobText,
    arrival: &Incoming,
    now: Timestamp,
) -> Result<TakenOver, Trouble> {
    let batch = books.batch(text.job.batch.as_deref(), now)?;
    // Its dead letter, if it is still on its way, is no longer true.
    if let Some(outbox) = known.outbox {
        books.conn().send("DELETE FROM outbox WHERE seq = $1", values![outbox])?;
    }
    let keep = known.content == Content::BeforeEdit || known.by_stranger;
    let amqp = amqp_of_known(known, arrival);
    let mut origin = OriginText { amqp: amqp.as_deref(), ..arrival.origin() };
    if known.by_stranger && known.from_amqp {
        // The first message stays what its dead letter gives back.
        origin.raw = None;
    }
    let state = job_row::renew(books, known.seq, batch, text, &origin, keep)?;
    let priority = if keep { known.priority } else { text.job.priority.into() };
    let place = Place { batch, lane: known.pile.lane, priority };
    books.tallies.moved(known.pile, place.pile(state, None, None), now);
    if state == State::Blocked {
        return begin(books, known.seq, Start::Again, now);
    }
    books.announce(known.seq, known.pile.lane)?;
    let kept = if keep { waiting::one(books.conn(), known.seq)? } else { None };
    Ok(TakenOver::Queued(kept.unwrap_or_else(|| waiting_of(known.seq, text))))
}

/// Who publishes a job again waits for its result, with the properties of this time. A stranger's repeat brings it where
/// the first message wanted it, with what that one said.
fn publish_again(books: &Books, known: &Known, text: &JobText, arrival: &Incoming) -> Result<(), Trouble> {
    if arrival.amqp.is_some() {
        let reply_to = arrival.asker(text).reply_to.filter(|_| !known.by_stranger);
        books.conn().send(
            "INSERT INTO outbox (job, amqp, reply_to) VALUES ($1, $2, $3)",
            values![known.seq, amqp_of_known(known, arrival), reply_to],
        )?;
    }
    Ok(())
}

/// The properties under which a job is answered from now on, if they are new ones.
fn amqp_of_known<'a>(known: &Known, arrival: &'a Incoming) -> Option<Cow<'a, str>> {
    match (known.by_stranger, known.from_amqp) {
        (false, _) => arrival.amqp.as_deref().map(Cow::Borrowed),
        (true, true) => None,
        (true, false) => unanswered(arrival.amqp.as_deref()).map(Cow::Owned),
    }
}

/// A job that came from a file and now also by AMQP is published when it ends.
fn adopt(books: &Books, known: &Known, text: &JobText, arrival: &Incoming) -> Result<(), Trouble> {
    if !known.from_amqp && arrival.amqp.is_some() {
        let raw = text.sealed_raw(books.conn().seal(), Some(&arrival.raw))?;
        books.conn().send(
            "UPDATE jobs SET amqp = $2, raw = $3 WHERE seq = $1",
            values![known.seq, amqp_of_known(known, arrival), raw],
        )?;
    }
    Ok(())
}
