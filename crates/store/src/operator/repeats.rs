//! Which rows of files, and which jobs over HTTP, repeat what the ledger holds already: by their ids, or by what they
//! would create. Each is looked up by an index, so that a ledger of a million jobs answers at once.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use super::Operator;
use super::first_edition::{self, FirstEdition};
use super::outlook::UntouchedFile;
use crate::driver::{self, Conn, Row, values};
use crate::ledger::job_row::{JOB_COLUMNS, JOB_TABLES, JobRow};
use crate::ledger::listed;
use crate::state::State;
use paceline_domain::catalog::Catalog;
use paceline_domain::identity::ObjectHash;
use paceline_domain::job::{Identity, Job, LaneKey};
use paceline_domain::rows::Numbered;
use paceline_domain::time::Timestamp;
use paceline_domain::update;
use paceline_ports::operator::{Likeness, Outlook, Repeat, RepeatReports, Seeker, Sought, Untouched, can_be_queued};
use paceline_ports::{Kept, LedgerError};

/// The version since which the ledger keeps what look-ups by name have shown.
const LISTED_SINCE: i64 = 26;

/// Looks jobs up in a ledger.
struct LookUps<'l> {
    conn: &'l Conn,
    how: FirstEdition,
    /// Jobs whose object nobody has worked out yet.
    unidentified: HashMap<ObjectHash, Vec<i64>>,
}

impl Untouched for UntouchedFile {
    fn knows(&self, id: &str) -> Result<bool, LedgerError> {
        Ok(self.conn.query_value("SELECT EXISTS (SELECT 1 FROM jobs WHERE id = $1)", values![id])?)
    }

    fn listed(&self, directory: &str, place: &str, since: Timestamp) -> Result<Option<Kept>, LedgerError> {
        let kept = self.conn.has_since(LISTED_SINCE).then(|| listed::of(&self.conn, directory, place, since));
        Ok(kept.transpose()?.flatten())
    }

    fn objects(&self, lane: &LaneKey, identity: &Identity) -> Result<u64, LedgerError> {
        const SQL: &str = "SELECT count(*) FROM jobs JOIN lanes USING (lane)
            WHERE app = $1 AND tenant = $2 AND method = $3 AND identity IS NOT DISTINCT FROM $4
                AND state NOT IN ($5, $6)";
        let identity = (*identity != Identity::Tenant).then(|| identity.to_string());
        let gone = [State::Dead, State::Cancelled].map(State::number);
        Ok(self.conn.query_value(SQL, values![lane.app, lane.tenant, lane.method, identity, gone[0], gone[1]])?)
    }

    fn seeker(&self, catalog: &Catalog) -> Result<Box<dyn Seeker + '_>, LedgerError> {
        Ok(Box::new(LookUps::new(&self.conn, catalog)?))
    }

    fn outlook(&self, since: Timestamp) -> Result<Outlook, LedgerError> {
        UntouchedFile::outlook(self, since)
    }

    fn numbered(&self, batch: &str, catalog: &Arc<Catalog>) -> Result<Vec<Numbered>, LedgerError> {
        UntouchedFile::numbered(self, batch, catalog)
    }
}

impl RepeatReports for Operator {
    fn seeker(&self, catalog: &Catalog) -> Result<Box<dyn Seeker + '_>, LedgerError> {
        self.books.seal()?;
        Ok(Box::new(LookUps::new(self.books.conn(), catalog)?))
    }
}

impl<'l> LookUps<'l> {
    fn new(conn: &'l Conn, catalog: &Catalog) -> Result<Self, LedgerError> {
        let read = || -> driver::Result<_> {
            let how = FirstEdition::of(conn)?;
            let mut unidentified: HashMap<ObjectHash, Vec<i64>> = HashMap::new();
            first_edition::each_unidentified(conn, &how, i64::MAX, |job| {
                if let Some(object) = job.created(catalog) {
                    unidentified.entry(object).or_default().push(job.seq);
                }
            })?;
            Ok(Self { conn, how, unidentified })
        };
        Ok(read()?)
    }

