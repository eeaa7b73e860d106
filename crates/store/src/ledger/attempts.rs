//! Attempts: recorded before they leave, closed after the reply, and what a dead process left open.

mod ahead;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use self::ahead::Ahead;
use super::books::{Books, Trouble};
use super::counted::Closed;
use super::endings::Endings;
use super::held::Held;
use super::job_row::{JOB_COLUMNS, JOB_COLUMNS_LEN, JOB_TABLES, JobRow};
use super::{chains, settle, sharing, waiting};
use crate::driver::{self, Bind as _, Conn, Insertion, Value, values};
use crate::facts;
use crate::state::State;
use paceline_domain::messages::{Cause, Cure};
use paceline_domain::outcome::{Failure, NOT_SENT};
use paceline_domain::time::Timestamp;
use paceline_ports::{AttemptEnd, AttemptSeq, AttemptStart, JobSeq, Purpose, QuotaDomain, Settlement, Waiting};

/// The numbers of [`Purpose`] in the ledger.
pub(crate) const FOR_JOB: i64 = 0;
pub(crate) const FOR_LOOK_UP: i64 = 1;
pub(crate) const FOR_TOKEN: i64 = 2;
pub(crate) const FOR_READ: i64 = 3;

/// Whether the attempt `a` of a job is open; so that the job's attempts are looked through. A server that does not know its
/// tables yet would take the index of all that are open otherwise.
pub(crate) const IS_OPEN: &str = "coalesce(a.ended_at, 0) = 0";

/// The outcome of a call whose process died before its reply.
pub(crate) const LOST: &str = "lost";
/// The outcome of a call that the platform refused for its pace.
pub(crate) const REFUSED: &str = "throttled";

/// An attempt to be recorded, by who has these domains.
pub(crate) struct Begin {
    pub(crate) start: AttemptStart,
    pub(crate) held: Arc<Held>,
}

impl Begin {
    const fn job(&self) -> Option<JobSeq> {
        match self.start.purpose {
            Purpose::Job(seq) | Purpose::LookUp(seq) => Some(seq),
            Purpose::Token | Purpose::Read => None,
        }
    }

    /// The number of its purpose.
    const fn purpose(&self) -> i64 {
        match self.start.purpose {
            Purpose::Job(_) => FOR_JOB,
            Purpose::LookUp(_) => FOR_LOOK_UP,
            Purpose::Token => FOR_TOKEN,
            Purpose::Read => FOR_READ,
        }
    }
}

/// An attempt that was recorded, and the job that it is for.
pub(crate) type Begun = (AttemptSeq, Option<JobRow>);

/// Which of several changes did not go through, and why; their number if it may be any of them.
pub(crate) type Stopped = (usize, Trouble);

/// Records attempts and reads their jobs. `None`: the job does not wait (any more), and nothing was recorded.
pub(crate) fn begin_all(books: &mut Books, begins: &[&Begin]) -> Result<Vec<Option<Begun>>, Stopped> {
    let parts: Vec<_> = begins.iter().filter_map(|begin| begin.held.fenced(&begin.start.lane)).collect();
    books.check_ahead(&parts).map_err(|error| (begins.len(), error.into()))?;
    for (at, Begin { start, held }) in begins.iter().enumerate() {
        if held.is_fenced() {
            held.check_key(books, &start.lane).map_err(|trouble| (at, trouble))?;
        }
    }
    let mut begun = Vec::with_capacity(begins.len());
    while begun.len() < begins.len() {
        let (_, left) = begins.split_at(begun.len());
        // What was begun of a job before decides whether it may be called.
        let mut jobs = HashSet::new();
        let is_first = |begin: &&&Begin| begin.job().is_none_or(|job| jobs.insert(job));
        let (apart, _) = left.split_at(left.iter().take_while(is_first).count());
        begun.extend(begin_apart(books, apart).map_err(|trouble| (begins.len(), trouble))?);
    }
    Ok(begun)
}

