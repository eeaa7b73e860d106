//! Jobs that were accepted before the ledger kept what each creates, and while a row's number was its id.
//!
//! What they create is worked out when a catalog is at hand, once: [`Operator::identify`]. Until then, and in a ledger that
//! is only looked at, it is worked out as they are read.
//!
//! Decision: docs/decisions/0020-first-edition-rows-keep-their-numbers.md

use std::sync::Arc;

use rusqlite::{OptionalExtension, Row, params};

use super::Operator;
use super::outlook::Untouched;
use crate::driver::Conn;
use crate::sqlite::{file, job_row};
use paceline_domain::catalog::Catalog;
use paceline_domain::identity::{self, ObjectHash, Place};
use paceline_domain::job::{Identity, LaneKey};
use paceline_domain::rows::Numbered;
use paceline_ports::LedgerError;

/// Jobs in one transaction.
const CHUNK: u32 = 2_000;
/// No file has so many rows that its number is longer; the hash in an id of today is.
const DIGITS_MAX: usize = 15;

/// How a ledger stands to its first jobs.
pub(super) struct FirstEdition {
    has_objects: bool,
    has_edits: bool,
    /// The last job of the first edition; 0 if there is none.
    last: i64,
    /// The last one whose object is in the ledger.
    identified: i64,
}

/// A job of then.
pub(super) struct Job {
    pub(super) seq: i64,
    id: String,
    contents: Vec<Vec<u8>>,
    lane: LaneKey,
    identity: Option<String>,
    params: String,
}

impl FirstEdition {
    pub(super) fn of(conn: &Conn) -> rusqlite::Result<Self> {
        let has = |column: &str| conn.prepare(&format!("SELECT {column} FROM jobs LIMIT 0")).is_ok();
        let number = |name: &str| -> rusqlite::Result<i64> {
            let value =
                conn.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0)).optional()?;
            Ok(value.unwrap_or_default())
        };
        let has_objects = has("object");
        // A ledger that nobody has opened for writing since is all of the first edition.
        let last = if has_objects { number("first_edition")? } else { i64::MAX };
        Ok(Self { has_objects, has_edits: has("edited_hash"), last, identified: number("identified")? })
    }

    pub(super) fn has_objects(&self) -> bool {
        self.has_objects
    }

    /// The column, or what stands in for it where there is none.
    pub(super) fn edited_hash(&self) -> &'static str {
        if self.has_edits { "j.edited_hash" } else { "NULL" }
    }

    fn sql(&self, which: &str) -> String {
        let edited = self.edited_hash();
        format!(
            "SELECT j.seq, j.id, carried(j.hash), carried({edited}), l.app, l.tenant, l.method, j.identity,
                 opened(j.params, 'jobs.params', j.id)
             FROM jobs j JOIN lanes l USING (lane) WHERE {which}"
        )
    }
}

impl Job {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let hashes = [row.get::<_, Option<Vec<u8>>>(2)?, row.get(3)?];
        Ok(Self {
            seq: row.get(0)?,
            id: row.get(1)?,
            contents: hashes.into_iter().flatten().collect(),
            lane: LaneKey { app: row.get(4)?, tenant: row.get(5)?, method: row.get(6)? },
            identity: row.get(7)?,
            params: row.get(8)?,
        })
    }

    /// What it is about; `None` if its record is damaged.
    fn object(&self, catalog: &Catalog) -> Option<ObjectHash> {
        let params = job_row::params_of(&self.params).ok()?;
        let tenant = Identity::default().to_string();
        let LaneKey { app, tenant: customer, method } = &self.lane;
        let identity = self.identity.as_deref().unwrap_or(&tenant);
        let known = catalog.job_method(method).map(AsRef::as_ref);
        Some(identity::hash(Place { method, app, tenant: customer, identity }, known, &params))
    }

    /// What it creates.
    pub(super) fn created(&self, catalog: &Catalog) -> Option<ObjectHash> {
        catalog.job_method(&self.lane.method).filter(|method| method.creates())?;
        self.object(catalog)
    }
}

/// Calls `each` for the next jobs whose object is not in the ledger.
pub(super) fn each_unidentified(
    conn: &Conn,
    how: &FirstEdition,
    limit: i64,
    mut each: impl FnMut(Job),
) -> rusqlite::Result<()> {
    if how.identified >= how.last {
        return Ok(());
    }
    let mut statement = conn.prepare(&how.sql("j.seq > ?1 AND j.seq <= ?2 ORDER BY j.seq LIMIT ?3"))?;
    let mut rows = statement.query(params![how.identified, how.last, limit])?;
    while let Some(row) = rows.next()? {
        each(Job::read(row)?);
    }
    Ok(())
}

impl Operator {
    /// Works out what the jobs of the first edition create, so that it can be looked up. Once done it costs nothing.
    ///
    /// # Errors
    /// The ledger's.
    pub fn identify(&mut self, catalog: &Catalog) -> Result<(), LedgerError> {
        while self.identify_some(catalog)? {}
        Ok(())
    }

    /// Whether there are more.
    fn identify_some(&mut self, catalog: &Catalog) -> Result<bool, LedgerError> {
        let is_done = self.read(|conn| {
            let how = FirstEdition::of(conn)?;
            Ok(how.identified >= how.last)
        })?;
        if is_done {
            return Ok(false);
        }
        self.tend(|books| {
            let conn = books.conn();
            let how = FirstEdition::of(conn)?;
            let mut jobs = Vec::with_capacity(CHUNK as usize);
            each_unidentified(conn, &how, i64::from(CHUNK), |job| jobs.push((job.seq, job.created(catalog))))?;
            let mut update = conn.prepare_cached("UPDATE jobs SET object = ?2 WHERE seq = ?1")?;
            for (seq, object) in &jobs {
                if let Some(object) = object {
                    update.execute(params![seq, object.0])?;
                }
            }
            let reached =
                if jobs.len() < CHUNK as usize { how.last } else { jobs.last().map_or(how.last, |(seq, _)| *seq) };
            conn.prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'identified'")?.execute([reached])?;
            Ok(reached < how.last)
        })
    }
}

impl Untouched {
    /// The jobs whose ids are this batch and a row's number, in their order.
    ///
    /// # Errors
    /// The ledger's.
    pub fn numbered(&self, batch: &str, catalog: &Arc<Catalog>) -> Result<Vec<Numbered>, LedgerError> {
        let read = || -> rusqlite::Result<Vec<Numbered>> {
            let how = FirstEdition::of(&self.conn)?;
            if how.last == 0 {
                return Ok(Vec::new());
            }
            let prefix = format!("{batch}:");
            // `;` comes next after `:`, so that the index of ids leads from the first to the last of the batch.
            let mut statement =
                self.conn.prepare(&how.sql("j.id > ?1 AND j.id < ?2 AND j.seq <= ?3 ORDER BY j.seq"))?;
            let mut rows = statement.query(params![prefix, format!("{batch};"), how.last])?;
            let mut numbered = Vec::new();
            while let Some(row) = rows.next()? {
                let job = Job::read(row)?;
                let is_number = job.id.strip_prefix(&prefix).is_some_and(is_row_number);
                if let (true, Some(object)) = (is_number, job.object(catalog)) {
                    numbered.push(Numbered { id: job.id, object, contents: job.contents });
                }
            }
            Ok(numbered)
        };
        read().map_err(|error| file::failed(&error))
    }
}

fn is_row_number(text: &str) -> bool {
    (1..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(|letter| letter.is_ascii_digit())
}
