//! Rows of files into the ledger, in chunks, each durable before the next is read.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::crash_points;
use crate::domain::activity::{Action, Deed, Facts};
use crate::domain::decode::Decoder;
use crate::domain::rows::Row;
use crate::domain::time::Timestamp;
use crate::engine::ports::{Arrival, Intake, Origin, TakenOver};
use crate::wiring;
use paceline_ports::location::StoreUrl;
use paceline_ports::operator::Commands;

use super::batch::{self, Source};
use super::changes::Changes;
use super::context::Context;
use super::exit::refuse;
use super::signals::Early;

/// Rows in one transaction.
const CHUNK_ROWS: usize = 500;

/// What became of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(super) struct Taken {
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

/// Takes every row over into `ledger`, whose file is `store`. Files were checked before: a row that is no job by now is a
/// dead letter if `skip_invalid`. With `early`, a signal ends it between two chunks.
pub(super) async fn take_over(
    context: &Context,
    ledger: &dyn Intake,
    store: &StoreUrl,
    sources: &[Source],
    decoder: &Arc<Decoder>,
    (skip_invalid, changes): (bool, &Changes),
    early: Option<&Early>,
) -> anyhow::Result<Taken> {
    let mut taken = Taken::default();
    let mut chunk = Vec::with_capacity(CHUNK_ROWS);
    let mut batches = Batches { operator: wiring::open_for_people(store)?, seen: BTreeSet::new() };
    changes.supersede(&mut *batches.operator, context.clock.now())?;
    let files = sources.iter().map(|source| source.input.name.as_str());
    let deed = Arc::new(batches.operator.deed(Action::Submit, Facts::default().list("files", files)));
    let ids = batch::row_ids(sources);
    for source in sources {
        let mut rows = source.rows(decoder, &ids)??;
        let header = rows.header().map(<[String]>::to_vec);
        let is_export = rows.is_export();
        batches.seen.clear();
        while let Some(row) = rows.next().transpose()? {
            refuse_changed(&row, skip_invalid)?;
            let Some(row) = changes.of_row(row) else {
                taken.succeeded += 1;
                continue;
            };
            let row = match &header {
                Some(header) if is_export && row.cells.is_some() => batches.as_the_batch_has_it(row, header)?,
                _ => row,
            };
            let header = header.as_deref().filter(|_| row.cells.is_some());
            batches.describe(&row, source, header, context.clock.now())?;
            chunk.push(arrival(row, &deed));
            if chunk.len() == CHUNK_ROWS {
                taken.add(&ledger.take_over(std::mem::take(&mut chunk), context.clock.now()).await?);
                crash_points::reach("after-file-rows");
                if let Some(early) = early {
                    early.check(|| taken.interrupted())?;
                }
            }
        }
    }
    if !chunk.is_empty() {
        taken.add(&ledger.take_over(chunk, context.clock.now()).await?);
        crash_points::reach("after-file-rows");
    }
    Ok(taken)
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
    fn as_the_batch_has_it(&mut self, mut row: Row, header: &[String]) -> anyhow::Result<Row> {
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
        source: &Source,
        header: Option<&[String]>,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        if let Some(batch) = batch_of(row)
            && !self.seen.contains(batch)
        {
            self.operator.describe_batch(batch, &source.input.name, header, now)?;
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
pub(super) fn refuse_changed(row: &Row, skip_invalid: bool) -> anyhow::Result<()> {
    match &row.input {
        Err(rejection) if !skip_invalid => Err(refuse(
            format!("{}: {}", row.place, rejection.detail()),
            "the file was changed while it was read; run it again when it is finished",
        )),
        _ => Ok(()),
    }
}

fn arrival(row: Row, by: &Arc<Deed>) -> Arrival {
    let by = Some(Arc::clone(by));
    let origin = Origin { raw: row.raw, place: row.place, cells: row.cells, by, ..Origin::default() };
    Arrival { input: row.input.map(Box::new).map_err(Box::new), origin }
}

impl Taken {
    /// What a signal leaves behind before anything is sent.
    pub(super) fn interrupted(self) -> String {
        let rows = self.queued + self.blocked + self.known + self.succeeded + self.rejected;
        format!("after {rows} rows were accepted; nothing was sent. The same command again goes on")
    }

    fn add(&mut self, outcomes: &[TakenOver]) {
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
