//! Single jobs: listed, shown with their attempts, cancelled.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Serialize;
use serde_json::Value;

use super::batches::number;
use super::chains::unsent_states;
use super::{CHUNK, Operator, Page, Selection, piles};
use crate::document::{ENDING_COLUMNS, ENDING_COLUMNS_LEN, EndingRow};
use crate::driver::{self, Conn, Row, values};
use crate::facts;
use crate::sqlite::attempts::{FOR_JOB, FOR_LOOK_UP, FOR_READ};
use crate::sqlite::job_row::{JOB_COLUMNS, JOB_TABLES, JobRow};
use crate::sqlite::settle;
use crate::state::State;
use paceline_domain::activity::Action;
use paceline_domain::job::Job;
use paceline_domain::messages::Detail;
use paceline_domain::time::Timestamp;
use paceline_ports::{JobSeq, LedgerError, Settlement};

/// One job in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobLine {
    /// Its number, for paging.
    pub seq: i64,
    /// Whether a call of it is in flight.
    pub running: bool,
    /// 0 to 9.
    pub priority: u8,
    /// Not sent before.
    pub not_before: Option<Timestamp>,
    /// Expired at.
    pub not_after: Option<Timestamp>,
    /// When it was taken over.
    pub created_at: Timestamp,
    /// When a person edited it; absent if nobody did.
    pub edited_at: Option<Timestamp>,
    /// File name and line; absent for AMQP.
    pub place: Option<String>,
    /// The contract's document, as far as the job has come.
    #[serde(flatten)]
    pub document: Value,
    /// What the document says, typed.
    #[serde(skip)]
    pub ending: EndingRow,
}

/// One attempt of a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttemptLine {
    /// Its number.
    pub seq: i64,
    /// `job` or `look-up`.
    pub purpose: &'static str,
    /// Not later than its first byte left.
    pub sent_at: Timestamp,
    /// When it was over; absent while it is in flight.
    pub ended_at: Option<Timestamp>,
    /// One word; absent while it is in flight.
    pub outcome: Option<String>,
    /// HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// The platform's code.
    pub code: Option<i64>,
    /// What went wrong, if anything did.
    #[serde(flatten)]
    pub detail: Detail,
    /// The platform's log id.
    pub log_id: Option<String>,
}

/// A job with its attempts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobSheet {
    /// The job.
    #[serde(flatten)]
    pub line: JobLine,
    /// Its attempts, in order. Those of an earlier life (before a redrive) are among them.
    pub history: Vec<AttemptLine>,
}

/// A held job in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeldLine {
    /// The job.
    #[serde(flatten)]
    pub line: JobLine,
    /// Keys of objects that may be the job's.
    pub candidates: Vec<String>,
    /// The last attempt; absent if none is recorded.
    pub last_attempt: Option<AttemptLine>,
}

/// What came of a cancellation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cancelled {
    /// Ended now.
    pub cancelled: usize,
    /// Matched, but a call of it is in flight: it ends by its reply.
    pub running: usize,
}

/// Whether a call of the job is in flight.
const RUNNING: &str = "EXISTS (SELECT 1 FROM attempts a WHERE a.job = j.seq AND a.ended_at IS NULL)";
/// Jobs of a long list read at one time.
const PAGE: usize = 10_000;
const TABLES: &str = "jobs j JOIN lanes l USING (lane) LEFT JOIN batches b ON b.batch = j.batch";
const MORE: &str = "j.seq, j.priority, j.not_before, j.not_after, j.created_at, j.place, j.edited_at";

pub(super) static LINE: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {ENDING_COLUMNS}, {MORE}, {RUNNING} FROM {TABLES} WHERE j.seq = $1"));
pub(super) static LINE_OF_ID: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {ENDING_COLUMNS}, {MORE}, {RUNNING} FROM {TABLES} WHERE j.id = $1"));
pub(super) const HISTORY: &str = "SELECT seq, purpose, sent_at, ended_at, outcome, http_status, code, detail, log_id
     FROM attempts WHERE job = $1 ORDER BY seq";
/// The last attempt of a job.
pub(super) const LAST: &str = "SELECT seq, purpose, sent_at, ended_at, outcome, http_status, code, detail, log_id
     FROM attempts WHERE job = $1 ORDER BY seq DESC LIMIT 1";
