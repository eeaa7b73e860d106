//! File → result: rows taken over into the ledger, worked to their end; every attempt durable before it is sent.

use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use anyhow::ensure;
use paceline::domain::rows::{Format, Input, Row, Rows};
use paceline::engine::Stop;
use paceline::engine::ports::{Arrival, Origin};

use super::amqp::{LIFTED, SECTIONS};
use super::common::{Worker, sentence};

/// Rows in one transaction, as `run` and `submit` take them over.
const CHUNK_ROWS: usize = 500;

/// Works the file to its end.
pub(crate) async fn run(url: &str, input: &Path) -> anyhow::Result<()> {
    let worker = Worker::start(url, "cli_file", SECTIONS, LIFTED).await?;
    let taken = take_over(&worker, input).await?;
    worker.engine.load(None).await?;
    let stop = worker.engine.run(true, std::future::pending()).await;
    let counts = worker.ledger.counts(None).await?;
    ensure!(stop == Stop::Idle && counts.succeeded == taken, "{stop:?}: {counts:?}");
    worker.ledger.close().await;
    Ok(())
}

async fn take_over(worker: &Worker, input: &Path) -> anyhow::Result<u64> {
    let named = Input {
        name: "jobs.jsonl".to_owned(),
        batch: "jobs".to_owned(),
        method: None,
        app: None,
        bytes_max: 1024 * 1024,
        layout: paceline::domain::rows::Layout::default(),
    };
    let source = BufReader::new(std::fs::File::open(input)?);
    let rows = Rows::open(Arc::clone(&worker.decoder), named, Format::Jsonl, source)?;
    let (mut taken, mut chunk) = (0, Vec::with_capacity(CHUNK_ROWS));
    for row in rows {
        chunk.push(arrival(row?)?);
        taken += 1;
        if chunk.len() == CHUNK_ROWS {
            worker.ledger.take_over(std::mem::take(&mut chunk), worker.clock.now()).await?;
        }
    }
    worker.ledger.take_over(chunk, worker.clock.now()).await?;
    Ok(taken)
}

fn arrival(row: Row) -> anyhow::Result<Arrival> {
    let job = row.input.map_err(|rejection| sentence(rejection.detail()))?;
    let origin = Origin { raw: row.raw, place: row.place, cells: row.cells, ..Origin::default() };
    Ok(Arrival { input: Ok(Box::new(job)), origin })
}
