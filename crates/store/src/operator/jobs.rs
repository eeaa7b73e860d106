//! Single jobs: listed and shown with their attempts.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use super::batches::number;
use super::chains::unsent_states;
use super::{Operator, export, follow, piles};
use crate::document::{self, ENDING_COLUMNS, ENDING_COLUMNS_LEN};
use crate::driver::{self, Conn, Row, values};
use crate::facts;
use crate::ledger::attempts::{FOR_JOB, FOR_LOOK_UP, FOR_READ};
use crate::ledger::job_row::{JOB_COLUMNS, JOB_TABLES, JobRow};
use crate::state::State;
use paceline_domain::job::Job;
use paceline_domain::messages::Detail;
use paceline_ports::operator::{
    AttemptLine, Cancelled, ExportRow, Followed, HeldLine, JobLine, JobReports, JobSheet, Page, Selection,
};
use paceline_ports::{JobSeq, LedgerError};

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

fn job_line(row: &Row<'_>) -> driver::Result<JobLine> {
    const AT: usize = ENDING_COLUMNS_LEN;
    let ending = document::of_job(row)?;
    Ok(JobLine {
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

impl JobReports for Operator {
    fn list_jobs(&self, selection: &Selection, after: i64, limit: usize) -> Result<Vec<JobLine>, LedgerError> {
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

    fn page_jobs(&self, selection: &Selection, after: i64, limit: usize) -> Result<Page<JobLine>, LedgerError> {
        self.read_at_once(|conn| {
            let Page { lines: seqs, next } = piles::jobs(conn, selection, after, limit)?;
            let line = |seq: &i64| conn.query_one(&LINE, values![seq], job_line);
            let lines = seqs.iter().map(line).collect::<driver::Result<_>>()?;
            Ok(Page { lines, next })
        })
    }

    fn job_line(&self, seq: JobSeq) -> Result<Option<JobLine>, LedgerError> {
        self.read(|conn| conn.query_opt(&LINE, values![seq], job_line))
    }

    fn show_job(&self, id: &str) -> Result<Option<JobSheet>, LedgerError> {
        self.read(|conn| {
            let line = conn.query_opt(&LINE_OF_ID, values![id], job_line)?;
            let Some(line) = line else { return Ok(None) };
            let history = conn.query(HISTORY, values![line.seq], attempt_line)?;
            Ok(Some(JobSheet { line, history }))
        })
    }

    fn job(&self, id: &str) -> Result<Option<Job>, LedgerError> {
        static SQL: LazyLock<String> =
            LazyLock::new(|| format!("SELECT {JOB_COLUMNS} FROM {JOB_TABLES} WHERE j.id = $1"));
        let row = self.read(|conn| conn.query_opt(&SQL, values![id], |row| JobRow::read(row, conn.seal())))?;
        row.map(JobRow::parse).transpose()
    }

    fn page_running(&self, selection: &Selection, after: i64, limit: usize) -> Result<Page<JobLine>, LedgerError> {
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

    fn page_held(&self, selection: &Selection, after: i64, limit: usize) -> Result<Page<HeldLine>, LedgerError> {
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

    fn cancellable(&self, selection: &Selection, dependents: bool) -> Result<Cancelled, LedgerError> {
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

    fn running(&self) -> Result<u64, LedgerError> {
        self.read(|conn| conn.query_one(RUNNING_CALLS, &[], |row| number(row, 0)))
    }

    fn count(&self, selection: &Selection) -> Result<u64, LedgerError> {
        self.read(|conn| piles::count(conn, selection))
    }

    fn ended_among(&self, jobs: &[JobSeq]) -> Result<Vec<Followed>, LedgerError> {
        self.read_at_once(|conn| {
            let ended = jobs.iter().map(|seq| follow::ended(conn, *seq));
            ended.filter_map(driver::Result::transpose).collect()
        })
    }

    fn export(
        &self,
        selection: &Selection,
        linked: bool,
        each: &mut dyn FnMut(ExportRow) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        // One state, so that a job that ends meanwhile is not seen twice or not at all.
        self.read_at_once(|conn| export::merge(conn, selection, linked, each))
    }
}

impl Operator {
    fn ids_in_flight(&self, state: Option<State>) -> Result<Vec<String>, LedgerError> {
        let flying: Vec<(String, i64)> =
            self.read(|conn| conn.query(IN_FLIGHT, &[], |row| Ok((row.get(0)?, row.get(1)?))))?;
        let wanted = |(_, number): &(String, i64)| state.is_none_or(|state| state.number() == *number);
        let ids: BTreeSet<String> = flying.into_iter().filter(wanted).map(|(id, _)| id).collect();
        Ok(ids.into_iter().collect())
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
