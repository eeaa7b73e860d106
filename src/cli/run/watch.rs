//! The engine at work, and progress while it works.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::causes;
use crate::cli::context::Context;
use crate::cli::planned::Planned;
use crate::cli::progress::{Lane, Progress, Stopped};
use crate::cli::signals::{self, HangUp};
use crate::domain::job::LaneKey;
use crate::domain::time::Mono;
use crate::engine::schedule::{LaneView, View};
use crate::engine::{Engine, Stop};
use crate::operations::stop_at::{Reached, Share};
use crate::wiring::Worker;

/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Shows progress until the engine has nothing left, or was stopped: by a signal, or because too large a share failed.
pub(in crate::cli) async fn watch(
    context: &mut Context,
    worker: &Worker,
    totals: &BTreeMap<LaneKey, u64>,
    planned: &Planned,
    (signals, hang_ups): &mut (signals::Stop, signals::HangUps),
    stop_at: Option<Share>,
) -> anyhow::Result<(Stop, Option<Reached>)> {
    let engine = &worker.engine;
    let mut progress = Progress::new(&context.err, std::io::stderr().is_terminal(), context.clock.mono());
    let stopping = tokio::sync::Notify::new();
    let (mut is_stopping, mut reached) = (false, None);
    let working = engine.run(true, stopping.notified());
    let too_many = until(stop_at, engine);
    tokio::pin!(working, too_many);
    let stop = loop {
        tokio::select! {
            stop = &mut working => break stop,
            () = tokio::time::sleep(LOOK_EVERY) => {
                progress.show(&lanes(engine, totals, planned), context.clock.mono(), &mut context.err)?;
            }
            share = &mut too_many, if reached.is_none() => {
                reached = Some(share);
                stopping.notify_one();
            }
            hang_up = hang_ups.next() => match hang_up {
                HangUp::NoTerminal => stopping.notify_one(),
                HangUp::Reload => worker.reload(),
            },
            _ = signals.next() => {
                if is_stopping {
                    break Stop::Cut;
                }
                is_stopping = true;
                stopping.notify_one();
                writeln!(context.err, "shutting down: waiting for calls in flight; Ctrl-C again quits immediately")?;
            }
        }
    };
    progress.finish();
    // A signal explains the end better.
    Ok((stop, reached.filter(|_| !is_stopping)))
}

/// Waits until that share has failed; for ever without one.
async fn until(share: Option<Share>, engine: &Arc<Engine>) -> Reached {
    match share {
        Some(share) => share.reached(engine).await,
        None => std::future::pending().await,
    }
}

fn lanes(engine: &Engine, totals: &BTreeMap<LaneKey, u64>, planned: &Planned) -> Vec<Lane> {
    let view = engine.view();
    let lane = |lane: &LaneView| {
        let total = *totals.get(&*lane.key)?;
        let left = ((lane.waiting + lane.running) as u64).min(total);
        let windows = lane.usage.iter().flat_map(|usage| &usage.windows);
        Some(Lane {
            name: lane.key.to_string(),
            done: total - left,
            dead: lane.tally.dead,
            held: lane.tally.held,
            total,
            windows: windows.map(|(window, used)| (*window, u64::from(*used))).collect(),
            left: planned.left(&lane.key, left, engine.clock().now()),
            stopped: why_stopped(&view, lane, engine.clock().mono()),
        })
    };
    view.lanes.iter().filter_map(lane).collect()
}

/// What a lane waits for beside its quota.
fn why_stopped(view: &View, lane: &LaneView, now: Mono) -> Option<Stopped> {
    if lane.suspended {
        let cause = view.suspensions.iter().find(|suspension| suspension.covers(&lane.key));
        return Some(Stopped::Suspended { why: cause.map_or_else(String::new, causes::of_suspension) });
    }
    let held = lane.active_pause.as_ref()?;
    Some(Stopped::Paused { next_in: held.until.since(now), why: causes::of_pause(&held.cause) })
}
