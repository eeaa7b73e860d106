//! What becomes of a job, with its outbox row.

use rusqlite::{OptionalExtension, named_params, params};

use super::books::{Books, Trouble};
use super::undo;
use crate::domain::outcome::Failure;
use crate::domain::reason::Reason;
use crate::domain::time::Timestamp;
use crate::engine::ports::{JobSeq, Settlement};
use crate::store::state::State;

/// A job as settling needs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) state: State,
    pub(crate) batch: i64,
    pub(crate) attempts: i64,
    pub(crate) from_amqp: bool,
}

/// How the job stands; `None` if it was dropped.
pub(crate) fn standing(books: &Books, seq: JobSeq) -> Result<Option<Standing>, Trouble> {
    let row = books
        .conn()
        .prepare_cached("SELECT state, batch, attempts, amqp IS NOT NULL FROM jobs WHERE seq = ?1")?
        .query_row([seq.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    row.map(|(state, batch, attempts, from_amqp)| {
        Ok(Standing { state: known_state(seq, state)?, batch, attempts, from_amqp })
    })
    .transpose()
}

/// A number that this program wrote.
pub(crate) fn known_state(seq: JobSeq, number: i64) -> Result<State, Trouble> {
    State::of_number(number)
        .ok_or_else(|| Trouble::Refused(format!("job number {} has the unknown state {number}", seq.0)))
}

/// Settles the job, unless it has ended already: the first ending stays. `attempt` says that a call for the job itself
/// just ended.
pub(crate) fn apply(
    books: &mut Books,
    seq: JobSeq,
    standing: Standing,
    settlement: &Settlement,
    attempt: bool,
    now: Timestamp,
) -> Result<(), Trouble> {
    if standing.state.is_ended() {
        return Ok(());
    }
    let charged = standing.attempts + i64::from(attempt);
    let to = match settlement {
        Settlement::Succeeded { key, result, sole } => {
            if *sole
                && let Some(key) = key
                && let Some(owner) = owner(books, seq, key)?
            {
                return Err(Trouble::Claimed(owner));
            }
            let result = result.to_string();
            let ended = Ended { key: key.as_deref(), result: Some(&result), ..Ended::of(State::Succeeded) };
            end(books, seq, standing, &ended, charged, now)?
        }
        Settlement::Undone { result, creates, key } => {
            undo::apply(books, seq, creates, key, now)?;
            let result = result.to_string();
            let ended = Ended { result: Some(&result), ..Ended::of(State::Succeeded) };
            end(books, seq, standing, &ended, charged, now)?
        }
        Settlement::Queued { not_before, charged, failure } => {
            let attempts = standing.attempts + i64::from(*charged);
            park(books, seq, State::Queued, *not_before, attempts, failure.as_ref())?
        }
        Settlement::Uncertain { not_before, failure } => {
            park(books, seq, State::Uncertain, Some(*not_before), charged, Some(failure))?
        }
        Settlement::Held { failure } => park(books, seq, State::Held, None, charged, Some(failure))?,
        Settlement::Dead { reason, failure } => {
            let ended = Ended { reason: Some(*reason), failure: Some(failure), ..Ended::of(State::Dead) };
            end(books, seq, standing, &ended, charged, now)?
        }
        Settlement::Cancelled => {
            let failure = Failure { detail: "a person cancelled it".to_owned(), ..Failure::default() };
            let reason = Some(Reason::Cancelled);
            let ended = Ended { reason, failure: Some(&failure), ..Ended::of(State::Cancelled) };
            end(books, seq, standing, &ended, charged, now)?
        }
    };
    books.moved(standing.batch, standing.state, to);
    books.note_settled(now);
    Ok(())
}

/// The id of another job of the same method that owns this object; a word for one that is forgotten.
fn owner(books: &Books, seq: JobSeq, key: &str) -> rusqlite::Result<Option<String>> {
    books
        .conn()
        .prepare_cached(
            "WITH mine AS (SELECT m.method FROM jobs j JOIN lanes m ON m.lane = j.lane WHERE j.seq = ?1)
             SELECT o.id FROM jobs o JOIN lanes l ON l.lane = o.lane
             WHERE o.key = ?2 AND o.seq <> ?1 AND l.method = (SELECT method FROM mine)
             UNION ALL SELECT 'of long ago' FROM owned o JOIN lanes l ON l.lane = o.lane
             WHERE o.key = ?2 AND l.method = (SELECT method FROM mine) LIMIT 1",
        )?
        .query_row(params![seq.0, key], |row| row.get(0))
        .optional()
}

/// The outbox row of an ending that is to be published.
fn published(books: &Books, seq: JobSeq, standing: Standing) -> Result<Option<i64>, Trouble> {
    if !standing.from_amqp {
        return Ok(None);
    }
    Ok(Some(books.conn().prepare_cached("INSERT INTO outbox (job) VALUES (?1)")?.insert([seq.0])?))
}

/// How a job ended.
struct Ended<'a> {
    state: State,
    key: Option<&'a str>,
    result: Option<&'a str>,
    reason: Option<Reason>,
    failure: Option<&'a Failure>,
}

impl Ended<'_> {
    const fn of(state: State) -> Self {
        Self { state, key: None, result: None, reason: None, failure: None }
    }
}

fn end(
    books: &Books,
    seq: JobSeq,
    standing: Standing,
    ended: &Ended<'_>,
    attempts: i64,
    now: Timestamp,
) -> Result<State, Trouble> {
    let outbox = published(books, seq, standing)?;
    let failure = ended.failure;
    books
        .conn()
        .prepare_cached(
            "UPDATE jobs SET state = :state, attempts = :attempts, ended_at = :now, outbox = :outbox, key = :key,
                 result = :result, reason = :reason, http_status = :status, code = :code, detail = :detail,
                 cure = :cure, log_id = :log_id
             WHERE seq = :seq",
        )?
        .execute(named_params! {
            ":seq": seq.0,
            ":state": ended.state.number(),
            ":attempts": attempts,
            ":now": now.0,
            ":outbox": outbox,
            ":key": ended.key,
            ":result": ended.result,
            ":reason": ended.reason.map(Reason::as_str),
            ":status": failure.and_then(|failure| failure.status),
            ":code": failure.and_then(|failure| failure.code),
            ":detail": failure.map(|failure| &failure.detail),
            ":cure": failure.and_then(|failure| failure.cure.as_ref()),
            ":log_id": failure.and_then(|failure| failure.log_id.as_ref()),
        })?;
    Ok(ended.state)
}

fn park(
    books: &Books,
    seq: JobSeq,
    to: State,
    not_before: Option<Timestamp>,
    attempts: i64,
    failure: Option<&Failure>,
) -> Result<State, Trouble> {
    books
        .conn()
        .prepare_cached(
            "UPDATE jobs SET state = :state, attempts = :attempts, not_before = :not_before, http_status = :status,
                 code = :code, detail = :detail, cure = :cure, log_id = :log_id
             WHERE seq = :seq",
        )?
        .execute(named_params! {
            ":seq": seq.0,
            ":state": to.number(),
            ":attempts": attempts,
            ":not_before": not_before.map(|at| at.0),
            ":status": failure.and_then(|failure| failure.status),
            ":code": failure.and_then(|failure| failure.code),
            ":detail": failure.map(|failure| &failure.detail),
            ":cure": failure.and_then(|failure| failure.cure.as_ref()),
            ":log_id": failure.and_then(|failure| failure.log_id.as_ref()),
        })?;
    Ok(to)
}
