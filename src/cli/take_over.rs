//! Rows of files into the ledger, in chunks, each durable before the next is read.

use std::sync::Arc;

use crate::crash_points;
use crate::domain::activity::{Action, Facts};
use crate::domain::decode::Decoder;
use crate::domain::rows::Row;
use crate::engine::ports::Intake;
use crate::operations::files::{Arrivals, Changes, Next, Taken, arrival};
use crate::wiring;
use paceline_ports::location::StoreUrl;

use super::batch::{self, Source};
use super::context::Context;
use super::signals::Early;

/// Rows in one transaction.
const CHUNK_ROWS: usize = 500;

/// Takes every row over into `ledger`, whose file is `store`. Files were checked before: a row that is no job by now is a
/// dead letter if `skip_invalid`. With `early`, a signal ends it between two chunks.
pub(super) async fn take_over(
    context: &Context,
    ledger: &dyn Intake,
    store: &StoreUrl,
    sources: &[Source],
    decoder: &Arc<Decoder>,
    (skip_invalid, changes, levels): (bool, &Changes, &[Row]),
    early: Option<&Early>,
) -> anyhow::Result<Taken> {
    let mut taken = Taken::default();
    let mut chunk = Vec::with_capacity(CHUNK_ROWS);
    let mut operator = wiring::open_for_people(store)?;
    changes.supersede::<anyhow::Error>(&mut *operator, context.clock.now())?;
    let files = sources.iter().map(|source| source.input.name.as_str());
    let deed = Arc::new(operator.deed(Action::Submit, Facts::default().list("files", files)));
    let ids = batch::row_ids(sources);
    chunk.extend(levels.iter().map(|row| arrival(row.clone(), &deed)));
    let mut arrivals = Arrivals::new(sources, (decoder, ids), (skip_invalid, changes), (operator, deed));
    while let Some(next) = arrivals.next::<anyhow::Error>(context.clock.now())? {
        match next {
            Next::Settled => taken.succeeded += 1,
            Next::Arrival(arrival) => chunk.push(*arrival),
        }
        if chunk.len() >= CHUNK_ROWS {
            taken.add(&ledger.take_over(std::mem::take(&mut chunk), context.clock.now()).await?);
            crash_points::reach("after-file-rows");
            if let Some(early) = early {
                early.check(|| taken.interrupted())?;
            }
        }
    }
    if !chunk.is_empty() {
        taken.add(&ledger.take_over(chunk, context.clock.now()).await?);
        crash_points::reach("after-file-rows");
    }
    Ok(taken)
}

impl Taken {
    /// What a signal leaves behind before anything is sent.
    pub(super) fn interrupted(self) -> String {
        let rows = self.queued + self.blocked + self.known + self.succeeded + self.rejected;
        format!("after {rows} rows were accepted; nothing was sent. The same command again goes on")
    }
}
