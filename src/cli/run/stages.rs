//! The stages of a run: a few jobs first (`--canary`), then all, unless too many fail (`--stop-at`).

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::sync::Arc;

use crate::cli::ask;
use crate::cli::context::Context;
use crate::cli::jobs::{text, what};
use crate::cli::planned::Planned;
use crate::cli::signals;
use crate::cli::table::{Align, Table};
use crate::domain::job::LaneKey;
use crate::engine::ports::LedgerError;
use crate::engine::{Engine, Stop};
use crate::operations::canary::{Canary, has_succeeded};
use crate::operations::stop_at::{Reached, Share};
use crate::wiring::{self, Worker};
use paceline_ports::location::StoreUrl;
use paceline_ports::operator::JobLine;

use super::watch;

/// Canaries that are shown one by one; of more, those that did not succeed come first.
const SHOWN_MAX: usize = 20;

/// What of a batch is sent before all of it, and what stops it.
#[derive(Debug, clap::Args)]
pub(super) struct Stages {
    /// Send the first N jobs, show what came of them, and ask before the rest is sent; without a terminal stop there
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    canary: Option<u32>,
    /// Stop when this share of the jobs that ended is dead or held, e.g. 5% or 0.05; judged from 20 ended jobs on
    #[arg(long, value_name = "SHARE")]
    stop_at: Option<Share>,
}

/// What is around the engine while it works.
pub(super) struct Around<'a> {
    pub planned: &'a Planned,
    pub signals: &'a mut (signals::Stop, signals::HangUps),
    /// Whether the rest follows without a question if every canary succeeded.
    pub yes: bool,
}

/// How the work ended.
pub(super) struct Worked {
    pub stop: Stop,
    /// Why there is more to do, if neither a signal nor a suspension is the cause.
    pub early: Option<Early>,
}

/// Why a run ended before its batch.
pub(super) enum Early {
    /// Only the canaries were sent.
    Canary { succeeded: usize, sent: usize },
    /// Too many failed.
    StopAt(Reached),
}

impl fmt::Display for Early {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Canary { succeeded, sent } => {
                write!(out, "stopped after the canary: {succeeded} of {sent} jobs succeeded")
            }
            Self::StopAt(Reached { failed, ended }) => write!(
                out,
                "stopped by --stop-at: {failed} of {ended} ended jobs are dead or held ({:.1} %)",
                *failed as f64 / (*ended).max(1) as f64 * 100.0
            ),
        }
    }
}

impl Early {
    /// What a person does about it.
    pub(super) fn what_to_do(&self) -> &'static str {
        match self {
            Self::Canary { succeeded, sent } if succeeded == sent => {
                "the same command again without --canary sends the rest"
            }
            Self::Canary { .. } => {
                "correct what failed (see above); then the same command again, without --canary, sends the rest"
            }
            Self::StopAt(_) => {
                "correct what failed (see above); then the same command again sends the rest, and counts from anew"
            }
        }
    }
}

impl Stages {
    /// Puts the jobs of the first stage into their lanes: the canaries, or all.
    pub(super) async fn load(&self, engine: &Arc<Engine>, batches: &[String]) -> Result<Canary, LedgerError> {
        match self.canary {
            Some(count) => Canary::load(engine, batches, usize::try_from(count).unwrap_or(usize::MAX)).await,
            None => engine.load(Some(batches.to_vec())).await.map(|_| Canary::default()),
        }
    }

    /// Works what [`Self::load`] has loaded, and then the rest.
    pub(super) async fn work(
        &self,
        context: &mut Context,
        worker: &Worker,
        (batches, calls): (&[String], &BTreeMap<LaneKey, u64>),
        store: &StoreUrl,
        canary: Canary,
        around: &mut Around<'_>,
    ) -> anyhow::Result<Worked> {
        let engine = &worker.engine;
        if !canary.is_empty() {
            let Around { planned, signals, .. } = around;
            let (stop, _) = watch(context, worker, &canary.lanes, planned, signals, None).await?;
            let open = || async { Ok::<_, LedgerError>(engine.ledger().counts(Some(batches.to_vec())).await?.queued) };
            if stop != Stop::Idle || open().await? == 0 {
                return Ok(Worked { stop, early: None });
            }
            let lines = canary.lines(&*wiring::open_for_people(store)?)?;
            let succeeded = lines.iter().filter(|line| has_succeeded(line)).count();
            show(context, &lines)?;
            if !goes_on(context, (succeeded == lines.len(), open().await?), around).await? {
                return Ok(Worked { stop, early: Some(Early::Canary { succeeded, sent: lines.len() }) });
            }
            engine.load(Some(batches.to_vec())).await?;
        }
        let Around { planned, signals, .. } = around;
        let (stop, reached) = watch(context, worker, calls, planned, signals, self.stop_at).await?;
        Ok(Worked { stop, early: reached.map(Early::StopAt) })
    }
}

/// Whether the rest is to be sent: said beforehand, or now by a person.
async fn goes_on(
    context: &mut Context,
    (all_succeeded, rest): (bool, u64),
    around: &mut Around<'_>,
) -> anyhow::Result<bool> {
    if around.yes && all_succeeded {
        return Ok(true);
    }
    if around.yes || !ask::somebody_is_there() {
        return Ok(false);
    }
    write!(context.err, "Send the other {rest} jobs? [y/N] ")?;
    context.err.flush()?;
    let answer = tokio::select! {
        answer = answer() => answer,
        _ = around.signals.0.next() => None,
        _ = around.signals.1.next() => None,
    };
    let answer = answer.unwrap_or_default();
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// A line from the terminal. On a thread that nobody waits for: the process may end while nobody answers.
async fn answer() -> Option<String> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let read = move || {
        let mut line = String::new();
        // Nobody may wait for it any more.
        let _ = tell.send(std::io::stdin().read_line(&mut line).map(|_| line));
    };
    std::thread::Builder::new().name("answer".to_owned()).spawn(read).ok()?;
    told.await.ok()?.ok()
}

/// What came of the canaries, the failed ones first where not all are shown.
fn show(context: &mut Context, lines: &[JobLine]) -> anyhow::Result<()> {
    let mut shown: Vec<_> = lines.iter().collect();
    if shown.len() > SHOWN_MAX {
        shown.sort_by_key(|line| has_succeeded(line));
        shown.truncate(SHOWN_MAX);
    }
    let mut table = Table::new([
        ("CANARY", Align::Left),
        ("METHOD", Align::Left),
        ("STATE", Align::Left),
        ("KEY, OR WHY NOT", Align::Left),
    ]);
    for line in &shown {
        let text = |field: &str| text(&line.document, field);
        table.row([text("id"), text("method"), text("status"), what(&line.document)]);
    }
    table.write(&mut context.err)?;
    if shown.len() < lines.len() {
        writeln!(context.err, "… and {} more", lines.len() - shown.len())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::stop_at::ENDED_MIN;

    #[test]
    fn the_help_says_from_how_many_jobs_on_a_share_is_judged() {
        use clap::Args as _;
        let command = Stages::augment_args(clap::Command::new("run"));
        let help = command.get_arguments().find(|argument| argument.get_id() == "stop_at").and_then(|it| it.get_help());
        assert!(help.unwrap().to_string().contains(&format!("from {ENDED_MIN} ended jobs on")));
    }
}
