//! Taking inputs over: new jobs, known ids, and inputs that are no jobs.

use rusqlite::{named_params, params};

use super::books::{Books, REJECTED, Trouble};
use super::job_row::{self, JobText, OriginText};
use crate::domain::job::Rejection;
use crate::domain::reason::Reason;
use crate::domain::time::Timestamp;
use crate::engine::ports::{Arrival, JobSeq, TakenOver, Waiting};
use crate::store::state::State;

/// An arrival whose texts are made before the writer's turn.
pub(crate) struct Incoming {
    input: Result<JobText, Box<Rejection>>,
    raw: bytes::Bytes,
    amqp: Option<String>,
    amqp_reply_to: Option<String>,
    place: String,
    cells: Option<String>,
}

impl Incoming {
    pub(crate) fn of(arrival: Arrival) -> Self {
        let amqp = arrival.origin.amqp;
        Self {
            input: arrival.input.map(JobText::of),
            raw: arrival.origin.raw,
            amqp: amqp.as_ref().and_then(|amqp| serde_json::to_string(amqp).ok()),
            amqp_reply_to: amqp.and_then(|amqp| amqp.reply_to),
            place: arrival.origin.place,
            cells: arrival.origin.cells,
        }
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
    let rejected_before = exists(books, "SELECT EXISTS (SELECT 1 FROM rejected)")?;
    let mut rejected = rejected_before;
    let mut taken = Vec::with_capacity(incoming.len());
    for arrival in incoming {
        let became = match &arrival.input {
            Ok(text) => take_job(books, text, arrival, now, rejected)?,
            Err(rejection) => {
                reject(books, arrival, &RejectionText::of(rejection), now)?;
                TakenOver::Rejected
            }
        };
        rejected |= became == TakenOver::Rejected;
        taken.push(became);
    }
    Ok(taken)
}

fn exists(books: &Books, sql: &str) -> rusqlite::Result<bool> {
    books.conn().prepare_cached(sql)?.query_row([], |row| row.get(0))
}

fn take_job(
    books: &mut Books,
    text: &JobText,
    arrival: &Incoming,
    now: Timestamp,
    rejected_before: bool,
) -> Result<TakenOver, Trouble> {
    let became = match job_row::insert(books, text, &arrival.origin(), now)? {
        Some((seq, batch)) => {
            books.tally(batch, State::Queued.number(), 1);
            books.announce(seq)?;
            TakenOver::Queued(waiting(seq, text))
        }
        None => take_known(books, text, arrival, now)?,
    };
    if rejected_before && became != TakenOver::Rejected {
        forget_rejections(books, text, arrival, now)?;
    }
    Ok(became)
}

fn waiting(seq: JobSeq, text: &JobText) -> Waiting {
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

struct Known {
    seq: JobSeq,
    same: bool,
    state: i64,
    batch: i64,
    outbox: Option<i64>,
    from_amqp: bool,
}

fn take_known(books: &mut Books, text: &JobText, arrival: &Incoming, now: Timestamp) -> Result<TakenOver, Trouble> {
    let known = books
        .conn()
        .prepare_cached("SELECT seq, hash = ?2, state, batch, outbox, amqp IS NOT NULL FROM jobs WHERE id = ?1")?
        .query_row(params![text.job.id, text.hash], |row| {
            Ok(Known {
                seq: JobSeq(row.get(0)?),
                same: row.get(1)?,
                state: row.get(2)?,
                batch: row.get(3)?,
                outbox: row.get(4)?,
                from_amqp: row.get(5)?,
            })
        })?;
    if !known.same {
        reject(books, arrival, &RejectionText::of_conflict(text), now)?;
        return Ok(TakenOver::Rejected);
    }
    match State::of_number(known.state) {
        Some(State::Dead | State::Cancelled) => {
            let state = if known.state == State::Dead.number() { State::Dead } else { State::Cancelled };
            requeue(books, &known, state, text, arrival, now)
        }
        Some(State::Succeeded) => {
            publish_again(books, &known, text, arrival)?;
            Ok(TakenOver::Succeeded)
        }
        Some(State::Queued | State::Uncertain | State::Held) | None => {
            adopt(books, &known, arrival)?;
            Ok(TakenOver::Known)
        }
    }
}

fn requeue(
    books: &mut Books,
    known: &Known,
    state: State,
    text: &JobText,
    arrival: &Incoming,
    now: Timestamp,
) -> Result<TakenOver, Trouble> {
    let batch = books.batch(text.job.batch.as_deref(), now)?;
    // Its dead letter, if it is still on its way, is no longer true.
    if let Some(outbox) = known.outbox {
        books.conn().prepare_cached("DELETE FROM outbox WHERE seq = ?1")?.execute([outbox])?;
    }
    job_row::renew(books, known.seq, batch, text, &arrival.origin())?;
    books.tally(known.batch, state.number(), -1);
    books.tally(batch, State::Queued.number(), 1);
    books.announce(known.seq)?;
    Ok(TakenOver::Queued(waiting(known.seq, text)))
}

/// Who publishes a job again waits for its result, with the properties of this time.
fn publish_again(books: &Books, known: &Known, text: &JobText, arrival: &Incoming) -> Result<(), Trouble> {
    if arrival.amqp.is_some() {
        let reply_to = text.job.reply_to.as_ref().or(arrival.amqp_reply_to.as_ref());
        books
            .conn()
            .prepare_cached("INSERT INTO outbox (job, amqp, reply_to) VALUES (?1, ?2, ?3)")?
            .execute(params![known.seq.0, arrival.amqp, reply_to])?;
    }
    Ok(())
}

/// A job that came from a file and now also by AMQP is published when it ends.
fn adopt(books: &Books, known: &Known, arrival: &Incoming) -> Result<(), Trouble> {
    if !known.from_amqp && arrival.amqp.is_some() {
        books.conn().prepare_cached("UPDATE jobs SET amqp = ?2, raw = ?3 WHERE seq = ?1")?.execute(params![
            known.seq.0,
            arrival.amqp,
            &*arrival.raw
        ])?;
    }
    Ok(())
}

/// What the ledger keeps of an input that is no job.
struct RejectionText<'a> {
    id: Option<&'a str>,
    method: Option<&'a str>,
    app: Option<&'a str>,
    batch: Option<&'a str>,
    reason: Reason,
    detail: String,
}

impl<'a> RejectionText<'a> {
    fn of(rejection: &'a Rejection) -> Self {
        Self {
            id: rejection.id.as_deref(),
            method: rejection.method.as_deref(),
            app: rejection.app.as_deref(),
            batch: rejection.batch.as_deref(),
            reason: rejection.reason(),
            detail: rejection.detail(),
        }
    }