/// Likewise, for jobs that are all different.
fn begin_apart(books: &mut Books, begins: &[&Begin]) -> Result<Vec<Option<Begun>>, Trouble> {
    let mut jobs = callable(books.conn(), begins)?;
    let begins: Vec<_> =
        begins.iter().map(|begin| begin.job().is_none_or(|job| jobs.contains_key(&job)).then_some(begin)).collect();
    let mut records = Vec::with_capacity(begins.len());
    for begin in begins.iter().flatten() {
        let start = &begin.start;
        let lane = books.lane(&start.lane)?;
        books.note_call_length(start.deadline_at.0.saturating_sub(start.sent_at.0))?;
        let job = begin.job().map_or(Value::Null, |job| Value::Integer(job.0));
        records.push([job, lane.into(), begin.purpose().into(), start.sent_at.bind(), start.deadline_at.bind()]);
    }
    let record = Insertion {
        sql: "INSERT INTO attempts (job, lane, purpose, sent_at, deadline_at) VALUES ($1, $2, $3, $4, $5)",
        known_by: ("job", 0),
    };
    let seqs = books.conn().insert_all(record, &records)?;
    let mut seqs = seqs.into_iter();
    let mut begun = |begin: &Begin| Some((AttemptSeq(seqs.next()??), begin.job().and_then(|job| jobs.remove(&job))));
    Ok(begins.into_iter().map(|begin| begin.and_then(|begin| begun(begin))).collect())
}

/// Those of the jobs that may be called: an operator may have ended one, or it may be in flight already. Look-ups for a job
/// may be in flight side by side.
fn callable(conn: &Conn, begins: &[&Begin]) -> Result<HashMap<JobSeq, JobRow>, Trouble> {
    // Made once: the statement's text is the key to the prepared one.
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {JOB_COLUMNS}, j.seq FROM {JOB_TABLES} WHERE j.seq = $1 AND j.state <= $2
                 AND NOT EXISTS (SELECT 1 FROM attempts a
                     WHERE a.job = j.seq AND {IS_OPEN} AND (a.purpose = {FOR_JOB} OR $3 = {FOR_JOB}))"
        )
    });
    let asked = begins.iter().filter_map(|begin| {
        // What may have been applied is looked up, a held job, too; it is not sent again, whatever still waits in a lane.
        let state_max = if begin.purpose() == FOR_LOOK_UP { State::Held } else { State::Queued };
        Some([begin.job()?.0.into(), state_max.number().into(), begin.purpose().into()])
    });
    let rows = conn.query_all(&SQL, &asked.collect::<Vec<_>>(), |row| {
        Ok((JobSeq(row.get(JOB_COLUMNS_LEN)?), JobRow::read(row, conn.seal())?))
    })?;
    Ok(rows.into_iter().flatten().collect())
}

/// An attempt to be closed, by who has these domains; by anybody if there are none.
pub(crate) struct End {
    pub(crate) end: Arc<AttemptEnd>,
    pub(crate) held: Option<Arc<Held>>,
}

/// Closes attempts and settles their jobs, if their domains are still held; gives the jobs that each lets go on. An attempt
/// that is closed already was ended by this very command before.
pub(crate) fn end_all(books: &mut Books, ends: &[&End]) -> Result<Vec<Vec<Waiting>>, Stopped> {
    let all: Vec<_> = ends.iter().map(|one| &*one.end).collect();
    let any = |trouble| (ends.len(), trouble);
    let mut ahead = Ahead::of(books, &all).map_err(|error| any(error.into()))?;
    check_ahead(books, ends, &ahead).map_err(|error| any(error.into()))?;
    close_all(books, &ahead.open(&all)).map_err(|error| any(error.into()))?;
    let mut unblocked = Vec::with_capacity(ends.len());
    let (mut awaited, mut endings) = (Vec::new(), Endings::default());
    for (at, End { end, held }) in ends.iter().enumerate() {
        let job = end_one(books, end, held.as_deref(), &mut ahead, &mut endings).map_err(|trouble| (at, trouble))?;
        awaited.extend(job.map(|job| (at, (job, end.ended_at))));
        unblocked.push(books.take_unblocked());
    }
    endings.write(books.conn()).map_err(|error| any(error.into()))?;
    let (places, jobs): (Vec<_>, Vec<_>) = awaited.into_iter().unzip();
    for (at, more) in places.into_iter().zip(chains::follow_all(books, &jobs).map_err(any)?) {
        if let Some(unblocked) = unblocked.get_mut(at) {
            unblocked.extend(more);
        }
    }
    Ok(unblocked)
}

/// Finds out at one time which of their domains are still owned, before each of them is checked.
fn check_ahead(books: &mut Books, ends: &[&End], ahead: &Ahead) -> driver::Result<()> {
    let mut parts = Vec::new();
    for End { end, held } in ends {
        if let (Some(held), Some(lane)) = (held, ahead.lane(end)) {
            let key = books.lane_key(lane)?;
            parts.extend(held.fenced(&key));
        }
    }
    books.check_ahead(&parts)
}