/// How many calls are in flight.
pub(super) const RUNNING_CALLS: &str = "SELECT count(*) FROM attempts WHERE ended_at IS NULL";
/// The jobs of which a call is in flight. In the order of the index of open attempts, or SQLite goes by that of all.
pub(super) const IN_FLIGHT: &str = "SELECT j.id, j.state FROM attempts a JOIN jobs j ON j.seq = a.job
     WHERE a.ended_at IS NULL ORDER BY a.seq";

/// Whether a call of the job is in flight.
pub(super) fn is_in_flight(conn: &Conn, seq: i64) -> driver::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM attempts a WHERE a.job = $1 AND a.ended_at IS NULL)";
    conn.query_value(sql, values![seq])
}

impl JobLine {
    fn read(row: &Row<'_>) -> driver::Result<Self> {
        const AT: usize = ENDING_COLUMNS_LEN;
        let ending = EndingRow::of_job(row)?;
        Ok(Self {
            document: ending.document_with_facts(),
            ending,
            seq: row.get(AT)?,
            priority: row.get(AT + 1)?,
            not_before: row.get(AT + 2)?,
            not_after: row.get(AT + 3)?,
            created_at: row.get(AT + 4)?,
            place: row.get(AT + 5)?,
            edited_at: row.get(AT + 6)?,
            running: row.get(AT + 7)?,
        })
    }
}