    fn of_conflict(text: &'a JobText) -> Self {
        let job = &text.job;
        Self {
            id: Some(&job.id),
            method: Some(&job.lane.method),
            app: Some(&job.lane.app),
            batch: job.batch.as_deref(),
            reason: Reason::IdConflict,
            detail: format!(
                "the id {:?} belongs to another job: its method, app, tenant, identity or parameters differ; that job is untouched",
                job.id
            ),
        }
    }
}

fn reject(books: &mut Books, arrival: &Incoming, text: &RejectionText<'_>, now: Timestamp) -> Result<(), Trouble> {
    let batch = books.batch(text.batch, now)?;
    forget_place(books, batch, &arrival.place)?;
    let rejected = books
        .conn()
        .prepare_cached(
            "INSERT INTO rejected (id, method, app, batch, reason, detail, amqp, place, cells, at, raw)
             VALUES (:id, :method, :app, :batch, :reason, :detail, :amqp, :place, :cells, :at, :raw)",
        )?
        .insert(named_params! {
            ":id": text.id,
            ":method": text.method,
            ":app": text.app,
            ":batch": batch,
            ":reason": text.reason.as_str(),
            ":detail": text.detail,
            ":amqp": arrival.amqp,
            ":place": arrival.place,
            ":cells": arrival.cells,
            ":at": now.0,
            ":raw": &*arrival.raw,
        })?;
    books.tally(batch, REJECTED, 1);
    if arrival.amqp.is_some() {
        books
            .conn()
            .prepare_cached("INSERT INTO outbox (rejected, reply_to) VALUES (?1, ?2)")?
            .execute(params![rejected, arrival.amqp_reply_to])?;
    }
    Ok(())
}

/// The same row of the same file again: what was wrong with it before is no longer true.
fn forget_place(books: &mut Books, batch: i64, place: &str) -> Result<(), Trouble> {
    if place.is_empty() {
        return Ok(());
    }
    let gone = books
        .conn()
        .prepare_cached("DELETE FROM rejected WHERE batch = ?1 AND place = ?2")?
        .execute(params![batch, place])?;
    books.tally_removed(batch, REJECTED, gone);
    Ok(())
}

/// A job that was no job before: its earlier rejections are no longer true, except those still to be published and
/// those that say that the id belongs to this very job.
fn forget_rejections(books: &mut Books, text: &JobText, arrival: &Incoming, now: Timestamp) -> Result<(), Trouble> {
    let batch = books.batch(text.job.batch.as_deref(), now)?;
    forget_place(books, batch, &arrival.place)?;
    let gone = books
        .conn()
        .prepare_cached(
            "DELETE FROM rejected WHERE id = ?1 AND batch = ?2 AND place = '' AND reason <> 'id-conflict'
                 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.rejected = rejected.seq)",
        )?
        .execute(params![text.job.id, batch])?;
    books.tally_removed(batch, REJECTED, gone);
    Ok(())
}