/// Gives the job, if it has ended by this and others wait for it.
fn end_one(
    books: &mut Books,
    end: &AttemptEnd,
    held: Option<&Held>,
    ahead: &mut Ahead,
    endings: &mut Endings,
) -> Result<Option<JobSeq>, Trouble> {
    if ahead.asks_anew(books, end) {
        endings.write(books.conn())?;
    }
    let closing = ahead
        .closing(books, end)?
        .ok_or_else(|| Trouble::Refused(format!("there is no attempt number {}", end.attempt.0)))?;
    if let Some(held) = held {
        held.check(books, closing.lane)?;
    }
    if !closing.is_open {
        return Ok(None);
    }
    let code = end.failure.as_ref().and_then(|failure| failure.code);
    // Platforms do not count what they refuse.
    let is_refused = end.failure.as_ref().and_then(|failure| failure.status).is_some_and(|status| status >= 400);
    if closing.purpose != FOR_TOKEN && end.outcome != NOT_SENT && !is_refused {
        books.count_call(closing.lane, end.ended_at);
    }
    books.counted.closed(Closed { lane: closing.lane, purpose: closing.purpose, outcome: end.outcome, code });
    if end.replied {
        books.note_call_length(end.ended_at.0.saturating_sub(closing.sent_at))?;
    }
    let Some(standing) = closing.standing else { return Ok(None) };
    if end.outcome == REFUSED {
        books.tallies.throttled(standing.place, end.ended_at);
    }
    let Some((seq, settlement)) = &end.settlement else { return Ok(None) };
    if let Some(owner) = ahead.owner(books, *seq, standing, settlement)? {
        return Err(Trouble::Claimed(owner));
    }
    let is_attempt = closing.purpose == FOR_JOB;
    let has_ended = settle::apply_among(books, *seq, standing, settlement, is_attempt, end.ended_at, endings)?;
    Ok((has_ended && standing.is_awaited).then_some(*seq))
}

fn close_all(books: &Books, ends: &[&AttemptEnd]) -> driver::Result<()> {
    let details: Vec<_> = ends.iter().map(|end| facts::detail(end.failure.as_ref())).collect();
    let closed = ends.iter().zip(&details).map(|(end, detail)| {
        let failure = end.failure.as_ref();
        [
            end.attempt.0.into(),
            end.ended_at.0.into(),
            i64::from(end.replied).into(),
            end.outcome.into(),
            failure.and_then(|failure| failure.status).map(i64::from).into(),
            failure.and_then(|failure| failure.code).into(),
            detail.as_deref().into(),
            failure.and_then(|failure| failure.log_id.as_deref()).into(),
        ]
    });
    books.conn().send_all(
        "UPDATE attempts SET ended_at = $2, replied = $3, outcome = $4, http_status = $5, code = $6, detail = $7,
             log_id = $8
         WHERE seq = $1",
        &closed.collect::<Vec<_>>(),
    )
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
    let lost = open.iter().map(|&(attempt, job, purpose, deadline_at, _)| {
        let failure = Failure { detail: Cause::WorkerStopped, cure: Some(Cure::NothingLookedUp), ..Failure::default() };
        let settlement = job.filter(|_| purpose == FOR_JOB).map(|job| {
            let uncertain =
                Settlement::Uncertain { not_before: Timestamp(deadline_at), charged: true, failure: failure.clone() };
            (JobSeq(job), uncertain)
        });
        let end = AttemptEnd {
            attempt: AttemptSeq(attempt),
            ended_at: now,
            outcome: LOST,
            replied: false,
            failure: Some(Failure { cure: None, ..failure }),
            settlement,
        };
        End { end: end.into(), held: None }
    });
    let lost: Vec<_> = lost.collect();
    end_all(books, &lost.iter().collect::<Vec<_>>()).map_err(|(_, trouble)| trouble)?;
    // Whoever starts reads every waiting job anyway.
    if domain.is_whole() {
        books.conn().send("DELETE FROM changed", &[])?;
    } else if let Some(lanes) = lanes {
        for (job, _) in waiting::changed_in(books.conn(), &lanes)? {
            books.conn().send("DELETE FROM changed WHERE job = $1", values![job])?;
        }
    }
    Ok(open.len())
}
