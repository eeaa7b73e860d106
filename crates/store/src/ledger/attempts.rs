//! Attempts: recorded before they leave, closed after the reply, and what a dead process left open.

use std::sync::LazyLock;

use super::books::{Books, Trouble};
use super::calls;
use super::counted::Closed;
use super::held::Held;
use super::job_row::{JOB_COLUMNS, JOB_TABLES, JobRow};
use super::settle::{self, STANDING_COLUMNS, Standing};
use super::{sharing, waiting};
use crate::driver::values;
use crate::facts;
use crate::state::State;
use paceline_domain::messages::{Cause, Cure};
use paceline_domain::outcome::{Failure, NOT_SENT};
use paceline_domain::time::Timestamp;
use paceline_ports::{AttemptEnd, AttemptSeq, AttemptStart, JobSeq, Purpose, QuotaDomain, Settlement};

/// The numbers of [`Purpose`] in the ledger.
pub(crate) const FOR_JOB: i64 = 0;
pub(crate) const FOR_LOOK_UP: i64 = 1;
pub(crate) const FOR_TOKEN: i64 = 2;
pub(crate) const FOR_READ: i64 = 3;

/// The outcome of a call whose process died before its reply.
pub(crate) const LOST: &str = "lost";
/// The outcome of a call that the platform refused for its pace.
pub(crate) const REFUSED: &str = "throttled";

/// Records the attempt and reads its job. `None`: the job does not wait (any more), and nothing was recorded.
pub(crate) fn begin(books: &mut Books, start: &AttemptStart) -> Result<Option<(AttemptSeq, Option<JobRow>)>, Trouble> {
    let (purpose, seq) = match start.purpose {
        Purpose::Job(seq) => (FOR_JOB, Some(seq)),
        Purpose::LookUp(seq) => (FOR_LOOK_UP, Some(seq)),
        Purpose::Token => (FOR_TOKEN, None),
        Purpose::Read => (FOR_READ, None),
    };
    let mut job = None;
    if let Some(seq) = seq {
        job = callable(books, seq, purpose)?;
        if job.is_none() {
            return Ok(None);
        }
    }
    let lane = books.lane(&start.lane)?;
    books.note_call_length(start.deadline_at.0.saturating_sub(start.sent_at.0))?;
    let record =
        "INSERT INTO attempts (job, lane, purpose, sent_at, deadline_at) VALUES ($1, $2, $3, $4, $5) RETURNING seq";
    let values = values![seq, lane, purpose, start.sent_at, start.deadline_at];
    let attempt = books.conn().query_value(record, values)?;
    Ok(Some((AttemptSeq(attempt), job)))
}

/// The job, if it may be called: an operator may have ended it, or it may be in flight already. Look-ups for a job may be
/// in flight side by side.
fn callable(books: &Books, seq: JobSeq, purpose: i64) -> Result<Option<JobRow>, Trouble> {
    // Made once: the statement's text is the key to the prepared one.
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {JOB_COLUMNS} FROM {JOB_TABLES} WHERE j.seq = $1 AND j.state <= $2
                 AND NOT EXISTS (SELECT 1 FROM attempts a
                     WHERE a.job = j.seq AND a.ended_at IS NULL AND (a.purpose = {FOR_JOB} OR $3 = {FOR_JOB}))"
        )
    });
    // What may have been applied is looked up, a held job, too; it is not sent again, whatever still waits in a lane.
    let state_max = if purpose == FOR_LOOK_UP { State::Held } else { State::Queued };
    let conn = books.conn();
    Ok(conn.query_opt(&SQL, values![seq, state_max.number(), purpose], |row| JobRow::read(row, conn.seal()))?)
}

/// An attempt about to be closed, and how the job to be settled stands.
struct Closing {
    lane: i64,
    purpose: i64,
    sent_at: i64,
    is_open: bool,
    standing: Option<Standing>,
}

