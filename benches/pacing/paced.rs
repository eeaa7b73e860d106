//! The batch through Paceline's engine: ledger, permits, HTTP.

use anyhow::ensure;
use paceline::domain::decode::Defaults;
use paceline::engine::Stop;
use paceline::engine::ports::{Arrival, Origin};
use serde_json::json;

use super::batch::Batch;
use super::common::{Worker, sentence};

/// Works the batch to its end; how long that took, in seconds.
pub(crate) async fn run(url: &str, batch: &Batch, app_id: &str) -> anyhow::Result<f64> {
    let worker = Worker::start(url, app_id, "", "").await?;
    let mut arrivals = Vec::new();
    for (number, body) in batch.bodies.iter().enumerate() {
        let id = format!("{}-{number}", batch.name);
        let job = json!({"id": id, "method": batch.method, "app": "bench", "body": body}).to_string();
        let job = worker.decoder.decode(job.as_bytes(), &Defaults::default());
        let job = job.map_err(|rejection| sentence(rejection.detail()))?;
        arrivals.push(Arrival { input: Ok(Box::new(job)), origin: Origin::default() });
    }
    worker.ledger.take_over(arrivals, worker.clock.now()).await?;
    worker.engine.load(None).await?;
    let started = worker.clock.mono();
    let stop = worker.engine.run(true, std::future::pending()).await;
    let finish_s = worker.clock.mono().since(started).as_secs_f64();
    let counts = worker.ledger.counts(None).await?;
    ensure!(stop == Stop::Idle && counts.succeeded == batch.bodies.len() as u64, "{stop:?}: {counts:?}");
    worker.ledger.close().await;
    Ok(finish_s)
}