    fn by_id(&self, sought: Sought<'_>, content: &[u8; 32]) -> driver::Result<Option<Repeat>> {
        let sql = format!(
            "SELECT j.id, coalesce(b.name, ''), j.state, j.key, j.hash, {edited}, j.amqp IS NOT NULL,
                 l.app, l.tenant, l.method
             FROM jobs j JOIN lanes l ON l.lane = j.lane LEFT JOIN batches b ON b.batch = j.batch WHERE j.id = $1",
            edited = self.how.edited_hash(),
        );
        self.conn.query_opt(&sql, values![sought.job.id], |row| {
            let (is_same, is_amqp): (bool, bool) = (is_content(self.conn, row, 4, content)?, row.get(6)?);
            let lane = LaneKey { app: row.get(7)?, tenant: row.get(8)?, method: row.get(9)? };
            let mut repeat = repeat(row, Likeness::Same)?;
            if !is_same {
                let corrects = sought.is_row && !is_amqp && can_be_queued(repeat.state) && lane == sought.job.lane;
                repeat.likeness = if corrects { Likeness::Corrected } else { Likeness::IdConflict };
            }
            Ok(repeat)
        })
    }

    /// What ended without success, or was deleted again, has no twin.
    fn twin(&self, sought: Sought<'_>, object: ObjectHash, content: &[u8; 32]) -> driver::Result<Option<Repeat>> {
        if self.how.has_objects() {
            let found = self.first_twin("j.object = $1", object.0, sought, content)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        for seq in self.unidentified.get(&object).into_iter().flatten() {
            let found = self.first_twin("j.seq = $1", *seq, sought, content)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn first_twin(
        &self,
        which: &str,
        number: i64,
        sought: Sought<'_>,
        content: &[u8; 32],
    ) -> driver::Result<Option<Repeat>> {
        let sql = format!(
            "SELECT j.id, coalesce(b.name, ''), j.state, j.key, j.hash, {edited}
             FROM jobs j LEFT JOIN batches b ON b.batch = j.batch
             WHERE {which} AND j.id <> $2 AND j.state NOT IN ({dead}, {cancelled})",
            dead = State::Dead.number(),
            cancelled = State::Cancelled.number(),
            edited = self.how.edited_hash(),
        );
        let mut found = None;
        self.conn.query_until(&sql, values![number, sought.job.id], |row| {
            if sought.by_content && !is_content(self.conn, row, 4, content)? {
                return Ok(ControlFlow::Continue(()));
            }
            found = Some(repeat(row, Likeness::Twin)?);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }
}

impl Seeker for LookUps<'_> {
    fn seek(&self, sought: Sought<'_>) -> Result<(Option<Repeat>, Option<Repeat>), LedgerError> {
        let read = || -> driver::Result<_> {
            let content = sought.job.content_hash();
            let known = self.by_id(sought, &content)?;
            // What is not called, creates nothing.
            let is_called = known.as_ref().is_none_or(|known| match known.likeness {
                Likeness::Same => can_be_queued(known.state),
                Likeness::Corrected => true,
                Likeness::IdConflict | Likeness::Twin => false,
            });
            let twin = match sought.job.object {
                Some(object) if is_called => self.twin(sought, object, &content)?,
                _ => None,
            };
            Ok((known, twin))
        };
        Ok(read()?)
    }

    fn job(&self, id: &str) -> Result<Option<Job>, LedgerError> {
        static SQL: LazyLock<String> =
            LazyLock::new(|| format!("SELECT {JOB_COLUMNS} FROM {JOB_TABLES} WHERE j.id = $1"));
        if !self.how.has_objects() {
            return Ok(None);
        }
        let row = self.conn.query_opt(&SQL, values![id], |row| JobRow::read(row, self.conn.seal()));
        row?.map(JobRow::parse).transpose()
    }

    fn updates(&self, of: &str) -> Result<Vec<(Job, State)>, LedgerError> {
        const SQL: &str = "SELECT state FROM jobs WHERE id = $1";
        let mut found = Vec::new();
        loop {
            let id = update::id(of, found.len() + 1);
            let Some(job) = self.job(&id)? else { return Ok(found) };
            let state = self.conn.query_opt(SQL, values![id], |row| row.get::<i64>(0))?;
            found.push((job, state.and_then(State::of_number).unwrap_or(State::Queued)));
        }
    }
}

/// Whether a job is of this content, as it came or as a person edited it: by its two digests, from the column `at`.
pub(super) fn is_content(conn: &Conn, row: &Row<'_>, at: usize, content: &[u8; 32]) -> driver::Result<bool> {
    let digests: [Option<Vec<u8>>; 2] = [row.get(at)?, row.get(at + 1)?];
    for digest in digests.into_iter().flatten() {
        if conn.seal().is_content(&digest, content)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn repeat(row: &Row<'_>, likeness: Likeness) -> driver::Result<Repeat> {
    let state = State::of_number(row.get(2)?).unwrap_or(State::Queued);
    Ok(Repeat { likeness, id: row.get(0)?, batch: row.get(1)?, state, key: row.get(3)? })
}
