//! Jobs that were accepted before the ledger kept what each creates, and while a row's number was its id.
//!
//! What they create is worked out when a catalog is at hand, once: [`identify_some`]. Until then, and in a ledger that
//! is only looked at, it is worked out as they are read.
//!
//! Decision: docs/decisions/0020-first-edition-rows-keep-their-numbers.md

use std::sync::Arc;

use super::outlook::UntouchedFile;
use crate::driver::{Conn, Result, Row, values};
use crate::ledger::books::{Books, Trouble};
use crate::ledger::seal::{Place as Sealed, Seal};
use crate::ledger::{job_row, meta};
use paceline_domain::catalog::Catalog;
use paceline_domain::identity::{self, ObjectHash, Place};
use paceline_domain::job::{Identity, LaneKey};
use paceline_domain::rows::Numbered;
use paceline_ports::LedgerError;

/// Since these versions of the schema jobs have objects, and may be edited.
const OBJECTS_SINCE: i64 = 9;
const EDITS_SINCE: i64 = 3;
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
    pub(super) fn of(conn: &Conn) -> Result<Self> {
        let has_objects = conn.has_since(OBJECTS_SINCE);
        // A ledger that nobody has opened for writing since is all of the first edition.
        let last = if has_objects { meta::get(conn, "first_edition")?.unwrap_or_default() } else { i64::MAX };
        let identified = meta::get(conn, "identified")?.unwrap_or_default();
        Ok(Self { has_objects, has_edits: conn.has_since(EDITS_SINCE), last, identified })
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
            "SELECT j.seq, j.id, j.hash, {edited}, l.app, l.tenant, l.method, j.identity, j.params
             FROM jobs j JOIN lanes l ON l.lane = j.lane WHERE {which}"
        )
    }
}

impl Job {
    fn read(row: &Row<'_>, seal: &Seal) -> Result<Self> {
        let hashes: [Option<Vec<u8>>; 2] = [row.get(2)?, row.get(3)?];
        let id: String = row.get(1)?;
        Ok(Self {
            seq: row.get(0)?,
            contents: hashes.iter().flatten().map(|hash| seal.carried(hash)).collect::<Result<_>>()?,
            lane: LaneKey { app: row.get(4)?, tenant: row.get(5)?, method: row.get(6)? },
            identity: row.get(7)?,
            params: seal.opened_text(row.get(8)?, Sealed::job_params(&id))?,
            id,
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
pub(super) fn each_unidentified(conn: &Conn, how: &FirstEdition, limit: i64, mut each: impl FnMut(Job)) -> Result<()> {
    if how.identified >= how.last {
        return Ok(());
    }
    let sql = how.sql("j.seq > $1 AND j.seq <= $2 ORDER BY j.seq LIMIT $3");
    conn.query_each(&sql, values![how.identified, how.last, limit], |row| {
        each(Job::read(row, conn.seal())?);
        Ok(())
    })
}

/// Whether what they create is in the ledger.
pub(super) fn is_identified(conn: &Conn) -> Result<bool> {
    let how = FirstEdition::of(conn)?;
    Ok(how.identified >= how.last)
}

/// Works out what the next of them create.
pub(super) fn identify_some(books: &Books, catalog: &Catalog) -> std::result::Result<(), Trouble> {
    let conn = books.conn();
    let how = FirstEdition::of(conn)?;
    let mut jobs = Vec::with_capacity(CHUNK as usize);
    each_unidentified(conn, &how, i64::from(CHUNK), |job| jobs.push((job.seq, job.created(catalog))))?;
    for (seq, object) in &jobs {
        if let Some(object) = object {
            conn.send("UPDATE jobs SET object = $2 WHERE seq = $1", values![seq, object.0])?;
        }
    }
    let reached = if jobs.len() < CHUNK as usize { how.last } else { jobs.last().map_or(how.last, |(seq, _)| *seq) };
    conn.send("UPDATE meta SET value = $1 WHERE name = 'identified'", values![reached])?;
    Ok(())
}

impl UntouchedFile {
    /// The jobs whose ids are this batch and a row's number, in their order.
    ///
    /// # Errors
    /// The ledger's.
    pub(super) fn numbered(
        &self,
        batch: &str,
        catalog: &Arc<Catalog>,
    ) -> std::result::Result<Vec<Numbered>, LedgerError> {
        let how = FirstEdition::of(&self.conn)?;
        if how.last == 0 {
            return Ok(Vec::new());
        }
        let prefix = format!("{batch}:");
        // `;` comes next after `:`, so that the index of ids leads from the first to the last of the batch.
        let sql = how.sql("j.id > $1 AND j.id < $2 AND j.seq <= $3 ORDER BY j.seq");
        let mut numbered = Vec::new();
        self.conn.query_each(&sql, values![prefix, format!("{batch};"), how.last], |row| {
            let job = Job::read(row, self.conn.seal())?;
            let is_number = job.id.strip_prefix(&prefix).is_some_and(is_row_number);
            if let (true, Some(object)) = (is_number, job.object(catalog)) {
                numbered.push(Numbered { id: job.id, object, contents: job.contents });
            }
            Ok(())
        })?;
        Ok(numbered)
    }
}

fn is_row_number(text: &str) -> bool {
    (1..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(|letter| letter.is_ascii_digit())
}
