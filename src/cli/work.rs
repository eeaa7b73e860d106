//! `paceline work`: the worker, until a signal or until nothing is left.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use crate::amqp::{IntakeState, Look, Service};
use crate::engine::{Engine, Stop};
use crate::wiring::{self, Parts, Surroundings, Worker};
use paceline_ports::{LedgerError, Mode, Store};

use super::context::Context;
use super::exit::{Exit, refuse};
use super::run::lost;
use super::signals::{self, HangUp};

/// How long nothing must come in before `--until-idle` believes that nothing is left.
const QUIET: Duration = Duration::from_secs(2);

/// Work jobs from the broker and the ledger until a signal, then drain
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Stop when nothing is left
    #[arg(long)]
    until_idle: bool,
}

/// Works.
pub(super) async fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let settings = context.settings()?;
    if settings.apps.is_empty() {
        return Err(refuse("no apps configured: add an [apps.NAME] section", "config/paceline.toml has an example"));
    }
    wiring::warn_of_plain_text(&settings);
    let catalog = wiring::catalog_of(&settings)?;
    let store = settings.store.clone();
    let parts = Parts::of(settings, Arc::clone(&catalog), Surroundings::Work, context.source(), &context.clock)?;
    let signals = (signals::Stop::listen()?, signals::HangUps::listen()?);
    // First the ledger: a second worker on it should read who has it, not that its port is taken.
    let ledger = parts.open(Mode::Worker)?;
    // Jobs over HTTP are looked up in it.
    wiring::open_for_people(&store)?.identify(&catalog)?;
    let load = async |engine: &Arc<Engine>| {
        let loaded = engine.load(None).await?;
        info!(loaded, ledger = %store.place(), "working");
        Ok(())
    };
    let (mut worker, ()) = Worker::start(parts, Arc::clone(&ledger), load).await?;
    let has_broker = worker.service.is_some();
    let (stop, stuck) = work(&mut worker, args.until_idle, signals).await?;
    worker.end(stop.is_some()).await;
    if let Some(exit) = lost(context, &worker.engine, &*ledger).await? {
        return Ok(exit);
    }
    let stuck = if has_broker { stuck } else { Some("the settings have no [broker]".to_owned()) };
    conclude(context, &*ledger, stop, (args.until_idle, stuck)).await
}

/// Says how it ended. `stuck` is what keeps results from being published, if anything does.
async fn conclude(
    context: &mut Context,
    ledger: &dyn Store,
    stop: Option<Stop>,
    (until_idle, stuck): (bool, Option<String>),
) -> anyhow::Result<Exit> {
    if stop != Some(Stop::Idle) && stop != Some(Stop::Drained) {
        writeln!(context.err, "calls were in flight at the end; what became of them is looked up at the next start")?;
    }
    if stop.is_none() {
        return Ok(Exit::Interrupted);
    }
    let left = async { Ok::<_, LedgerError>((ledger.counts(None).await?, ledger.unpublished().await?)) }.await;
    ledger.close().await;
    let (counts, unpublished) = match left {
        Ok(left) => left,
        Err(error) if !until_idle => {
            warn!(%error, "ended; what is left cannot be counted now");
            return Ok(Exit::Success);
        }
        Err(error) => return Err(error.into()),
    };
    info!(succeeded = counts.succeeded, dead = counts.dead, held = counts.held, queued = counts.queued, "ended");
    if unpublished > 0 {
        let why = stuck.unwrap_or_else(|| "the next start publishes them".to_owned());
        let results = if unpublished == 1 { "result is" } else { "results are" };
        writeln!(context.err, "{unpublished} {results} not published: {why}")?;
    }
    let left = counts.dead + counts.held + counts.queued + counts.uncertain + unpublished;
    let is_unwell = until_idle && left > 0;
    Ok(if is_unwell { Exit::Unwell } else { Exit::Success })
}

/// Runs the engine; a first signal drains, a second ends at once: `None`, and nothing more is waited for. Says also what
/// keeps results from being published, if anything does.
async fn work(
    worker: &mut Worker,
    until_idle: bool,
    (mut signals, mut hang_ups): (signals::Stop, signals::HangUps),
) -> anyhow::Result<(Option<Stop>, Option<String>)> {
    let (stopping, stopped) = watch::channel(false);
    let mut service = worker.service.take();
    let look = service.as_ref().map(Service::look);
    let running = run(Arc::clone(&worker.engine), Arc::clone(&worker.ledger), look.clone(), until_idle, stopped);
    tokio::pin!(running);
    let ended = loop {
        tokio::select! {
            stop = &mut running => break Some(stop?),
            _ = signals.next() => break None,
            hang_up = hang_ups.next() => match hang_up {
                HangUp::Reload => worker.reload(),
                HangUp::NoTerminal => break None,
            },
        }
    };
    if ended.is_none() {
        info!("shutting down: waiting for calls in flight; press Ctrl-C again to quit immediately");
        stopping.send_replace(true);
    }
    let draining = async {
        let stop = if let Some(stop) = ended {
            stop
        } else {
            if let Some(service) = service.as_mut() {
                service.stop_intake().await;
            }
            running.await?
        };
        let stuck = look.and_then(|look| look.status().relay.fault()).map(|fault| fault.to_string());
        if let Some(service) = service {
            service.stop().await;
        }
        Ok((Some(stop), stuck))
    };
    tokio::select! {
        stop = draining => stop,
        _ = signals.next() => Ok((None, None)),
    }
}

async fn run(
    engine: Arc<Engine>,
    ledger: Arc<dyn Store>,
    broker: Option<Look>,
    until_idle: bool,
    mut stopped: watch::Receiver<bool>,
) -> anyhow::Result<Stop> {
    loop {
        // Only who ends when nothing is left asks what came meanwhile: a database that is away for a moment ends nobody.
        let before = if until_idle { ledger.counts(None).await?.total } else { 0 };
        let mut asked = stopped.clone();
        let stop = engine.run(until_idle, async move { drop(asked.wait_for(|stopped| *stopped).await) }).await;
        if stop != Stop::Idle {
            return Ok(stop);
        }
        // Nothing is left here; the broker may have more, or want what is in the outbox.
        let unpublished = ledger.unpublished().await?;
        if tokio::time::timeout(QUIET, stopped.wait_for(|stopped| *stopped)).await.is_ok() {
            return Ok(Stop::Drained);
        }
        let nothing_came = ledger.counts(None).await?.total == before;
        let stays = ledger.unpublished().await? == unpublished;
        if nothing_came && broker.as_ref().is_none_or(|look| is_quiet(look, unpublished, stays)) {
            return Ok(Stop::Idle);
        }
    }
}

/// Whether the broker has nothing for us, and nothing of ours can go to it now.
fn is_quiet(look: &Look, unpublished: u64, stays: bool) -> bool {
    let status = look.status();
    let is_empty = unpublished == 0 && stays;
    let is_stuck = stays && status.relay.fault().is_some();
    status.intake == IntakeState::IntakeConsuming && (is_empty || is_stuck)
}