/// Closes the attempt and settles its job, if its domain is still held. An attempt that is closed already was ended by this very command before.
pub(crate) fn end(books: &mut Books, end: &AttemptEnd, held: Option<&Held>) -> Result<(), Trouble> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT a.purpose, a.sent_at, a.ended_at IS NULL, a.lane, {STANDING_COLUMNS}
             FROM attempts a LEFT JOIN jobs j ON j.seq = coalesce($2, a.job) WHERE a.seq = $1"
        )
    });
    let settled = end.settlement.as_ref().map(|(seq, _)| *seq);
    let closing = books
        .conn()
        .query_opt(&SQL, values![end.attempt.0, settled], |row| {
            let is_there = row.get::<Option<i64>>(4)?.is_some();
            let standing = is_there.then(|| Standing::read(row, 4)).transpose()?;
            let (purpose, sent_at, is_open, lane) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            Ok(Closing { lane, purpose, sent_at, is_open, standing })
        })?
        .ok_or_else(|| Trouble::Refused(format!("there is no attempt number {}", end.attempt.0)))?;
    if let Some(held) = held {
        held.check(books, closing.lane)?;
    }
    if !closing.is_open {
        return Ok(());
    }
    close(books, end)?;
    let code = end.failure.as_ref().and_then(|failure| failure.code);
    // Platforms do not count what they refuse.
    let is_refused = end.failure.as_ref().and_then(|failure| failure.status).is_some_and(|status| status >= 400);
    if closing.purpose != FOR_TOKEN && end.outcome != NOT_SENT && !is_refused {
        calls::note(books.conn(), closing.lane, end.ended_at)?;
    }
    books.counted.closed(Closed { lane: closing.lane, purpose: closing.purpose, outcome: end.outcome, code });
    if end.replied {
        books.note_call_length(end.ended_at.0.saturating_sub(closing.sent_at))?;
    }
    let Some(standing) = closing.standing else { return Ok(()) };
    if end.outcome == REFUSED {
        books.tallies.throttled(standing.place, end.ended_at);
    }
    if let Some((seq, settlement)) = &end.settlement {
        settle::apply(books, *seq, standing, settlement, closing.purpose == FOR_JOB, end.ended_at)?;
    }
    Ok(())
}

fn close(books: &Books, end: &AttemptEnd) -> Result<(), Trouble> {
    let failure = end.failure.as_ref();
    books.conn().send(
        "UPDATE attempts SET ended_at = $2, replied = $3, outcome = $4, http_status = $5, code = $6, detail = $7,
             log_id = $8
         WHERE seq = $1",
        values![
            end.attempt.0,
            end.ended_at,
            end.replied,
            end.outcome,
            failure.and_then(|failure| failure.status),
            failure.and_then(|failure| failure.code),
            facts::detail(failure),
            failure.and_then(|failure| failure.log_id.as_ref()),
        ],
    )?;
    Ok(())
}

/// Closes what a dead process left open. Its calls may have been applied: the jobs become uncertain, to be asked
/// about when those calls are surely over.
pub(crate) fn recover(books: &mut Books, domain: &QuotaDomain, now: Timestamp) -> Result<usize, Trouble> {
    let open = "SELECT seq, job, purpose, deadline_at, lane FROM attempts WHERE ended_at IS NULL ORDER BY seq";
    let mut open: Vec<(i64, Option<i64>, i64, i64, i64)> =
        books.conn().query(open, &[], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
    let lanes = sharing::lanes_of(books.conn(), domain)?;
    if let Some(lanes) = &lanes {
        open.retain(|&(.., lane)| lanes.contains(&lane));
    }
    for &(attempt, job, purpose, deadline_at, _) in &open {
        let failure = Failure { detail: Cause::WorkerStopped, cure: Some(Cure::NothingLookedUp), ..Failure::default() };
        let settlement = job.filter(|_| purpose == FOR_JOB).map(|job| {
            let uncertain =
                Settlement::Uncertain { not_before: Timestamp(deadline_at), charged: true, failure: failure.clone() };
            (JobSeq(job), uncertain)
        });
        let lost = AttemptEnd {
            attempt: AttemptSeq(attempt),
            ended_at: now,
            outcome: LOST,
            replied: false,
            failure: Some(Failure { cure: None, ..failure }),
            settlement,
        };
        end(books, &lost, None)?;
    }
    // Whoever starts reads every waiting job anyway.
    if domain.is_whole() {
        books.conn().execute("DELETE FROM changed", &[])?;
    } else if let Some(lanes) = lanes {
        for (job, _) in waiting::changed_in(books.conn(), Some(&lanes))? {
            books.conn().send("DELETE FROM changed WHERE job = $1", values![job])?;
        }
    }
    Ok(open.len())
}
