//! AMQP → result: intake, ledger, engine, outbox and relay, until the broker has confirmed every result.

use std::time::Duration;

use anyhow::ensure;
use paceline::amqp::Options;
use paceline::engine::Stop;
use paceline::wiring;
use tokio::sync::oneshot;

use super::broker::url;
use super::common::{Worker, sentence};

/// As many calls in flight as the bare loop has.
pub(crate) const SECTIONS: &str = "[engine]\nconcurrency_max = 256\nlane_concurrency_max = 256\n";
/// A quota that no machine reaches.
pub(crate) const LIFTED: &str = "\"feishu.calendar.create\" = \"1000000/s\"\n";

/// How often it is looked whether all is done.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Works until all results are confirmed.
pub(crate) async fn run(simulator: &str, queues: &str, jobs: usize) -> anyhow::Result<()> {
    let worker = Worker::start(simulator, "cli_amqp", SECTIONS, LIFTED).await?;
    let options = Options {
        jobs_queue: format!("{queues}.jobs"),
        results_queue: format!("{queues}.results"),
        results_exchange: format!("{queues}.results"),
        dead_queue: format!("{queues}.dead"),
        ..Options::at(url())
    };
    let decoder = (*worker.decoder).clone();
    let mut service =
        wiring::broker(&options, &worker.engine, &worker.ledger, wiring::Decoding::new(decoder), &worker.clock)
            .map_err(sentence)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let engine = tokio::spawn({
        let engine = worker.engine.clone();
        async move { engine.run(false, async { drop(stopped.await) }).await }
    });
    until_confirmed(&worker, jobs as u64).await?;
    service.stop_intake().await;
    drop(stop);
    ensure!(engine.await? == Stop::Drained, "the engine did not drain");
    service.stop().await;
    worker.ledger.close().await;
    Ok(())
}

async fn until_confirmed(worker: &Worker, jobs: u64) -> anyhow::Result<()> {
    loop {
        // Questions to the ledger are no part of the work: they begin when nothing is left to be called.
        if worker.engine.unfinished() == 0 {
            let counts = worker.ledger.counts(None).await?;
            ensure!(counts.dead + counts.held == 0, "{counts:?}");
            if counts.succeeded == jobs && worker.ledger.claim(0, 1).await?.is_empty() {
                return Ok(());
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
