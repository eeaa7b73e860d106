//! Rows of files as inputs for the ledger, one at a time.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::changes::Changes;
use super::check::{RowSource, SomeRows};
use crate::domain::activity::Deed;
use crate::domain::decode::Decoder;
use crate::domain::rows::{Row, RowIds};
use crate::domain::time::Timestamp;
use crate::engine::ports::{Arrival, LedgerError, Origin, TakenOver};
use crate::operations::refused::Refused;
use paceline_ports::operator::Commands;

/// A row on its way.
#[derive(Debug)]
pub enum Next {
    /// An input for the ledger.
    Arrival(Box<Arrival>),
    /// The row's job has succeeded; there is nothing to do.
    Settled,
}

/// The rows of some files. They were checked before: a row that is no job by now is a dead letter if rows with faults may be
/// passed over.
pub struct Arrivals<'f, S> {
    sources: VecDeque<&'f S>,
    open: Option<Open<'f, S>>,
    decoder: &'f Arc<Decoder>,
    changes: &'f Changes,
    skip_invalid: bool,
    ids: RowIds,
    deed: Arc<Deed>,
    batches: Batches,
}

/// The file that is being read.
struct Open<'f, S> {
    source: &'f S,
    rows: SomeRows,
    header: Option<Vec<String>>,
    is_export: bool,
}

impl<'f, S: RowSource> Arrivals<'f, S> {
    /// The rows of these files; `operator` notes in the ledger which file and header a batch has.
    pub fn new(
        sources: &'f [S],
        (decoder, ids): (&'f Arc<Decoder>, RowIds),
        (skip_invalid, changes): (bool, &'f Changes),
        (operator, deed): (Box<dyn Commands>, Arc<Deed>),
    ) -> Self {
        let batches = Batches { operator, seen: BTreeSet::new() };
        let sources = sources.iter().collect();
        Self { sources, open: None, decoder, changes, skip_invalid, ids, deed, batches }
    }

    /// The next row; `None` behind the last.
    ///
    /// # Errors
    /// A file that was changed meanwhile, or the ledger's.
    pub fn next<E>(&mut self, now: Timestamp) -> Result<Option<Next>, E>
    where
        E: From<LedgerError> + From<Refused> + From<S::Error>,
    {
        loop {
            if self.open.is_none() && !self.open_next::<E>()? {
                return Ok(None);
            }
            let Some(open) = &mut self.open else { return Ok(None) };
            let Some(row) = open.rows.next().transpose().map_err(|error| changed(&error.to_string()))? else {
                self.open = None;
                continue;
            };
            refuse_changed(&row, self.skip_invalid)?;
            let Some(row) = self.changes.of_row(row) else { return Ok(Some(Next::Settled)) };
            let row = match &open.header {
                Some(header) if open.is_export && row.cells.is_some() => {
                    self.batches.as_the_batch_has_it(row, header)?
                }
                _ => row,
            };
            let header = open.header.as_deref().filter(|_| row.cells.is_some());
            self.batches.describe(&row, &open.source.input().name, header, now)?;
            return Ok(Some(Next::Arrival(Box::new(arrival(row, &self.deed)))));
        }
    }

    fn open_next<E>(&mut self) -> Result<bool, E>
    where
        E: From<Refused> + From<S::Error>,
    {
        let Some(source) = self.sources.pop_front() else { return Ok(false) };
        let rows = source.rows(self.decoder, &self.ids)?.map_err(|error| changed(&error.to_string()))?;
        let (header, is_export) = (rows.header().map(<[String]>::to_vec), rows.is_export());
        self.batches.seen.clear();
        self.open = Some(Open { source, rows, header, is_export });
        Ok(true)
    }
}

/// Notes in the ledger which file and header a batch has, so that an export can give its rows back.
struct Batches {
    operator: Box<dyn Commands>,
    /// Those of the present file that are noted.
    seen: BTreeSet<String>,
}

impl Batches {
    /// The row of an export, its cells in the columns that its batch has: they may have been moved meanwhile. The batch
    /// keeps its header.
    fn as_the_batch_has_it(&mut self, mut row: Row, header: &[String]) -> Result<Row, LedgerError> {
        let Some(batch) = batch_of(&row) else { return Ok(row) };
        let Some(known) = self.operator.header(batch)? else { return Ok(row) };
        if !self.seen.contains(batch) {
            self.seen.insert(batch.clone());
        }
        let cells: Vec<String> =
            row.cells.as_deref().and_then(|cells| serde_json::from_str(cells).ok()).unwrap_or_default();
        let cell = |name: &String| {
            let index = header.iter().position(|column| column == name)?;
            cells.get(index).cloned()
        };
        let moved: Vec<String> = known.iter().map(|name| cell(name).unwrap_or_default()).collect();
        row.cells = Some(serde_json::Value::from(moved).to_string());
        Ok(row)
    }

    fn describe(
        &mut self,
        row: &Row,
        file: &str,
        header: Option<&[String]>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        if let Some(batch) = batch_of(row)
            && !self.seen.contains(batch)
        {
            self.operator.describe_batch(batch, file, header, now)?;
            self.seen.insert(batch.clone());
        }
        Ok(())
    }
}

fn batch_of(row: &Row) -> Option<&String> {
    match &row.input {
        Ok(job) => job.batch.as_ref(),
        Err(rejection) => rejection.batch.as_ref(),
    }
}

/// A file that was valid a moment ago and now is not is being written to.
///
/// # Errors
/// The row has a fault, and rows with faults are not passed over.
pub fn refuse_changed(row: &Row, skip_invalid: bool) -> Result<(), Refused> {
    match &row.input {
        Err(rejection) if !skip_invalid => Err(changed(&format!("{}: {}", row.place, rejection.detail()))),
        _ => Ok(()),
    }
}

fn changed(error: &str) -> Refused {
    Refused::new(error, "the file was changed while it was read; run it again when it is finished")
}

/// A row as an input that this deed brings.
pub fn arrival(row: Row, by: &Arc<Deed>) -> Arrival {
    let by = Some(Arc::clone(by));
    let origin = Origin { raw: row.raw, place: row.place, cells: row.cells, by, ..Origin::default() };
    Arrival { input: row.input.map(Box::new).map_err(Box::new), origin }
}

/// What became of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Taken {
    /// New jobs, and ended ones that are queued again.
    pub queued: u64,
    /// Jobs that wait for others first.
    pub blocked: u64,
    /// Jobs that were known already and have not ended.
    pub known: u64,
    /// Jobs that were known already and have succeeded.
    pub succeeded: u64,
    /// Rows that are dead letters: no jobs, or ids of other content.
    pub rejected: u64,
}

impl Taken {
    /// Counts what became of some of them.
    pub fn add(&mut self, outcomes: &[TakenOver]) {
        for outcome in outcomes {
            match outcome {
                TakenOver::Queued(_) => self.queued += 1,
                TakenOver::Blocked => self.blocked += 1,
                TakenOver::Known => self.known += 1,
                TakenOver::Succeeded => self.succeeded += 1,
                TakenOver::Rejected => self.rejected += 1,
            }
        }
    }
}
