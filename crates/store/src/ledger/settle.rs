//! What becomes of a job, with its outbox row.

use std::sync::LazyLock;

use super::books::{Books, Trouble};
use super::endings::{Ended, Endings};
use super::job_row::list_text;
use super::tallies::{Pile, Place};
use super::undo;
use super::{chains, listed};
use crate::driver::{self, Conn, Row, values};
use crate::facts;
use crate::state::State;
use paceline_domain::json;
use paceline_domain::messages::Cause;
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;
use paceline_ports::{JobSeq, Settlement};

/// A job as settling needs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) state: State,
    pub(crate) place: Place,
    /// Of the last failure.
    pub(crate) code: Option<i64>,
    pub(crate) attempts: i64,
    pub(crate) from_amqp: bool,
    /// Whether other jobs wait for it, or waited.
    pub(crate) is_awaited: bool,
}

impl Standing {
    /// Reads the columns [`STANDING_COLUMNS`], from the index `at`.
    pub(crate) fn read(row: &Row<'_>, at: usize) -> driver::Result<Self> {
        Ok(Self {
            state: known_state(row.get(at)?)?,
            place: Place { batch: row.get(at + 1)?, lane: row.get(at + 2)?, priority: row.get(at + 3)? },
            code: row.get(at + 4)?,
            attempts: row.get(at + 5)?,
            from_amqp: row.get(at + 6)?,
            is_awaited: row.get(at + 7)?,
        })
    }

    /// The pile that the job is in while it has not ended.
    fn pile(&self) -> Pile {
        self.place.pile(self.state, None, self.code)
    }
}

/// The columns that [`Standing::read`] wants; `j` is the job.
pub(crate) const STANDING_COLUMNS: &str = "j.state, j.batch, j.lane, j.priority, j.code, j.attempts, j.amqp IS NOT NULL, \
     EXISTS (SELECT 1 FROM prerequisites w WHERE w.id = j.id)";

/// How the job stands; `None` if it was dropped.
pub(crate) fn standing(books: &Books, seq: JobSeq) -> driver::Result<Option<Standing>> {
    static SQL: LazyLock<String> = LazyLock::new(|| format!("SELECT {STANDING_COLUMNS} FROM jobs j WHERE j.seq = $1"));
    books.conn().query_opt(&SQL, values![seq], |row| Standing::read(row, 0))
}

/// A number that this program wrote.
pub(crate) fn known_state(number: i64) -> driver::Result<State> {
    State::of_number(number).ok_or_else(|| driver::Error::unexpected(format!("a job has the unknown state {number}")))
}

/// Settles the job, unless it has ended already: the first ending stays. `attempt` says that a call for the job itself
/// just ended. Whoever waited for it goes on, or ends with it.
pub(crate) fn apply(
    books: &mut Books,
    seq: JobSeq,
    standing: Standing,
    settlement: &Settlement,
    attempt: bool,
    now: Timestamp,
) -> Result<(), Trouble> {
    if let Some(key) = claim(settlement).filter(|_| !standing.state.is_ended())
        && let Some(owner) = owner(books.conn(), seq, key)?
    {
        return Err(Trouble::Claimed(owner));
    }
    let has_ended = apply_alone(books, seq, standing, settlement, attempt, now)?;
    if has_ended && standing.is_awaited { chains::follow(books, seq, now) } else { Ok(()) }
}

/// Likewise, but for those that wait for it, and where nobody else owns what it claims. Says whether it has ended by this.
pub(crate) fn apply_alone(
    books: &mut Books,
    seq: JobSeq,
    standing: Standing,
    settlement: &Settlement,
    attempt: bool,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let mut endings = Endings::default();
    let has_ended = apply_among(books, seq, standing, settlement, attempt, now, &mut endings)?;
    endings.write(books.conn())?;
    Ok(has_ended)
}

