//! What becomes of a job, with its outbox row.

use rusqlite::{OptionalExtension, named_params, params};

use super::books::{Books, Trouble};
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
        Settlement::Succeeded { key, result } => {
            succeeded(books, seq, standing, key.as_deref(), &result.to_string(), charged, now)?;
            State::Succeeded
        }
        Settlement::Queued { not_before, charged, failure } => {
            let attempts = standing.attempts + i64::from(*charged);
            parked(books, seq, State::Queued, *not_before, attempts, failure.as_ref())?;
            State::Queued
        }
        Settlement::Uncertain { not_before, failure } => {
            parked(books, seq, State::Uncertain, Some(*not_before), charged, Some(failure))?;
            State::Uncertain
        }
        Settlement::Held { failure } => {
            parked(books, seq, State::Held, None, charged, Some(failure))?;
            State::Held
        }
        Settlement::Dead { reason, failure } => {
            ended_badly(books, seq, standing, State::Dead, *reason, failure, charged, now)?;
            State::Dead
        }
        Settlement::Cancelled => {
            let failure = Failure { detail: "a person cancelled it".to_owned(), ..Failure::default() };
            ended_badly(books, seq, standing, State::Cancelled, Reason::Cancelled, &failure, charged, now)?;
            State::Cancelled
        }
    };
    books.moved(standing.batch, standing.state, to);
    Ok(())
}

/// The outbox row of an ending that is to be published.
fn published(books: &Books, seq: JobSeq, standing: Standing) -> Result<Option<i64>, Trouble> {
    if !standing.from_amqp {
        return Ok(None);
    }
    Ok(Some(books.conn().prepare_cached("INSERT INTO outbox (job) VALUES (?1)")?.insert([seq.0])?))
}

fn succeeded(
    books: &Books,
    seq: JobSeq,
    standing: Standing,
    key: Option<&str>,
    result: &str,
    attempts: i64,
    now: Timestamp,
) -> Result<(), Trouble> {
    let outbox = published(books, seq, standing)?;
    books
        .conn()
        .prepare_cached(
            "UPDATE jobs SET state = 5, attempts = ?2, ended_at = ?3, outbox = ?4, key = ?5, result = ?6,
                 http_status = NULL, code = NULL, detail = NULL, cure = NULL, log_id = NULL
             WHERE seq = ?1",
        )?
        .execute(params![seq.0, attempts, now.0, outbox, key, result])?;
    Ok(())
}

fn parked(
    books: &Books,
    seq: JobSeq,
    to: State,
    not_before: Option<Timestamp>,
    attempts: i64,
    failure: Option<&Failure>,
) -> Result<(), Trouble> {
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
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "one column each, from one caller")]
fn ended_badly(
    books: &Books,
    seq: JobSeq,
    standing: Standing,
    to: State,
    reason: Reason,
    failure: &Failure,
    attempts: i64,
    now: Timestamp,
) -> Result<(), Trouble> {
    let outbox = published(books, seq, standing)?;
    books
        .conn()
        .prepare_cached(
            "UPDATE jobs SET state = :state, attempts = :attempts, ended_at = :now, outbox = :outbox, reason = :reason,
                 http_status = :status, code = :code, detail = :detail, cure = :cure, log_id = :log_id
             WHERE seq = :seq",
        )?
        .execute(named_params! {
            ":seq": seq.0,
            ":state": to.number(),
            ":attempts": attempts,
            ":now": now.0,
            ":outbox": outbox,
            ":reason": reason.as_str(),
            ":status": failure.status,
            ":code": failure.code,
            ":detail": failure.detail,
            ":cure": failure.cure,
            ":log_id": failure.log_id,
        })?;
    Ok(())
}