impl Operator {
    /// The jobs that match, after the number `after`, in the order of take-over, at most `limit`.
    pub fn list_jobs(&self, selection: &Selection, after: i64, limit: usize) -> Result<Vec<JobLine>, LedgerError> {
        let (mut lines, mut after) = (Vec::new(), after);
        while lines.len() < limit {
            let page = self.page_jobs(selection, after, (limit - lines.len()).min(PAGE))?;
            lines.extend(page.lines);
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        Ok(lines)
    }

    /// A page of [`Self::list_jobs`]. A page can hold fewer than `limit` although there are more: what bounds it is then
    /// the time that it takes.
    pub fn page_jobs(&self, selection: &Selection, after: i64, limit: usize) -> Result<Page<JobLine>, LedgerError> {
        self.read_at_once(|conn| {
            let Page { lines: seqs, next } = piles::jobs(conn, selection, after, limit)?;
            let line = |seq: &i64| conn.query_one(&LINE, values![seq], JobLine::read);
            let lines = seqs.iter().map(line).collect::<driver::Result<_>>()?;
            Ok(Page { lines, next })
        })
    }

    /// One job; `None` if it was forgotten.
    pub fn job_line(&self, seq: JobSeq) -> Result<Option<JobLine>, LedgerError> {
        self.read(|conn| conn.query_opt(&LINE, values![seq], JobLine::read))
    }

    /// One job with its attempts; `None` if there is none of this id.
    pub fn show_job(&self, id: &str) -> Result<Option<JobSheet>, LedgerError> {
        self.read(|conn| {
            let line = conn.query_opt(&LINE_OF_ID, values![id], JobLine::read)?;
            let Some(line) = line else { return Ok(None) };
            let history = conn.query(HISTORY, values![line.seq], attempt_line)?;
            Ok(Some(JobSheet { line, history }))
        })
    }

    /// What the job of this id says, its parameters among it; `None` if there is none. Whoever shows it has to mask it.
    pub fn job(&self, id: &str) -> Result<Option<Job>, LedgerError> {
        static SQL: LazyLock<String> =
            LazyLock::new(|| format!("SELECT {JOB_COLUMNS} FROM {JOB_TABLES} WHERE j.id = $1"));
        let row = self.read(|conn| conn.query_opt(&SQL, values![id], |row| JobRow::read(row, conn.seal())))?;
        row.map(JobRow::parse).transpose()
    }

    /// The jobs of which a call is in flight, that match; the selection's state is not looked at.
    pub fn page_running(&self, selection: &Selection, after: i64, limit: usize) -> Result<Page<JobLine>, LedgerError> {
        let mut ids = self.ids_in_flight(None)?;
        ids.retain(|id| selection.ids.is_empty() || selection.ids.contains(id));
        if ids.is_empty() {
            // No ids would restrict nothing.
            return Ok(Page { lines: Vec::new(), next: None });
        }
        let mut page = self.page_jobs(&Selection { ids, state: None, ..selection.clone() }, after, limit)?;
        // Some may have been answered in between.
        page.lines.retain(|line| line.running);
        Ok(page)
    }

    /// Held jobs with what was found out about them last; the selection's state is not looked at.
    pub fn page_held(&self, selection: &Selection, after: i64, limit: usize) -> Result<Page<HeldLine>, LedgerError> {
        let Page { lines, next } = self.page_jobs(&selection.in_state(State::Held), after, limit)?;
        let held = |line: JobLine| -> Result<HeldLine, LedgerError> {
            let last_attempt = self.read(|conn| conn.query_opt(LAST, values![line.seq], attempt_line))?;
            let keys = "SELECT candidates FROM jobs WHERE seq = $1";
            let keys: Option<String> = self.read(|conn| conn.query_value(keys, values![line.seq]))?;
            // Written by this program: a list of texts.
            let candidates = keys.and_then(|keys| serde_json::from_str(&keys).ok()).unwrap_or_default();
            Ok(HeldLine { line, candidates, last_attempt })
        };
        Ok(Page { lines: lines.into_iter().map(held).collect::<Result<_, _>>()?, next })
    }

    /// How many of the matching jobs [`Self::cancel`] would cancel, and how many it would leave alone.
    pub fn cancellable(&self, selection: &Selection, dependents: bool) -> Result<Cancelled, LedgerError> {
        let queued = selection.in_state(State::Queued);
        let count =
            |selection: &Selection| Ok::<_, LedgerError>(usize::try_from(self.count(selection)?).unwrap_or(usize::MAX));
        let all = if dependents {
            self.unsent(selection, true)?.len()
        } else {
            let counts = unsent_states(selection).map(|state| count(&selection.in_state(state)));
            counts.sum::<Result<usize, LedgerError>>()?
        };
        let ids = self.ids_in_flight(Some(State::Queued))?;
        let ids = ids.into_iter().filter(|id| queued.ids.is_empty() || queued.ids.contains(id)).collect::<Vec<_>>();
        // No ids would restrict nothing.
        let is_of_blocked = selection.state == Some(State::Blocked);
        let running = if ids.is_empty() || is_of_blocked { 0 } else { count(&Selection { ids, ..queued })? };
        Ok(Cancelled { cancelled: all.saturating_sub(running), running })
    }

    fn ids_in_flight(&self, state: Option<State>) -> Result<Vec<String>, LedgerError> {
        let flying: Vec<(String, i64)> =
            self.read(|conn| conn.query(IN_FLIGHT, &[], |row| Ok((row.get(0)?, row.get(1)?))))?;
        let wanted = |(_, number): &(String, i64)| state.is_none_or(|state| state.number() == *number);
        let ids: BTreeSet<String> = flying.into_iter().filter(wanted).map(|(id, _)| id).collect();
        Ok(ids.into_iter().collect())
    }

    /// Cancels the matching jobs that are queued and not in flight now, or blocked; the selection's state is not looked at.
    /// Who waits for one of them is cancelled with `dependents`, and a dead letter without.
    pub fn cancel(
        &mut self,
        selection: &Selection,
        dependents: bool,
        now: Timestamp,
    ) -> Result<Cancelled, LedgerError> {
        let mut cancelled = 0;
        let deed = self.deed(Action::Cancel, selection.facts());
        for chunk in self.unsent(selection, dependents)?.chunks(CHUNK) {
            cancelled += self.change(&deed, |books| {
                let mut ended = 0;
                for seq in chunk {
                    let Some(standing) = settle::standing(books, JobSeq(*seq))? else { continue };
                    let is_unsent = matches!(standing.state, State::Queued | State::Blocked);
                    if is_unsent && !is_in_flight(books.conn(), *seq)? {
                        settle::apply(books, JobSeq(*seq), standing, &Settlement::Cancelled, false, now)?;
                        ended += 1;
                    }
                }
                Ok((ended, ended))
            })?;
        }
        Ok(Cancelled { cancelled, running: self.cancellable(selection, false)?.running })
    }

    /// How many calls are in flight.
    pub fn running(&self) -> Result<u64, LedgerError> {
        self.read(|conn| conn.query_one(RUNNING_CALLS, &[], |row| number(row, 0)))
    }
}

fn attempt_line(row: &Row<'_>) -> driver::Result<AttemptLine> {
    let purpose: i64 = row.get(1)?;
    Ok(AttemptLine {
        seq: row.get(0)?,
        purpose: match purpose {
            FOR_JOB => "job",
            FOR_LOOK_UP => "look-up",
            FOR_READ => "read",
            _ => "token",
        },
        sent_at: row.get(2)?,
        ended_at: row.get(3)?,
        outcome: row.get(4)?,
        http_status: row.get(5)?,
        code: row.get(6)?,
        detail: Detail(facts::cause_of(row.get(7)?)),
        log_id: row.get(8)?,
    })
}