/// Likewise, with the row of a job that has ended among `endings`, which are still to be written.
pub(crate) fn apply_among(
    books: &mut Books,
    seq: JobSeq,
    standing: Standing,
    settlement: &Settlement,
    attempt: bool,
    now: Timestamp,
    endings: &mut Endings,
) -> Result<bool, Trouble> {
    if standing.state.is_ended() {
        return Ok(false);
    }
    books.touch(seq);
    let charged = standing.attempts + i64::from(attempt);
    let to = match settlement {
        Settlement::Succeeded { key, result, warnings, .. } => {
            let (result, warnings) = (Some(json::text(result)), list_text(warnings));
            let ended = Ended { key: key.as_deref(), result, warnings, ..Ended::of(State::Succeeded) };
            // What was found applied took a call, though an outage was not charged.
            let is_found = standing.state == State::Uncertain;
            endings.add(seq, standing, ended, if is_found { charged.max(1) } else { charged }, now)
        }
        Settlement::Undone { result, creates, key, warnings } => {
            // What it deletes may be of a job that has just ended.
            endings.write(books.conn())?;
            undo::apply(books, seq, creates, key, now)?;
            let (result, warnings) = (Some(json::text(result)), list_text(warnings));
            let ended = Ended { result, warnings, ..Ended::of(State::Succeeded) };
            endings.add(seq, standing, ended, charged, now)
        }
        Settlement::Queued { not_before, charged, failure } => {
            let attempts = standing.attempts + i64::from(*charged);
            park(books, seq, standing, State::Queued, *not_before, attempts, failure.as_ref())?
        }
        Settlement::Uncertain { not_before, charged, failure } => {
            let attempts = standing.attempts + i64::from(attempt && *charged);
            park(books, seq, standing, State::Uncertain, Some(*not_before), attempts, Some(failure))?
        }
        Settlement::Nameless { failure } => {
            listed::look_again(books.conn(), seq)?;
            park(books, seq, standing, State::Blocked, None, charged, Some(failure))?
        }
        Settlement::Held { failure } => park(books, seq, standing, State::Held, None, charged, Some(failure))?,
        Settlement::Dead { reason, failure } => {
            let ended = Ended { reason: Some(*reason), failure: Some(failure), ..Ended::of(State::Dead) };
            endings.add(seq, standing, ended, charged, now)
        }
        Settlement::Cancelled => {
            // An earlier call may have been applied, and this is the last that is heard of it.
            let before = known(books, seq)?.detail;
            let detail =
                if before.is_empty() { Cause::Cancelled } else { Cause::CancelledAfter { before: Box::new(before) } };
            let failure = Failure { detail, ..Failure::default() };
            books.announce(seq, standing.place.lane)?;
            let reason = Some(Reason::Cancelled);
            let ended = Ended { reason, failure: Some(&failure), ..Ended::of(State::Cancelled) };
            endings.add(seq, standing, ended, charged, now)
        }
    };
    books.tallies.moved(standing.pile(), to, now);
    books.note_settled(standing.place.batch, standing.from_amqp, now);
    Ok(to.state().is_some_and(State::is_ended))
}

/// The object that a settlement claims, which nobody else may own.
pub(crate) fn claim(settlement: &Settlement) -> Option<&str> {
    if let Settlement::Succeeded { key, sole: true, .. } = settlement { key.as_deref() } else { None }
}

/// The id of another job of the same method that owns this object; a word for one that is forgotten.
pub(crate) fn owner(conn: &Conn, seq: JobSeq, key: &str) -> driver::Result<Option<String>> {
    Ok(owners(conn, &[(seq, key)])?.pop().flatten())
}

/// Likewise, of each of these.
pub(crate) fn owners(conn: &Conn, claims: &[(JobSeq, &str)]) -> driver::Result<Vec<Option<String>>> {
    let sql = "WITH mine AS (SELECT m.method FROM jobs j JOIN lanes m ON m.lane = j.lane WHERE j.seq = $1)
             SELECT o.id FROM jobs o JOIN lanes l ON l.lane = o.lane
             WHERE o.key = $2 AND o.seq <> $1 AND l.method = (SELECT method FROM mine)
             UNION ALL SELECT 'of long ago' FROM owned o JOIN lanes l ON l.lane = o.lane
             WHERE o.key = $2 AND l.method = (SELECT method FROM mine) LIMIT 1";
    let asked: Vec<_> = claims.iter().map(|(seq, key)| [seq.0.into(), (*key).into()]).collect();
    conn.query_all(sql, &asked, |row| row.get(0))
}

/// What was known before a person decided stays with the ending. Its cure told what to do, which is done.
pub(crate) fn known(books: &Books, seq: JobSeq) -> Result<Failure, Trouble> {
    let sql = "SELECT http_status, code, detail, log_id FROM jobs WHERE seq = $1";
    let failure = books.conn().query_one(sql, values![seq], |row| {
        Ok(Failure {
            status: row.get(0)?,
            code: row.get(1)?,
            detail: facts::cause_of(row.get(2)?),
            cure: None,
            log_id: row.get(3)?,
            candidates: Vec::new(),
        })
    })?;
    Ok(failure)
}

fn park(
    books: &Books,
    seq: JobSeq,
    standing: Standing,
    to: State,
    not_before: Option<Timestamp>,
    attempts: i64,
    failure: Option<&Failure>,
) -> Result<Pile, Trouble> {
    let code = failure.and_then(|failure| failure.code);
    books.conn().send(
        "UPDATE jobs SET state = $2, attempts = $3, not_before = $4, http_status = $5, code = $6, detail = $7,
             cure = $8, log_id = $9, candidates = $10
         WHERE seq = $1",
        values![
            seq,
            to.number(),
            attempts,
            not_before,
            failure.and_then(|failure| failure.status),
            code,
            facts::detail(failure),
            facts::cure(failure),
            failure.and_then(|failure| failure.log_id.as_ref()),
            failure.and_then(|failure| list_text(&failure.candidates)),
        ],
    )?;
    Ok(standing.place.pile(to, None, code))
}
